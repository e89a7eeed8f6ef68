"""Installations, certificates and links as they are shown, and as they are asked to be."""

from typing import Annotated

from pydantic import Field, StringConstraints

from api.days import Day, DayAsked
from api.device_given import Identity
from api.shapes import Asked, Page, Reason, Shape, example
from api.site_shapes import Key, Words
from api.times import Utc
from devices.identifiers import certificate_oddity
from storage.installations import RegisteredCertificate, RegisteredInstallation, RegisteredLink

References = Annotated[list[Annotated[str, StringConstraints(min_length=1, max_length=500)]], Field(max_length=50)]


class InstallationShown(Shape):
    """A device at a site from a day to a day. What the asker may not see is null."""

    installation: str = Field(description="Its key: the work order")
    device: str = Field(description="vendor/serial")
    site: str | None
    since: Day
    until: Day | None = Field(description="The first day on which it was there no longer; null: it is there")
    installer: str | None = Field(description="Key of the enterprise that did it")
    mounting: str | None
    evidence: list[str] | None = Field(description="Where the evidence is: photographs, the signed order")
    gas_on_check: Day | None = Field(description="The day it was seen working in the gas-on acceptance")
    inspected: Day | None = Field(description="The last day somebody was there and saw it work")
    replaces: str | None = Field(description="vendor/serial of the device that it took the place of")
    reason: str | None
    ended_because: str | None
    version: int
    recorded: Utc
    recorded_by: str | None


class Installations(Page):
    installations: list[InstallationShown]


class Install(
    Asked,
    json_schema_extra=example(
        installation="WO-2026-118",
        device="acme/d2",
        site="w-1001",
        since="2026-11-20",
        installer="wulong-fitters",
        evidence=["photos/WO-2026-118/1.jpg"],
        replaces="acme/d1",
        reason="end of life",
    ),
):
    """Put a registered device up at a site, or in another's place."""

    installation: Key
    device: Identity
    site: Key
    since: DayAsked
    installer: Words = ""
    mounting: Words = ""
    evidence: References = Field(default_factory=list)
    gas_on_check: DayAsked | None = None
    replaces: Identity | None = Field(default=None, description="It leaves the register; its links go to this one")
    reason: Words = ""


class InstallationChange(Asked, json_schema_extra=example(inspected="2026-11-20", evidence=["photos/1.jpg"])):
    """What is not named stays as it is; null: not known."""

    mounting: Words | None = None
    evidence: References | None = None
    gas_on_check: DayAsked | None = None
    inspected: DayAsked | None = None


class TakeDown(Asked, json_schema_extra=example(until="2026-11-20", reason="the kitchen was given up")):
    until: DayAsked
    reason: Reason


class CertificateShown(Shape):
    scheme: str = Field(description="CCC, CPA, Ex, fire, ...")
    number: str
    device: str | None = Field(description="Of this one device; null: of its model")
    model: str | None
    issuer: str | None
    issued: Day | None
    expires: Day | None
    oddity: str | None = Field(description="What is probably wrong with its number; nothing is refused for it")
    version: int
    recorded: Utc


class Certificates(Shape):
    certificates: list[CertificateShown]


class CertificateGiven(
    Asked, json_schema_extra=example(scheme="CCC", number="2016010901123456", issuer="CCCF", expires="2028-01-31")
):
    scheme: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=50)]
    number: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100)]
    issuer: Words = ""
    issued: DayAsked | None = None
    expires: DayAsked | None = None


class LinkShown(Shape):
    """An alarm at the detector closes the valve."""

    detector: str
    valve: str
    since: Day | None = Field(description="The day they were wired or paired on site")
    installer: str | None
    version: int
    recorded: Utc


class Links(Shape):
    links: list[LinkShown]


class LinkGiven(Asked, json_schema_extra=example(valve="acme/v1", since="2026-11-20", installer="wulong-fitters")):
    """An alarm at this device shall close `valve`."""

    valve: Identity
    since: DayAsked | None = None
    installer: Words = ""


def show_installation(found: RegisteredInstallation) -> InstallationShown:
    one, recorded = found.installation, found.recorded
    return InstallationShown(
        installation=one.key,
        device=one.identity,
        site=one.site,
        since=one.since,
        until=one.until or None,
        installer=one.installer or None,
        mounting=one.mounting or None,
        evidence=list(one.evidence),
        gas_on_check=one.gas_on_check or None,
        inspected=one.inspected or None,
        replaces=one.replaces or None,
        reason=one.reason or None,
        ended_because=one.ended_because or None,
        version=recorded.version,
        recorded=recorded.recorded,
        recorded_by=recorded.recorded_by or None,
    )


def show_certificate(found: RegisteredCertificate) -> CertificateShown:
    one = found.certificate
    return CertificateShown(
        scheme=one.scheme,
        number=one.number,
        device=one.identity or None,
        model=one.model or None,
        issuer=one.issuer or None,
        issued=one.issued or None,
        expires=one.expires or None,
        oddity=certificate_oddity(one.scheme, one.number) or None,
        version=found.recorded.version,
        recorded=found.recorded.recorded,
    )


def show_link(found: RegisteredLink) -> LinkShown:
    return LinkShown(
        detector=found.link.detector,
        valve=found.link.valve,
        since=found.link.since or None,
        installer=found.link.installer or None,
        version=found.recorded.version,
        recorded=found.recorded.recorded,
    )
