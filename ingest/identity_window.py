"""What is remembered of each device, so that a reading told twice counts once and an old one never passes for new.

Per device: the highest (boot, seq) seen and which of the `WINDOW` numbers up to it came, the hashes of its last `RING`
readings without a number, and the latest time of its own clock that was believed.

W1  A numbered reading is a duplicate when it lies in the window and has been seen; a hashed one when its hash is in the
    ring. Beyond them nothing is known: such a reading is admitted, never as newest by its number, and the database key
    (device, ts, boot, seq) is the last fence. That one holds when the device's time is believed both times. Without it
    `ts` is the time received: told again from beyond, such a reading is stored twice (a numbered one as late).
W2  Newest: a numbered reading above the highest, or with a believed clock later than any before it; a hashed one by
    the clock, or when its clock cannot be believed (a wrong clock never stops a newest reading from acting); one
    without identity always.
W3  A counter that went back (flash wiped, unit exchanged) shows as a number below the window under a later believed
    clock: the window starts anew there. A replayed message cannot do that: it would need a time that was never sent.
W4  Duplicates leave no trace: the state is a function of the admitted readings in order, so that replaying the journal
    rebuilds it, and it does not depend on how arrivals were cut into batches.

`judge` does a whole batch with array operations. Two rare cases need each reading's outcome before the next one's can
be known: a window that starts anew, and a device whose unnumbered readings repeat further apart than the ring is sure
to reach. Those devices, and only those, are walked in order by `OneDevice` (about 2 us a reading; how many one
device can have in a cycle: links, L4).
"""

import itertools
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from ingest.device_runs import above, first_like_it, running_highest, segments
from ingest.hash_rings import HashRings
from ingest.one_device import NO_CLOCK, RING, WINDOW, OneDevice
from ingest.seen_numbers import WORDS, SeenNumbers


@dataclass(frozen=True, slots=True)
class Sightings:
    """Readings in order of arrival, each array of shape (n,).

    slot: i4. boot, seq: i8; seq is the hash where `hashed`. numbered, hashed: bool; neither: no identity at all.
    clock: i8, the device's own time in microseconds where it is believed, else NO_CLOCK.
    suspect: bool, a time was sent and is not believed.
    """

    slot: NDArray[np.int32]
    boot: NDArray[np.int64]
    seq: NDArray[np.int64]
    numbered: NDArray[np.bool_]
    hashed: NDArray[np.bool_]
    clock: NDArray[np.int64]
    suspect: NDArray[np.bool_]

    def take(self, order: NDArray[np.intp]) -> "Sightings":
        return Sightings(*(getattr(self, column.name)[order] for column in fields(self)))


@dataclass(frozen=True, slots=True)
class Verdicts:
    """Each of shape (n,), bool. A duplicate's `newest` means nothing.

    anew: the window started anew at this reading (W3). older: its clock is believed, and earlier than one before it.
    """

    duplicate: NDArray[np.bool_]
    newest: NDArray[np.bool_]
    anew: NDArray[np.bool_]
    older: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Numbered:
    """Verdicts on numbered readings, and what the window becomes if nothing starts anew."""

    duplicate: NDArray[np.bool_]
    later: NDArray[np.bool_]
    below: NDArray[np.bool_]
    highest: NDArray[np.intp]


