"""Devices as they are registered."""

from typing import Annotated

from fastapi import APIRouter, Query

from api.device_shapes import DeviceInFull, Devices, show_device, show_in_full
from api.pages import MOST_ROWS, USUAL_ROWS, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import GuardedRoute, ReadsDevices
from api.problems import BAD_PARAMETER, DATABASE_PROBLEMS, NOT_FOUND, NOT_SIGNED_IN, Problem, problem_answers
from api.shapes import DeviceId
from devices.models import DeviceKind
from storage import devices as registered

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["devices"])

_PAGE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.get("", operation_id="list_devices", responses=_PAGE)
async def list_devices(
    parts: Shared,
    who: ReadsDevices,
    site: Annotated[str | None, Query(max_length=200)] = None,
    kind: Annotated[DeviceKind | None, Query()] = None,
    cursor: Annotated[str | None, Query(max_length=200, description="`next` of the page before")] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most")] = USUAL_ROWS,
) -> Devices:
    """Devices in the order in which they were registered."""
    after = decode_cursor(cursor, tuple[int])
    async with parts.database(who) as connection:
        page = await registered.devices(
            connection, limit=limit + 1, after=after[0] if after else 0, site=site, kind=kind
        )
    shown = page[:limit]
    return Devices(
        devices=[show_device(device) for device in shown],
        next=encode_cursor((shown[-1].device_no,)) if len(page) > limit else None,
    )


@router.get("/{vendor}/{serial}", operation_id="get_device", responses=_ONE)
async def get_device(parts: Shared, who: ReadsDevices, vendor: DeviceId, serial: DeviceId) -> DeviceInFull:
    """One device, its site, its model, where it stands on a bus, and the valves that an alarm at it closes."""
    async with parts.database(who) as connection:
        device = await registered.device(connection, f"{vendor}/{serial}")
        if device is None:
            raise Problem(NOT_FOUND, f"no device {vendor}/{serial}")
        facts = await registered.model_facts(connection, device.model)
        closes = await registered.valves_of(connection, device.identity)
    return show_in_full(device, facts, closes)
