"""Windows as rings of buckets: integers per device, so that no result depends on how readings are batched (G5).

B1  A window is K buckets of window // K microseconds. The bucket of a reading is its time divided by that width, but
    never one before the device's newest (`head`): time does not go back. The window is the K buckets that end there.
B2  A bucket with number b stands at b % K; those that the head leaves behind are emptied when it moves.
B3  Sums over the window are kept beside the buckets and changed by whole numbers, so they are what a sum over all
    buckets would be.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Buckets per window (product choice): one twelfth of a window is how exactly its length is kept.
BUCKETS = 12
#: Of `stel`: one per minute of its usual 15.
STEL_BUCKETS = 15
#: Of `twa`: five minutes of an eight-hour shift each.
TWA_BUCKETS = 96

#: Up to so many steps of a head are cheaper taken one by one.
_FEW = 3

Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]


class Ring:
    """cells: each of shape (slots, K). sums: shape (slots, 1 + sums), i8: the head, then the sums. Slots given to one
    call are distinct."""

    #: Name and type of each array of cells; all zero is an empty bucket.
    CELLS: tuple[tuple[str, str], ...] = ()
    #: How many sums, and other whole numbers per device after them.
    SUMS = 0
    MORE = 0

    def __init__(self, slots: int, window_us: int, buckets: int) -> None:
        self.window_us, self.width_us, self.buckets = window_us, window_us // buckets, buckets
        self.cells: list[NDArray[Any]] = [np.zeros((slots, buckets), dtype) for _, dtype in self.CELLS]
        self.sums = np.zeros((slots, 1 + self.SUMS + self.MORE), np.int64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, by name."""
        named = {name: cells for (name, _), cells in zip(self.CELLS, self.cells, strict=True)}
        return {**named, "sums": self.sums}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse, of arrays of the same shapes and types."""
        self.cells = [arrays[name] for name, _ in self.CELLS]
        self.sums = arrays["sums"]

    def weights(self, cells: list[NDArray[Any]]) -> list[NDArray[np.int64]]:
        """What these cells add to each sum, in their shape."""
        return []

    def moved(self, slots: Slots, t: Times) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The rows of `sums` of these slots with the head moved to t's bucket (to be changed and written back), and
        where that bucket stands, (n,)."""
        sums = self.sums[slots]
        head = sums[:, 0].copy()
        sums[:, 0] = np.maximum(t // self.width_us, head)
        steps = np.where(head == 0, 0, sums[:, 0] - head)
        farthest = int(steps.max(initial=0))
        if farthest:
            few = np.where(steps <= _FEW, steps, 0)
            for step in range(1, min(farthest, _FEW) + 1):
                rows = np.flatnonzero(few >= step)
                self._forget_one(slots[rows], sums, rows, (head[rows] + step) % self.buckets)
        if farthest >= self.buckets:
            rows = np.flatnonzero(steps >= self.buckets)
            for cells in self.cells:
                cells[slots[rows]] = 0
            sums[rows, 1 : 1 + self.SUMS] = 0
        if farthest > _FEW and len(rows := np.flatnonzero((steps > _FEW) & (steps < self.buckets))):
            self._forget_many(slots[rows], sums, rows, head[rows])
        return sums, sums[:, 0] % self.buckets

    def _forget_one(self, who: Slots, sums: NDArray[np.int64], rows: NDArray[np.intp], at: NDArray[np.int64]) -> None:
        for number, weight in enumerate(self.weights([cells[who, at] for cells in self.cells])):
            sums[rows, 1 + number] -= weight
        for cells in self.cells:
            cells[who, at] = 0

    def _forget_many(
        self, who: Slots, sums: NDArray[np.int64], rows: NDArray[np.intp], head: NDArray[np.int64]
    ) -> None:
        left = self.numbers(sums[rows, 0]) > head[:, None]
        old = [cells[who] for cells in self.cells]
        for number, weight in enumerate(self.weights(old)):
            sums[rows, 1 + number] -= np.where(left, weight, 0).sum(axis=1)
        for cells, kept in zip(self.cells, old, strict=True):
            kept[left] = 0
            cells[who] = kept

    def numbers(self, head: NDArray[np.int64]) -> NDArray[np.int64]:
        """The number of the bucket that stands at each place when these are the heads, shape (n, K)."""
        behind = (head % self.buckets)[:, None] - np.arange(self.buckets)
        behind[behind < 0] += self.buckets
        return head[:, None] - behind


class Mean(Ring):
    """The mean of good values, in thousandths of the unit."""

    CELLS = (("milli", "<i8"), ("good", "<u4"), ("bad", "<u4"))
    SUMS = 3

    def weights(self, cells: list[NDArray[Any]]) -> list[NDArray[np.int64]]:
        return [cells[0], cells[1].astype(np.int64), cells[2].astype(np.int64)]

    def advance(self, slots: Slots, t: Times, value: Values) -> Values:
        """value: shape (n,), NaN: not good. The mean; NaN where nobody knows: none was good, or fewer than were not."""
        sums, at = self.moved(slots, t)
        good = ~np.isnan(value)
        milli = in_milli(value, good)
        self.cells[0][slots, at] += milli
        self.cells[1][slots, at] += good
        self.cells[2][slots, at] += ~good
        sums[:, 1] += milli
        sums[:, 2] += good
        sums[:, 3] += ~good
        self.sums[slots] = sums
        known = (sums[:, 2] > 0) & (sums[:, 3] <= sums[:, 2])
        return np.where(known, sums[:, 1] / 1000.0 / np.maximum(sums[:, 2], 1), np.nan)


class Average(Ring):
    """The time-weighted average: the mean of the buckets, those without readings counted as zero."""

    CELLS = (("milli", "<i8"), ("count", "<u4"))
    SUMS = 2  # of the buckets' means in milli; how many have a reading
    MORE = 2  # time of the last good reading, and its bucket

    def weights(self, cells: list[NDArray[Any]]) -> list[NDArray[np.int64]]:
        milli, count = cells
        return [milli // np.maximum(count, 1).astype(np.int64), (count > 0).astype(np.int64)]

    def advance(
        self, slots: Slots, t: Times, value: Values, interval_us: NDArray[np.int64]
    ) -> tuple[Values, NDArray[np.bool_]]:
        """The average, NaN where no bucket has a reading; and whether fewer than three in four have one, so that it
        may be higher. A device that reports more rarely than there are buckets fills those between (3 intervals)."""
        sums, at = self.moved(slots, t)
        good = np.flatnonzero(~np.isnan(value))
        if len(good):
            mine, milli = sums[good], in_milli(value[good], np.ones(len(good), np.bool_))
            near = (mine[:, 3] != 0) & (t[good] - mine[:, 3] <= 3 * interval_us[good])
            between = near & (mine[:, 0] - mine[:, 4] > 1)
            if between.any():
                self._fill(slots[good], mine, milli, np.flatnonzero(between))
            who, where = slots[good], at[good]
            sums[good] = self._add(who, where, mine, milli)
            sums[good, 3], sums[good, 4] = t[good], mine[:, 0]
        self.sums[slots] = sums
        held = sums[:, 2]
        found = np.where(held > 0, sums[:, 1] / (1000.0 * self.buckets), np.nan)
        return found, 4 * held < 3 * self.buckets

    def _add(
        self, who: Slots, at: NDArray[np.int64], sums: NDArray[np.int64], milli: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        total, count = self.cells
        before = self.weights([total[who, at], count[who, at]])
        total[who, at] += milli
        count[who, at] += 1
        after = self.weights([total[who, at], count[who, at]])
        for number in range(self.SUMS):
            sums[:, 1 + number] += after[number] - before[number]
        return sums

    def _fill(self, slots: Slots, sums: NDArray[np.int64], milli: NDArray[np.int64], rows: NDArray[np.intp]) -> None:
        total, count = self.cells
        who, number = slots[rows], self.numbers(sums[rows, 0])
        empty = (number > sums[rows, 4][:, None]) & (number < sums[rows, 0][:, None]) & (count[who] == 0)
        total[who] = np.where(empty, milli[rows, None], total[who])
        count[who] = np.where(empty, np.uint32(1), count[who])
        filled = empty.sum(axis=1)
        sums[rows, 1] += filled * milli[rows]
        sums[rows, 2] += filled


class Tally(Ring):
    """How often something was true, and how often nobody knew."""

    CELLS = (("hits", "<u2"), ("unknown", "<u2"))
    SUMS = 2
    _FULL = np.uint16(0xFFFF)

    def weights(self, cells: list[NDArray[Any]]) -> list[NDArray[np.int64]]:
        return [cells[0].astype(np.int64), cells[1].astype(np.int64)]

    def advance(
        self, slots: Slots, t: Times, true: NDArray[np.bool_], false: NDArray[np.bool_]
    ) -> tuple[Values, NDArray[np.bool_]]:
        """The count, and whether it may be higher."""
        sums, at = self.moved(slots, t)
        for number, says in enumerate((true, ~(true | false))):
            cells = self.cells[number]
            more = says & (cells[slots, at] != self._FULL)
            cells[slots, at] += more
            sums[:, 1 + number] += more
        self.sums[slots] = sums
        return sums[:, 1].astype(np.float64), sums[:, 2] > 0


def in_milli(value: Values, good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Values in whole thousandths of their unit; 0 where not good."""
    return np.rint(np.where(good, value, 0.0) * 1000.0).astype(np.int64)
