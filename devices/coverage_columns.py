"""What coverage is computed of: sites and devices as columns, as they stood on one day. No I/O.

Days are i4, days since 1970-01-01, NO_DAY where none is known. A million sites are some 60 MiB.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

_EPOCH = date(1970, 1, 1).toordinal()
#: Earlier than every day, so that "not before" is never true of what is not known.
NO_DAY = -(2**31)


@dataclass(frozen=True, slots=True)
class Words:
    """A column of few different words. of: i4, the index in `all` of each row."""

    of: NDArray[np.int32]
    all: tuple[str, ...]

    def __post_init__(self) -> None:
        assert self.of.dtype == np.int32

    def at(self, row: int) -> str:
        return self.all[int(self.of[row])]

    def where(self, *words: str) -> NDArray[np.bool_]:
        """Which rows have one of these words."""
        among = np.fromiter((word in words for word in self.all), np.bool_, len(self.all))
        found: NDArray[np.bool_] = among[self.of]
        return found


def words(column: Iterable[str]) -> Words:
    """Coded in the order of the words, so that the same rows in another order give the same codes."""
    rows = list(column)
    every = tuple(sorted(set(rows)))
    index = {word: n for n, word in enumerate(every)}
    return Words(np.fromiter((index[word] for word in rows), np.int32, len(rows)), every)


@dataclass(frozen=True, slots=True)
class Sites:
    """Shape (sites,). resident: a household, else a unit user. contact: the last day on which somebody of the site was
    reached. height_m: f4, NaN where it is not known."""

    keys: tuple[str, ...]
    resident: NDArray[np.bool_]
    old: NDArray[np.bool_]
    new: NDArray[np.bool_]
    hardship: NDArray[np.bool_]
    height_m: NDArray[np.float32]
    gas_on: NDArray[np.int32]
    contact: NDArray[np.int32]
    supply: Words
    area: Words
    department: Words
    enterprise: Words
    manager: Words

    def __len__(self) -> int:
        return len(self.keys)


@dataclass(frozen=True, slots=True)
class Devices:
    """Shape (devices,). site: the index of its site. kind, tier: words of DeviceKind and Tier; tier empty: not known.

    seen_us: i8, effective time of the newest reading with a good measurement or a valve's position, in microseconds
    since 1970 UTC; 0: none. interval_s: f4, how often its model reports. installed: since when it is there.
    calibration_due, life_end: the last day on which it is good. ruled: an alarm rule in force looks at it.
    closed: the last day on which it was seen to stand closed or confirmed a CLOSE. evidence: the last day on which a
    record says it was there; worked: on which somebody saw it work.
    """

    identities: tuple[str, ...]
    site: NDArray[np.int32]
    kind: Words
    tier: Words
    seen_us: NDArray[np.int64]
    interval_s: NDArray[np.float32]
    installed: NDArray[np.int32]
    calibration_due: NDArray[np.int32]
    life_end: NDArray[np.int32]
    ruled: NDArray[np.bool_]
    closed: NDArray[np.int32]
    evidence: NDArray[np.int32]
    worked: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.identities)


@dataclass(frozen=True, slots=True)
class AsOf:
    """A day, and the instant up to which readings count: its end where the area is, or now if that is earlier."""

    day: date
    until_us: int


def day_number(day: date | None) -> int:
    return NO_DAY if day is None else day.toordinal() - _EPOCH


def day_of(number: int) -> date | None:
    return None if number == NO_DAY else date.fromordinal(number + _EPOCH)


def months_before(day: date, months: int) -> date:
    """The same day of an earlier month, or the last there is in it."""
    return months_after(day, -months)


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or the last there is in it."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = date(year, month + 1, 1)
    after = date(year + (month == 11), (month + 1) % 12 + 1, 1)
    return first.replace(day=min(day.day, (after - first).days))


def each_months_after(days: NDArray[np.int32], months: int) -> NDArray[np.int32]:
    """The same of a column; NO_DAY stays."""
    known = days != NO_DAY
    whole = np.where(known, days, 0).astype("datetime64[D]")
    month = whole.astype("datetime64[M]")
    then = month + np.timedelta64(months, "M")
    last = (then + np.timedelta64(1, "M")).astype("datetime64[D]") - np.timedelta64(1, "D")
    same = then.astype("datetime64[D]") + (whole - month.astype("datetime64[D]"))
    shifted = np.minimum(same, last).astype(np.int64).astype(np.int32)
    return np.where(known, shifted, np.int32(NO_DAY)).astype(np.int32)
