"""What belongs to a device in the register: its certificates, and the valves or detectors it is linked with."""

from typing import Annotated

from fastapi import APIRouter, Query

from access.authorize import Action, scope
from access.fields import Resource, allowed
from access.principals import Principal
from api.days import AsOf
from api.device_given import Identity
from api.device_shapes import owner_of_device
from api.installation_shapes import (
    CertificateGiven,
    Certificates,
    LinkGiven,
    Links,
    show_certificate,
    show_link,
)
from api.parts import Shared
from api.permits import Admitted, ChangesRegister, GuardedRoute, ReadsDevices
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import CHANGE, change, changing
from api.seen import Eyes, owner_of
from api.shapes import DeviceId
from devices.register import Certificate, LinkFacts
from devices.sites import Link
from storage import devices as registered
from storage import installations as papers
from storage.database import Connection
from storage.registry_rows import Leaves

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices/{vendor}/{serial}", tags=["register"])

_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.get("/certificates", operation_id="list_certificates", responses=_ONE)
async def list_certificates(
    parts: Shared, who: ReadsDevices, subject: Admitted, vendor: DeviceId, serial: DeviceId, as_of: AsOf = None
) -> Certificates:
    """Its own certificates and those of its model."""
    async with parts.database(who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        found = await papers.certificates(connection, identity, as_of_us=as_of)
    return Certificates(certificates=[show_certificate(one) for one in found])


@router.post("/certificates", operation_id="put_certificate", responses=CHANGE)
async def put_certificate(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    body: CertificateGiven,
) -> Certificates:
    """Add a certificate of this one device, or change it by its scheme and number. A number that looks wrong is taken,
    and said to be odd."""
    async with changing(parts, who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        given = Certificate(
            body.scheme,
            body.number,
            identity,
            issuer=body.issuer,
            issued=body.issued or "",
            expires=body.expires or "",
        )
        await change(parts, connection, who, given)
        found = await papers.certificates(connection, identity)
    return Certificates(certificates=[show_certificate(one) for one in found])


@router.delete("/certificates", operation_id="remove_certificate", responses=CHANGE, status_code=204)
async def remove_certificate(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    scheme: Annotated[str, Query(max_length=50)],
    number: Annotated[str, Query(max_length=100)],
) -> None:
    """Take a certificate of this one device away; its past stays."""
    async with changing(parts, who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        found = await papers.certificates(connection, identity)
        named = {(one.certificate.scheme, one.certificate.number) for one in found if one.certificate.identity}
        if (scheme, number) not in named:
            raise Problem(NOT_FOUND, f"there is no such certificate of {identity}")
        await change(parts, connection, who, Leaves("certificate", f"{scheme} / {number}"))


@router.get("/links", operation_id="list_links", responses=_ONE)
async def list_links(
    parts: Shared, who: ReadsDevices, subject: Admitted, vendor: DeviceId, serial: DeviceId, as_of: AsOf = None
) -> Links:
    """The links of detector and valve that it stands in, with since when. Empty for who may not see what it closes."""
    fields = allowed(Eyes(who, Action.READ_DEVICES).role(owner_of(subject)), Resource.DEVICE)
    if fields is not None and "closes" not in fields:
        return Links(links=[])
    async with parts.database(who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        found = await papers.links_of(connection, identity, as_of_us=as_of)
    return Links(links=[show_link(one) for one in found])


@router.post("/links", operation_id="put_link", responses=CHANGE)
async def put_link(
    parts: Shared, who: ChangesRegister, subject: Admitted, vendor: DeviceId, serial: DeviceId, body: LinkGiven
) -> Links:
    """From now on an alarm at this detector closes that valve."""
    async with changing(parts, who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        await _own_valve(connection, who, body.valve)
        facts = LinkFacts(identity, body.valve, body.since or "", body.installer)
        await change(parts, connection, who, Link(identity, body.valve), facts)
        found = await papers.links_of(connection, identity)
    return Links(links=[show_link(one) for one in found])


@router.delete("/links", operation_id="remove_link", responses=CHANGE, status_code=204)
async def remove_link(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    valve: Annotated[Identity, Query(description="vendor/serial")],
) -> None:
    """An alarm at this detector closes that valve no longer."""
    async with changing(parts, who, owner_of(subject)) as connection:
        identity = await _registered(connection, vendor, serial)
        found = await papers.links_of(connection, identity)
        if (identity, valve) not in {(one.link.detector, one.link.valve) for one in found}:
            raise Problem(NOT_FOUND, f"there is no link from {identity} to {valve}")
        await change(parts, connection, who, Leaves("link", f"{identity} -> {valve}"))


async def _registered(connection: Connection, vendor: str, serial: str) -> str:
    identity = f"{vendor}/{serial}"
    found = await registered.device(connection, identity)
    if found is None or found.recorded.gone:
        raise Problem(NOT_FOUND, f"there is no device {identity}")
    return identity


async def _own_valve(connection: Connection, who: Principal, identity: str) -> None:
    """Nobody's alarm closes a stranger's valve."""
    found = await registered.device(connection, identity)
    admitted = scope(who, Action.CHANGE_REGISTER)
    if found is None or found.recorded.gone or not admitted.admits(owner_of_device(found)):
        raise Problem(NOT_FOUND, f"there is no device {identity}")
