"""Alarms: live ones from the engine (also with PostgreSQL down), past ones from the database."""

from collections.abc import Callable, Sequence
from typing import Annotated

from fastapi import APIRouter, Query

from access.principals import Principal
from api.alarm_shapes import (
    Acknowledgement,
    AlarmInFull,
    Alarms,
    Instructed,
    PastAlarms,
    show_alarm,
    show_step,
)
from api.instructions import IdempotencyKey, Verb, instruct
from api.pages import MOST_ROWS, USUAL_ROWS, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import AcknowledgesAlarms, GuardedRoute, ReadsAlarms, ResetsAlarms
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
from api.shapes import AlarmStateWord, DecisionId, PriorityWord, Source
from api.times import UtcParameter
from engine.client import EngineAway
from engine.messages import AlarmView
from rules.decisions import Acknowledge, Instruction, Reset
from storage import alarms as stored
from storage.alarms import AlarmKey
from storage.times import DAY_US

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms", tags=["alarms"])

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
#: What an unbounded question means, and the most that is answered in one (source: product choice).
USUAL_RANGE_US, MOST_RANGE_US = 30 * DAY_US, 366 * DAY_US

_LIVE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, ENGINE_AWAY)
_PAST = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS, ENGINE_AWAY)
_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.get("", operation_id="list_alarms", responses=_LIVE)
async def list_alarms(
    parts: Shared,
    who: ReadsAlarms,
    state: Annotated[list[AlarmStateWord] | None, Query()] = None,
    priority: Annotated[list[PriorityWord] | None, Query()] = None,
    site: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Alarms:
    """Every alarm that is not normal now, newest first; from the engine, so it needs no database."""
    after = decode_cursor(cursor, AlarmKey)
    now = await parts.door.alarms()
    asked = [
        view
        for view in now.alarms
        if (not state or view.state in state)
        and (not priority or view.priority in priority)
        and (site is None or view.site == site)
        and (after is None or _order(view) > (-after.raised, after.alarm))
    ]
    page = sorted(asked, key=_order)[:limit]
    return Alarms(
        as_of=f"{await parts.engine()}:{now.as_of}",
        alarms=[show_alarm(view) for view in page],
        next=_next(page) if len(asked) > limit else None,
    )


@router.get("/history", operation_id="list_past_alarms", responses=_PAST)
async def list_past_alarms(
    parts: Shared,
    who: ReadsAlarms,
    from_: Annotated[UtcParameter | None, Query(alias="from", description="Raised at or after")] = None,
    to: Annotated[UtcParameter | None, Query(description="Raised before")] = None,
    state: Annotated[AlarmStateWord | None, Query()] = None,
    priority: Annotated[PriorityWord | None, Query()] = None,
    site: Annotated[str | None, Query(max_length=200)] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> PastAlarms:
    """Alarms as they were last stored, newest first; 30 days unless asked otherwise, 366 days at most."""
    to_us = parts.config.now_us() if to is None else to
    from_us = to_us - USUAL_RANGE_US if from_ is None else from_
    if not 0 <= to_us - from_us <= MOST_RANGE_US:
        raise Problem(BAD_PARAMETER, "from, to: `from` comes before `to`, and at most 366 days lie between")
    async with parts.database() as connection:
        page = await stored.alarms(
            connection,
            limit=limit + 1,
            from_us=from_us,
            to_us=to_us,
            after=decode_cursor(cursor, AlarmKey),
            site=site,
            state=state,
            priority=priority,
        )
    shown = page[:limit]
    return PastAlarms(alarms=[show_alarm(view) for view in shown], next=_next(shown) if len(page) > limit else None)


@router.get("/{alarm}", operation_id="get_alarm", responses=_ONE)
async def get_alarm(parts: Shared, who: ReadsAlarms, alarm: DecisionId) -> AlarmInFull:
    """One alarm as it stands (`source` engine), or as it was last stored (`source` database); with its steps where
    the database answers."""
    engine_away: EngineAway | None = None
    try:
        live = await parts.door.alarm(alarm)
    except EngineAway as away:
        live, engine_away = None, away
    try:
        async with parts.database() as connection:
            view = live or await stored.alarm(connection, alarm)
            steps = [show_step(step) for step in await stored.events(connection, alarm)]
    except Problem:
        if live is None:
            raise  # nobody can say now whether there was such an alarm
        return AlarmInFull(alarm=show_alarm(live), source=Source.ENGINE, steps=None)
    if view is None:
        raise engine_away or Problem(NOT_FOUND, f"no alarm {alarm}")
    return AlarmInFull(alarm=show_alarm(view), source=Source.DATABASE if live is None else Source.ENGINE, steps=steps)


@router.post("/{alarm}/acknowledge", operation_id="acknowledge_alarm", responses=_INSTRUCTION)
async def acknowledge_alarm(
    parts: Shared, who: AcknowledgesAlarms, alarm: DecisionId, body: Acknowledgement, key: IdempotencyKey = None
) -> Instructed:
    """Take note of an alarm, in your name. Answered after the commit; works with PostgreSQL down."""
    return await _about(
        parts,
        who,
        Verb.ACKNOWLEDGE,
        alarm,
        key,
        lambda id_: Acknowledge(at=0, id=id_, by=who.name, alarm=alarm, comment=body.comment),
    )


@router.post("/{alarm}/reset", operation_id="reset_alarm", responses=_INSTRUCTION)
async def reset_alarm(parts: Shared, who: ResetsAlarms, alarm: DecisionId, key: IdempotencyKey = None) -> Instructed:
    """Take a latched alarm back to normal, once it is acknowledged and its condition is gone."""
    return await _about(parts, who, Verb.RESET, alarm, key, lambda id_: Reset(at=0, id=id_, by=who.name, alarm=alarm))


async def _about(
    parts: Parts, who: Principal, verb: Verb, alarm: str, key: str | None, make: Callable[[str], Instruction]
) -> Instructed:
    """404 instead of 409 where there is no such alarm now: then the reason is the id, not the state."""
    try:
        return await instruct(parts, who, verb, alarm, key, make)
    except Problem as refused:
        if refused.kind is REFUSED and await parts.door.alarm(alarm) is None:
            raise Problem(NOT_FOUND, f"no alarm {alarm} is open now: {refused.detail}") from refused
        raise


def _order(view: AlarmView) -> tuple[int, str]:
    """Newest first, as the database orders its pages."""
    return -view.raised, view.alarm


def _next(page: Sequence[AlarmView]) -> str:
    return encode_cursor(AlarmKey(page[-1].raised, page[-1].alarm))
