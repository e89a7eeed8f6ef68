"""Windows as rings of buckets: integers per device, so that no result depends on how readings are batched (G5).

B1  A window is K buckets of window // K microseconds. The bucket of a reading is its time divided by that width, but
    never one before the device's newest (`head`): time does not go back. The window is the K buckets that end there.
    Only when it lies more than K buckets before is a clock believed that was set back: the ring begins anew there, or
    nothing would be remembered until the clock is where it was.
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

#: Means are rounded to what readings and limits are: else a value that stays at its limit would lie beside it.
_AS_READ = np.float32

Slots = NDArray[np.int32]
Times = NDArray[np.int64]
Values = NDArray[np.float64]
Places = NDArray[np.int64]


class Ring:
    """cells: each of shape (slots * K,), by slot and place. sums: shape (slots, 1 + sums), i8: the head, then the sums.
    Slots given to one call are distinct."""

    #: Name and type of each array of cells; all zero is an empty bucket.
    CELLS: tuple[tuple[str, str], ...] = ()
    #: How many sums, and other whole numbers per device after them.
    SUMS = 0
    MORE = 0

    def __init__(self, slots: int, window_us: int, buckets: int) -> None:
        self.window_us, self.width_us, self.buckets = window_us, window_us // buckets, buckets
        self.cells: list[NDArray[Any]] = [np.zeros(slots * buckets, dtype) for _, dtype in self.CELLS]
        self.sums = np.zeros((slots, 1 + self.SUMS + self.MORE), np.int64)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, by name."""
        shape = len(self.sums), self.buckets
        named = {name: cells.reshape(shape) for (name, _), cells in zip(self.CELLS, self.cells, strict=True)}
        return {**named, "sums": self.sums}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse, of arrays of the same shapes and types."""
        self.cells = [np.ascontiguousarray(arrays[name]).reshape(-1) for name, _ in self.CELLS]
        self.sums = arrays["sums"]

    def weights(self, cells: list[NDArray[Any]]) -> list[NDArray[np.int64]]:
        """What these cells add to each sum, in their shape."""
        return []

    def moved(self, slots: Slots, t: Times) -> tuple[NDArray[np.int64], Places]:
        """The rows of `sums` of these slots with the head moved to t's bucket (to be changed and written back), and
        where in the cells that bucket stands, (n,)."""
        sums = self.sums[slots]
        before = sums[:, 0].copy()
        head = newest(t // self.width_us, before, self.buckets)
        anew = head < before
        sums[:, 0] = head
        steps = np.where(before == 0, 0, np.where(anew, self.buckets, np.minimum(head - before, self.buckets)))
        if self.MORE and anew.any():
            sums[anew, 1 + self.SUMS :] = 0
        rows = np.flatnonzero(steps)
        if len(rows):
            at, begins = self.stretch(slots[rows], before[rows] + 1, steps[rows])
            for number, weight in enumerate(self.weights([cells[at] for cells in self.cells])):
                sums[rows, 1 + number] -= np.add.reduceat(weight, begins)
            for cells in self.cells:
                cells[at] = 0
        return sums, self.place(slots, head)

    def place(self, slots: Slots, number: NDArray[np.int64]) -> Places:
        """Where in the cells the bucket of this number stands."""
        return slots * self.buckets + (number - number // self.buckets * self.buckets)

    def stretch(self, slots: Slots, first: NDArray[np.int64], many: NDArray[np.int64]) -> tuple[Places, Places]:
        """Where so many buckets (at least one) from each first one on stand, one device after the other; and where in
        that list each device begins."""
        ends = np.cumsum(many)
        begins = ends - many
        if ends[-1] == len(many):
            return self.place(slots, first), begins
        number = np.arange(ends[-1]) + np.repeat(first - begins, many)
        return self.place(np.repeat(slots, many), number), begins


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
        for cells, more in zip(self.cells, (milli, good, ~good), strict=True):
            cells[at] += more
        sums[:, 1] += milli
        sums[:, 2] += good
        sums[:, 3] += ~good
        self.sums[slots] = sums
        known = (sums[:, 2] > 0) & (sums[:, 3] <= sums[:, 2])
        mean = (sums[:, 1] / 1000.0 / np.maximum(sums[:, 2], 1)).astype(_AS_READ)
        return np.where(known, mean, np.nan).astype(np.float64)


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
            between = np.flatnonzero(near & (mine[:, 0] - mine[:, 4] > 1))
            if len(between):
                self._fill(slots[good[between]], mine, milli[between], between)
            self._add(at[good], mine, milli)
            mine[:, 3], mine[:, 4] = t[good], mine[:, 0]
            sums[good] = mine
        self.sums[slots] = sums
        held = sums[:, 2]
        average = (sums[:, 1] / (1000.0 * self.buckets)).astype(_AS_READ)
        return np.where(held > 0, average, np.nan).astype(np.float64), 4 * held < 3 * self.buckets

    def _add(self, at: Places, sums: NDArray[np.int64], milli: NDArray[np.int64]) -> None:
        before = [cells[at] for cells in self.cells]
        after: list[NDArray[Any]] = [before[0] + milli, before[1] + np.uint32(1)]
        for number, (new, old) in enumerate(zip(self.weights(after), self.weights(before), strict=True)):
            sums[:, 1 + number] += new - old
        for cells, now in zip(self.cells, after, strict=True):
            cells[at] = now

    def _fill(self, who: Slots, sums: NDArray[np.int64], milli: NDArray[np.int64], rows: NDArray[np.intp]) -> None:
        """The empty buckets between a device's last good reading and this one. who, milli: of these rows of sums."""
        total, count = self.cells
        head = sums[rows, 0]
        first = np.maximum(sums[rows, 4], head - self.buckets) + 1
        at, begins = self.stretch(who, first, head - first)
        empty = count[at] == 0
        places = at[empty]
        total[places] = np.repeat(milli, head - first)[empty]
        count[places] = 1
        filled = np.add.reduceat(empty.astype(np.int64), begins)
        sums[rows, 1] += filled * milli
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
            more = says & (cells[at] != self._FULL)
            cells[at] += more
            sums[:, 1 + number] += more
        self.sums[slots] = sums
        return sums[:, 1].astype(np.float64), sums[:, 2] > 0


def newest(number: NDArray[np.int64], head: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """The heads after readings whose times lie in these buckets: B1."""
    return np.where(number + buckets < head, number, np.maximum(number, head))


def in_milli(value: Values, good: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Values in whole thousandths of their unit; 0 where not good."""
    return np.rint(np.where(good, value, 0.0) * 1000.0).astype(np.int64)
