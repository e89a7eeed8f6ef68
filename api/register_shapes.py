"""What all answers of the register have in common: which version it is, and who recorded it when."""

from typing import Annotated

from fastapi import Header, Response
from pydantic import Field

from api.problems import BAD_PARAMETER, CHANGED_MEANWHILE, VERSION_NEEDED, Problem
from api.shapes import Shape
from api.times import Utc
from storage.register_asked import Recorded


class Versioned(Shape):
    version: int = Field(description="One more with every change; the ETag of the answer, and the If-Match of a change")
    recorded: Utc = Field(description="Since when it stands so")
    recorded_by: str | None = Field(description="Who wrote it; null: an import of before this was kept")


class Past(Shape):
    """One version of a thing."""

    version: int
    recorded: Utc
    recorded_by: str | None
    superseded: Utc | None = Field(description="Until when it stood so; null: it stands")
    gone: bool = Field(description="It says that the thing is registered no longer")


def past(recorded: Recorded) -> dict[str, int | str | bool | None]:
    """The fields of a Past."""
    return {
        "version": recorded.version,
        "recorded": recorded.recorded,
        "recorded_by": recorded.recorded_by or None,
        "superseded": recorded.superseded or None,
        "gone": recorded.gone,
    }


IfMatch = Annotated[
    str | None,
    Header(
        alias="If-Match",
        max_length=40,
        description='The version that is changed, as its ETag: `"3"`; `*` for whatever there is',
        examples=['"3"'],
    ),
]


def tell_version(response: Response, version: int) -> None:
    response.headers["ETag"] = f'"{version}"'


def expect_version(if_match: str | None, version: int) -> None:
    """Raises Problem: 428 where the asker did not say what it changes, 412 where that is no longer what there is."""
    if if_match is None:
        raise Problem(VERSION_NEEDED, f'Send `If-Match: "{version}"`, the version that you have seen')
    said = if_match.strip().removeprefix("W/").strip('"')
    if said == "*":
        return
    if not (said.isascii() and said.isdigit()):
        raise Problem(BAD_PARAMETER, 'header.if-match: the ETag of what is changed, such as "3"')
    if int(said) != version:
        raise Problem(CHANGED_MEANWHILE, f"It is version {version} by now; look at it again, then change that one")
