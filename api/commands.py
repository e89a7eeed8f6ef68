"""Closing valves, and what became of it. There is no route that opens one (G6)."""

from fastapi import APIRouter, Response

from access.authorize import Action
from access.fields import Resource
from api.alarm_shapes import Instructed
from api.command_shapes import CancelRequest, CloseAccepted, CloseRequest, Command, show_command
from api.instructions import IdempotencyKey, Verb, instruct
from api.parts import Shared
from api.permits import Admitted, CancelsCloses, ClosesValves, GuardedRoute, ReadsCommands
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CHANGE_PROBLEMS,
    DATABASE_PROBLEMS,
    ENGINE_AWAY,
    NOT_FOUND,
    NOT_SIGNED_IN,
    REFUSED,
    Problem,
    problem_answers,
)
from api.seen import Eyes, owner_of
from api.shapes import DecisionId, DeviceId, Source
from engine.client import EngineAway
from rules.instructions import CancelClose, CloseValve
from storage import commands as stored

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["commands"])

_READ = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, ENGINE_AWAY, *DATABASE_PROBLEMS)
_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.post("/devices/{vendor}/{serial}/close", operation_id="close_valve", status_code=202, responses=_INSTRUCTION)
async def close_valve(
    parts: Shared,
    who: ClosesValves,
    vendor: DeviceId,
    serial: DeviceId,
    body: CloseRequest,
    response: Response,
    key: IdempotencyKey = None,
) -> CloseAccepted:
    """Want a shut-off valve closed. 202: committed, attempts have begun and go on until the valve is seen closed; read
    `/v1/commands/{wanted}`. Works with PostgreSQL down."""
    identity = f"{vendor}/{serial}"
    found = await parts.live(who).device(identity)
    if not found.device_no:
        raise Problem(NOT_FOUND, f"no device {identity}")
    answer = await instruct(
        parts,
        who,
        Verb.CLOSE,
        identity,
        key,
        lambda id_: CloseValve(at=0, id=id_, by=who.name, device_no=found.device_no, reason=body.reason),
    )
    response.headers["Location"] = f"/v1/commands/{answer.subject}"
    return CloseAccepted(instruction=answer.instruction, wanted=answer.subject)


@router.get("/commands/{wanted}", operation_id="get_command", responses=_READ)
async def get_command(parts: Shared, who: ReadsCommands, subject: Admitted, wanted: DecisionId) -> Command:
    """A wanted position with every attempt and its time-stamped steps: from the engine, or, when that does not keep it
    any more or is away, from the database."""
    engine_away: EngineAway | None = None
    owner, eyes = owner_of(subject), Eyes(who, Action.READ_COMMANDS)
    try:
        live = await parts.live(who).wanted(wanted)
    except EngineAway as away:
        live, engine_away = None, away
    if live is not None:
        return eyes.see(Resource.COMMAND, owner, show_command(live, Source.ENGINE))
    async with parts.database(who, owner) as connection:
        view = await stored.wanted(connection, wanted)
    if view is None:
        raise engine_away or Problem(NOT_FOUND, f"no command {wanted}")
    return eyes.see(Resource.COMMAND, owner, show_command(view, Source.DATABASE))


@router.post("/commands/{wanted}/cancel", operation_id="cancel_close", responses=_INSTRUCTION)
async def cancel_close(
    parts: Shared, who: CancelsCloses, wanted: DecisionId, body: CancelRequest, key: IdempotencyKey = None
) -> Instructed:
    """End the attempts to close a valve, in your name. Opens nothing."""
    live = parts.live(who)
    if not live.sees_everything and await live.wanted(wanted) is None:
        raise Problem(NOT_FOUND, f"no command {wanted} is under way")
    try:
        return await instruct(
            parts,
            who,
            Verb.CANCEL,
            wanted,
            key,
            lambda id_: CancelClose(at=0, id=id_, by=who.name, wanted=wanted, reason=body.reason),
        )
    except Problem as refused:
        if refused.kind is REFUSED and await live.wanted(wanted) is None:
            raise Problem(NOT_FOUND, f"no command {wanted} is under way: {refused.detail}") from refused
        raise
