"""Which readings of a batch have to be judged in their time; all others only say that a device was heard.

K1  A row is judged when its conditions can move something: a rule is raised whose alarm is not active, an alarm or a
    hold of its device would go on, it says more of an alarm that stands (worse, or that the device says so too), or
    what it means depends on other devices. From a device's first such row on all its rows of the batch are judged.
K2  A row is taken in its time without being judged when it is about a position that changes, is awaited or is of a
    valve that sleeps; a late alarm bit; or of a device that is, or falls, silent within the batch.
K3  Of all other rows nothing depends on their order with anything else: when each device was heard last is set at once.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.quantities import ALARM_FLAGS, Flag, ValvePosition
from devices.readings import Rows
from rules.evaluation.evaluation import Evaluation, evaluate
from rules.evaluation.kernels import Conditions
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.state import NO_ROW, State

Which = NDArray[np.bool_]
_NOT_LIVE = int(Flag.LATE | Flag.STALE)


@dataclass(slots=True)
class Piece:
    """Rows in the order in which they were received, shape (n,) all: late and stale; judged (K1); taken (K1 and K2, it
    may grow). Ascending rows: places, those that say where a valve stands or that one is awake; away, those by which
    a device is heard of which it is not told yet (state.heard), because it matters when."""

    rows: Rows
    slots: NDArray[np.int32]
    received: NDArray[np.int64]
    flags: NDArray[np.int64]
    valve: NDArray[np.int16]
    late: Which
    stale: Which
    judged: Which
    taken: Which
    places: NDArray[np.intp]
    away: NDArray[np.intp]
    found: Evaluation


def look(
    state: State,
    rows: Rows,
    slots: NDArray[np.int32],
    received: NDArray[np.int64],
    valve: NDArray[np.int16] | None = None,
) -> Piece:
    """Evaluate these rows, once, and tell them apart. At least one; received: ascending. valve: see step."""
    flags = np.ascontiguousarray(rows["flags"])
    valve = np.ascontiguousarray(rows["valve"]) if valve is None else valve
    late, stale = (flags & int(Flag.LATE)) != 0, (flags & int(Flag.STALE)) != 0
    known = {"flags": flags, "valve": valve, "stale": stale, "live": ~(late | stale)}
    found = evaluate(state.compiled, state.windows, rows, slots, known)
    several = bool(received[0] != received[-1])
    judged = _judged(state, slots, flags, late, found, several=several)
    heard: slice | NDArray[np.intp] = np.flatnonzero(~stale) if stale.any() else slice(None)
    gone = _away(state, slots[heard], received[heard], several=several)
    if len(gone) and not isinstance(heard, slice):
        gone = heard[gone]
    if several and state.traits.of_others.any():
        judged[gone] = True  # its vote may be lost before
        judged &= ~late
    taken = judged | _late_alarms(state, slots, flags, late)
    taken[gone] = True
    places = np.flatnonzero((((valve != ValvePosition.UNKNOWN) & ~late) | state.sleeps[slots]) & ~stale)
    if several:
        taken[places[_awaited(state, valve[places], slots[places])]] = True
    else:
        gone = gone[:0]
    if len(gone):
        by_now = ~stale
        by_now[gone] = False
        heard = np.flatnonzero(by_now)
    state.heard[slots[heard]] = received[heard]
    return Piece(rows, slots, received, flags, valve, late, stale, judged, taken, places, gone, found)


def _judged(
    state: State, slots: NDArray[np.int32], flags: NDArray[np.int64], late: Which, found: Evaluation, *, several: bool
) -> Which:
    """K1. several: the rows were received at several times, so timers and events may come between them."""
    loud = found.loud
    acting = loud[found.raised[loud][:, state.traits.acts].any(axis=1)]
    awaited = found.awake | (may_wait(state, slots, acting) if several or state.held else state.waits[slots])
    asked = awaited | state.busy[slots]
    asked[loud] = True
    some = np.flatnonzero(asked & ~late)
    judged = np.zeros(len(slots), np.bool_)
    if not len(some):
        return judged
    moves = awaited[some]
    if not moves.all():
        moves |= _moves(state, slots[some], flags[some], found.calm(some))
    begins = acting[np.isin(acting, some[moves])]
    if len(begins) and not several:  # what it asks for may be held, and wait for others from then on
        moves |= may_wait(state, slots, acting)[some] & (some >= begins[0])
    moving = some[moves]
    devices, first = np.unique(slots[moving], return_index=True)
    state.first_row[devices] = moving[first]
    judged = (state.first_row[slots] <= np.arange(len(slots))) & ~late
    state.first_row[devices] = NO_ROW
    return judged


def _moves(state: State, slots: NDArray[np.int32], flags: NDArray[np.int64], says: Conditions) -> Which:
    """Whether each of these rows would move anything if it were its device's first, shape (m,)."""
    active = IS_ACTIVE[state.phase[slots]]
    going = np.where(active, says.cleared == 1, says.raised == 1) | (active & state.traits.of_others)
    moves: Which = going.any(axis=1) | state.since.some(slots)
    told = np.flatnonzero(~moves & (active & state.traits.judged).any(axis=1) & ((flags & int(ALARM_FLAGS)) != 0))
    for row, rule in zip(*np.nonzero(active[told] & state.traits.judged), strict=True):
        known = state.open[int(slots[told[row]]), int(rule)].device_bits
        moves[told[row]] |= bool(int(flags[told[row]]) & int(ALARM_FLAGS) & ~known)
    rising = state.traits.escalates
    worse = active[:, rising] & (says.priority[:, rising] < state.compiled.priority[rising])
    for row, which in zip(*np.nonzero(worse), strict=True):
        rule = int(rising[which])
        moves[row] |= says.priority[row, rule] < state.open[int(slots[row]), rule].priority
    return moves


