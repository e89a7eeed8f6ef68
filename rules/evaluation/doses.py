"""What is remembered of a device without a window: its dose of carbon monoxide, since when something is true or still.

D1  A dose is advanced in whole seconds by a table of decays, with additions and multiplications alone, so that it is
    the same number on every machine and for every way of batching (G5).
D2  What nobody knows (a value that is not good, a condition that is unknown) changes nothing here.
D3  A clock that was set back is believed: what began after the reading begins with it, and goes on from there.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
_MICROSECONDS = 1_000_000

#: The Coburn-Forster-Kane equation as CO alarms use it. Source: US 7408473 / US 2007/0200719: percent COHb after t
#: minutes is COHb_0 * exp(-t / (2398 B)) + 218 (1 - exp(-t / (2398 B))) (0.0003 + ppm / 1316); B of heavy work.
TIME_CONSTANT_MIN = 2398 * 0.0404
HALDANE = 218
ENDOGENOUS = 0.0003
PRESSURE = 1316
#: After a day without a reading nothing of a dose is left.
LONGEST_S = 86_400
#: The share of a dose that is left after so many seconds.
DECAY = np.array([math.exp(-(s / 60) / TIME_CONSTANT_MIN) for s in range(LONGEST_S + 1)], np.float64)
#: Of fewer equal readings nobody can tell whether a value is stuck: a device that reports once a day says 3 twice and
#: is well. Source: product choice, as many as a window has buckets.
LEAST_STILL = 12
#: A value holds until the next reading, but not for longer than this or three report intervals (product choice).
_HOLDS_US = 60 * _MICROSECONDS


class Remembered:
    """Arrays of shape (slots,) by name, all zero for a device of which nothing is known. Slots given to one call are
    distinct."""

    FIELDS: tuple[tuple[str, str], ...] = ()

    def __init__(self, slots: int) -> None:
        self.fields: dict[str, NDArray[Any]] = {name: np.zeros(slots, dtype) for name, dtype in self.FIELDS}

    def arrays(self) -> dict[str, NDArray[Any]]:
        return dict(self.fields)

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.fields = {name: arrays[name] for name, _ in self.FIELDS}


class Dose(Remembered):
    """Percent COHb of somebody who was there all the time, doing heavy work. It times alarms; it is nobody's blood."""

    FIELDS = (("percent", "<f8"), ("last", "<i8"), ("ppm", "<f4"))

    def advance(self, slots: Slots, t: Times, value: Values, interval_us: NDArray[np.int64]) -> Values:
        """value: shape (n,), ppm, NaN: not good. The dose now, NaN where the reading is not good."""
        found = np.full(len(slots), np.nan)
        good = np.flatnonzero(~np.isnan(value))
        if not len(good):
            return found
        who, now, at = slots[good], np.maximum(value[good], 0.0), t[good]
        last, ppm = self.fields["last"][who], self.fields["ppm"][who].astype(np.float64)
        first = last == 0
        last = np.where(first, at, np.minimum(last, at))
        gap_us = at - last
        seconds = gap_us // _MICROSECONDS
        holds = gap_us <= np.maximum(3 * interval_us[good], _HOLDS_US)
        used = np.where(holds, np.maximum(ppm, now), 0.0)
        left = DECAY[np.minimum(seconds, LONGEST_S)]
        before = self.fields["percent"][who]
        after = before * left + HALDANE * (1 - left) * (ENDOGENOUS + used / PRESSURE)
        percent = np.where(seconds > 0, np.minimum(np.maximum(after, 0.0), 100.0), before)
        self.fields["percent"][who] = percent
        self.fields["last"][who] = last + seconds * _MICROSECONDS
        self.fields["ppm"][who] = np.where(first | (seconds > 0), now, np.maximum(ppm, now))
        found[good] = percent
        return found

    def run(self, slot: int, t: Sequence[int], value: Sequence[float], interval_us: int) -> list[float]:
        """As `advance`, of readings of one device in order."""
        percent, last, ppm = (self.fields[name][slot].item() for name, _ in self.FIELDS)
        holds_us = max(3 * interval_us, _HOLDS_US)
        found = []
        for at, said in zip(t, value, strict=True):
            if said != said:  # NaN
                found.append(math.nan)
                continue
            now = max(0.0, said)
            first = last == 0
            last = at if first else min(last, at)
            seconds = (at - last) // _MICROSECONDS
            if seconds > 0:
                used = max(ppm, now) if at - last <= holds_us else 0.0
                left = float(DECAY[min(seconds, LONGEST_S)])
                after = percent * left + HALDANE * (1 - left) * (ENDOGENOUS + used / PRESSURE)
                percent = min(max(after, 0.0), 100.0)
            ppm = now if first or seconds > 0 else max(ppm, now)
            last += seconds * _MICROSECONDS
            found.append(percent)
        self.fields["percent"][slot], self.fields["last"][slot], self.fields["ppm"][slot] = percent, last, ppm
        return found


class Still(Remembered):
    """The last good value, since when every good reading has had it, and how many those are (no more than counts)."""

    FIELDS = (("value", "<f4"), ("since", "<i8"), ("many", "<u1"))

    def advance(self, slots: Slots, t: Times, value: Values) -> Values:
        """How long the value has been the same, in microseconds, f8; -1 while fewer than LEAST_STILL readings say so;
        NaN where the reading is not good."""
        found = np.full(len(slots), np.nan)
        good = np.flatnonzero(~np.isnan(value))
        who, now, at = slots[good], value[good], t[good]
        since = self.fields["since"][who]
        same = (self.fields["value"][who] == now) & (since != 0)
        since = np.where(same, np.minimum(since, at), at)
        many = np.where(same, np.minimum(self.fields["many"][who], LEAST_STILL - 1) + 1, 1)
        self.fields["value"][who], self.fields["since"][who], self.fields["many"][who] = now, since, many
        found[good] = np.where(many >= LEAST_STILL, at - since, -1)
        return found

    def run(self, slot: int, t: Sequence[int], value: Sequence[float]) -> list[float]:
        """As `advance`, of readings of one device in order."""
        held, since, many = (self.fields[name][slot].item() for name, _ in self.FIELDS)
        found = []
        for at, said in zip(t, value, strict=True):
            if said != said:  # NaN
                found.append(math.nan)
                continue
            if said == held and since:
                since, many = min(since, at), min(many, LEAST_STILL - 1) + 1
            else:
                held, since, many = said, at, 1
            found.append(float(at - since) if many >= LEAST_STILL else -1.0)
        self.fields["value"][slot], self.fields["since"][slot], self.fields["many"][slot] = held, since, many
        return found


class Lasting(Remembered):
    """Since when a condition is true without a break."""

    FIELDS = (("start", "<i8"),)

    def advance(self, slots: Slots, t: Times, true: NDArray[np.bool_], false: NDArray[np.bool_]) -> Values:
        """For how long, in seconds; 0 while it is false, NaN where nobody knows."""
        start = self.fields["start"][slots]
        began = np.where(start == 0, t, np.minimum(start, t))
        start = np.where(true, began, np.where(false, 0, start))
        self.fields["start"][slots] = start
        return np.where(true, (t - start) / 1e6, np.where(false, 0.0, np.nan))
