"""Which memory each node of an expression needs, under which name it is kept, and how a batch advances it.

M1  Nodes that can be told from the same memory share it: `rate` and `delta` of one window, `stuck` of any.
M2  A memory takes a batch in rounds, the n-th reading of each device in round n, so that any way of batching is the
    same (G5). Late and stale readings are in no round.
M3  What marked windows say is worked out for the rows of which it is asked, save in every round but the last: after it
    nothing is recorded of these devices before the next batch, so until then it can be asked at any time.
M4  Where a few devices have many readings left, their rounds would cost some microseconds times a hundred: those of the
    memories that default packs need are taken reading by reading (`run`), with the same numbers to the last bit
    (readings are 4-byte floats, so nothing is rounded when it is kept).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.evaluation.buckets import BUCKETS, STEL_BUCKETS, TWA_BUCKETS, Average, Mean, Ring, Tally
from rules.evaluation.doses import Dose as DoseOf
from rules.evaluation.doses import Lasting, Remembered, Still
from rules.evaluation.marks import Extreme, First, Marked
from rules.evaluation.numbers import Amount, Mask, Truth, Values
from rules.evaluation.view import Tail, View
from rules.evaluation.votes import Votes
from rules.language.tree import Count, Dose, Since, Statistic, Stuck, Windowed

Memory = Ring | Marked | Remembered | Votes
Keeping = Windowed | Dose | Stuck | Since | Count
_MICROSECONDS = 1e6


class Told(NamedTuple):
    """What a memory says at every row, shape (n,), f8, NaN: nobody knows; and one thing more, by the sort of memory."""

    value: Values
    more: NDArray[Any] | None = None


class Asked:
    """What a memory says of the rows of a batch that it has taken in: Later."""

    def __init__(self, view: View) -> None:
        self._view = view
        self._value: Values | None = None
        self._more: NDArray[Any] | None = None
        self._memory: Marked | None = None
        self._quantity = ""
        self._waits: Mask | None = None

    def put(self, rows: NDArray[np.intp], found: Values | tuple[Values, NDArray[Any]]) -> None:
        """It says this of these rows."""
        value, more = found if isinstance(found, tuple) else (found, None)
        if self._value is None:
            self._value = np.full(len(self._view), np.nan)
        self._value[rows] = value
        if more is not None:
            if self._more is None:
                self._more = np.zeros(len(self._view), more.dtype)
            self._more[rows] = more

    def wait(self, rows: NDArray[np.intp], memory: Marked, quantity: str) -> None:
        """Of these rows this memory can still be asked (M3)."""
        self._memory, self._quantity = memory, quantity
        self._waits = np.zeros(len(self._view), np.bool_)
        self._waits[rows] = True

    def of(self, at: NDArray[np.intp] | None) -> Told:
        """See Later."""
        if at is None:
            if self._waits is not None:
                rows = np.flatnonzero(self._waits)
                self._waits = None
                self.put(rows, self._ask(rows))
            return Told(self._nobody_knows(len(self._view)) if self._value is None else self._value, self._more)
        value = self._nobody_knows(len(at)) if self._value is None else self._value[at]
        more = None if self._more is None else self._more[at]
        if self._waits is not None and len(mine := np.flatnonzero(self._waits[at])):
            value[mine], besides = self._ask(at[mine])
            more = np.zeros(len(at), besides.dtype) if more is None else more
            more[mine] = besides
        return Told(value, more)

    def _ask(self, rows: NDArray[np.intp]) -> tuple[Values, NDArray[Any]]:
        assert self._memory is not None  # as somebody waits
        view = self._view
        fed = view.good(self._quantity)[rows]
        found: tuple[Values, NDArray[Any]] = self._memory.ask(view.slots[rows], view.column("ts")[rows], fed)
        return found

    def _nobody_knows(self, many: int) -> Values:
        return np.full(many, np.nan)


def memory_key(node: Keeping, text: str) -> str:
    """Under which name a node's memory is kept; `text`: its canonical text."""
    if isinstance(node, Stuck):
        return f"still({node.quantity})"
    if isinstance(node, Windowed) and node.statistic in (Statistic.RATE, Statistic.DELTA):
        return f"first({node.quantity}, {node.window_us} us)"
    return text


