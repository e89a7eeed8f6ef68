"""How well the alarm system serves the people at its desks: the figures of EEMUA 191 and ISA-18.2, from history."""

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from access.authorize import Action, scope
from api.pages import From, To, time_range
from api.parts import Shared
from api.permits import GuardedRoute, ReadsAlarms
from api.problems import BAD_PARAMETER, DATABASE_PROBLEMS, NOT_SIGNED_IN, Problem, problem_answers
from api.shapes import Shape
from api.times import Utc
from rules.health import health as figures
from rules.health.events import AlarmWords, events_of
from storage.alarm_history import MOST_STEPS, Desks, alarm_words

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms", tags=["alarms"])


class Flood(Shape):
    """More than 10 alarms in 10 minutes, until an interval has fewer than 5."""

    begin: Utc
    end: Utc
    alarms: int
    peak: int = Field(description="In its worst 10 minutes")


class Desk(Shape):
    """What one desk had to deal with."""

    name: str
    alarms: int
    average: float = Field(description="Alarms per 10 minutes; about 1 is manageable")
    peak: int = Field(description="The most in 10 minutes")
    peak_at: Utc | None
    busy_pct: float = Field(description="Share of the 10-minute intervals with more than is manageable")
    flood_pct: float = Field(description="Share of the intervals within floods")
    floods: list[Flood]


class Chatter(Shape):
    """An alarm that came and went three times within a minute."""

    source: str = Field(description="Rule and device")
    times: int
    worst: int = Field(description="Transitions within a minute at most")


class Stale(Shape):
    """Active for more than 24 hours at the end of the time."""

    source: str
    since: Utc


class BadActor(Shape):
    source: str
    alarms: int
    share_pct: float


class PriorityShare(Shape):
    name: str
    alarms: int
    share_pct: float
    target_pct: float


class AlarmHealth(Shape):
    """`desks`: by enterprise or by area, as asked; alarms on trial are nobody's."""

    begin: Utc
    end: Utc
    alarms: int
    desks: list[Desk]
    chattering: list[Chatter] = Field(description="Worst first")
    stale: list[Stale] = Field(description="Oldest first")
    bad_actors: list[BadActor] = Field(description="The ten that were raised most often")
    bad_actors_pct: float = Field(description="Their share of all")
    priorities: list[PriorityShare]


@router.get(
    "/health",
    operation_id="get_alarm_health",
    responses=problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, *DATABASE_PROBLEMS),
)
async def get_alarm_health(
    parts: Shared,
    who: ReadsAlarms,
    from_: From = None,
    to: To = None,
    desks: Annotated[Desks, Query(description="Whose list an alarm is in")] = Desks.ENTERPRISE,
) -> AlarmHealth:
    """Rate per 10 minutes and desk, floods, chattering and stale alarms, bad actors, mix of priorities; 30 days unless
    asked otherwise, 366 days at most, and fewer where that many alarms do not fit."""
    from_us, to_us = time_range(from_, to, parts.config.now_us())
    if from_us == to_us:
        raise Problem(BAD_PARAMETER, "from, to: the time is empty")
    within = scope(who, Action.READ_ALARMS)
    async with parts.database(who) as connection:
        words = await alarm_words(connection, from_us=from_us, to_us=to_us, desks=desks, within=within)
    if len(words.at) == MOST_STEPS:
        raise Problem(BAD_PARAMETER, f"from, to: more than {MOST_STEPS:,} steps of alarms; ask for a shorter time")
    return await asyncio.to_thread(_figures, words, from_us, to_us)


def _figures(words: AlarmWords, from_us: int, to_us: int) -> AlarmHealth:
    return show_health(figures.health(events_of(words), from_us, to_us))


def show_health(found: figures.Health) -> AlarmHealth:
    return AlarmHealth(
        begin=found.begin,
        end=found.end,
        alarms=found.alarms,
        desks=[_desk(queue) for queue in found.queues],
        chattering=[Chatter(source=one.source, times=one.times, worst=one.worst) for one in found.chattering],
        stale=[Stale(source=one.source, since=one.since) for one in found.stale],
        bad_actors=[
            BadActor(source=one.source, alarms=one.alarms, share_pct=one.share_pct) for one in found.bad_actors
        ],
        bad_actors_pct=found.bad_actors_pct,
        priorities=[
            PriorityShare(name=one.name, alarms=one.alarms, share_pct=one.share_pct, target_pct=one.target_pct)
            for one in found.priorities
        ],
    )


def _desk(queue: figures.Queue) -> Desk:
    return Desk(
        name=queue.name,
        alarms=queue.alarms,
        average=queue.average,
        peak=queue.peak,
        peak_at=queue.peak_at or None,
        busy_pct=queue.busy_pct,
        flood_pct=queue.flood_pct,
        floods=[Flood(begin=one.begin, end=one.end, alarms=one.alarms, peak=one.peak) for one in queue.floods],
    )
