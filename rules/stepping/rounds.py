"""Conditions into alarms and holds, for many devices at once: the n-th reading of each device in round n, as long as
many have that many; then what is left of each device."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.evaluation.kernels import Conditions
from rules.life.lifecycle import IS_ACTIVE, NEXT, Happening
from rules.stepping.state import State, Timer
from rules.stepping.worsening import Orders

#: Of so few devices it is better to look for the rows by which something goes on than to make rounds of all. Source:
#: measured.
_NARROW = 2
#: Rows of one device that are looked at together for the next by which something goes on: at first, and at most.
#: Source: measured; a look at 16 rows costs about what a round does.
_NEAREST, _FARTHEST = 16, 512
#: So many rows are taken unseen when the first of a look goes on, as the next ones often do.
_TOGETHER = 4


class Moved(NamedTuple):
    """What a reading brought about. place: of its row among those judged together. onset 0: the condition returned."""

    place: int
    rule: int
    onset: int
    #: Of one that was raised by a rule of which that is kept: the worst that was said since its hold began.
    worst: float | None = None


class Rounds:
    """Readings of some devices, in order; the copies that the rounds work on, until they are written back.

    Shapes: slots (d,); phase, since, due (d, rules); worst (d, kept); device (m,): the place in slots of each reading's
    device."""

    def __init__(
        self,
        state: State,
        slots: NDArray[np.int32],
        ts: NDArray[np.int64],
        received: NDArray[np.int64],
        found: Conditions,
        said: Orders,
    ) -> None:
        """slots, ts, received: shape (m,), of the readings; found: what every rule says of them, (m, rules); said: how
        bad they are, (m, kept) (Worsening.said)."""
        self.state, self.ts, self.late_by, self.found, self.said = state, ts, received - ts, found, said
        self.slots, self.device = np.unique(slots, return_inverse=True)
        self.phase = state.phase[self.slots]
        self.since = state.since[self.slots]
        self.due = state.due[self.slots]
        self.worst = state.worst.orders[self.slots]

    def run(self) -> list[Moved]:
        """All rounds; what moved, in no order."""
        if len(self.slots) == len(self.device):
            return self._round(np.arange(len(self.device)))
        order = np.argsort(self.device, kind="stable")
        starts = np.flatnonzero(np.diff(self.device[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        by_rank = order[np.argsort(rank, kind="stable")]  # the first rows of all devices, then the second, ...
        many = np.bincount(rank)
        wide = int((many > _NARROW).sum())  # there are never more of a later rank
        ends = np.cumsum(many[:wide])
        moved: list[Moved] = []
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=False):
            moved += self._round(np.sort(by_rank[start:end]))
        rest = order[rank >= wide]
        for mine in np.split(rest, np.flatnonzero(np.diff(self.device[rest])) + 1) if len(rest) else ():
            moved += self._rest(mine)
        return moved

    def _rest(self, mine: NDArray[np.intp]) -> list[Moved]:
        """Rows of one device, in order: a round for each by which something goes on, none for the others."""
        moved: list[Moved] = []
        at, ahead = 0, _NEAREST
        while at < len(mine):
            going = self._going(mine[at : at + ahead])
            quiet = int(going.argmax()) if going.any() else len(going)
            at += quiet
            if quiet == len(going):
                ahead = min(2 * ahead, _FARTHEST)
                continue
            ahead = _NEAREST
            for row in range(at, min(at + (1 if quiet else _TOGETHER), len(mine))):
                moved += self._round(mine[row : row + 1])
                at = row + 1
        return moved

    def _going(self, mine: NDArray[np.intp]) -> NDArray[np.bool_]:
        """Which of these rows of one device would change something as it stands, shape (len(mine),)."""
        rules, device = self.state.compiled, self.device[mine[0]]
        active, since = IS_ACTIVE[self.phase[device]], self.since[device]
        says = np.where(active, self.found.cleared[mine], self.found.raised[mine])
        here = rules.class_of[self.slots[device]]
        hold = np.where(active, rules.clear_hold_us[here], rules.hold_us[here])
        lasts = self.ts[mine][:, None] - since
        at_once = self.found.at_once[mine] & ~active
        waits = (since != 0) & (lasts >= 0) & (lasts < hold) & ~at_once
        going = ((says == 1) & ~waits) | ((says == 0) & (since != 0))
        found: NDArray[np.bool_] = going.any(axis=1)
        kept = self.state.worst.rules
        if len(kept):
            runs = ((since != 0) & ~active)[kept]
            found |= ((self.said[mine] < self.worst[device]) & runs).any(axis=1)
        return found

    def _round(self, mine: NDArray[np.intp]) -> list[Moved]:
        rules, device = self.state.compiled, self.device[mine]
        raised, cleared = self.found.raised[mine], self.found.cleared[mine]
        phase, since = self.phase[device], self.since[device]
        ts = self.ts[mine][:, None]
        active = IS_ACTIVE[phase]
        up, down = ~active & (raised == 1), active & (cleared == 1)
        going = up | down
        stopped = np.where(active, cleared == 0, raised == 0)
        began = np.where(going, np.where(since == 0, ts, np.minimum(since, ts)), np.where(stopped, 0, since))
        classes = rules.class_of[self.slots[device]]
        hold = np.where(active, rules.clear_hold_us[classes], rules.hold_us[classes])
        fire = going & ((ts - began >= hold) | (up & self.found.at_once[mine]))
        back = np.where(rules.latch, NEXT[phase, Happening.RETURN_LATCHED], NEXT[phase, Happening.RETURN])
        self.phase[device] = np.where(fire, np.where(active, back, NEXT[phase, Happening.CONDITION]), phase)
        held = np.where(fire, 0, began)
        self.since[device] = held
        # Readings do not move the end of a hold that runs: a clock that steps back must not put it off.
        ends = np.where(since == 0, held + hold + self.late_by[mine][:, None], self.due[device])
        self.due[device] = np.where(held == 0, 0, ends)
        worst = self._worse(mine, (since != 0) & ~active, (held != 0) & ~active)
        which, rule = np.nonzero(fire)
        return [
            Moved(int(mine[w]), int(r), 0)
            if active[w, r]
            else Moved(int(mine[w]), int(r), int(began[w, r]), self.state.worst.value(int(r), worst[w]))
            for w, r in zip(which, rule, strict=True)
        ]

    def _worse(self, mine: NDArray[np.intp], runs: NDArray[np.bool_], on: NDArray[np.bool_]) -> Orders:
        """The worst of each of these readings and those before it since its holds began, (len(mine), kept). runs: of
        every rule, whether a hold was running; on: whether one runs on."""
        rules, device, said = self.state.worst.rules, self.device[mine], self.said[mine]
        if len(rules):
            before = self.worst[device]
            said = np.where(runs[:, rules], np.minimum(before, said), said)
            self.worst[device] = np.where(on[:, rules], said, before)
        return said

    def write_back(self) -> None:
        """Holds that run on, and the reminders of those that are new."""
        state = self.state
        fresh = (self.since != 0) & (self.due != state.due[self.slots])
        state.since.put(self.slots, self.since)
        state.due.put(self.slots, self.due)
        state.worst.orders[self.slots] = self.worst
        for device, rule in zip(*np.nonzero(fresh), strict=True):
            state.remind(int(self.due[device, rule]), Timer.HOLD, int(self.slots[device]), int(rule))
        state.refresh_busy(self.slots)
