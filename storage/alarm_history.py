"""All alarms of a time at once, for figures over them: the alarm system's own health, and what people said that alarms
were. All of these raise DatabaseAway and DatabaseRefused."""

from enum import StrEnum
from typing import Any, LiteralString

import numpy as np
from numpy.typing import NDArray

from access.ownership import EVERYTHING, Scope
from rules.decisions import AlarmState, Priority
from rules.health.events import AlarmWords
from rules.history.backtest_types import Label
from rules.history.explain_types import Reverted, Stood, Written
from rules.instructions import Resolution
from storage.database import Connection, translated
from storage.scoped import OF_ALARM, condition
from storage.times import as_datetime

#: Steps in one answer at most: 500,000 took 2.0 s and 250 MiB on one core. Source: product choice.
MOST_STEPS = 500_000

#: Every step of an alarm that was open at some time between the two, up to its end: what stands at the beginning came
#: before. A step of before its priority was kept has its alarm's.
_STEPS: LiteralString = """
SELECT davy_us(e.at), a.rule, coalesce(d.identity, a.device_no::text), coalesce(s.area, ''),
coalesce(s.enterprise, ''), coalesce(e.priority, a.priority), e.change, e.state, e.trial
FROM alarm_event e JOIN alarm a USING (alarm) LEFT JOIN device d USING (device_no) LEFT JOIN site s ON s.key = a.site
WHERE e.at < %s AND a.raised < %s AND (a.state <> 0 OR a.changed >= %s)"""
#: Alarms of one device that stood at a time, each with its newest step by then.
_STOOD: LiteralString = """
SELECT DISTINCT ON (a.alarm) a.alarm, a.rule, e.state, coalesce(e.priority, a.priority), e.trial, davy_us(a.onset),
davy_us(e.at), e.change, e.by, e.comment
FROM alarm a JOIN alarm_event e USING (alarm)
WHERE a.device_no = %(device)s AND a.raised <= %(at)s AND (a.state <> 0 OR a.changed >= %(at)s) AND e.at <= %(at)s
ORDER BY a.alarm, e.at DESC, e.cycle DESC, e.n DESC"""
#: What was said of each rule last; an edit ends a revert.
_NOTES: LiteralString = """
SELECT rule, davy_us(at), what FROM
(SELECT DISTINCT ON (rule) rule, at, what, reverted FROM rule_note WHERE at <= %s
ORDER BY rule, at DESC, cycle DESC, n DESC) AS newest WHERE reverted ORDER BY rule"""
#: `until`: when its condition was last gone.
_LABELS: LiteralString = """
SELECT a.alarm, a.rule, a.device_no, davy_us(a.onset), coalesce((SELECT davy_us(max(e.at)) FROM alarm_event e
WHERE e.alarm = a.alarm AND e.change = 'returned' AND NOT EXISTS (SELECT FROM alarm_event l WHERE l.alarm = a.alarm
AND l.change = 're-alarmed' AND l.at > e.at)), 0), a.resolution
FROM alarm a WHERE a.resolution <> '' AND a.raised >= %s AND a.raised < %s ORDER BY a.raised, a.alarm"""


class Desks(StrEnum):
    """Whose list an alarm is in."""

    ENTERPRISE = "enterprise"
    AREA = "area"


async def alarm_words(
    connection: Connection,
    *,
    from_us: int,
    to_us: int,
    desks: Desks,
    most: int = MOST_STEPS,
    within: Scope = EVERYTHING,
) -> AlarmWords:
    """Every step of what was open at some time in from <= t < to, in the order they were decided. `source`: the rule
    and the device, `gas-high acme/D1`. The first `most` steps; who gets as many should ask for a shorter time."""
    admitted, owners = condition(within, OF_ALARM)
    values: list[Any] = [as_datetime(to_us), as_datetime(to_us), as_datetime(from_us), *owners, most]
    with translated():
        cursor = await connection.execute(_STEPS + " AND " + admitted + " ORDER BY e.at, e.cycle, e.n LIMIT %s", values)
        rows = await cursor.fetchall()
    return _columns(rows, desks)


async def written(connection: Connection, device_no: int, at_us: int) -> Written:
    """What stood at a device at a time, as it was shown then, and which rules had taken themselves back."""
    with translated():
        cursor = await connection.execute(_STOOD, {"device": device_no, "at": as_datetime(at_us)})
        stood = await cursor.fetchall()
        cursor = await connection.execute(_NOTES, (as_datetime(at_us),))
        notes = await cursor.fetchall()
    return Written(
        stood=tuple(
            Stood(alarm, rule, AlarmState(state), Priority(priority), *rest)
            for alarm, rule, state, priority, *rest in stood
            if state != AlarmState.NORMAL
        ),
        reverted=tuple(Reverted(*note) for note in notes),
    )


async def labels(connection: Connection, *, from_us: int, to_us: int) -> tuple[Label, ...]:
    """Alarms raised with from <= raised < to of which a person said what they were, oldest first."""
    with translated():
        cursor = await connection.execute(_LABELS, (as_datetime(from_us), as_datetime(to_us)))
        return tuple(
            Label(alarm, rule, device_no, onset, until, Resolution(resolution))
            for alarm, rule, device_no, onset, until, resolution in await cursor.fetchall()
        )


def _columns(rows: list[tuple[Any, ...]], desks: Desks) -> AlarmWords:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 9
    at, rule, identity, area, enterprise, priority, change, state, trial = columns
    queues, queue = _coded(enterprise if desks is Desks.ENTERPRISE else area)
    sources, source = _coded(tuple(f"{one} {where}" for one, where in zip(rule, identity, strict=True)))
    changes, changed = _coded(change)
    return AlarmWords(
        at=np.array(at, np.int64),
        queue=queue,
        source=source,
        priority=np.array(priority, np.uint8),
        change=changed,
        state=np.array(state, np.uint8),
        trial=np.array(trial, np.bool_),
        queues=queues,
        sources=sources,
        changes=changes,
    )


def _coded(words: tuple[str, ...]) -> tuple[tuple[str, ...], NDArray[np.int32]]:
    """Each word once, in the order they first come, and the index of every one."""
    index: dict[str, int] = {}
    found = np.array([index.setdefault(word, len(index)) for word in words], np.int32)
    return tuple(index), found
