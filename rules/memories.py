"""Which memory each node of an expression needs, under which name it is kept, and how a batch advances it.

M1  Nodes that can be told from the same memory share it: `rate` and `delta` of one window, `stuck` of any.
M2  A memory takes a batch in rounds, the n-th reading of each device in round n, so that any way of batching is the
    same (G5). Late and stale readings are in no round.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.buckets import BUCKETS, STEL_BUCKETS, TWA_BUCKETS, Average, Mean, Ring, Tally
from rules.doses import Dose as DoseOf
from rules.doses import Lasting, Remembered, Still
from rules.marks import Extreme, First, Marked
from rules.numbers import Amount, Mask, Truth, Values
from rules.tree import Count, Dose, Since, Statistic, Stuck, Windowed
from rules.view import View
from rules.votes import Votes

Memory = Ring | Marked | Remembered | Votes
Keeping = Windowed | Dose | Stuck | Since | Count
_MICROSECONDS = 1e6


class Told(NamedTuple):
    """What a memory says at every row, shape (n,), f8, NaN: nobody knows; and one thing more, by the sort of memory."""

    value: Values
    more: NDArray[Any] | None = None


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


def advance(view: View, key: str, kept: Mask, value: Values | Truth) -> Told:
    """Take the batch into the memory of this key (M2). value: what it is fed, of every row."""
    memory = view.memories[key]
    told, more = np.full(len(view), np.nan), None
    for rows in view.rounds(kept):
        slots, t = view.slots[rows], view.column("ts")[rows]
        fed = (value.true[rows], value.false[rows]) if isinstance(value, Truth) else (value[rows],)
        if isinstance(memory, Average | DoseOf):
            fed = (*fed, view.fleet.interval_us[slots])
        found = memory.advance(slots, t, *fed)
        if isinstance(found, tuple):
            found, besides = found
            more = np.zeros(len(view), besides.dtype) if more is None else more
            more[rows] = besides
        told[rows] = found
    return Told(told, more)


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
