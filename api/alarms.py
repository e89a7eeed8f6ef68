"""Alarms: live ones from the engine (also with PostgreSQL down), past ones from the database."""

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Query

from access.authorize import Action
from access.fields import Resource
from access.principals import Principal
from api.alarm_shapes import (
    Acknowledgement,
    Alarm,
    AlarmInFull,
    Alarms,
    Instructed,
    PastAlarms,
    show_alarm,
    show_step,
)
from api.instructions import IdempotencyKey, Verb, instruct_about
from api.pages import USUAL_ROWS, Cursor, From, Limit, To, decode_cursor, live_page, stored_page, time_range
from api.parts import Parts, Shared
from api.permits import AcknowledgesAlarms, Admitted, GuardedRoute, ReadsAlarms, ResetsAlarms
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
from api.shapes import AlarmStateWord, DecisionId, PriorityWord, Source
from engine.client import EngineAway
from engine.messages import AlarmView
from rules.instructions import Acknowledge, Instruction, Reset
from storage import alarms as stored
from storage.alarms import AlarmKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms", tags=["alarms"])

Trial = Annotated[bool, Query(description="Instead those of rules that are only tried, of which nobody is told")]
_LIVE = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, ENGINE_AWAY)
_PAST = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS, ENGINE_AWAY)
INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.get("", operation_id="list_alarms", responses=_LIVE)
async def list_alarms(
    parts: Shared,
    who: ReadsAlarms,
    state: Annotated[list[AlarmStateWord] | None, Query()] = None,
    priority: Annotated[list[PriorityWord] | None, Query()] = None,
    site: Annotated[str | None, Query(max_length=200)] = None,
    incident: Annotated[DecisionId | None, Query()] = None,
    trial: Trial = False,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Alarms:
    """Every alarm that is not normal now, hidden ones too, newest first; from the engine, so it needs no database. Of
    rules that are only tried with `trial=true`: nobody is told of those."""
    after, eyes = decode_cursor(cursor, AlarmKey), Eyes(who, Action.READ_ALARMS)
    now = await parts.live(who).alarms()
    asked = [
        view
        for view in now.alarms
        if eyes.admit(view.owner)
        and (not state or view.state in state)
        and (not priority or view.priority in priority)
        and (site is None or view.site == site)
        and (incident is None or view.incident == incident)
        and view.trial is trial
    ]
    page, following = live_page(asked, _key, after, limit)
    return Alarms(as_of=f"{await parts.engine()}:{now.as_of}", alarms=_shown(eyes, page), next=following)


@router.get("/history", operation_id="list_past_alarms", responses=_PAST)
async def list_past_alarms(
    parts: Shared,
    who: ReadsAlarms,
    from_: From = None,
    to: To = None,
    state: Annotated[AlarmStateWord | None, Query()] = None,
    priority: Annotated[PriorityWord | None, Query()] = None,
    site: Annotated[str | None, Query(max_length=200)] = None,
    incident: Annotated[DecisionId | None, Query()] = None,
    trial: Trial = False,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> PastAlarms:
    """Alarms as they were last stored, newest first; 30 days unless asked otherwise, 366 days at most. While
    paging keep the filters."""
    from_us, to_us = time_range(from_, to, parts.config.now_us())
    eyes = Eyes(who, Action.READ_ALARMS)
    async with parts.database(who) as connection:
        found = await stored.alarms(
            connection,
            limit=limit + 1,
            from_us=from_us,
            to_us=to_us,
            after=decode_cursor(cursor, AlarmKey),
            site=site,
            state=state,
            priority=priority,
            incident=incident,
            trial=trial,
            within=eyes.scope,
        )
    page, following = stored_page(found, _key, limit)
    return PastAlarms(alarms=_shown(eyes, page), next=following)


@router.get("/{alarm}", operation_id="get_alarm", responses=_ONE)
async def get_alarm(parts: Shared, who: ReadsAlarms, subject: Admitted, alarm: DecisionId) -> AlarmInFull:
    """One alarm as it stands (`source` engine), or as it was last stored (`source` database); with its steps where
    the database answers."""
    engine_away: EngineAway | None = None
    owner, eyes = owner_of(subject), Eyes(who, Action.READ_ALARMS)
    try:
        live = await parts.live(who).alarm(alarm)
    except EngineAway as away:
        live, engine_away = None, away
    try:
        async with parts.database(who, owner) as connection:
            view = live or await stored.alarm(connection, alarm)
            steps = await stored.events(connection, alarm)
    except Problem:
        if live is None:
            raise  # nobody can say now whether there was such an alarm
        shown = eyes.see(Resource.ALARM, owner, show_alarm(live))
        return AlarmInFull(alarm=shown, source=Source.ENGINE, steps=None)
    if view is None:
        raise engine_away or Problem(NOT_FOUND, f"no alarm {alarm}")
    return AlarmInFull(
        alarm=eyes.see(Resource.ALARM, owner, show_alarm(view)),
        source=Source.DATABASE if live is None else Source.ENGINE,
        steps=[eyes.see(Resource.ALARM_STEP, owner, show_step(step)) for step in steps],
    )


@router.post("/{alarm}/acknowledge", operation_id="acknowledge_alarm", responses=INSTRUCTION)
async def acknowledge_alarm(
    parts: Shared, who: AcknowledgesAlarms, alarm: DecisionId, body: Acknowledgement, key: IdempotencyKey = None
) -> Instructed:
    """Take note of an alarm, in your name. Answered after the commit; works with PostgreSQL down."""
    return await about_alarm(
        parts,
        who,
        Verb.ACKNOWLEDGE,
        alarm,
        key,
        lambda id_: Acknowledge(at=0, id=id_, by=who.name, alarm=alarm, comment=body.comment),
    )


@router.post("/{alarm}/reset", operation_id="reset_alarm", responses=INSTRUCTION)
async def reset_alarm(parts: Shared, who: ResetsAlarms, alarm: DecisionId, key: IdempotencyKey = None) -> Instructed:
    """Take a latched alarm back to normal, once it is acknowledged and its condition is gone."""
    return await about_alarm(
        parts, who, Verb.RESET, alarm, key, lambda id_: Reset(at=0, id=id_, by=who.name, alarm=alarm)
    )


async def about_alarm(
    parts: Parts, who: Principal, verb: Verb, alarm: str, key: str | None, make: Callable[[str], Instruction]
) -> Instructed:
    """What a person says of an open alarm. Raises Problem (404 where there is no such alarm now)."""
    return await instruct_about(parts, who, verb, alarm, key, make, parts.live(who).alarm)


def _shown(eyes: Eyes, views: list[AlarmView]) -> list[Alarm]:
    return [eyes.see(Resource.ALARM, view.owner, show_alarm(view)) for view in views]


def _key(view: AlarmView) -> AlarmKey:
    return AlarmKey(view.raised, view.alarm)
