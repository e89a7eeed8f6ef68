"""Permits to open a valve on site: two people, and a third word from the place. No route opens a valve (G6)."""

from fastapi import APIRouter, Response

from access.authorize import Action, scope
from api.alarm_shapes import Instructed
from api.instructions import IdempotencyKey, Verb, instruct, instruct_about
from api.pages import USUAL_ROWS, Cursor, From, Limit, To, decode_cursor, live_page, stored_page, time_range
from api.parts import Shared
from api.permits import (
    Admitted,
    ApprovesPermits,
    CompletesPermits,
    GuardedRoute,
    ReadsPermits,
    RequestsPermits,
    WithdrawsPermits,
)
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
from api.service import device_no
from api.shapes import DecisionId, DeviceId, Source
from api.valve_permit_shapes import (
    CompletionRequest,
    PastValvePermits,
    PermitRequest,
    ValvePermitInFull,
    ValvePermits,
    WithdrawalRequest,
    show_permit,
    show_permit_step,
)
from engine.client import EngineAway
from engine.messages import PermitView
from rules.instructions import ApprovePermit, CompletePermit, RequestPermit, WithdrawPermit
from storage import permits as stored
from storage.permits import PermitKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["permits"])

_LIVE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, ENGINE_AWAY)
_PAST = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS, ENGINE_AWAY)
_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.post(
    "/devices/{vendor}/{serial}/permit", operation_id="request_permit", status_code=202, responses=_INSTRUCTION
)
async def request_permit(
    parts: Shared,
    who: RequestsPermits,
    vendor: DeviceId,
    serial: DeviceId,
    body: PermitRequest,
    response: Response,
    key: IdempotencyKey = None,
) -> Instructed:
    """The first of two people: this valve may be opened on site. 202: it waits for the second, `subject` is the
    permit."""
    identity = f"{vendor}/{serial}"
    no = await device_no(parts, who, identity)
    answer = await instruct(
        parts,
        who,
        Verb.REQUEST_PERMIT,
        identity,
        key,
        lambda id_: RequestPermit(at=0, id=id_, by=who.name, device_no=no, reason=body.reason),
    )
    response.headers["Location"] = f"/v1/permits/{answer.subject}"
    return answer


@router.get("/permits", operation_id="list_permits", responses=_LIVE)
async def list_permits(
    parts: Shared, who: ReadsPermits, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> ValvePermits:
    """Every permit that lives, requested or granted, newest first; from the engine, so it needs no database."""
    eyes, now = Eyes(who, Action.READ_PERMITS), await parts.live(who).permits()
    admitted = [view for view in now.permits if eyes.admit(view.owner)]
    page, following = live_page(admitted, _key, decode_cursor(cursor, PermitKey), limit)
    return ValvePermits(
        as_of=f"{await parts.engine()}:{now.as_of}", permits=[show_permit(view) for view in page], next=following
    )


@router.get("/permits/history", operation_id="list_past_permits", responses=_PAST)
async def list_past_permits(
    parts: Shared,
    who: ReadsPermits,
    from_: From = None,
    to: To = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> PastValvePermits:
    """Permits as they were last stored, by when they were requested, newest first; 30 days unless asked otherwise, 366
    days at most."""
    from_us, to_us = time_range(from_, to, parts.config.now_us())
    after, within = decode_cursor(cursor, PermitKey), scope(who, Action.READ_PERMITS)
    async with parts.database(who) as connection:
        found = await stored.permits(
            connection, limit=limit + 1, from_us=from_us, to_us=to_us, after=after, within=within
        )
    page, following = stored_page(found, _key, limit)
    return PastValvePermits(permits=[show_permit(view) for view in page], next=following)


@router.get("/permits/{permit}", operation_id="get_permit", responses=_ONE)
async def get_permit(parts: Shared, who: ReadsPermits, subject: Admitted, permit: DecisionId) -> ValvePermitInFull:
    """One permit as it stands (`source` engine), or as it was last stored (`source` database); with its steps where
    the database answers."""
    engine_away: EngineAway | None = None
    try:
        live = await parts.live(who).permit(permit)
    except EngineAway as away:
        live, engine_away = None, away
    try:
        async with parts.database(who, owner_of(subject)) as connection:
            view = live or await stored.permit(connection, permit)
            steps = [show_permit_step(step) for step in await stored.permit_events(connection, permit)]
    except Problem:
        if live is None:
            raise  # nobody can say now whether there was such a permit
        return ValvePermitInFull(permit=show_permit(live), source=Source.ENGINE, steps=None)
    if view is None:
        raise engine_away or Problem(NOT_FOUND, f"no permit {permit}")
    source = Source.DATABASE if live is None else Source.ENGINE
    return ValvePermitInFull(permit=show_permit(view), source=source, steps=steps)


@router.post("/permits/{permit}/approve", operation_id="approve_permit", responses=_INSTRUCTION)
async def approve_permit(
    parts: Shared, who: ApprovesPermits, permit: DecisionId, key: IdempotencyKey = None
) -> Instructed:
    """The second of two people, who is not the first. The valve is told that it may be opened on site, once."""
    return await instruct_about(
        parts,
        who,
        Verb.APPROVE,
        permit,
        key,
        lambda id_: ApprovePermit(at=0, id=id_, by=who.name, permit=permit),
        parts.live(who).permit,
    )


@router.post("/permits/{permit}/withdraw", operation_id="withdraw_permit", responses=_INSTRUCTION)
async def withdraw_permit(
    parts: Shared, who: WithdrawsPermits, permit: DecisionId, body: WithdrawalRequest, key: IdempotencyKey = None
) -> Instructed:
    """It may not be opened after all."""
    return await instruct_about(
        parts,
        who,
        Verb.WITHDRAW,
        permit,
        key,
        lambda id_: WithdrawPermit(at=0, id=id_, by=who.name, permit=permit, reason=body.reason),
        parts.live(who).permit,
    )


@router.post("/permits/{permit}/complete", operation_id="complete_permit", responses=_INSTRUCTION)
async def complete_permit(
    parts: Shared, who: CompletesPermits, permit: DecisionId, body: CompletionRequest, key: IdempotencyKey = None
) -> Instructed:
    """On site: the valve was opened by hand, after this was measured."""
    return await instruct_about(
        parts,
        who,
        Verb.COMPLETE,
        permit,
        key,
        lambda id_: CompletePermit(
            at=0, id=id_, by=who.name, permit=permit, combustible_lel=body.combustible_lel, comment=body.comment
        ),
        parts.live(who).permit,
    )


def _key(view: PermitView) -> PermitKey:
    return PermitKey(view.requested, view.permit)
