"""When a rule with a schedule looks: instants in, yes or no out, by the clock on the wall of the device's site.

T1  An instant is judged by its local date and time of day: an hour that a change of clocks leaves out is not missed
    (the clock jumps into what follows), and one that comes twice is inside twice.
T2  A stretch that ends when it begins or earlier runs past midnight and belongs to the day on which it began: `days`
    says on which days a stretch begins.
T3  Nothing here depends on which other instants are asked with one (G5).
"""

import re
from datetime import UTC, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np
from numpy.typing import NDArray

from rules.documents.types import Schedule

DAYS: tuple[str, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])\Z")
_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_DAY_US = 24 * _HOUR_US
#: 1970-01-01 was a Thursday, the fourth of `DAYS`.
_FIRST_WEEKDAY = 3
#: Years that a table of changes is made for; an instant outside has the offset of the nearest end.
_FIRST_YEAR, _LAST_YEAR = 1970, 2199


def inside(schedule: Schedule, timezone: str, ts: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether the rule looks at each instant, shape (n,). `timezone`: the site's, for a schedule without its own; one
    that nobody knows makes it look always, which is the safe side. ts: shape (n,), microseconds UTC."""
    zone = schedule.timezone or timezone
    if not len(ts):
        return np.zeros(0, np.bool_)
    if not is_zone(zone):
        return np.ones(len(ts), np.bool_)
    local = ts + _offsets_us(zone, ts)
    day, clock = local // _DAY_US, local % _DAY_US
    begins, ends = clock_us(schedule.from_), clock_us(schedule.until)
    on = np.array([name in schedule.days for name in DAYS])
    weekday = (day + _FIRST_WEEKDAY) % 7
    begun, over = clock >= begins, clock >= ends
    late: NDArray[np.bool_] = on[weekday] & begun
    early: NDArray[np.bool_] = on[(weekday - 1) % 7] & ~over
    return late & ~over if begins < ends else late | early


def clock_us(text: str) -> int:
    """`HH:MM` as microseconds since midnight. Raises ValueError for anything else."""
    match = _TIME.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a time of day, 00:00 to 23:59")
    return int(match[1]) * _HOUR_US + int(match[2]) * _MINUTE_US


@lru_cache(maxsize=1024)
def is_zone(name: str) -> bool:
    """It is a name of the IANA time zone database that this machine has."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):  # OSError: the name of a folder of the database
        return False
    return True


def _offsets_us(zone: str, ts: NDArray[np.int64]) -> NDArray[np.int64]:
    """What the clock on the wall is ahead of UTC at each instant, shape (n,)."""
    first, last = _year(int(ts.min())), _year(int(ts.max()))
    if first == last:
        starts, offsets = _changes(zone, first)
    else:
        years = [_changes(zone, year) for year in range(first, last + 1)]
        starts, offsets = np.concatenate([s for s, _ in years]), np.concatenate([o for _, o in years])
    at = np.searchsorted(starts, ts, side="right") - 1
    found: NDArray[np.int64] = offsets[np.maximum(at, 0)]
    return found


def _year(at_us: int) -> int:
    highest = round(datetime(_LAST_YEAR, 1, 1, tzinfo=UTC).timestamp())
    return datetime.fromtimestamp(min(max(at_us // 1_000_000, 0), highest), UTC).year


@lru_cache(maxsize=4096)
def _changes(zone: str, year: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of one UTC year: when each stretch of equal offset begins (the first with the year), and its offset. No zone has
    ever changed twice within twelve hours and back, so looking twice a day finds them all."""
    known = ZoneInfo(zone)

    def offset_s(at_s: int) -> int:
        offset = datetime.fromtimestamp(at_s, known).utcoffset()
        return 0 if offset is None else round(offset.total_seconds())

    begin, end = (round(datetime(y, 1, 1, tzinfo=UTC).timestamp()) for y in (year, year + 1))
    starts, offsets = [begin], [offset_s(begin)]
    for until in range(begin + 43_200, end + 1, 43_200):
        low, high = until - 43_200, until
        if offset_s(high) == offsets[-1]:
            continue
        while high - low > 1:  # the second at which the clocks change
            middle = (low + high) // 2
            low, high = (middle, high) if offset_s(middle) == offsets[-1] else (low, middle)
        if high < end:
            starts.append(high)
            offsets.append(offset_s(high))
    return np.array(starts, np.int64) * 1_000_000, np.array(offsets, np.int64) * 1_000_000
