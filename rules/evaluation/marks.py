"""Windows that need to know which of their buckets are filled and what stands in them: extremes, and how far a value
has come. Buckets are numbered as in rules/evaluation/buckets.py (B1, B2).

M1  Of each device one word: the head, and below it sets of buckets, bit by bit, counted back from the head (bit 0 is
    the head itself). When the head moves on they are shifted, and those left behind fall out; their cells need not be
    emptied.
M2  What a reading says is kept by `record`; what the window then says is worked out by `ask`, and only of readings of
    which it matters. Asked after a later reading of the same device it would be another answer.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rules.evaluation.buckets import Slots, Times, Values, newest

Words = NDArray[np.int64]


class Marked:
    """cells: each of shape (slots * K,), by slot and place. words: shape (slots,), i8 (M1): with 12 buckets and two
    sets 39 bits are left for the head, the number of a bucket that is no shorter than a twelfth of a second: enough
    for a thousand years. Slots given to one call are distinct."""

    CELLS: tuple[tuple[str, str], ...] = ()
    SETS = 1

    def __init__(self, slots: int, window_us: int, buckets: int) -> None:
        self.window_us, self.width_us, self.buckets = window_us, window_us // buckets, buckets
        self.cells: list[NDArray[Any]] = [np.zeros(slots * buckets, dtype) for _, dtype in self.CELLS]
        self.words = np.zeros(slots, np.int64)
        self._all, self._bits = (1 << buckets) - 1, self.SETS * buckets

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Everything remembered, by name."""
        shape = len(self.words), self.buckets
        named = {name: cells.reshape(shape) for (name, _), cells in zip(self.CELLS, self.cells, strict=True)}
        return {**named, "words": self.words}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse, of arrays of the same shapes and types."""
        self.cells = [np.ascontiguousarray(arrays[name]).reshape(-1) for name, _ in self.CELLS]
        self.words = arrays["words"]

    def moved(self, slots: Slots, t: Times) -> tuple[Words, list[Words]]:
        """The heads moved to t's bucket, and the sets as they are counted from there, shape (n,) each."""
        words = self.words.take(slots)
        old = words >> self._bits
        head = newest(t // self.width_us, old, self.buckets)
        steps = np.where(head < old, self.buckets, np.minimum(head - old, self.buckets))
        return head, [(self._set(words, number) << steps) & self._all for number in range(self.SETS)]

    def _set(self, words: Words, number: int) -> Words:
        return (words >> (number * self.buckets)) & self._all

    def record(self, slots: Slots, t: Times, value: Values) -> None:
        """Take these readings in. value: shape (n,), NaN: not good."""
        raise NotImplementedError

    def ask(self, slots: Slots, t: Times, value: Values) -> tuple[Values, NDArray[Any]]:
        """What the windows say as of readings that were recorded last, and one thing more (M2)."""
        raise NotImplementedError

    def place(self, slots: Slots, number: Words) -> NDArray[np.int64]:
        """Where in the cells the bucket of this number stands."""
        return slots * self.buckets + (number - number // self.buckets * self.buckets)


class Extreme(Marked):
    """The lowest or highest good value. Sets: buckets with a good reading, and with one that was not."""

    CELLS = (("value", "<f4"),)
    SETS = 2

    def __init__(self, slots: int, window_us: int, buckets: int, *, highest: bool) -> None:
        super().__init__(slots, window_us, buckets)
        self.highest = highest

    def record(self, slots: Slots, t: Times, value: Values) -> None:
        head, (with_good, with_bad) = self.moved(slots, t)
        (values,) = self.cells
        at = self.place(slots, head)
        good = ~np.isnan(value)
        pick = np.fmax if self.highest else np.fmin
        found = pick(np.where(with_good & 1, values[at], np.nan), value)
        values[at] = np.where(np.isnan(found), 0.0, found)
        with_good |= good
        with_bad |= ~good
        self.words[slots] = (head << self._bits) | (with_bad << self.buckets) | with_good

    def ask(self, slots: Slots, t: Times, value: Values) -> tuple[Values, NDArray[np.bool_]]:
        """The extreme, NaN where none was good; and whether some reading of the window was not."""
        words = self.words.take(slots)
        head = words >> self._bits
        back = (head % self.buckets)[:, None] - np.arange(self.buckets)
        back[back < 0] += self.buckets
        held = (self._set(words, 0)[:, None] >> back) & 1
        values = self.cells[0].reshape(-1, self.buckets).take(slots, axis=0)
        pick = np.fmax if self.highest else np.fmin
        every = np.where(held != 0, values.astype(np.float64), np.nan)
        return pick.reduce(every, axis=1), self._set(words, 1) != 0


class First(Marked):
    """The first good value of every bucket and when it was, to tell how far the value has come since. Set: the buckets
    that have one."""

    CELLS = (("value", "<f4"), ("at", "<i8"))

    def record(self, slots: Slots, t: Times, value: Values) -> None:
        head, (filled,) = self.moved(slots, t)
        good = value == value
        fresh = good > (filled & 1)
        if fresh.all():
            self._write(self.place(slots, head), t, value)
        elif len(rows := np.flatnonzero(fresh)):
            self._write(self.place(slots[rows], head[rows]), t[rows], value[rows])
        self.words[slots] = (head << self._bits) | filled | good

    def _write(self, at: NDArray[np.int64], t: Times, value: Values) -> None:
        values, times = self.cells
        values[at], times[at] = value, t

    def ask(self, slots: Slots, t: Times, value: Values) -> tuple[Values, NDArray[np.int64]]:
        """What the value has changed since the first good one that the window holds, and how long ago that was; NaN
        where the reading is not good or that was less than half a window ago."""
        words = self.words.take(slots)
        # The oldest is the highest bit; 2 ** 53 is far above it, so no bit is lost in a float.
        back = np.maximum(np.frexp((words & self._all).astype(np.float64))[1] - 1, 0)
        at = self.place(slots, (words >> self._bits) - back)
        values, times = self.cells
        distance = t - times[at]
        known = (value == value) & (2 * distance >= self.window_us)
        return np.where(known, value - values[at], np.nan), distance

    def run(self, slot: int, t: Sequence[int], value: Sequence[float]) -> tuple[list[float], list[int]]:
        """As `record` and `ask` of each, of readings of one device in order."""
        values, times = (cells[slot * self.buckets : (slot + 1) * self.buckets].tolist() for cells in self.cells)
        word = int(self.words[slot])
        head, filled = word >> self._bits, word & self._all
        found, ago = [], []
        for at, said in zip(t, value, strict=True):
            before, number = head, at // self.width_us
            head = number if number + self.buckets < head else max(number, head)
            steps = self.buckets if head < before else min(head - before, self.buckets)
            filled = (filled << steps) & self._all
            good = said == said
            if good and not filled & 1:
                values[head % self.buckets], times[head % self.buckets] = said, at
                filled |= 1
            oldest = (head - max(filled.bit_length() - 1, 0)) % self.buckets
            distance = at - times[oldest]
            known = good and 2 * distance >= self.window_us
            found.append(said - values[oldest] if known else math.nan)
            ago.append(distance)
        for cells, now in zip(self.cells, (values, times), strict=True):
            cells[slot * self.buckets : (slot + 1) * self.buckets] = now
        self.words[slot] = (head << self._bits) | filled
        return found, ago
