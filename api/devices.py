"""Devices as they are registered."""

from typing import TypeVar

from fastapi import APIRouter, Response

from access.authorize import Action
from access.fields import Resource
from api.chosen import Fields, chosen, only
from api.days import AsOf
from api.device_query import DevicesNarrowed
from api.device_shapes import Device, DeviceInFull, Devices, owner_of_device, show_device, show_in_full
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import Admitted, GuardedRoute, ReadsDevices
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_shapes import tell_version
from api.seen import Eyes, owner_of
from api.shapes import DeviceId
from storage import devices as registered
from storage.devices import RegisteredDevice

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["devices"])

DeviceT = TypeVar("DeviceT", bound=Device)

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.get("", operation_id="list_devices", responses=_PAGE, response_model_exclude_unset=True)
async def list_devices(
    parts: Shared,
    who: ReadsDevices,
    asked: DevicesNarrowed,
    as_of: AsOf = None,
    fields: Fields = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Devices:
    """Devices in the order in which they were registered."""
    after = decode_cursor(cursor, tuple[int])
    wanted, eyes = chosen(fields, Device, "device"), Eyes(who, Action.READ_DEVICES)
    async with parts.database(who) as connection:
        page = await registered.devices(
            connection,
            limit=limit + 1,
            after=after[0] if after else 0,
            asked=asked,
            within=eyes.scope,
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Devices(
        devices=[only(_seen(eyes, device, show_device(device)), wanted) for device in shown],
        next=encode_cursor((shown[-1].device_no,)) if len(page) > limit else None,
    )


@router.get("/{vendor}/{serial}", operation_id="get_device", responses=_ONE, response_model_exclude_unset=True)
async def get_device(
    parts: Shared,
    who: ReadsDevices,
    subject: Admitted,
    response: Response,
    vendor: DeviceId,
    serial: DeviceId,
    as_of: AsOf = None,
    fields: Fields = None,
) -> DeviceInFull:
    """One device, its site, its model, where it stands on a bus, and the valves that an alarm at it closes."""
    wanted, eyes = chosen(fields, DeviceInFull, "device"), Eyes(who, Action.READ_DEVICES)
    async with parts.database(who, owner_of(subject)) as connection:
        device = await registered.device(connection, f"{vendor}/{serial}", as_of_us=as_of)
        if device is None or device.recorded.gone or not eyes.admit(owner_of_device(device)):
            raise Problem(NOT_FOUND, f"no device {vendor}/{serial}")
        facts = await registered.model_facts(connection, device.model)
        closes = await registered.valves_of(connection, device.identity)
    tell_version(response, device.recorded.version)
    return only(_seen(eyes, device, show_in_full(device, facts, closes)), wanted)


def _seen(eyes: Eyes, device: RegisteredDevice, shown: DeviceT) -> DeviceT:
    return eyes.see(Resource.DEVICE, owner_of_device(device), shown)
