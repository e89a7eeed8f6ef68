"""What is remembered of each followed device, as arrays by row. Only devices that are followed have a row.

A row's words hold the numbers above `upto` that are settled, as `one_boot` says; earlier boots are kept apart, for few
devices have any, and not for long.
"""

import heapq

import msgspec
import numpy as np
from numpy.typing import NDArray

from ingest.one_boot import OneBoot
from ingest.seen_numbers import WORDS, SeenNumbers

#: How often it is noted how far each device had come, and how many such notes make up the time that a number may be
#: missing before people are told: 5 x 4 s. Product choice: at most 20 + 4 s after a higher number was stored, so that
#: even after an engine's slowest cycle 30 s hold.
NOTE_EVERY_US = 4_000_000
NOTES = 5
MISSING_FOR_US = NOTES * NOTE_EVERY_US
#: How long after its last number an earlier boot may still be offered. Product choice: a device that holds readings of
#: it offers them once it is connected, and again within minutes.
EARLIER_KEPT_US = 600_000_000
#: Lost readings of one device are counted up to here: numbers are what a sender likes, and sums of them must fit.
MOST_LOST = 1 << 40

#: boot, upto, highest: as in OneBoot. told: 1 while it stands that readings are missing. told_to: of this boot that was
#: said up to here; -1 for nothing. lost: numbers that never came since the device is followed; stated: how many of
#: them the last word that nothing is missing had counted. lost_boot, lost_first: the first of those since. wiped: the
#: highest number of this boot before its counters were wiped; -1 when they were not.
ROW = np.dtype(
    [
        ("slot", "<i8"),
        ("boot", "<i8"),
        ("upto", "<i8"),
        ("highest", "<i8"),
        ("told", "<i8"),
        ("told_to", "<i8"),
        ("lost", "<i8"),
        ("stated", "<i8"),
        ("lost_boot", "<i8"),
        ("lost_first", "<i8"),
        ("wiped", "<i8"),
    ]
)
_NUMBERS = tuple(name for name in ROW.names or () if name != "slot")


class Earlier(msgspec.Struct, frozen=True, array_like=True):
    """An earlier boot that may still be offered. `seen` as in OneBoot, in bytes. missing_since: 0 when nothing is
    missing, or when it was told. heard: when its last number came. Microseconds UTC."""

    boot: int
    upto: int
    highest: int
    seen: bytes
    missing_since: int
    heard: int

    @property
    def lacks(self) -> bool:
        """Whether a number is missing of it."""
        return self.highest > self.upto

    @property
    def tell_at(self) -> int:
        return self.missing_since + MISSING_FOR_US if self.missing_since else self.forgotten_at

    @property
    def forgotten_at(self) -> int:
        return self.heard + EARLIER_KEPT_US

    def heard_at(self, now: int) -> "Earlier":
        """The same as if all its time began now."""
        return msgspec.structs.replace(self, missing_since=self.missing_since and now, heard=now)

    @classmethod
    def closed(cls, one: OneBoot, missing_since: int, heard: int) -> "Earlier":
        return cls(one.boot, one.upto, one.highest, _trimmed(one.seen), missing_since, heard)

    def opened(self) -> OneBoot:
        return OneBoot(self.boot, self.upto, self.highest, int.from_bytes(self.seen, "little"))


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """All that is remembered of one device after a cycle: journaled where it cannot be seen from the cycle's rows.
    numbers: those of ROW but `slot`, in their order. notes: how far it had come, oldest note first."""

    device_no: int
    numbers: tuple[int, ...]
    seen: bytes
    notes: tuple[int, ...]
    earlier: tuple[Earlier, ...] = ()


class FrozenFollowed(msgspec.Struct, frozen=True, array_like=True):
    """Everything at rest, for a checkpoint: the arrays as bytes, and the rest by its name."""

    numbers: bytes = b""
    words: bytes = b""
    notes: bytes = b""
    earlier: dict[int, tuple[Earlier, ...]] = {}
    noted: int = 0
    lost_before: int = 0


