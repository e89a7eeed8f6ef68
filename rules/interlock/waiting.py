"""Which shut-offs wait, found quickly: the worst of a budget, those of a detector. Follows from what is held.

I1  It is made anew from `State.held` at any time (after a restart, after a change), and answers the same then.
I2  Adding, taking away and finding the worst cost a logarithm of what waits: a bad rule may hold a whole city's.
"""

import heapq
from typing import NamedTuple

from rules.stepping.standing import Held

#: Of a held shut-off: its rule's id and the slot of what is commanded.
Key = tuple[str, int]


class Line(NamedTuple):
    """Those that wait for the same: a rule's budget (of simulated devices it is another one), or to be heard."""

    rule: str
    simulated: bool
    unheard: bool = False


#: Outdated entries that a queue may hold beyond twice what waits, before it is made anew (product choice).
_SLACK = 64


class Turn(NamedTuple):
    """Lower comes first. `order`: the worst value is the lowest; then the numbers of detector and valve decide."""

    order: float
    detector_no: int
    valve_no: int


class Waiting:
    """Mutable, private to one state."""

    def __init__(self) -> None:
        self._queues: dict[Line, list[tuple[Turn, int, Key]]] = {}
        self._now: dict[Key, tuple[Line, Held, Turn, int]] = {}
        self._many: dict[Line, int] = {}
        self._by_detector: dict[int, set[Key]] = {}
        self._serial = 0

    def put(self, line: Line, held: Held, turn: Turn) -> None:
        """The same key is replaced."""
        key = (held.rule, held.valve)
        self.take(key)
        self._serial += 1
        self._now[key] = (line, held, turn, self._serial)
        self._by_detector.setdefault(held.detector, set()).add(key)
        self._many[line] = self._many.get(line, 0) + 1
        queue = self._queues.setdefault(line, [])
        heapq.heappush(queue, (turn, self._serial, key))
        if len(queue) > 2 * self._many[line] + _SLACK:
            self._queues[line] = [entry for entry in queue if self._holds(entry)]
            heapq.heapify(self._queues[line])

    def take(self, key: Key) -> None:
        """It waits no more."""
        found = self._now.pop(key, None)
        if found is None:
            return
        line, held = found[:2]
        mine = self._by_detector[held.detector]
        mine.discard(key)
        if not mine:
            del self._by_detector[held.detector]
        self._many[line] -= 1

    def worst(self, line: Line) -> Held | None:
        """The next to be released."""
        queue = self._queues.get(line, [])
        while queue and not self._holds(queue[0]):
            heapq.heappop(queue)
        return self._now[queue[0][2]][1] if queue else None

    def _holds(self, entry: tuple[Turn, int, Key]) -> bool:
        found = self._now.get(entry[2])
        return found is not None and found[3] == entry[1]

    def many(self, line: Line) -> int:
        return self._many.get(line, 0)

    def lines(self) -> list[Line]:
        """Those in which something waits, sorted."""
        return sorted(line for line, many in self._many.items() if many)

    def of_detector(self, slot: int) -> list[Key]:
        return sorted(self._by_detector.get(slot, ()))
