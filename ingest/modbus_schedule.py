"""When each station is polled. Pure: times are arguments, in microseconds of a clock that only passes.

S1  A station's times lie on a fixed grid: its first time and every interval after it. It never drifts.
S2  A poll that comes late is made once; grid times that passed meanwhile are counted and not made up.
S3  The station whose time came first is first. Whoever is due is served before any station is served twice, so that
    nobody starves, however slow another is.
S4  Between its grid times a station may be asked for at once (`hasten`: a valve on its way). Of two polls in a row
    at most one is such, as long as any grid time has come.
S5  A station that was taken is not given again before it is freed.
"""

from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Generic, TypeVar

Key = TypeVar("Key")

#: On schedule: begun within this share of the interval, or within ON_TIME_US where that is more. Product choice.
ON_TIME_SHARE = 0.1
ON_TIME_US = 50_000


@dataclass(slots=True)
class _Entry:
    interval_us: int
    #: Its next grid time; while it is taken, the one it was taken for.
    due_us: int
    quick_us: int | None = None
    taken: bool = False
    #: Whether it was taken for a grid time.
    on_grid: bool = True


@dataclass(slots=True)
class PollCounts:
    """due: grid times that came. on_schedule: polls begun in time for theirs."""

    due: int = 0
    on_schedule: int = 0


class Schedule(Generic[Key]):
    """Many stations, one at a time."""

    def __init__(self, counts: PollCounts | None = None) -> None:
        self.counts = counts or PollCounts()
        self._entries: dict[Key, _Entry] = {}
        self._grid: list[tuple[int, int, Key]] = []
        self._quick: list[tuple[int, int, Key]] = []
        self._order = 0
        self._was_quick = False

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def add(self, key: Key, interval_us: int, first_us: int) -> None:
        self._entries[key] = _Entry(interval_us, first_us)
        self._push(self._grid, first_us, key)

    def drop(self, key: Key) -> None:
        self._entries.pop(key, None)

    def next_us(self) -> int | None:
        """When something is due next; None when nothing will be before a station is freed."""
        self._clean()
        times = [heap[0][0] for heap in (self._grid, self._quick) if heap]
        return min(times, default=None)

    def take(self, now_us: int) -> Key | None:
        """The station to poll now. It stays taken until `free`."""
        self._clean()
        grid = bool(self._grid) and self._grid[0][0] <= now_us
        quick = bool(self._quick) and self._quick[0][0] <= now_us
        if not (grid or quick):
            return None
        quick = quick and not (grid and self._was_quick)  # S4
        self._was_quick = quick
        _, _, key = heappop(self._quick if quick else self._grid)
        entry = self._entries[key]
        # A hastened poll at or after the grid time is the grid's own.
        entry.taken, entry.on_grid = True, entry.due_us <= now_us
        entry.quick_us = None
        return key

    def take_now(self, key: Key, now_us: int) -> bool:
        """Take this station before all others; False when it is taken already."""
        entry = self._entries.get(key)
        if entry is None or entry.taken:
            return False
        entry.taken, entry.on_grid, entry.quick_us = True, entry.due_us <= now_us, None
        return True

    def begun(self, key: Key, now_us: int) -> None:
        """The first request of a taken station leaves now. A station's next grid time is the first after this."""
        entry = self._entries.get(key)
        if entry is None or not entry.on_grid:
            return
        passed = max(0, now_us - entry.due_us) // entry.interval_us
        late_us = now_us - entry.due_us
        self.counts.due += 1 + passed
        self.counts.on_schedule += late_us <= max(ON_TIME_US, ON_TIME_SHARE * entry.interval_us)
        entry.due_us += (1 + passed) * entry.interval_us
        entry.on_grid = False

    def missed(self, key: Key, now_us: int, *, counted: bool = True) -> None:
        """A taken station is not asked this time. `counted`: it should have been, so it was due and not on schedule."""
        entry = self._entries.get(key)
        if entry is None or not entry.on_grid:
            return
        passed = max(0, now_us - entry.due_us) // entry.interval_us
        self.counts.due += counted * (1 + passed)
        entry.due_us += (1 + passed) * entry.interval_us
        entry.on_grid = False

    def free(self, key: Key) -> None:
        """It may be taken again, at its next time."""
        entry = self._entries.get(key)
        if entry is None or not entry.taken:
            return
        entry.taken = False
        self._push(self._grid, entry.due_us, key)
        if entry.quick_us is not None:
            self._push(self._quick, entry.quick_us, key)

    def hasten(self, key: Key, at_us: int) -> None:
        """Poll it by this time; a poll before it will do."""
        entry = self._entries.get(key)
        if entry is None or (entry.quick_us is not None and entry.quick_us <= at_us):
            return
        entry.quick_us = at_us
        if not entry.taken:
            self._push(self._quick, at_us, key)

    def put_off(self, key: Key) -> None:
        """Leave its next grid time out; it does not count as due."""
        entry = self._entries.get(key)
        if entry is None:
            return
        entry.due_us += entry.interval_us
        if not entry.taken:
            self._push(self._grid, entry.due_us, key)

    def _push(self, heap: list[tuple[int, int, Key]], at_us: int, key: Key) -> None:
        self._order += 1
        heappush(heap, (at_us, self._order, key))

    def _clean(self) -> None:
        """Drop what no longer holds from the tops of the heaps."""
        while self._grid and not self._holds(self._grid[0], quick=False):
            heappop(self._grid)
        while self._quick and not self._holds(self._quick[0], quick=True):
            heappop(self._quick)

    def _holds(self, item: tuple[int, int, Key], *, quick: bool) -> bool:
        entry = self._entries.get(item[2])
        if entry is None or entry.taken:
            return False
        return item[0] == (entry.quick_us if quick else entry.due_us)
