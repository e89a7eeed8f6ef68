"""When silences are due, found without looking at every device.

Q1  A device has one silence after the other, in the order of their lengths: what is due next follows from when it was
    last heard and from how many of them have come (its stage). Readings only move that later, save of a device that was
    silent; so the earliest time found for a block of devices stays a lower bound while readings come, for nothing.
Q2  A block is looked through when its bound is due, and once a little before, in slices: mostly everybody was heard
    meanwhile and the bound moves on. So a million devices are never looked through at one time (`AHEAD_US`, `SLICE`).
Q3  No silence is found late: every block whose bound is due is looked through before time passes it.
"""

import numpy as np
from numpy.typing import NDArray

from devices.fleet import MICROSECONDS
from devices.models import DeviceModel
from rules.evaluation.kernels import Compiled
from rules.evaluation.selection import SILENT_INTERVALS

#: "No timer": later than any clock.
NEVER = 1 << 62
#: Devices of one block: a look takes some 30 microseconds (product choice).
BLOCK = 4_096
#: So long before its bound is due a block may be looked through (product choice): time for a million devices in slices.
AHEAD_US = 1_000_000
#: Blocks in one slice of such looks: together well under a millisecond (product choice).
SLICE = 8
#: In place of a rule: votes count this device no longer.
VOTES = -1


class Deadlines:
    """after_us, number: shape (classes, stages + 1), i8 and i4: how long after the last reading each silence of such a
    device comes, ascending, and which rule's it is (or VOTES); the last is NEVER. floors: shape (blocks,), i8: no
    device of the block falls silent before. gap_us: shape (classes,), i8: a device not heard for less is not silent to
    anybody. soonest_us: neither a silence nor a hold ends sooner after a reading than this. Derived from the rest of a
    state, and not part of its snapshot."""

    __slots__ = ("_wake", "after_us", "first_us", "floors", "gap_us", "lowest", "next_look", "number", "soonest_us")

    def __init__(self, compiled: Compiled, counted: tuple[int, ...], votes: bool) -> None:
        """counted: rules that count silent devices (outage.py). `votes`: some rule votes over a group. To both a device
        is silent after SILENT_INTERVALS."""
        slots = len(compiled.class_of)
        chains = [_chain(compiled, number, counted, votes) for number in range(len(compiled.fleet.classes.all))]
        longest = max((len(chain) for chain in chains), default=0)
        self.after_us = np.full((len(chains), longest + 1), NEVER, np.int64)
        self.number = np.full((len(chains), longest + 1), VOTES, np.int32)
        for at, chain in enumerate(chains):
            for stage, (after_us, rule) in enumerate(chain):
                self.after_us[at, stage], self.number[at, stage] = after_us, rule
        self.first_us = np.ascontiguousarray(self.after_us[:, 0])
        models = [one.model for one in compiled.fleet.classes.all]
        self.gap_us = np.minimum(self.first_us, [_silent_us(model) for model in models])
        waits = [times[times > 0] for times in (self.first_us, compiled.hold_us, compiled.clear_hold_us)]
        self.soonest_us = int(np.concatenate(waits).min(initial=NEVER))
        self.floors = np.zeros(-(-slots // BLOCK), np.int64)
        self._wake = self.floors.copy()
        self.lowest = self.next_look = 0 if slots else NEVER

    def stage_of(self, rule: int) -> NDArray[np.int64]:
        """How many silences come before that of this rule, shape (classes,); more than there are where it has none."""
        never = self.number.shape[1]
        is_its = (self.number == rule) & (self.after_us < NEVER)
        return np.where(is_its.any(axis=1), is_its.argmax(axis=1), never)

    def bound(self, heard: NDArray[np.int64], class_of: NDArray[np.int32], stage: NDArray[np.uint8], now: int) -> None:
        """The exact bound of every block."""
        if not len(heard):
            return
        due = heard + self.first_us[class_of]
        due[stage != 0] = NEVER
        self.floors[:] = np.minimum.reduceat(due, np.arange(0, len(due), BLOCK))
        self._wake[:] = np.where(self.floors <= now + AHEAD_US, self.floors, self.floors - AHEAD_US)
        self.lowest, self.next_look = int(self.floors.min()), int(self._wake.min())

    def look(
        self, block: int, heard: NDArray[np.int64], class_of: NDArray[np.int32], stage: NDArray[np.uint8], until: int
    ) -> tuple[NDArray[np.intp], NDArray[np.int64]]:
        """Slots of this block whose first silence is due by `until`, and when it is. The bound is exact then."""
        begin = block * BLOCK
        part = slice(begin, begin + BLOCK)
        due = heard[part] + self.first_us[class_of[part]]
        due[stage[part] != 0] = NEVER
        self._bound(block, int(due.min()), until)
        if self.floors[block] > until:
            return np.empty(0, np.intp), np.empty(0, np.int64)
        found = np.flatnonzero(due <= until)
        self._bound(block, int(np.where(due > until, due, NEVER).min()), until)
        return found + begin, due[found]

    def _bound(self, block: int, floor: int, now: int) -> None:
        self.floors[block] = floor
        self._wake[block] = floor if floor <= now + AHEAD_US else floor - AHEAD_US
        self.lowest, self.next_look = int(self.floors.min()), int(self._wake.min())

    def due_blocks(self, until: int) -> list[int]:
        """Blocks that must be looked through before time passes `until`."""
        found: list[int] = np.flatnonzero(self.floors <= until).tolist()
        return found

    def slice_ahead(self, now: int) -> list[int]:
        """Blocks that may be looked through now, for nothing to be left when they are due: few at one time."""
        found: list[int] = np.flatnonzero(self._wake <= now)[:SLICE].tolist()
        return found

    def lower(self, slots: NDArray[np.int32], due: NDArray[np.int64]) -> None:
        """These devices may fall silent at these times, before their block's bound."""
        np.minimum.at(self.floors, slots // BLOCK, due)
        np.minimum.at(self._wake, slots // BLOCK, due)
        self.lowest, self.next_look = int(self.floors.min()), int(self._wake.min())


def _chain(compiled: Compiled, number: int, counted: tuple[int, ...], votes: bool) -> list[tuple[int, int]]:
    """(after how long, whose) of every silence of a class of devices."""
    silent_us = _silent_us(compiled.fleet.classes.all[number].model)
    found = [(int(compiled.silent_us[number, rule]), rule) for rule in compiled.silence if compiled.looks[number, rule]]
    if silent_us:
        found += [(silent_us, rule) for rule in counted if compiled.looks[number, rule]]
        found += [(silent_us, VOTES)] if votes else []
    return sorted(found)


def _silent_us(model: DeviceModel | None) -> int:
    """After how long without a reading a device counts as silent; 0: its model promises none."""
    return SILENT_INTERVALS * round(model.report_interval_s * MICROSECONDS) if model else 0
