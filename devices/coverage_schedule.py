"""When reports are due: the schedule of a policy to instants. Pure: time zone and now are arguments.

D1  A report is due at an hour of the area's own day; where a clock is put forward over that hour, at the next there is.
D2  What was due while nobody ran is due still, once: every missed one by itself, in order, so that a series has no
    holes. A late one says so.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import msgspec

from devices.coverage_policy import Schedule

#: A run that begins later than so after its time was missed. Source: product choice.
LATE_AFTER_S = 3_600


class Due(msgspec.Struct, frozen=True):
    """day: the area's day that it reports on. at_us: when it is due, microseconds since 1970 UTC."""

    day: date
    at_us: int
    phase: str


def due_between(schedule: Sequence[Schedule], zone: ZoneInfo, after_us: int, until_us: int) -> Iterator[Due]:
    """The reports due after one instant until another, in order."""
    day = _local(after_us, zone) - timedelta(days=1)
    last = _local(until_us, zone)
    while day <= last:
        for one in schedule:
            if _on(one, day):
                at_us = int(datetime.combine(day, one.at, zone).timestamp()) * 1_000_000
                if after_us < at_us <= until_us:
                    yield Due(day, at_us, one.phase)
        day += timedelta(days=1)


def missed(due: Due, now_us: int) -> bool:
    return now_us - due.at_us > LATE_AFTER_S * 1_000_000


def _on(one: Schedule, day: date) -> bool:
    if day < one.since or (one.until is not None and day > one.until):
        return False
    return day.isoweekday() == one.weekday if one.weekday is not None else day.day == one.day_of_month


def _local(at_us: int, zone: ZoneInfo) -> date:
    return datetime.fromtimestamp(at_us / 1_000_000, zone).date()
