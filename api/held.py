"""Shut-offs held back by a budget (G13): what waits, sending it, and saying that it shall not be sent."""

from collections.abc import Awaitable, Callable
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Query

from access.authorize import Action, scope
from api.alarm_shapes import Instructed
from api.instructions import IdempotencyKey, Verb, instruct
from api.live import Live
from api.pages import USUAL_ROWS, Cursor, From, Limit, To, decode_cursor, live_page, stored_page, time_range
from api.parts import Shared
from api.permits import GuardedRoute, ReadsHeld, ReleasesHeld, VetoesHeld
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
from api.seen import Eyes
from api.valve_permit_shapes import (
    HeldShutOffs,
    PastHeld,
    ReleaseRequest,
    VetoRequest,
    show_held,
    show_held_step,
)
from engine.messages import HeldView
from rules.instructions import ReleaseHeld, VetoHeld
from storage import permits as stored
from storage.permits import HeldKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1/held", tags=["held"])

_LIVE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, ENGINE_AWAY)
_PAST = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)

Rule = Annotated[str | None, Query(pattern="^[a-z0-9-]{1,40}$")]


class _Waits(NamedTuple):
    """Where a page ended."""

    since: int
    rule: str
    device_no: int


@router.get("", operation_id="list_held", responses=_LIVE)
async def list_held(
    parts: Shared, who: ReadsHeld, rule: Rule = None, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> HeldShutOffs:
    """Every shut-off that waits, newest first; from the engine, so it needs no database."""
    eyes, now = Eyes(who, Action.READ_HELD), await parts.live(who).held(rule or "")
    admitted = [view for view in now.held if eyes.admit(view.owner)]
    page, following = live_page(admitted, _key, decode_cursor(cursor, _Waits), limit)
    return HeldShutOffs(
        as_of=f"{await parts.engine()}:{now.as_of}", held=[show_held(view) for view in page], next=following
    )


@router.get("/history", operation_id="list_past_held", responses=_PAST)
async def list_past_held(
    parts: Shared,
    who: ReadsHeld,
    from_: From = None,
    to: To = None,
    rule: Rule = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> PastHeld:
    """What was held, released, vetoed or over, newest first; 30 days unless asked otherwise, 366 days at most."""
    from_us, to_us = time_range(from_, to, parts.config.now_us())
    after, within = decode_cursor(cursor, HeldKey), scope(who, Action.READ_HELD)
    async with parts.database(who) as connection:
        found = await stored.held(
            connection, limit=limit + 1, from_us=from_us, to_us=to_us, after=after, rule=rule, within=within
        )
    page, following = stored_page(found, lambda step: step.key, limit)
    return PastHeld(held=[show_held_step(step) for step in page], next=following)


@router.post("/release", operation_id="release_held", responses=_INSTRUCTION)
async def release_held(
    parts: Shared, who: ReleasesHeld, body: ReleaseRequest, key: IdempotencyKey = None
) -> Instructed:
    """Send what the budget of a rule holds, in your name: of one valve, or all that are yours to send."""

    async def release(identity: str | None, device_no: int) -> Instructed:
        return await instruct(
            parts,
            who,
            Verb.RELEASE,
            _subject(body.rule, identity),
            key,
            lambda id_: ReleaseHeld(at=0, id=id_, by=who.name, rule=body.rule, device_no=device_no),
        )

    return await each_of(parts.live(who), Eyes(who, Action.RELEASE_HELD), body, release)


@router.post("/veto", operation_id="veto_held", responses=_INSTRUCTION)
async def veto_held(parts: Shared, who: VetoesHeld, body: VetoRequest, key: IdempotencyKey = None) -> Instructed:
    """Do not send it, in your name: of one valve, or all that are yours. It holds until the alarm has returned."""

    async def veto(identity: str | None, device_no: int) -> Instructed:
        return await instruct(
            parts,
            who,
            Verb.VETO,
            _subject(body.rule, identity),
            key,
            lambda id_: VetoHeld(at=0, id=id_, by=who.name, rule=body.rule, reason=body.reason, device_no=device_no),
        )

    return await each_of(parts.live(who), Eyes(who, Action.VETO_HELD), body, veto)


#: Says the word of one valve, or (None, 0) of all of a rule.
Say = Callable[[str | None, int], Awaitable[Instructed]]


async def each_of(live: Live, eyes: Eyes, body: ReleaseRequest | VetoRequest, say: Say) -> Instructed:
    """Of the valve that is named, of all of the rule, or, of somebody who may do it to some of them, of each of those.
    Raises Problem (404 for a valve that is not there for these eyes; 409); EngineAway, EngineBusy."""
    if body.device is not None:
        found = await live.device(body.device)
        if not (found.device_no and (eyes.scope.everything or eyes.admit(found.owner))):
            raise Problem(NOT_FOUND, f"no device {body.device}")
        return await say(body.device, found.device_no)
    if eyes.scope.everything:
        return await say(None, 0)
    waiting = [view for view in (await live.held(body.rule)).held if eyes.admit(view.owner)]
    if not waiting:
        raise Problem(REFUSED, f"nothing of {body.rule} is held back at your valves")
    said = [await say(view.identity, view.device_no) for view in waiting]
    return Instructed(instruction=said[-1].instruction, subject=body.rule)


def _subject(rule: str, device: str | None) -> str:
    return rule if device is None else f"{rule}/{device}"


def _key(view: HeldView) -> _Waits:
    return _Waits(view.since, view.rule, view.device_no)
