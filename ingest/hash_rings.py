"""The hashes of the last `RING` readings of each device that sends no numbers. Only such devices have a ring.

H1  A ring is a function of the hashes pushed to it, and a snapshot lists rings by slot: neither depends on batches.
"""

import numpy as np
from numpy.typing import NDArray

from ingest.device_runs import segments
from ingest.one_device import NO_HASH, RING

#: Readings compared with their rings at once: 2 MiB of hashes, which stay in the processor's cache.
_AT_ONCE = 4_096


class HashRings:
    """Mutable, by slot; 520 bytes for each device that has a ring, 4 for every other.

    There is a row for every slot, but rows are used from the front: an untouched page costs address space and nothing
    else, and a ring's first reading never waits for a table to be copied."""

    def __init__(self, slots: int) -> None:
        self._row = np.full(slots, -1, np.int32)  # slot -> its row below, -1: none
        self._used = 0
        self._hashes = np.empty((slots, RING), np.int64)
        self._pushed = np.empty(slots, np.int64)  # how many hashes ever; the newest is at (pushed - 1) % RING

    def grow(self, slots: int) -> None:
        """`slots`: at least as many as before."""
        more, used = HashRings(slots), self._used
        more._row[: len(self._row)] = self._row
        more._hashes[:used], more._pushed[:used] = self._hashes[:used], self._pushed[:used]
        self._row, self._hashes, self._pushed = more._row, more._hashes, more._pushed

    def find(self, slot: NDArray[np.int32], hashes: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
        """(whether each hash is in its device's ring, how many were pushed after it)."""
        found, age = np.zeros(len(slot), np.bool_), np.zeros(len(slot), np.int64)
        row = self._row[slot]
        ringed = np.flatnonzero(row >= 0)
        for begin in range(0, len(ringed), _AT_ONCE):
            part = ringed[begin : begin + _AT_ONCE]
            match = self._hashes[row[part]] == hashes[part, None]
            hit = np.flatnonzero(match.any(axis=1))
            found[part[hit]] = True
            age[part[hit]] = (self._pushed[row[part[hit]]] - 1 - match[hit].argmax(axis=1)) % RING
        return found, age

    def push(self, slot: NDArray[np.int32], hashes: NDArray[np.int64]) -> None:
        """`slot`: (n,), sorted; of one device in order of arrival."""
        start, segment = segments(slot)
        begins = np.flatnonzero(start)
        rows = self._rows(slot[begins])
        count = np.diff(np.append(begins, len(slot)))
        nth = np.arange(len(slot)) - begins[segment]
        # Only the last RING of a device can still be in its ring; so no cell is written twice.
        last = nth >= count[segment] - RING
        row = rows[segment]
        self._hashes[row[last], ((self._pushed[row] + nth) % RING)[last]] = hashes[last]
        self._pushed[rows] += count

    def of(self, slot: int) -> tuple[list[int], int]:
        """(one device's ring, oldest first; how many were ever pushed)."""
        row = int(self._row[slot])
        if row < 0:
            return [NO_HASH] * RING, 0
        pushed = int(self._pushed[row])
        return np.roll(self._hashes[row], -(pushed % RING)).tolist(), pushed

    def put(self, slot: int, ring: list[int], pushed: int) -> None:
        """The inverse of `of`. A device that pushed nothing gets no ring."""
        if pushed:
            (row,) = self._rows(np.array([slot], np.int32)).tolist()
            self._hashes[row] = np.roll(np.array(ring, np.int64), pushed % RING)
            self._pushed[row] = pushed

    def snapshot(self) -> dict[str, NDArray[np.int64]]:
        slots = np.flatnonzero(self._row >= 0)
        rows = self._row[slots]
        return {"ring_slot": slots.astype(np.int64), "ring": self._hashes[rows], "pushed": self._pushed[rows]}

    @classmethod
    def restored(
        cls, slots: int, ring_slot: NDArray[np.int64], ring: NDArray[np.int64], pushed: NDArray[np.int64]
    ) -> "HashRings":
        """Raises ValueError when these are not one snapshot's."""
        count = len(ring_slot)
        rising = bool((np.diff(ring_slot) > 0).all())
        if ring.shape != (count, RING) or pushed.shape != (count,) or not rising:
            raise ValueError("identity window: rings and their devices do not fit together")
        if count and not 0 <= ring_slot[0] <= ring_slot[-1] < slots:
            raise ValueError("identity window: a ring of a device that is not there")
        rings = cls(slots)
        rings._row[ring_slot] = np.arange(count)
        rings._hashes[:count], rings._pushed[:count] = ring, pushed
        rings._used = count
        return rings

    def _rows(self, slots: NDArray[np.int32]) -> NDArray[np.int32]:
        """Their rows; who has none gets one. Each slot once."""
        rows = self._row[slots]
        fresh = np.flatnonzero(rows < 0)
        if len(fresh):
            begin, end = self._used, self._used + len(fresh)
            self._hashes[begin:end], self._pushed[begin:end] = NO_HASH, 0
            rows[fresh] = np.arange(begin, end)
            self._row[slots[fresh]] = rows[fresh]
            self._used = end
        return rows
