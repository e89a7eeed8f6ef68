"""Readings against rules, for many devices at once.

R1  Every device's readings are judged in their order; devices do not see each other here, so the result does not
    depend on how readings of different devices are mixed or batched (G5).
R2  Only devices at which something is true or under way cost more than the matrix of conditions: their readings go
    through in rounds, the n-th reading of each device in round n; without those before its first that moves anything
    (an alarm that stands for days is under way, and moves nothing).
R3  What changes is collected and applied in the order of the readings, because there effects meet (two detectors, one
    valve).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from devices.readings import Rows
from rules import alarms, interlock
from rules.alarms import Out
from rules.kernels import Conditions, conditions
from rules.lifecycle import IS_ACTIVE, NEXT, Happening
from rules.state import SILENT_INTERVALS, State, Timer


class _Item(NamedTuple):
    """Something to apply. rule -1: the valve of this row was heard. onset 0: the condition returned."""

    row: int
    rule: int
    onset: int
    late: bool = False


def judge(state: State, out: Out, rows: Rows, slots: NDArray[np.int32], at: int) -> None:
    """Judge rows that were all received at `at`. rows: shape (n,); slots: shape (n,), i4, none negative."""
    flags = np.ascontiguousarray(rows["flags"])
    late, stale = (flags & int(Flag.LATE)) != 0, (flags & int(Flag.STALE)) != 0
    heard = slots[~stale] if stale.any() else slots
    if len(heard):
        state.heard[heard] = at
        soonest = at + SILENT_INTERVALS * int(state.fleet.interval_us[heard].min())
        state.silence_floor = min(state.silence_floor, soonest)
    classes = state.compiled.class_of[slots]
    found = conditions(state.compiled, rows, state.compiled.looks[classes], state.compiled.by_flags[classes])
    live = np.flatnonzero(~late)
    items = _valves(state, rows, slots, late, stale) + _heard_again(state, slots, stale)
    if late.any():
        items += _late_alarms(state, rows, slots, late)
    touched = _Touched.of(state, rows, slots, live, found)
    if touched is not None:
        items += touched.rounds(at)
    if items:
        _apply(state, out, rows, slots, sorted(items), at)
    if touched is not None:
        touched.write_back()


def _valves(
    state: State, rows: Rows, slots: NDArray[np.int32], late: NDArray[np.bool_], stale: NDArray[np.bool_]
) -> list[_Item]:
    """Remember where valves were seen, by readings that are neither late nor stale. Watched ones are looked at one by
    one, and so is every reading of a valve that sleeps: it is awake."""
    seen = np.flatnonzero((rows["valve"] != ValvePosition.UNKNOWN) & ~late & ~stale)
    watched = state.watched[slots[seen]]
    state.position[slots[seen[~watched]]] = rows["valve"][seen[~watched]]
    awake = np.flatnonzero(state.sleeps[slots] & ~stale)
    one_by_one = {*seen[watched].tolist(), *awake.tolist()}
    return [_Item(row, -1, 0, bool(late[row])) for row in one_by_one]


def _heard_again(state: State, slots: NDArray[np.int32], stale: NDArray[np.bool_]) -> list[_Item]:
    """Any reading ends a silence, a late one too: the device is there. So this is no matter of conditions."""
    silence = np.array(state.compiled.silence, np.intp)
    where, which = np.nonzero(IS_ACTIVE[state.phase[slots[:, None], silence]] & ~stale[:, None])
    return [_Item(int(row), int(silence[w]), 0) for row, w in zip(where, which, strict=True)]


def _late_alarms(state: State, rows: Rows, slots: NDArray[np.int32], late: NDArray[np.bool_]) -> list[_Item]:
    """A late alarm bit still reaches people, by the rules that listen to that bit (G10); what else a late reading
    says (tamper, fault, a value) is history."""
    bits = rows["flags"][:, None] & (state.compiled.flags & int(ALARM_FLAGS))
    where, rule = np.nonzero((bits != 0) & late[:, None] & state.compiled.looks_at(slots))
    return [_Item(int(row), int(r), int(rows["ts"][row]), late=True) for row, r in zip(where, rule, strict=True)]


def _apply(state: State, out: Out, rows: Rows, slots: NDArray[np.int32], items: list[_Item], at: int) -> None:
    for row, rule, onset, late in items:
        slot = int(slots[row])
        if rule < 0:
            position, measured = ValvePosition(int(rows["valve"][row])), int(rows["ts"][row])
            interlock.heard(state, out, slot, position, at, measured=measured, late=late)
            continue
        quantity = state.compiled.rules[rule].quantity
        value = float(rows[quantity][row]) if quantity else None
        if late:
            alarms.raise_late(state, out, slot, rule, onset=onset, at=at, value=value)
        elif onset:
            alarm = alarms.raise_alarm(state, out, slot, rule, onset=onset, at=at, value=value)
            if alarm is not None:
                interlock.alarm_raised(state, out, alarm, rule, at)
        elif alarms.return_alarm(state, out, slot, rule, at=at) is not None:
            interlock.alarm_settled(state, out, slot, rule, at)
            if rule in state.compiled.silence:
                state.expect(slot)


def _moves(state: State, found: Conditions, row: NDArray[np.intp], slots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Whether each of these rows would move anything if it were its device's first, shape (len(row),)."""
    active = IS_ACTIVE[state.phase[slots]]
    going = np.where(active, found.cleared[row] == 1, found.raised[row] == 1)
    moves: NDArray[np.bool_] = (going | (state.since[slots] != 0)).any(axis=1)
    return moves


