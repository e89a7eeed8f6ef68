"""Which shut-offs wait, found quickly: the worst of a budget, those of a detector. Follows from what is held.

I1  It is made anew from `State.held` at any time (after a restart, after a change), and answers the same then.
I2  Adding, taking away and finding the worst cost a logarithm of what waits: a bad rule may hold a whole city's.
"""

import heapq
from collections.abc import Iterable
from typing import NamedTuple

from rules.standing import Held

#: Of a held shut-off: its rule's id and the slot of what is commanded.
Key = tuple[str, int]
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
        self._queues: dict[str, list[tuple[Turn, int, Key]]] = {}
        self._now: dict[Key, tuple[str, Held, Turn, int]] = {}
        self._many: dict[str, int] = {}
        self._by_detector: dict[int, set[Key]] = {}
        self._serial = 0

    def put(self, budget: str, held: Held, turn: Turn) -> None:
        """`budget` says whose turn it waits for; empty: for its detector to be heard. The same key is replaced."""
        key = (held.rule, held.valve)
        self.take(key)
        self._serial += 1
        self._now[key] = (budget, held, turn, self._serial)
        self._by_detector.setdefault(held.detector, set()).add(key)
        if budget:
            self._many[budget] = self._many.get(budget, 0) + 1
            queue = self._queues.setdefault(budget, [])
            heapq.heappush(queue, (turn, self._serial, key))
            if len(queue) > 2 * self._many[budget] + _SLACK:
                self._queues[budget] = [entry for entry in queue if self._holds(entry)]
                heapq.heapify(self._queues[budget])

    def take(self, key: Key) -> None:
        """It waits no more."""
        found = self._now.pop(key, None)
        if found is None:
            return
        budget, held = found[:2]
        mine = self._by_detector[held.detector]
        mine.discard(key)
        if not mine:
            del self._by_detector[held.detector]
        if budget:
            self._many[budget] -= 1

    def worst(self, budget: str) -> Held | None:
        """The next to be released."""
        queue = self._queues.get(budget, [])
        while queue and not self._holds(queue[0]):
            heapq.heappop(queue)
        return self._now[queue[0][2]][1] if queue else None

    def _holds(self, entry: tuple[Turn, int, Key]) -> bool:
        found = self._now.get(entry[2])
        return found is not None and found[3] == entry[1]

    def many(self, budget: str) -> int:
        return self._many.get(budget, 0)

    def budgets(self) -> list[str]:
        """Those for which something waits, sorted."""
        return sorted(budget for budget, many in self._many.items() if many)

    def of_detector(self, slot: int) -> list[Key]:
        return sorted(self._by_detector.get(slot, ()))

    def detectors(self) -> Iterable[int]:
        return self._by_detector.keys()

    def __len__(self) -> int:
        return len(self._now)
