"""Windows that need to know which of their buckets are filled and what stands in them: extremes, and how far a value
has come. Buckets are numbered as in rules/buckets.py (B1, B2)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.buckets import Slots, Times, Values


class Marked:
    """A ring of which only the buckets that are marked mean anything, so that those the head leaves behind need not be
    emptied. marks: shape (slots, 1 + MARKS), i8: the head, then sets of places, bit by bit. Slots are distinct."""

    CELLS: tuple[tuple[str, str], ...] = ()
    MARKS = 1

    def __init__(self, slots: int, window_us: int, buckets: int) -> None:
        self.window_us, self.width_us, self.buckets = window_us, window_us // buckets, buckets
        self.cells: list[NDArray[Any]] = [np.zeros((slots, buckets), dtype) for _, dtype in self.CELLS]
        self.marks = np.zeros((slots, 1 + self.MARKS), np.int64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, by name."""
        named = {name: cells for (name, _), cells in zip(self.CELLS, self.cells, strict=True)}
        return {**named, "marks": self.marks}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse, of arrays of the same shapes and types."""
        self.cells = [arrays[name] for name, _ in self.CELLS]
        self.marks = arrays["marks"]

    def moved(self, slots: Slots, t: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of `marks` of these slots with the head moved to t's bucket and the marks of those left behind taken
        away (to be changed and written back), and where that bucket stands, (n,)."""
        marks = self.marks[slots]
        head = marks[:, 0].copy()
        marks[:, 0] = np.maximum(t // self.width_us, head)
        steps = np.minimum(marks[:, 0] - head, self.buckets)
        if steps.any():
            left = self._turned((np.int64(1) << steps) - 1, (head + 1) % self.buckets)
            marks[:, 1:] &= ~left[:, None]
        return marks, marks[:, 0] % self.buckets

    def _turned(self, places: NDArray[np.int64], by: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sets of places, each moved on around the ring."""
        return ((places << by) | (places >> (self.buckets - by))) & ((1 << self.buckets) - 1)


class Extreme(Marked):
    """The lowest or highest good value."""

    CELLS = (("value", "<f4"),)
    MARKS = 2  # buckets with a good reading, and with one that was not

    def __init__(self, slots: int, window_us: int, buckets: int, *, highest: bool) -> None:
        super().__init__(slots, window_us, buckets)
        self.highest = highest

    def advance(self, slots: Slots, t: Times, value: Values) -> tuple[Values, NDArray[np.bool_]]:
        """The extreme, NaN where none was good; and whether some reading of the window was not."""
        marks, at = self.moved(slots, t)
        (values,) = self.cells
        pick = np.fmax if self.highest else np.fmin
        bit, good = np.int64(1) << at, ~np.isnan(value)
        before = np.where(marks[:, 1] & bit, values[slots, at], np.nan)
        found = pick(before, value)
        values[slots, at] = np.where(np.isnan(found), 0.0, found)
        marks[:, 1] |= np.where(good, bit, 0)
        marks[:, 2] |= np.where(good, 0, bit)
        self.marks[slots] = marks
        held = (marks[:, 1][:, None] >> np.arange(self.buckets)) & 1
        every = np.where(held != 0, values[slots].astype(np.float64), np.nan)
        return pick.reduce(every, axis=1), marks[:, 2] != 0


class First(Marked):
    """The first good value of every bucket and when it was, to tell how far the value has come since."""

    CELLS = (("value", "<f4"), ("at", "<i8"))

    def advance(self, slots: Slots, t: Times, value: Values) -> tuple[Values, NDArray[np.int64]]:
        """What the value has changed since the first good one that the window holds, and how long ago that was; NaN
        where the reading is not good or that was less than half a window ago."""
        marks, at = self.moved(slots, t)
        values, times = self.cells
        bit, good = np.int64(1) << at, ~np.isnan(value)
        fresh = np.flatnonzero(good & ((marks[:, 1] & bit) == 0))
        values[slots[fresh], at[fresh]] = value[fresh]
        times[slots[fresh], at[fresh]] = t[fresh]
        marks[fresh, 1] |= bit[fresh]
        self.marks[slots] = marks
        place = self._oldest(marks[:, 1], at)
        distance = t - times[slots, place]
        known = good & (2 * distance >= self.window_us)
        return np.where(known, value - values[slots, place], np.nan), distance

    def _oldest(self, places: NDArray[np.int64], at: NDArray[np.int64]) -> NDArray[np.int64]:
        """Which of these places comes first after the newest, going round, (n,)."""
        following = (at + 1) % self.buckets
        turned = self._turned(places, (self.buckets - following) % self.buckets)
        lowest = np.bitwise_count((turned & -turned) - 1).astype(np.int64)
        return np.where(turned == 0, at, (following + lowest) % self.buckets)