def _from_first(moves: NDArray[np.bool_], device: NDArray[np.intp], devices: int) -> NDArray[np.bool_]:
    """Each device's rows from the first of them that moves anything."""
    first = np.full(devices, len(moves))
    which = np.flatnonzero(moves)
    np.minimum.at(first, device[which], which)
    following: NDArray[np.bool_] = np.arange(len(moves)) >= first[device]
    return following


class _Touched:
    """The devices of a batch at which something is true or under way, and the copies the rounds work on.

    Shapes: slots (d,); phase, since, due (d, rules); row (m,) rows of these devices in order, device (m,) their place
    in slots, rank (m,) how many rows of the same device come before.
    """

    def __init__(
        self,
        state: State,
        rows: Rows,
        found: Conditions,
        slots: NDArray[np.int32],
        row: NDArray[np.intp],
        device: NDArray[np.intp],
    ) -> None:
        self.state, self.rows, self.found = state, rows, found
        self.slots, self.row, self.device = slots, row, device
        self.phase = state.phase[slots]
        self.since = state.since[slots]
        self.due = state.due[slots]

    @classmethod
    def of(
        cls, state: State, rows: Rows, slots: NDArray[np.int32], live: NDArray[np.intp], found: Conditions
    ) -> "_Touched | None":
        busy = (found.raised[live] == 1).any(axis=1) | state.busy[slots[live]]
        if not busy.any():
            return None
        distinct = np.unique(slots[live[busy]])
        at = np.minimum(np.searchsorted(distinct, slots[live]), len(distinct) - 1)
        mine = distinct[at] == slots[live]
        row, device = live[mine], at[mine]
        moving = _from_first(_moves(state, found, row, slots[row]), device, len(distinct))
        return cls(state, rows, found, distinct, row[moving], device[moving]) if moving.any() else None

    def rounds(self, at: int) -> list[_Item]:
        order = np.argsort(self.device, kind="stable")
        starts = np.flatnonzero(np.diff(self.device[order], prepend=-1))
        rank = np.arange(len(order)) - np.repeat(starts, np.diff(starts, append=len(order)))
        by_rank = order[np.argsort(rank, kind="stable")]  # the first rows of all devices, then the second, ...
        ends = np.cumsum(np.bincount(rank))
        items: list[_Item] = []
        for start, end in zip([0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            items += self._round(np.sort(by_rank[start:end]), at)
        return items

    def _round(self, mine: NDArray[np.intp], at: int) -> list[_Item]:
        rules = self.state.compiled
        row, device = self.row[mine], self.device[mine]
        raised, cleared = self.found.raised[row], self.found.cleared[row]
        phase, since = self.phase[device], self.since[device]
        ts = self.rows["ts"][row][:, None]
        active = IS_ACTIVE[phase]
        up, down = ~active & (raised == 1), active & (cleared == 1)
        going = up | down
        stopped = np.where(active, cleared == 0, raised == 0)
        began = np.where(going, np.where(since == 0, ts, np.minimum(since, ts)), np.where(stopped, 0, since))
        classes = rules.class_of[self.slots[device]]
        hold = np.where(active, rules.clear_hold_us[classes], rules.hold_us[classes])
        fire = going & ((ts - began >= hold) | (up & self.found.at_once[row]))
        back = np.where(rules.latch, NEXT[phase, Happening.RETURN_LATCHED], NEXT[phase, Happening.RETURN])
        self.phase[device] = np.where(fire, np.where(active, back, NEXT[phase, Happening.CONDITION]), phase)
        held = np.where(fire, 0, began)
        self.since[device] = held
        self.due[device] = np.where(held == since, self.due[device], np.where(held == 0, 0, held + hold + (at - ts)))
        which, rule = np.nonzero(fire)
        return [
            _Item(int(row[w]), int(r), 0 if active[w, r] else int(began[w, r]))
            for w, r in zip(which, rule, strict=True)
        ]

    def write_back(self) -> None:
        """Holds that run on, and the reminders of those that are new."""
        state = self.state
        fresh = (self.since != 0) & (self.due != state.due[self.slots])
        state.since[self.slots], state.due[self.slots] = self.since, self.due
        for device, rule in zip(*np.nonzero(fresh), strict=True):
            state.remind(int(self.due[device, rule]), Timer.HOLD, int(self.slots[device]), int(rule))
        state.refresh_busy(self.slots)
