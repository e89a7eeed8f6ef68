"""What the devices of a group say of one condition: each its last word, and how many say yes.

G1  A device is a member of its group's count when it can say anything of the condition (rules/evaluation/selection.py
    L3). Its vote is what the condition was at its last live reading.
G2  A device that falls silent keeps its yes; its no becomes unknown until its next live reading. Where only those that
    are heard are asked for, it votes no until then, whatever it said last, or if it never said anything.
G3  At a reading the device's own vote comes first, then the group is asked; readings count in their order, across the
    devices of the group.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.classes import Grouping
from rules.evaluation.numbers import Mask, Truth
from rules.evaluation.view import are_distinct

#: A vote that is not known is zero, so that a device begins with it.
_YES, _NO = np.int8(1), np.int8(2)


class Count(NamedTuple):
    """known: the row's device stands in a group, and the row says something. yes: how many of the group say yes; may:
    how many do or may. Each of shape (n,)."""

    known: Mask
    yes: NDArray[np.integer[Any]]
    may: NDArray[np.integer[Any]]

    def at_least(self, least: int) -> Truth:
        return Truth(self.known & (self.yes >= least), self.known & (self.may < least))


class Votes:
    """vote: shape (slots,), i1. yes, no, members: shape (groups,), i4: those of members alone."""

    def __init__(self, grouping: Grouping, members: Mask, heard: bool) -> None:
        """members: shape (slots,), bool, G1. heard: only those that are heard are asked for."""
        self.of = grouping.of
        self.member = members & (grouping.of >= 0)
        self.vote = np.zeros(len(members), np.int8)
        self.heard = heard
        self._groups = len(grouping.names)
        self.members = self._counted(self.member)
        self.recount()

    def _counted(self, which: Mask) -> NDArray[np.int32]:
        return np.bincount(self.of[which], minlength=self._groups).astype(np.int32)

    def recount(self) -> None:
        """After `vote` was put from elsewhere: what follows from it."""
        self.vote[~self.member] = 0
        self.yes, self.no = self._counted(self.vote == _YES), self._counted(self.vote == _NO)

    def arrays(self) -> dict[str, NDArray[Any]]:
        return {"vote": self.vote}

    def put(self, arrays: dict[str, NDArray[Any]]) -> None:
        """The inverse; what was said by a device that is no member any more is forgotten."""
        self.vote = arrays["vote"]
        self.recount()

    def silent(self, slots: NDArray[np.int32]) -> None:
        """G2; slots are distinct."""
        mine = slots[self.member[slots]]
        said = self.vote[mine]
        if self.heard:
            np.subtract.at(self.yes, self.of[mine[said == _YES]], 1)
            np.add.at(self.no, self.of[mine[said != _NO]], 1)
            self.vote[mine] = _NO
        else:
            gone = mine[said == _NO]
            np.subtract.at(self.no, self.of[gone], 1)
            self.vote[gone] = 0

    def moving(self, slots: NDArray[np.int32], said: Truth, live: Mask) -> tuple[Mask, Mask]:
        """Which rows change a vote, and which stand in a group where somebody says yes before or during the batch, each
        shape (n,): the condition cannot be true by votes anywhere else."""
        rows = np.flatnonzero(self.member[slots] & live)
        changes, hot = np.zeros(len(slots), np.bool_), self.yes > 0
        new = _codes(said, rows)
        changes[rows] = new != self._before(slots[rows], new)
        hot[self.of[slots[rows[new == _YES]]]] = True
        return changes, np.append(hot, False)[self.of[slots]]  # the last one: of those that stand in no group

    def ask(self, slots: NDArray[np.int32], said: Truth, live: Mask) -> "Count":
        """Advance by these rows in their order, and what the group of each says then."""
        rows = np.flatnonzero(self.member[slots] & live)
        new = _codes(said, rows)
        before = self._before(slots[rows], new)
        steps = np.zeros((2, len(slots)), np.int64)
        for number, word in enumerate((_YES, _NO)):
            steps[number, rows] = (new == word).astype(np.int64) - (before == word)
        stands = self.of[slots]
        known = (stands >= 0) & live
        place = np.where(known, stands, 0)
        if not self._groups:
            return Count(known, place, place)
        yes, no = (self._running(stands, step) for step in steps)
        found = Count(known, self.yes[place] + yes, self.members[place] - self.no[place] - no)
        self.vote[slots[rows]] = new  # of several rows of one device the last stays
        for number, counts in enumerate((self.yes, self.no)):
            np.add.at(counts, stands[rows], steps[number, rows].astype(np.int32))
        return found

    def stands(self, slots: NDArray[np.int32], live: Mask) -> "Count":
        """What the group of each row says as it was left."""
        stands = self.of[slots]
        known = (stands >= 0) & live
        place = np.where(known, stands, 0)
        if not self._groups:
            return Count(known, place, place)
        return Count(known, self.yes[place], self.members[place] - self.no[place])

    def _running(self, stands: NDArray[np.int32], step: NDArray[np.int64]) -> NDArray[np.int64]:
        """At each row the sum of the steps of its group so far, itself included."""
        if not step.any():
            return step
        order = np.argsort(stands, kind="stable")
        begins = np.flatnonzero(np.diff(stands[order], prepend=-2))
        sums = np.cumsum(step[order])
        base = np.repeat(sums[begins] - step[order][begins], np.diff(np.append(begins, len(step))))
        found = np.empty_like(step)
        found[order] = sums - base
        return found

    def _before(self, slots: NDArray[np.int32], new: NDArray[np.int8]) -> NDArray[np.int8]:
        """What each row's device said before it: in the row before of the same device, else what is remembered."""
        before = self.vote[slots]
        if are_distinct(slots, len(self.vote)):
            return before
        order = np.argsort(slots, kind="stable")
        again = np.flatnonzero(np.diff(slots[order]) == 0)
        before[order[again + 1]] = new[order[again]]
        return before


def _codes(said: Truth, rows: NDArray[np.intp]) -> NDArray[np.int8]:
    return np.where(said.true[rows], _YES, np.where(said.false[rows], _NO, np.int8(0)))
