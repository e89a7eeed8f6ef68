"""Devices put into the register, changed and taken out of it; and everything that was ever recorded of one."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from access.authorize import Action
from access.fields import Resource
from access.ownership import Owner
from access.principals import Principal
from api.device_given import DeviceChange, DevicesGiven, device_rows
from api.device_shapes import Device, DeviceHistory, PastDevice, owner_of_device, show_device
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
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
from api.register_changes import BULK, CHANGE, Outcome, apply, change, changing, must_be_own, show_outcome
from api.register_shapes import IfMatch, expect_version, tell_version
from api.seen import Eyes, owner_of
from api.shapes import DeviceId
from devices.register import DeviceFacts
from storage import devices as registered
from storage import sites
from storage.database import Connection
from storage.devices import RegisteredDevice
from storage.registry_rows import DeviceGiven, Given, Leaves

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["register"])

_HISTORY = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.post("", operation_id="put_devices", responses=BULK)
async def put_devices(
    parts: Shared,
    who: ChangesRegister,
    body: DevicesGiven,
    dry_run: Annotated[bool, Query(description="Say what would become of each row, and do nothing")] = False,
) -> Outcome:
    """Add devices, or change those whose names are known: what is not named of them stays. With a refused row nothing
    is done. A new device has no token yet."""
    async with changing(parts, who) as connection:
        rows: list[Given] = []
        for given in body.devices:
            before = await registered.device(connection, f"{given.vendor}/{given.serial}")
            if before is not None and before.recorded.gone:
                before = None
            rows += await _owned(connection, who, *device_rows(given, given.vendor, given.serial, before))
        return show_outcome(await apply(parts, connection, who, rows, dry_run=dry_run))


@router.patch("/{vendor}/{serial}", operation_id="change_device", responses=CHANGE)
async def change_device(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    response: Response,
    vendor: DeviceId,
    serial: DeviceId,
    body: DeviceChange,
    if_match: IfMatch = None,
) -> Device:
    """Change what is named of a device, if it is still the version that was seen."""
    identity = f"{vendor}/{serial}"
    async with changing(parts, who, owner_of(subject)) as connection:
        before = await _found(connection, identity)
        expect_version(if_match, before.recorded.version)
        rows = await _owned(connection, who, *device_rows(body, vendor, serial, before))
        await change(parts, connection, who, *rows)
        found = await _found(connection, identity)
    tell_version(response, found.recorded.version)
    return show_device(found)


@router.delete("/{vendor}/{serial}", operation_id="remove_device", responses=CHANGE, status_code=204)
async def remove_device(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    if_match: IfMatch = None,
) -> None:
    """It is registered no longer, and its token with it: it is disconnected at once. Its number stays its own, and its
    readings and its past stay."""
    async with changing(parts, who, owner_of(subject)) as connection:
        before = await _found(connection, f"{vendor}/{serial}")
        expect_version(if_match, before.recorded.version)
        await change(parts, connection, who, Leaves("device", before.identity))


@router.get("/{vendor}/{serial}/history", operation_id="get_device_history", responses=_HISTORY)
async def get_device_history(
    parts: Shared,
    who: ReadsDevices,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> DeviceHistory:
    """Everything that was ever recorded of a device, newest first: where it was, whose, and who wrote it."""
    before, eyes = decode_cursor(cursor, tuple[int]), Eyes(who, Action.READ_DEVICES)
    async with parts.database(who, owner_of(subject)) as connection:
        found = await registered.device_versions(
            connection, f"{vendor}/{serial}", limit=limit + 1, before=before[0] if before else 0
        )
    shown = found[:limit]
    return DeviceHistory(
        versions=[
            PastDevice(
                superseded=one.recorded.superseded or None,
                gone=one.recorded.gone,
                device=eyes.see(Resource.DEVICE, owner_of_device(one), show_device(one)),
            )
            for one in shown
            if eyes.admit(owner_of_device(one))
        ],
        next=encode_cursor((shown[-1].recorded.version,)) if len(found) > limit else None,
    )


async def _owned(
    connection: Connection, who: Principal, device: DeviceGiven, facts: DeviceFacts
) -> tuple[Given, Given]:
    """The rows, once it is seen that the site they name is the asker's."""
    site = await sites.site(connection, device.site)
    if site is not None:
        of = site.site
        must_be_own(who, Action.CHANGE_REGISTER, Owner(of.key, of.enterprise, of.manager, of.area, device.vendor))
    return device, facts


async def _found(connection: Connection, identity: str) -> RegisteredDevice:
    found = await registered.device(connection, identity)
    if found is None or found.recorded.gone:
        raise Problem(NOT_FOUND, f"there is no device {identity}")
    return found
