"""Sites as they are shown, and as they are asked to be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.days import Day, DayAsked
from api.register_shapes import Past, laid
from api.shapes import Asked, Page, Shape, example
from api.times import Utc
from devices.register import GasSupply, Neighbourhood, SiteFacts
from devices.sites import Site
from storage.sites import RegisteredSite

Key = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500)]
Code = Annotated[str, StringConstraints(pattern=r"^([0-9]{6}([0-9]{3}){0,2})?$")]


class SiteShown(Shape):
    """A site: a home or a unit where gas is used. What the asker may not see is null."""

    site: str = Field(description="Its key")
    name: str | None
    address: str | None
    area: str | None = Field(description="A code of GB/T 2260, or of the statistics (9 or 12 digits)")
    enterprise: str | None = Field(description="Key of its gas company")
    manager: str | None = Field(description="Key of its property manager")
    building: str | None
    riser: str | None = Field(description="The vertical pipe it hangs on, as named within its building")
    site_class: str | None = Field(description="`household`, or a unit user's trade: catering, school, ...")
    timezone: str | None
    simulated: bool | None
    tags: list[str] | None
    department: str | None = Field(description="The department that supervises it")
    neighbourhood: Neighbourhood | None
    hardship: str | None = Field(description="The list of hardship that it stands on")
    funding: str | None = Field(description="Who pays for its device")
    building_height_m: float | None
    gas_supply: GasSupply | None
    gas_on: Day | None = Field(description="The day the gas was turned on")
    version: int = Field(description="One more with every change; the ETag, and the If-Match of a change")
    recorded: Utc = Field(description="Since when it stands so")
    recorded_by: str | None


class Sites(Page):
    sites: list[SiteShown]


class PastSite(Past):
    site: SiteShown


class SiteHistory(Page):
    versions: list[PastSite]


class SiteChange(Asked, json_schema_extra=example(building="3", riser="2", neighbourhood="old", gas_on="2019-05-01")):
    """What is not named stays as it is; null: not known, or none."""

    name: Words | None = None
    address: Words | None = None
    area: Code | None = None
    enterprise: Words | None = None
    manager: Words | None = None
    building: Words | None = None
    riser: Words | None = None
    site_class: Words | None = None
    timezone: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    simulated: bool | None = None
    tags: list[Words] | None = Field(default=None, max_length=50)
    department: Words | None = None
    neighbourhood: Neighbourhood | None = None
    hardship: Words | None = None
    funding: Words | None = None
    building_height_m: float | None = Field(default=None, gt=0, le=1_000)
    gas_supply: GasSupply | None = None
    gas_on: DayAsked | None = None


class SiteGiven(SiteChange, json_schema_extra=example(site="w-1001", enterprise="wulong-gas", area="500156")):
    site: Key


class SitesGiven(Asked, json_schema_extra=example(sites=[{"site": "w-1001", "enterprise": "wulong-gas"}])):
    sites: list[SiteGiven] = Field(min_length=1, max_length=1_000)


def rows_of(given: SiteChange, site: Site, facts: SiteFacts) -> tuple[Site, SiteFacts]:
    """What was, with what is said laid over it."""
    said = {name: getattr(given, name) for name in given.model_fields_set - {"site"}}
    return laid(site, said), laid(facts, said)


def show_site(found: RegisteredSite) -> SiteShown:
    site, facts, recorded = found.site, found.facts, found.recorded
    return SiteShown(
        site=site.key,
        name=site.name or None,
        address=site.address or None,
        area=site.area or None,
        enterprise=site.enterprise or None,
        manager=site.manager or None,
        building=site.building or None,
        riser=site.riser or None,
        site_class=site.site_class or None,
        timezone=site.timezone,
        simulated=site.simulated,
        tags=list(site.tags),
        department=facts.department or None,
        neighbourhood=facts.neighbourhood or None,
        hardship=facts.hardship or None,
        funding=facts.funding or None,
        building_height_m=facts.building_height_m,
        gas_supply=facts.gas_supply or None,
        gas_on=facts.gas_on or None,
        version=recorded.version,
        recorded=recorded.recorded,
        recorded_by=recorded.recorded_by or None,
    )


def show_past_site(found: RegisteredSite, shown: SiteShown) -> PastSite:
    return PastSite(superseded=found.recorded.superseded or None, gone=found.recorded.gone, site=shown)
