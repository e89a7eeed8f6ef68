"""Devices that are being worked on."""

from fastapi import APIRouter

from access.principals import Principal
from api.alarm_shapes import Instructed
from api.device_shapes import OutOfServiceRequest
from api.instructions import IdempotencyKey, Verb, instruct
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReturnsToService, TakesOutOfService
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CHANGE_PROBLEMS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    REFUSED,
    Problem,
    problem_answers,
)
from api.shapes import DeviceId
from rules.instructions import ReturnToService, TakeOutOfService

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["devices"])

_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.post("/{vendor}/{serial}/take-out-of-service", operation_id="take_out_of_service", responses=_INSTRUCTION)
async def take_out_of_service(
    parts: Shared,
    who: TakesOutOfService,
    vendor: DeviceId,
    serial: DeviceId,
    body: OutOfServiceRequest,
    key: IdempotencyKey = None,
) -> Instructed:
    """A device is being worked on: its alarms are tracked and shown apart, and close nothing, save its own high alarm
    bit, which always does."""
    identity = f"{vendor}/{serial}"
    no = await device_no(parts, who, identity)
    return await instruct(
        parts,
        who,
        Verb.TAKE_OUT_OF_SERVICE,
        identity,
        key,
        lambda id_: TakeOutOfService(
            at=0, id=id_, by=who.name, device_no=no, until=body.until or 0, reason=body.reason
        ),
    )


@router.post("/{vendor}/{serial}/return-to-service", operation_id="return_to_service", responses=_INSTRUCTION)
async def return_to_service(
    parts: Shared, who: ReturnsToService, vendor: DeviceId, serial: DeviceId, key: IdempotencyKey = None
) -> Instructed:
    """The work is done."""
    identity = f"{vendor}/{serial}"
    no = await device_no(parts, who, identity)
    return await instruct(
        parts,
        who,
        Verb.RETURN_TO_SERVICE,
        identity,
        key,
        lambda id_: ReturnToService(at=0, id=id_, by=who.name, device_no=no),
    )


async def device_no(parts: Parts, who: Principal, identity: str) -> int:
    """The number of a device, as the engine knows it. Raises Problem (404); EngineAway."""
    found = await parts.live(who).device(identity)
    if not found.device_no:
        raise Problem(NOT_FOUND, f"no device {identity}")
    return found.device_no