class Followed:
    """Mutable. The first `used` rows of each array are devices'.

    numbers: (capacity,), ROW. seen: bits by row. notes: (NOTES, capacity), i8: `highest` as it was, oldest first, -1
    where there is no note of this numbering. earlier: by slot. noted: when the last note was taken. lost_before: lost
    numbers of devices that are followed no longer. changed: slots of whom there may be something to tell. due: a
    heap of (time, slot) before which there is nothing to do about a device's earlier boots; due_at: its first by slot.
    These three may name too many, so they are no part of what is remembered.
    """

    def __init__(self, slots: int) -> None:
        self._row = np.full(slots, -1, np.int32)
        self.used = 0
        self.numbers = np.zeros(0, ROW)
        self.seen = SeenNumbers.none(0)
        self.notes = np.zeros((NOTES, 0), np.int64)
        self.earlier: dict[int, tuple[Earlier, ...]] = {}
        self.noted = 0
        self.lost_before = 0
        self.changed: set[int] = set()
        self.due: list[tuple[int, int]] = []
        self.due_at: dict[int, int] = {}

    def grow(self, slots: int) -> None:
        more = np.full(max(slots - len(self._row), 0), -1, np.int32)
        self._row = np.concatenate([self._row, more])

    def rows(self, slot: NDArray[np.int32]) -> NDArray[np.int32]:
        """Their rows, -1 for who is not followed."""
        return self._row[slot]

    def row(self, slot: int) -> int:
        """Its row; who has none gets one, in which nothing has come."""
        row = int(self._row[slot])
        if row < 0:
            row = self.used
            if row == len(self.numbers):
                more = np.zeros(max(64, row), np.int64)
                self._set(
                    np.concatenate([self.numbers, np.zeros(len(more), ROW)]),
                    np.concatenate([self.seen.words, np.zeros((len(more), WORDS), np.uint64)]),
                    np.concatenate([self.notes, np.zeros((NOTES, len(more)), np.int64)], axis=1),
                )
            self.used += 1
            self._row[slot] = row
            self.numbers[row] = (slot, -1, -1, -1, 0, -1, 0, 0, 0, 0, -1)
            self.notes[:, row] = -1
        return row

    def forget(self, gone: NDArray[np.bool_]) -> None:
        """Follow some devices no longer. `gone`: (slots,)."""
        numbers = self.numbers[: self.used]
        leaving = gone[numbers["slot"]]
        if not leaving.any():
            return
        self.lost_before += int(numbers["lost"][leaving].sum())
        for slot in numbers["slot"][leaving].tolist():
            self.earlier.pop(slot, None)
            self.changed.discard(slot)
        stay = np.flatnonzero(~leaving)
        self._set(numbers[stay], self.seen.words[stay], self.notes[:, stay])
        self._row[:] = -1
        self._row[self.numbers["slot"]] = np.arange(len(stay))
        self.used = len(stay)

    def _set(self, numbers: NDArray[np.void], words: NDArray[np.uint64], notes: NDArray[np.int64]) -> None:
        self.numbers, self.seen, self.notes = numbers, SeenNumbers(words), notes

    def current(self, row: int) -> OneBoot:
        one = self.numbers[row]
        return OneBoot(int(one["boot"]), int(one["upto"]), int(one["highest"]), self.seen.of(row))

    def put_current(self, row: int, one: OneBoot) -> None:
        for name in ("boot", "upto", "highest"):
            self.numbers[name][row] = getattr(one, name)
        self.seen.put(row, one.seen)

    def keep(self, slot: int, earlier: tuple[Earlier, ...]) -> None:
        """Remember these earlier boots of a device, and no others."""
        if earlier:
            self.earlier[slot] = earlier
            due = min(min(one.tell_at, one.forgotten_at) for one in earlier)
            if due < self.due_at.get(slot, due + 1):
                self.due_at[slot] = due
                heapq.heappush(self.due, (due, slot))
        else:
            self.earlier.pop(slot, None)

    def come_due(self, now: int) -> list[int]:
        """Slots about whose earlier boots there may be something to do by now; `keep` says when again."""
        slots: set[int] = set()
        while self.due and self.due[0][0] <= now:
            _, slot = heapq.heappop(self.due)
            self.due_at.pop(slot, None)
            slots.add(slot)
        return sorted(slots & self.earlier.keys())

    def mark(self, slot: int, device_no: int) -> Mark:
        """What is remembered of a followed device."""
        row = int(self._row[slot])
        numbers = tuple(int(self.numbers[name][row]) for name in _NUMBERS)
        notes = tuple(self.notes[:, row].tolist())
        return Mark(device_no, numbers, _trimmed(self.seen.of(row)), notes, self.earlier.get(slot, ()))

    def put(self, slot: int, mark: Mark) -> None:
        """The inverse of `mark`."""
        row = self.row(slot)
        for name, number in zip(_NUMBERS, mark.numbers, strict=True):
            self.numbers[name][row] = number
        self.seen.put(row, int.from_bytes(mark.seen, "little"))
        self.notes[:, row] = mark.notes
        self.keep(slot, mark.earlier)
        self.changed.add(slot)

    def frozen(self) -> FrozenFollowed:
        """Copies, by slot: which row a device has depends on who came first."""
        order = np.argsort(self.numbers["slot"][: self.used])
        return FrozenFollowed(
            numbers=self.numbers[order].tobytes(),
            words=self.seen.words[order].tobytes(),
            notes=self.notes[:, order].tobytes(),
            earlier=dict(sorted(self.earlier.items())),
            noted=self.noted,
            lost_before=self.lost_before,
        )

    @classmethod
    def thawed(cls, slots: int, frozen: FrozenFollowed) -> "Followed":
        """Raises ValueError when it is not one of such a fleet."""
        followed = cls(slots)
        numbers = np.frombuffer(frozen.numbers, ROW).copy()
        words = np.frombuffer(frozen.words, np.uint64).reshape(len(numbers), WORDS).copy()
        notes = np.frombuffer(frozen.notes, np.int64).reshape(NOTES, len(numbers)).copy()
        if len(numbers) and not ((numbers["slot"] >= 0) & (numbers["slot"] < slots)).all():
            raise ValueError("a followed device that is not there")
        followed._set(numbers, words, notes)
        followed._row[numbers["slot"]] = np.arange(len(numbers))
        followed.used = len(numbers)
        for slot, earlier in frozen.earlier.items():
            followed.keep(slot, earlier)
        followed.changed.update(numbers["slot"][(numbers["told"] > 0) | (numbers["lost"] > numbers["stated"])].tolist())
        followed.noted, followed.lost_before = frozen.noted, frozen.lost_before
        return followed


def count_lost(followed: Followed, row: int, boot: int, first: int, many: int) -> None:
    """So many numbers of a device never came; the first of them since that was last said is remembered."""
    numbers = followed.numbers
    if numbers["lost"][row] == numbers["stated"][row]:
        numbers["lost_boot"][row], numbers["lost_first"][row] = boot, first
    numbers["lost"][row] = min(int(numbers["lost"][row]) + many, MOST_LOST)


def _trimmed(seen: int) -> bytes:
    return seen.to_bytes((seen.bit_length() + 7) // 8, "little")