def make(node: Keeping, slots: int) -> Ring | Marked | Remembered:
    """An empty memory."""
    match node:
        case Dose():
            return DoseOf(slots)
        case Stuck():
            return Still(slots)
        case Since():
            return Lasting(slots)
        case Count():
            return Tally(slots, node.window_us, BUCKETS)
        case Windowed():
            return _ring(node, slots)


def _ring(node: Windowed, slots: int) -> Ring | Marked:
    match node.statistic:
        case Statistic.MEAN:
            return Mean(slots, node.window_us, BUCKETS)
        case Statistic.MIN | Statistic.MAX:
            return Extreme(slots, node.window_us, BUCKETS, highest=node.statistic is Statistic.MAX)
        case Statistic.TWA:
            return Average(slots, node.window_us, TWA_BUCKETS)
        case Statistic.STEL:
            return Average(slots, node.window_us, STEL_BUCKETS)
        case Statistic.RATE | Statistic.DELTA:
            return First(slots, node.window_us, BUCKETS)


def bytes_of(memory: Memory) -> int:
    """What one device takes of a memory that was made for one."""
    return sum(array.nbytes for array in memory.arrays().values())


def advance(view: View, key: str, kept: Mask, quantity: str) -> Asked:
    """Take the values of the batch into the memory of this key (M2)."""
    memory, asked, rounds = view.memories[key], Asked(view), view.rounds(kept)
    tails = rounds.tails if isinstance(memory, First | DoseOf | Still) else []
    every = rounds.wide if tails else [*rounds.all()]
    for one in every:
        value = one.good(quantity)
        if isinstance(memory, Marked):
            memory.record(one.slots, one.t, value)
            if one is every[-1] and not tails:
                asked.wait(one.rows, memory, quantity)
            else:
                asked.put(one.rows, memory.ask(one.slots, one.t, value))
        elif isinstance(memory, Average | DoseOf):
            asked.put(one.rows, memory.advance(one.slots, one.t, value, one.interval_us()))
        else:
            asked.put(one.rows, memory.advance(one.slots, one.t, value))
    for tail in tails:
        asked.put(tail.rows, _one_by_one(memory, tail, quantity))
    return asked


def _one_by_one(memory: object, tail: Tail, quantity: str) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
    """The same of one device's readings, in order (M4)."""
    if isinstance(memory, First):
        value, distance = memory.run(tail.slot, tail.t, tail.good(quantity))
        return np.array(value), np.array(distance)
    if isinstance(memory, DoseOf):
        return np.array(memory.run(tail.slot, tail.t, tail.good(quantity), tail.interval_us))
    assert isinstance(memory, Still)
    return np.array(memory.run(tail.slot, tail.t, tail.good(quantity)))


def advance_truth(view: View, key: str, kept: Mask, said: Truth) -> Asked:
    """The same, of what a condition says."""
    memory, asked = view.memories[key], Asked(view)
    for one in view.rounds(kept).all():
        true, false = said.true.take(one.rows), said.false.take(one.rows)
        asked.put(one.rows, memory.advance(one.slots, one.t, true, false))
    return asked


def amount_of(node: Windowed | Dose | Since | Count) -> Callable[[Told], Amount]:
    """How a number of this sort is read from what its memory told."""
    if not isinstance(node, Windowed):
        return _as_told
    match node.statistic:
        case Statistic.RATE:
            return _per_second
        case Statistic.MIN:
            return _exact_or_unknown
        case Statistic.DELTA:
            return lambda told: Amount(told.value)
        case _:
            return _as_told


def _as_told(told: Told) -> Amount:
    return Amount(told.value, told.more)


def _exact_or_unknown(told: Told) -> Amount:
    return Amount(told.value if told.more is None else np.where(told.more, np.nan, told.value))


def _per_second(told: Told) -> Amount:
    if told.more is None:
        return Amount(told.value)
    return Amount(told.value / (np.maximum(told.more, 1) / _MICROSECONDS))


def stuck_for(told: Told, window_us: int) -> Truth:
    """Whether a value has been the same for so long."""
    with np.errstate(invalid="ignore"):
        return Truth(told.value >= window_us, told.value < window_us)
