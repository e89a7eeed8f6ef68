"""What a gas company, or a vendor of devices, did in a month: users connected, devices reporting, alarms dealt with in
time. Pure: counts in, a card out.

M1  A share is said with its counts, and of nothing there is no share.
M2  In time is by the promise that the gas company had published when the alarm came (seed 003, 9.1.1: 向社会公布
    应急接警电话和承诺应急响应时间). There is none by default, and where there was none nothing is judged.
M3  An alarm is judged once the step was done or its time is over, whichever comes first; a step that was done before
    the alarm came, for the incident that it joined, was done at once.
M4  Counts of several areas add up: a card of a city is the sum of its districts.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import msgspec

#: What people do about an alarm, in order.
STEPS = ("acknowledged", "dispatched", "arrived", "closed")
#: The one legal time of all areas of GB/T 2260.
ZONE = "Asia/Shanghai"
_HOUR_S = 3_600
_MONTH = re.compile(r"(20|19)\d\d-(0[1-9]|1[0-2])\Z", re.ASCII)


class Step(msgspec.Struct, frozen=True):
    """Of the alarms: how many had the step; how many were judged by a promise (M3), and of these in time."""

    done: int = 0
    judged: int = 0
    in_time: int = 0

    def __add__(self, other: "Step") -> "Step":
        return Step(self.done + other.done, self.judged + other.judged, self.in_time + other.in_time)


class Tally(msgspec.Struct, frozen=True):
    """users: sites as registered at the month's end (a vendor's: those with a device of it); connected: those with a
    device that said something in the month. alarms: of critical and high priority, which the promise is about (product
    choice); others: all other alarms. Trials count nowhere."""

    users: int = 0
    users_connected: int = 0
    devices: int = 0
    devices_reporting: int = 0
    alarms: int = 0
    others: int = 0
    acknowledged: Step = Step()
    dispatched: Step = Step()
    arrived: Step = Step()
    closed: Step = Step()

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(*(getattr(self, name) + getattr(other, name) for name in self.__struct_fields__))


class Promise(msgspec.Struct, frozen=True):
    """What a gas company published. Seconds from the alarm; None: nothing was promised of this step. place: where it is
    to be read."""

    since: date
    place: str
    acknowledged_s: int | None = None
    dispatched_s: int | None = None
    arrived_s: int | None = None
    closed_s: int | None = None


@dataclass(frozen=True, slots=True)
class Line:
    """One figure of a card: `part` of `whole`; share in percent, None of nothing (M1). promised_s: of a step by the one
    promise of the month; None: none, or several."""

    key: str
    part: int
    whole: int
    promised_s: int | None = None

    @property
    def share_pct(self) -> float | None:
        return round(100 * self.part / self.whole, 2) if self.whole else None


def total(tallies: Iterable[Tally]) -> Tally:
    """M4."""
    return sum(tallies, start=Tally())


def lines(tally: Tally, promises: Iterable[Promise] = ()) -> tuple[Line, ...]:
    """In the order in which they are read: two of the register, then of each step how many had it and how many in
    time."""
    given = tuple(promises)
    found = [
        Line("users_connected", tally.users_connected, tally.users),
        Line("devices_reporting", tally.devices_reporting, tally.devices),
    ]
    for name in STEPS:
        step: Step = getattr(tally, name)
        limit = getattr(given[0], f"{name}_s") if len(given) == 1 else None
        found += [Line(name, step.done, tally.alarms), Line(f"{name}_in_time", step.in_time, step.judged, limit)]
    return tuple(found)


def month_of(text: str) -> date:
    """The first day of `YYYY-MM`. Raises ValueError."""
    if not _MONTH.match(text):
        raise ValueError(f"{text[:20]!r} is no month, such as 2026-11")
    return date(int(text[:4]), int(text[5:]), 1)


def month_bounds(month: date, timezone: str = ZONE) -> tuple[int, int]:
    """When the month begins and when the next one does there, in microseconds since 1970 UTC. Raises ValueError where
    that is no whole hour of UTC: what devices said is kept by the hour. Raises KeyError for no zone."""
    zone = ZoneInfo(timezone)
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    ends = [datetime(one.year, one.month, 1, tzinfo=zone).astimezone(UTC) for one in (month, following)]
    if any(int(end.timestamp()) % _HOUR_S for end in ends):
        raise ValueError(f"{month:%Y-%m} in {timezone} does not begin and end with an hour of UTC")
    begin, end = (int(one.timestamp()) * 1_000_000 for one in ends)
    return begin, end
