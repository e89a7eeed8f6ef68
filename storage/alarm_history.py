"""Alarms of a time in columns, for figures over all of them: the alarm system's own health, and what labelled history
says of a rule. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString, TypeVar

import numpy as np
from numpy.typing import NDArray

from rules.backtest_types import Label
from rules.decisions import Resolution
from storage.database import Connection, translated
from storage.times import as_datetime

#: Steps in one answer at most: 1,000,000 are some 60 MiB here. Source: product choice.
MOST_STEPS = 1_000_000

#: Every step of an alarm that was open at some time between the two, up to its end: what stands at the beginning began
#: before. An event of before its priority was kept has the alarm's.
_STEPS: LiteralString = """
SELECT davy_us(e.at), e.alarm, a.rule, a.device_no, a.site, coalesce(s.area, ''), coalesce(s.enterprise, ''),
coalesce(e.priority, a.priority), e.change, e.state, e.trial, e.by
FROM alarm_event e JOIN alarm a USING (alarm) LEFT JOIN site s ON s.key = a.site
WHERE e.at < %(to)s AND a.raised < %(to)s AND (a.state <> 0 OR a.changed >= %(from)s)
ORDER BY e.at, e.cycle, e.n LIMIT %(most)s"""
#: `until`: when its condition was last gone.
_LABELS: LiteralString = """
SELECT a.alarm, a.rule, a.device_no, davy_us(a.onset), coalesce((SELECT davy_us(max(e.at)) FROM alarm_event e
WHERE e.alarm = a.alarm AND e.change = 'returned' AND NOT EXISTS (SELECT FROM alarm_event l WHERE l.alarm = a.alarm
AND l.change = 're-alarmed' AND l.at > e.at)), 0), a.resolution
FROM alarm a WHERE a.resolution <> '' AND a.raised >= %s AND a.raised < %s ORDER BY a.raised, a.alarm"""

ItemT = TypeVar("ItemT")


@dataclass(frozen=True, slots=True)
class AlarmSteps:
    """Steps of alarms in the order they were decided; every array has the shape (n,). What is a word stands once in the
    tuple of its name, and its index in the array.

    at: i8, microseconds UTC. alarm, rule, site, change: i4, indices in alarms, rules, sites, changes (`raised`, or a
    word of rules.decisions.Change). device_no: i4. priority, state: u1. trial, by_person: bool.
    areas, enterprises: of each site of `sites`; empty where there is none.
    """

    at: NDArray[np.int64]
    alarm: NDArray[np.int32]
    rule: NDArray[np.int32]
    site: NDArray[np.int32]
    change: NDArray[np.int32]
    device_no: NDArray[np.int32]
    priority: NDArray[np.uint8]
    state: NDArray[np.uint8]
    trial: NDArray[np.bool_]
    by_person: NDArray[np.bool_]
    alarms: tuple[str, ...]
    rules: tuple[str, ...]
    sites: tuple[str, ...]
    areas: tuple[str, ...]
    enterprises: tuple[str, ...]
    changes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.at)


async def alarm_steps(connection: Connection, *, from_us: int, to_us: int, most: int = MOST_STEPS) -> AlarmSteps:
    """Steps before `to_us` of every alarm that was open at some time in from <= t < to, from its beginning: what stood
    at `from_us` is seen to stand. The first `most` of them; who gets as many should ask for a shorter time."""
    values = {"from": as_datetime(from_us), "to": as_datetime(to_us), "most": most}
    with translated():
        cursor = await connection.execute(_STEPS, values)
        rows = await cursor.fetchall()
    return _columns(rows)


async def labels(connection: Connection, *, from_us: int, to_us: int) -> tuple[Label, ...]:
    """Alarms raised with from <= raised < to of which a person said what they were, oldest first."""
    with translated():
        cursor = await connection.execute(_LABELS, (as_datetime(from_us), as_datetime(to_us)))
        return tuple(
            Label(alarm, rule, device_no, onset, until, Resolution(resolution))
            for alarm, rule, device_no, onset, until, resolution in await cursor.fetchall()
        )


def _columns(rows: list[tuple[Any, ...]]) -> AlarmSteps:
    columns = list(zip(*rows, strict=True)) if rows else [()] * 12
    at, alarm, rule, device_no, site, area, enterprise, priority, change, state, trial, by = columns
    alarms, alarm_at = _coded(alarm)
    rules, rule_at = _coded(rule)
    places, place_at = _coded(tuple(zip(site, area, enterprise, strict=True)))
    changes, change_at = _coded(change)
    return AlarmSteps(
        at=np.array(at, np.int64),
        alarm=alarm_at,
        rule=rule_at,
        site=place_at,
        change=change_at,
        device_no=np.array(device_no, np.int32),
        priority=np.array(priority, np.uint8),
        state=np.array(state, np.uint8),
        trial=np.array(trial, np.bool_),
        by_person=np.array([bool(one) for one in by], np.bool_),
        alarms=alarms,
        rules=rules,
        sites=tuple(place[0] for place in places),
        areas=tuple(place[1] for place in places),
        enterprises=tuple(place[2] for place in places),
        changes=changes,
    )


def _coded(values: tuple[ItemT, ...]) -> tuple[tuple[ItemT, ...], NDArray[np.int32]]:
    """Each value once, in the order they first come, and the index of every value."""
    index: dict[ItemT, int] = {}
    found = np.array([index.setdefault(value, len(index)) for value in values], np.int32)
    return tuple(index), found
