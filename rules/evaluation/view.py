"""Rows of a batch as conditions see them: columns once, quality decided once, every part of an expression once.

W1  What is not GOOD, not finite, or said by nobody (STALE) is NaN here (G9).
W2  A part that is asked for twice is computed once; what was computed for all rows is not computed for some again.
W3  What is remembered takes in all rows before anything is asked of it; what it says is worked out for those rows of
    which it is asked (`Later`).
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from devices.quantities import QUALITY_BITS, Flag, Quality, quality_shift
from devices.readings import Rows
from rules.evaluation.numbers import Mask, Values

NIBBLE = (1 << QUALITY_BITS) - 1
#: Of so few devices a round costs more than its readings taken one by one. Source: measured, equal at about a dozen.
NARROW = 8
_GOOD = int(Quality.GOOD)  # no bit: the same wherever it stands in the word
T = TypeVar("T")
Said = TypeVar("Said", covariant=True)


class Later(Protocol[Said]):
    """What can be said of every row, when somebody asks."""

    def of(self, at: NDArray[np.intp] | None) -> Said:
        """Of these rows, ascending; None: of all."""


@dataclass(frozen=True, slots=True)
class Part(Generic[T]):
    """A node of all rules' expressions, compiled. as_of: it depends on other devices or on commands, so it is computed
    for rows of one moment. remembered: computing it advances what is remembered, so that is done for a
    whole batch."""

    number: int
    run: "Callable[[View], T]"
    as_of: bool = False
    remembered: bool = False


class Round:
    """Live rows of distinct devices. rows: shape (m,), ascending; slots, t: of these rows; t is effective time."""

    def __init__(self, view: "View", rows: NDArray[np.intp]) -> None:
        self._view, self.rows = view, rows
        self._columns: dict[str, NDArray[Any]] = {}
        self.slots: NDArray[np.int32] = view.slots.take(rows)
        self.t: NDArray[np.int64] = view.column("ts").take(rows)

    def good(self, quantity: str) -> Values:
        """As View.good, of these rows."""
        found = self._columns.get(quantity)
        if found is None:
            found = self._columns[quantity] = self._view.good(quantity).take(self.rows)
        return found

    def interval_us(self) -> NDArray[np.int64]:
        """How often each device reports."""
        found = self._columns.get("interval")
        if found is None:
            found = self._columns["interval"] = self._view.fleet.interval_us.take(self.slots)
        return found


class Tail:
    """All further live rows of one device, when few others have as many. rows: shape (m,), ascending."""

    def __init__(self, view: "View", rows: NDArray[np.intp]) -> None:
        self._view, self.rows = view, rows
        self.slot = int(view.slots[rows[0]])
        self.interval_us = int(view.fleet.interval_us[self.slot])
        self.t: list[int] = view.column("ts").take(rows).tolist()
        self._values: dict[str, list[float]] = {}

    def good(self, quantity: str) -> list[float]:
        """As View.good, of these rows."""
        found = self._values.get(quantity)
        if found is None:
            found = self._values[quantity] = self._view.good(quantity).take(self.rows).tolist()
        return found

    def rounds(self) -> "Iterator[Round]":
        """The same rows as rounds of one each."""
        for at in range(len(self.rows)):
            yield Round(self._view, self.rows[at : at + 1])


class Rounds(NamedTuple):
    """The live rows of some devices, the n-th of each device in round n, as long as there are more than NARROW of them;
    then what is left of each device. What is remembered of one device knows nothing of another, so the order of devices
    does not matter."""

    wide: list[Round]
    tails: list[Tail]

    def all(self) -> Iterator[Round]:
        """All of it in rounds."""
        yield from self.wide
        for tail in self.tails:
            yield from tail.rounds()


class View:
    """rows: shape (n,). A view of a part of another one's rows (`at`) shares with it what was computed there.
    watched: see Evaluation.whole. memories: by key, what windows remember."""

    def __init__(
        self,
        fleet: Fleet,
        rows: Rows | None,
        slots: NDArray[np.int32],
        memories: Mapping[str, Any],
        columns: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    ) -> None:
        """columns: what is known already of what `column` gives."""
        self.fleet, self.slots, self.memories = fleet, slots, memories
        self._rows = rows
        self.watched: Mask | None = None
        self._parent: View | None = None
        self._at: NDArray[np.intp] | None = None
        self._columns: dict[str, NDArray[Any]] = dict(columns)
        self._parts: dict[int, object] = {}
        self._told: dict[int, object] = {}
        self._distinct: bool | None = None
        self._rounds: dict[bytes, Rounds] = {}

    def some(self, at: NDArray[np.intp] | None, watched: Mask | None) -> "View":
        """These rows of it, or all."""
        found = View(self.fleet, None, self.slots if at is None else self.slots[at], self.memories)
        found._parent, found._at, found.watched = self, at, watched
        return found

    def __len__(self) -> int:
        return len(self.slots)

    def get(self, part: Part[T]) -> T:
        """What the part says of every row."""
        known = self._parts.get(part.number)
        if known is None:
            parent = self._parent
            shared = parent is not None and not part.as_of and (part.remembered or part.number in parent._parts)
            known = self._taken(parent.get(part)) if parent is not None and shared else part.run(self)
            self._parts[part.number] = known
        return cast(T, known)

    def told(self, part: "Part[Later[T]]") -> T:
        """What a memory says of every row (W3)."""
        known = self._told.get(part.number)
        if known is None:
            known = self._told[part.number] = self._asked(part, None)
        return cast(T, known)

    def _asked(self, part: "Part[Later[T]]", at: NDArray[np.intp] | None) -> T:
        if self._parent is None:
            return self.get(part).of(at)
        mine = self._at if at is None else at if self._at is None else self._at[at]
        return self._parent._asked(part, mine)

    def put(self, part: Part[T], found: T) -> None:
        """What the part says, known already."""
        self._parts[part.number] = found

    def _taken(self, found: object) -> object:
        at = self._at
        if at is None or not isinstance(found, tuple):
            return found
        return type(found)(*(one if one is None or not np.ndim(one) else one[at] for one in found))

    def column(self, name: str) -> NDArray[Any]:
        """A column of the rows, contiguous; and these: "class", the class of each device; "live" and "stale", bool."""
        found = self._columns.get(name)
        if found is None:
            if self._parent is not None:
                found = self._parent.column(name)
                found = found if self._at is None else found[self._at]
            else:
                found = self._made(name)
            self._columns[name] = found
        return found

    def _made(self, name: str) -> NDArray[Any]:
        if name == "class":
            found: NDArray[Any] = self.fleet.classes.of[self.slots]
        elif name == "stale":
            found = (self.column("flags") & int(Flag.STALE)) != 0
        elif name == "live":
            found = (self.column("flags") & int(Flag.STALE | Flag.LATE)) == 0
        else:
            assert self._rows is not None  # as of every view that is not of another one's
            found = np.ascontiguousarray(self._rows[name])
        return found

    def believed(self, quantity: str) -> NDArray[np.float32]:
        """The values of a quantity, f4; NaN where their quality is not good."""
        name = f"believed {quantity}"
        found = self._columns.get(name)
        if found is None:
            value = self.column(quantity)
            bad = (self.column("quality") & (NIBBLE << quality_shift(quantity))) != _GOOD
            found = np.where(bad, np.float32(np.nan), value) if bad.any() else value
            self._columns[name] = found
        return found

    def good(self, quantity: str) -> Values:
        """The values of a quantity as expressions see them, f8: W1."""
        name = f"good {quantity}"
        found = self._columns.get(name)
        if found is None:
            value = self.believed(quantity).astype(np.float64)
            bad = self.column("stale") | np.isinf(value)
            found = self._columns[name] = np.where(bad, np.nan, value) if bad.any() else value
        return found

    def rounds(self, kept: Mask) -> Rounds:
        """The live rows, of devices whose class is `kept`, shape (classes,)."""
        key = kept.tobytes()
        found = self._rounds.get(key)
        if found is None:
            live = self.column("live") if kept.all() else self.column("live") & kept.take(self.column("class"))
            found = self._rounds[key] = self._in_rounds(np.flatnonzero(live))
        return found

    def _in_rounds(self, rows: NDArray[np.intp]) -> Rounds:
        if not len(rows):
            return Rounds([], [])
        if self._distinct is None:
            self._distinct = are_distinct(self.slots, len(self.fleet))
        if self._distinct:
            return Rounds([Round(self, rows)], [])
        wide, tails = _in_rounds(self.slots, rows)
        return Rounds([Round(self, some) for some in wide], [Tail(self, some) for some in tails])


def are_distinct(slots: NDArray[np.int32], devices: int) -> bool:
    """Whether no slot stands twice."""
    if len(slots) < 2:
        return True
    if len(slots) > devices:
        return False
    number = np.arange(len(slots), dtype=np.int32)
    last = np.empty(devices, np.int32)  # only places of `slots` are written and read
    last[slots] = number
    return bool((last[slots] == number).all())


def _in_rounds(
    slots: NDArray[np.int32], live: NDArray[np.intp]
) -> tuple[list[NDArray[np.intp]], list[NDArray[np.intp]]]:
    """Rows by rank among those of their device, as long as there are more than NARROW of a rank (the first in any
    case); and the others by device."""
    mine = slots[live]
    order = np.argsort(mine, kind="stable")
    starts = np.flatnonzero(np.diff(mine[order], prepend=-1) != 0)
    rank = np.empty(len(live), np.intp)
    rank[order] = np.arange(len(live)) - np.repeat(starts, np.diff(np.append(starts, len(live))))
    many = np.bincount(rank)
    last = max(1, int((many > NARROW).sum()))  # there are never more of a later rank
    by_rank = np.argsort(rank, kind="stable")
    ends = np.cumsum(many[:last])
    wide = [live[some] for some in np.split(by_rank[: ends[-1]], ends[:-1])]
    rest = by_rank[ends[-1] :]
    rest = rest[np.argsort(mine[rest], kind="stable")]
    tails = np.split(live[rest], np.flatnonzero(np.diff(mine[rest])) + 1) if len(rest) else []
    return wide, tails