class IdentityWindow:
    """The memory, as arrays by slot. 156 bytes per device, and 520 more for those that send no numbers."""

    def __init__(self, slots: int) -> None:
        self._boot = np.full(slots, -1, np.int64)
        self._seq = np.full(slots, -1, np.int64)
        self._seen = SeenNumbers.none(slots)
        self._clock = np.full(slots, NO_CLOCK, np.int64)
        self._rings = HashRings(slots)

    def __len__(self) -> int:
        return len(self._boot)

    def grow(self, slots: int) -> None:
        """Room for new devices; nobody is forgotten."""
        if slots > len(self):
            more = IdentityWindow(slots - len(self))
            self._boot = np.concatenate([self._boot, more._boot])
            self._seq = np.concatenate([self._seq, more._seq])
            self._seen = SeenNumbers(np.concatenate([self._seen.words, more._seen.words]))
            self._clock = np.concatenate([self._clock, more._clock])
            self._rings.grow(slots)

    def snapshot(self) -> dict[str, NDArray[np.int64] | NDArray[np.uint64]]:
        """Copies of all there is to remember, by name."""
        return {
            "boot": self._boot.copy(),
            "seq": self._seq.copy(),
            "seen": self._seen.words.copy(),
            "clock": self._clock.copy(),
            **self._rings.snapshot(),
        }

    def restore(self, arrays: dict[str, NDArray[np.int64] | NDArray[np.uint64]]) -> None:
        """The inverse. Raises ValueError when the arrays are not a snapshot."""
        slots = len(arrays.get("boot", ()))
        boot, seq, clock = (_checked(arrays, name, (slots,)) for name in ("boot", "seq", "clock"))
        words = arrays.get("seen")
        if words is None or words.shape != (slots, WORDS) or words.dtype != np.uint64:
            raise ValueError("identity window: 'seen' is missing or of another shape or type")
        count = len(arrays.get("ring_slot", ()))
        ring_slot, pushed = (_checked(arrays, name, (count,)) for name in ("ring_slot", "pushed"))
        self._rings = HashRings.restored(slots, ring_slot, _checked(arrays, "ring", (count, RING)), pushed)
        self._boot, self._seq, self._clock = boot.copy(), seq.copy(), clock.copy()
        self._seen = SeenNumbers(words.astype(np.uint64))

    def judge(self, arrived: Sightings) -> Verdicts:
        """Say of each reading whether it is a duplicate and whether it is newest, and remember the admitted ones."""
        n = len(arrived.slot)
        if n == 0:
            return Verdicts(*(np.zeros(0, np.bool_) for _ in range(4)))
        order = np.argsort(arrived.slot, kind="stable")
        found = self._judge_sorted(arrived.take(order))
        verdicts = Verdicts(*(np.empty(n, np.bool_) for _ in range(4)))
        for column in fields(Verdicts):
            getattr(verdicts, column.name)[order] = getattr(found, column.name)
        return verdicts

    def _judge_sorted(self, rows: Sightings) -> Verdicts:
        n = len(rows.slot)
        duplicate, later, below, anew = (np.zeros(n, np.bool_) for _ in range(4))
        walk = np.zeros(n, np.bool_)  # readings whose devices must be walked in order
        numbered, hashed = np.flatnonzero(rows.numbered), np.flatnonzero(rows.hashed)
        window = self._judge_numbered(rows.slot[numbered], rows.boot[numbered], rows.seq[numbered])
        duplicate[numbered], later[numbered], below[numbered] = window.duplicate, window.later, window.below
        duplicate[hashed], walk[hashed] = self._judge_hashed(rows.slot[hashed], rows.seq[hashed])
        clock = np.where(duplicate, NO_CLOCK, rows.clock)
        before = self._clock_before(rows.slot, clock)
        newer, older = clock > before, (clock < before) & (clock != NO_CLOCK)
        newest = newer | later | (rows.hashed & rows.suspect) | ~(rows.numbered | rows.hashed)
        walk |= below & newer
        if walk.any():
            walk = np.isin(rows.slot, np.unique(rows.slot[walk]))
            duplicate[walk], newest[walk], anew[walk], older[walk] = self._walk(rows.take(np.flatnonzero(walk)))
        self._remember(rows, window, duplicate, walk)
        return Verdicts(duplicate, newest, anew, older)

    def _judge_numbered(self, slot: NDArray[np.int32], boot: NDArray[np.int64], seq: NDArray[np.int64]) -> _Numbered:
        start, segment = segments(slot)
        highest, repeated = running_highest(segment, boot, seq)
        own_boot, own_seq = self._boot[slot], self._seq[slot]
        high_boot, high_seq = own_boot.copy(), own_seq.copy()
        # The highest before a reading: of the readings before it in this batch, or what is remembered.
        inner = np.flatnonzero(~start)
        before = highest[inner - 1]
        risen = above(boot[before], seq[before], own_boot[inner], own_seq[inner])
        high_boot[inner[risen]] = boot[before[risen]]
        high_seq[inner[risen]] = seq[before[risen]]
        later = above(boot, seq, high_boot, high_seq)
        within = ~later & (boot == high_boot) & (high_seq - seq < WINDOW)
        # Of those in the window as it is remembered; a higher one can only have come in this batch.
        old = np.flatnonzero(within & (boot == own_boot) & (seq <= own_seq))
        duplicate = within & repeated
        duplicate[old] |= self._seen.came(slot[old], seq[old])
        return _Numbered(duplicate, later, ~later & ~within, highest)

    def _judge_hashed(
        self, slot: NDArray[np.int32], hashes: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """(duplicate, not sure)."""
        start, segment = segments(slot)
        nth = np.arange(len(slot)) - np.flatnonzero(start)[segment] if len(slot) else segment
        in_ring, age = self._rings.find(slot, hashes)
        # At most `nth` readings were pushed since the batch began, so this many cannot have pushed it out.
        sure_ring = in_ring & (age + nth < RING)
        first, repeated = first_like_it(segment, hashes)
        sure_batch = repeated & ~in_ring & (nth - nth[first] <= RING)
        duplicate = sure_ring | sure_batch
        return duplicate, (in_ring | repeated) & ~duplicate

    def _clock_before(self, slot: NDArray[np.int32], clock: NDArray[np.int64]) -> NDArray[np.int64]:
        """The latest believed time of each reading's device before that reading."""
        before = self._clock[slot]
        start, segment = segments(slot)
        inner = np.flatnonzero(~start)
        if len(inner):
            highest, _ = running_highest(segment, clock, clock)
            before[inner] = np.maximum(before[inner], clock[highest[inner - 1]])
        return before

    def _walk(self, rows: Sightings) -> NDArray[np.bool_]:
        """The same verdicts for a few devices, one reading after the other; shape (4, n)."""
        verdicts = np.empty((4, len(rows.slot)), np.bool_)
        edges = np.flatnonzero(np.append(segments(rows.slot)[0], True)).tolist()
        for begin, end in itertools.pairwise(edges):
            slot = int(rows.slot[begin])
            seen, (ring, pushed) = self._seen.of(slot), self._rings.of(slot)
            device = OneDevice(int(self._boot[slot]), int(self._seq[slot]), seen, int(self._clock[slot]), ring, pushed)
            for at in range(begin, end):
                highest, clock = (device.boot, device.seq), int(rows.clock[at])
                older = NO_CLOCK < clock < device.clock
                duplicate, newest = device.sight(
                    int(rows.boot[at]),
                    int(rows.seq[at]),
                    clock,
                    numbered=bool(rows.numbered[at]),
                    hashed=bool(rows.hashed[at]),
                    suspect=bool(rows.suspect[at]),
                )
                went_back = (device.boot, device.seq) < highest
                verdicts[:, at] = duplicate, newest, went_back, older and not duplicate
            self._boot[slot], self._seq[slot], self._clock[slot] = device.boot, device.seq, device.clock
            self._seen.put(slot, device.seen)
            self._rings.put(slot, device.ring, device.pushed)
        return verdicts

    def _remember(
        self, rows: Sightings, window: _Numbered, duplicate: NDArray[np.bool_], walked: NDArray[np.bool_]
    ) -> None:
        numbered = np.flatnonzero(rows.numbered)
        here = ~walked[numbered]
        if here.any():
            self._move_window(rows.slot[numbered], rows.boot[numbered], rows.seq[numbered], window.highest, here)
        hashed = np.flatnonzero(rows.hashed & ~duplicate & ~walked)
        if len(hashed):
            self._rings.push(rows.slot[hashed], rows.seq[hashed])
        timed = np.flatnonzero(~duplicate & ~walked & (rows.clock != NO_CLOCK))
        if len(timed):
            start, _ = segments(rows.slot[timed])
            device = rows.slot[timed][start]
            latest = np.maximum.reduceat(rows.clock[timed], np.flatnonzero(start))
            self._clock[device] = np.maximum(self._clock[device], latest)

    def _move_window(
        self,
        slot: NDArray[np.int32],
        boot: NDArray[np.int64],
        seq: NDArray[np.int64],
        highest: NDArray[np.intp],
        here: NDArray[np.bool_],
    ) -> None:
        start, segment = segments(slot)
        begins = np.flatnonzero(start)
        top = highest[np.append(begins[1:], len(slot)) - 1]
        device = slot[begins]
        own_boot, own_seq = self._boot[device], self._seq[device]
        risen = above(boot[top], seq[top], own_boot, own_seq)
        new_boot, new_seq = np.where(risen, boot[top], own_boot), np.where(risen, seq[top], own_seq)
        move = here[begins]
        by = np.where(new_boot == own_boot, new_seq - own_seq, WINDOW)[move]
        device = device[move]
        self._seen.move_on(device, own_seq[move], by)
        self._boot[device], self._seq[device] = new_boot[move], new_seq[move]
        inside = here & (boot == new_boot[segment]) & (new_seq[segment] - seq < WINDOW)
        self._seen.note(slot[inside], seq[inside])


def _checked(
    arrays: dict[str, NDArray[np.int64] | NDArray[np.uint64]], name: str, shape: tuple[int, ...]
) -> NDArray[np.int64]:
    array = arrays.get(name)
    if array is None or array.shape != shape or array.dtype != np.int64:
        raise ValueError(f"identity window: {name!r} is missing or of another shape or type")
    return array.astype(np.int64, copy=False)
