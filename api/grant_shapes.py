"""Grants as they are shown, and as they are asked for."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.shapes import Asked, Page, Reason, Shape, example
from api.site_shapes import Code, Key
from api.times import Utc, UtcParameter
from storage.grants import Grant

GrantKey = Annotated[str, StringConstraints(pattern="^[A-Z2-7]{20}$")]
#: A code of GB/T 2260 has six digits at least; a grant keeps what they begin with (devices/areas.py, A1).
_DIGITS = 6


class GrantAsked(
    Asked,
    json_schema_extra=example(
        receiver="wulong-bureau",
        fields={"alarms": ["alarm", "rule", "priority", "state", "area", "raised"], "devices": ["device", "model"]},
        area="500156",
        purpose="supervision by the district, agreement 2026-17",
    ),
):
    """What another party may see of one's own. What is not named is not shared."""

    receiver: Key = Field(description="Key of the party that is to see it")
    fields: dict[str, list[str]] = Field(
        min_length=1, max_length=10, description="Field by field, by resource: alarms, commands, devices, readings"
    )
    area: Code | None = Field(default=None, description="Only what lies in this area; null: everywhere")
    begins: UtcParameter | None = Field(default=None, description="What was before is not shared; null: now")
    ends: UtcParameter | None = Field(default=None, description="Null: until one of the two ends it")
    purpose: Reason = Field(description="What for; it stays in the record of both")


class GrantShown(Shape):
    """What one party lets another see."""

    grant: str
    grantor: str
    receiver: str
    fields: dict[str, list[str]]
    area: str | None = Field(description="Null: everywhere")
    begins: Utc
    ends: Utc | None
    purpose: str
    made: Utc
    accepted: Utc | None = Field(description="Null: the receiver has not accepted it, and sees nothing")
    ended: Utc | None = Field(description="For good")
    counts: bool = Field(description="Whether the receiver sees something by it now")


class GrantsShown(Page):
    grants: list[GrantShown]


def show_grant(one: Grant, now_us: int) -> GrantShown:
    return GrantShown(
        grant=one.key,
        grantor=one.grantor,
        receiver=one.receiver,
        fields={name: list(named) for name, named in one.fields.items()},
        area=one.area.ljust(_DIGITS, "0") if one.area else None,
        begins=one.begins,
        ends=one.ends,
        purpose=one.purpose,
        made=one.made,
        accepted=one.accepted,
        ended=one.ended,
        counts=one.counts_at(now_us),
    )
