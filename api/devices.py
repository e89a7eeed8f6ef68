"""Devices as they are registered."""

from fastapi import APIRouter, Response

from access.authorize import Action, scope
from api.chosen import Fields, chosen, only
from api.days import AsOf
from api.device_query import DevicesNarrowed
from api.device_shapes import Device, DeviceInFull, Devices, show_device, show_in_full
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import GuardedRoute, ReadsDevices
from api.problems import BAD_PARAMETER, DATABASE_PROBLEMS, NOT_FOUND, NOT_SIGNED_IN, Problem, problem_answers
from api.register_shapes import tell_version
from api.shapes import DeviceId
from storage import devices as registered

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["devices"])

_PAGE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


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
    wanted = chosen(fields, Device, "device")
    async with parts.database(who) as connection:
        page = await registered.devices(
            connection,
            limit=limit + 1,
            after=after[0] if after else 0,
            asked=asked,
            within=scope(who, Action.READ_DEVICES),
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Devices(
        devices=[only(show_device(device), wanted) for device in shown],
        next=encode_cursor((shown[-1].device_no,)) if len(page) > limit else None,
    )


@router.get("/{vendor}/{serial}", operation_id="get_device", responses=_ONE, response_model_exclude_unset=True)
async def get_device(
    parts: Shared,
    who: ReadsDevices,
    response: Response,
    vendor: DeviceId,
    serial: DeviceId,
    as_of: AsOf = None,
    fields: Fields = None,
) -> DeviceInFull:
    """One device, its site, its model, where it stands on a bus, and the valves that an alarm at it closes."""
    wanted = chosen(fields, DeviceInFull, "device")
    async with parts.database(who) as connection:
        device = await registered.device(connection, f"{vendor}/{serial}", as_of_us=as_of)
        if device is None or device.recorded.gone:
            raise Problem(NOT_FOUND, f"no device {vendor}/{serial}")
        facts = await registered.model_facts(connection, device.model)
        closes = await registered.valves_of(connection, device.identity)
    tell_version(response, device.recorded.version)
    return only(show_in_full(device, facts, closes), wanted)
