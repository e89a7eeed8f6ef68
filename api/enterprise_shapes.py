"""Enterprises as they are shown, and as they are asked to be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from access.enterprises import EnterpriseKind
from api.register_shapes import Past
from api.shapes import Asked, Page, Shape, example
from api.site_shapes import Code, Key, Words
from api.times import Utc
from devices.identifiers import uscc_oddity
from storage.enterprises import RegisteredEnterprise

VendorWord = Annotated[str, StringConstraints(pattern="^[A-Za-z0-9_-]{0,64}$")]


class EnterpriseShown(Shape):
    """A party: a gas company, a vendor, an installer, a property manager, a regulator."""

    enterprise: str = Field(description="Its key, which never changes")
    kind: EnterpriseKind
    name: str | None
    name_en: str | None
    uscc: str | None = Field(description="Unified social credit code, GB 32100")
    vendor: str | None = Field(description="Of a vendor: the first word of its devices' names")
    area: str | None = Field(description="What a regulator supervises, or where a gas company supplies")
    contact: str | None = Field(description="Of the office, not of a person")
    oddities: list[str] = Field(description="What is probably wrong with its numbers; nothing is refused for it")
    version: int = Field(description="One more with every change; the ETag")
    recorded: Utc
    recorded_by: str | None


class Enterprises(Page):
    enterprises: list[EnterpriseShown]


class PastEnterprise(Past):
    enterprise: EnterpriseShown


class EnterpriseHistory(Page):
    versions: list[PastEnterprise]


class EnterpriseChange(Asked, json_schema_extra=example(name="武隆燃气", name_en="Wulong Gas", area="500156")):
    """What is not named stays as it is; null: not known, or none."""

    name: Words | None = None
    name_en: Words | None = None
    uscc: Words | None = None
    vendor: VendorWord | None = None
    area: Code | None = None
    contact: Words | None = None


class EnterpriseGiven(EnterpriseChange, json_schema_extra=example(enterprise="wulong-gas", kind="gas_company")):
    enterprise: Key
    kind: EnterpriseKind


class EnterprisesGiven(
    Asked, json_schema_extra=example(enterprises=[{"enterprise": "wulong-gas", "kind": "gas_company"}])
):
    enterprises: list[EnterpriseGiven] = Field(min_length=1, max_length=1_000)


def show_enterprise(found: RegisteredEnterprise) -> EnterpriseShown:
    one, recorded = found.enterprise, found.recorded
    oddity = uscc_oddity(one.uscc) if one.uscc else ""
    return EnterpriseShown(
        enterprise=one.key,
        kind=one.kind,
        name=one.name or None,
        name_en=one.name_en or None,
        uscc=one.uscc or None,
        vendor=one.vendor or None,
        area=one.area or None,
        contact=one.contact or None,
        oddities=[f"uscc: {oddity}"] if oddity else [],
        version=recorded.version,
        recorded=recorded.recorded,
        recorded_by=recorded.recorded_by or None,
    )