def may_wait(state: State, slots: NDArray[np.int32], acting: NDArray[np.intp]) -> Which:
    """Rows of detectors whose readings decide about something held, or may before these rows are over: what an alarm
    asks for is held only then, and may wait for another alarm later. acting: rows at which a rule that acts is
    raised."""
    acts, waits = state.traits.acts, state.waits[slots]
    if not len(acts) or not (state.held or len(acting)):
        return waits
    waits[acting] = True
    busy = np.flatnonzero(state.busy[slots] & ~waits)
    waits[busy] = IS_ACTIVE[state.phase[slots[busy]][:, acts]].any(axis=1)
    return _all_of(state, slots, slots[waits])


def _late_alarms(state: State, slots: NDArray[np.int32], flags: NDArray[np.int64], late: Which) -> Which:
    """Rows with a late alarm bit that some rule listens to."""
    found: Which = late & ((flags & int(ALARM_FLAGS)) != 0)
    if found.any():
        found[found] = state.compiled.looks_at(slots[found])[:, state.traits.bits].any(axis=1)
    return found


def _away(state: State, slots: NDArray[np.int32], received: NDArray[np.int64], *, several: bool) -> NDArray[np.intp]:
    """Which rows, ascending, are of devices that are silent, or are not heard for so long within the batch that
    something may fall due."""
    found: Which = state.silent[slots]
    if not several or not len(slots):
        return np.flatnonzero(found)
    longest = received[-1] - state.heard[slots]
    least = state.deadlines.gap_us.min()
    if longest.max() >= least:
        some = np.flatnonzero(longest >= least)
        found[some] |= longest[some] >= state.deadlines.gap_us[state.compiled.class_of[slots[some]]]
    rows = np.flatnonzero(found)
    return rows[_gaps(state, slots[rows], received[rows])] if len(rows) else rows


def _gaps(state: State, slots: NDArray[np.int32], received: NDArray[np.int64]) -> Which:
    """The same, of all rows of some devices."""
    order = slots.astype(np.int64) << 32 | np.arange(len(slots))
    order.sort()
    device, row = (order >> 32).astype(np.int32), order & 0xFFFFFFFF
    at, before = received[row], np.empty(len(slots), np.int64)
    before[1:] = at[:-1]
    first = np.diff(device, prepend=-1) != 0
    before[first] = state.heard[device[first]]
    gap = at - before >= state.deadlines.gap_us[state.compiled.class_of[device]]
    gap[first] |= state.silent[device[first]]
    return _all_of(state, slots, device[gap])


def _awaited(state: State, valve: NDArray[np.int16], slots: NDArray[np.int32]) -> Which:
    """Rows of valves that sleep, are watched, or stand elsewhere than they did."""
    moved = slots[(valve != state.position[slots]) | state.watched[slots] | state.sleeps[slots]]
    return _all_of(state, slots, moved)


def _all_of(state: State, slots: NDArray[np.int32], devices: NDArray[np.int32]) -> Which:
    """Which rows are of these devices."""
    state.first_row[devices] = 0
    found: Which = state.first_row[slots] == 0
    state.first_row[devices] = NO_ROW
    return found
