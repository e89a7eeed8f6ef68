"""Devices that are not heard: found when their time is up, and heard again.

S1  A silence is due so long after the device was last heard as its rule says, and is decided at that time, however
    late it is looked for. A reading received at that very time comes after it.
S2  Of one device silences come in the order of their lengths, those of equal length in the order of their rules.
S3  While the engine does not hear everybody (Paused) nothing falls silent.
"""

import heapq

import numpy as np
from numpy.typing import NDArray

from rules.interlock import interlock
from rules.life import alarms, outage
from rules.life.alarms import Out
from rules.life.deadlines import NEVER, VOTES
from rules.life.lifecycle import IS_ACTIVE
from rules.life.tally import deadlines, tally
from rules.stepping.state import State, Timer


def find(state: State, until: int) -> None:
    """Turn silences due by `until` into timers."""
    for block in state.deadlines.due_blocks(until):
        slots, due = state.deadlines.look(block, state.heard, state.compiled.class_of, state.stage, until)
        for slot, at in zip(slots.tolist(), due.tolist(), strict=True):
            state.remind(at, Timer.SILENCE, slot, _next(state, slot)[1])


def look_ahead(state: State, now: int) -> None:
    """A slice of what will have to be looked through soon (deadlines, Q2). Decides nothing."""
    for block in state.deadlines.slice_ahead(now):
        state.deadlines.look(block, state.heard, state.compiled.class_of, state.stage, now)


def _next(state: State, slot: int) -> tuple[int, int]:
    """(when, whose) the next silence of this device is; NEVER when they have all come."""
    number, stage = int(state.compiled.class_of[slot]), int(state.stage[slot])
    after_us = int(state.deadlines.after_us[number, stage])
    due = int(state.heard[slot]) + after_us if after_us < NEVER else NEVER
    return due, int(state.deadlines.number[number, stage])


def due(state: State, out: Out, slot: int, rule: int, due: int, back: int) -> None:
    """A timer came up: unless the device was heard meanwhile, this silence has come. Of one that is due since before
    the rules are what they are, it is known only now."""
    if state.paused_since or _next(state, slot) != (due, rule):
        return
    state.stage[slot] += 1
    state.silent[slot] = True
    at = max(due, back, state.changed)
    if rule == VOTES:
        state.windows.silent(np.array([slot], np.int32))
    elif rule in state.outages:
        outage.fell_silent(state, out, slot, rule, at)
    else:
        alarm = alarms.raise_alarm(state, out, slot, rule, onset=due, at=at)
        if alarm is not None:
            interlock.alarm_raised(state, out, alarm, rule, at)
    later, whose = _next(state, slot)
    state.remind(later, Timer.SILENCE, slot, whose)


def to_end(state: State, slot: int) -> list[int]:
    """The rules that a reading of this silent device ends, or that count it no longer, ascending."""
    came = state.deadlines.number[state.compiled.class_of[slot], : int(state.stage[slot])].tolist()
    counted = [rule for rule in came if rule in state.outages]
    return sorted(counted + _active(state, slot))


def _active(state: State, slot: int) -> list[int]:
    return [rule for rule in state.compiled.silence if IS_ACTIVE[state.phase[slot, rule]]]


def heard_again(state: State, slots: NDArray[np.int32], at: NDArray[np.int64]) -> None:
    """Readings of these silent devices came at these times: their silences begin anew."""
    state.stage[slots] = 0
    state.silent[slots] = False
    first_us = state.deadlines.first_us[state.compiled.class_of[slots]]
    state.deadlines.lower(slots, np.where(first_us < NEVER, at + first_us, NEVER))


def end(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """A reading came: one of `to_end`."""
    if rule in state.outages:
        outage.spoke(state, out, slot, rule, at)
    elif alarms.return_alarm(state, out, slot, rule, at=at) is not None:
        interlock.alarm_settled(state, out, slot, rule, at)


def remind_all(state: State) -> None:
    """Reminders of what comes next to those that are silent (state A3), and the bounds of everybody else."""
    state.deadlines.bound(state.heard, state.compiled.class_of, state.stage, state.now)
    slots = np.flatnonzero(state.stage)
    classes, stages = state.compiled.class_of[slots], state.stage[slots]
    after_us = state.deadlines.after_us[classes, stages]
    some = after_us < NEVER
    due, whose = state.heard[slots] + after_us, state.deadlines.number[classes, stages]
    entries = zip(due[some].tolist(), slots[some].tolist(), whose[some].tolist(), strict=True)
    state.timers += [(at, Timer.SILENCE, slot, number) for at, slot, number in entries]
    heapq.heapify(state.timers)


def came_to(state: State, among: NDArray[np.intp] | None) -> dict[int, set[str]]:
    """The rules (by id; VOTES: empty) whose silence has come to each device that is silent, of these slots (None: of
    all)."""
    found = {}
    silent = np.flatnonzero(state.silent)
    for slot in (silent if among is None else np.intersect1d(silent, among)).tolist():
        came = state.deadlines.number[state.compiled.class_of[slot], : int(state.stage[slot])].tolist()
        every = (*came, *_active(state, slot))
        found[slot] = {state.compiled.rules[rule].id if rule != VOTES else "" for rule in every}
    return found


def reshaped(
    state: State, out: Out, came: dict[int, set[str]], now: int, touched: NDArray[np.intp] | None = None
) -> None:
    """The registry or the rules are others now. Silences that have come (`came`) have come, save those that are longer
    now; one that is new, of a device that has been silent for longer, comes now. `touched`: the registry is, at these
    slots; everywhere else silences stand as they did."""
    state.deadlines = deadlines(state.compiled)
    those = slice(None) if touched is None else touched
    state.stage[those] = 0
    state.silent[those] = False
    fresh: list[tuple[int, int]] = []
    mute: list[int] = []
    for slot, rules in came.items():
        if not state.fleet.present[slot] or state.heard[slot] >= now:
            continue  # gone, or registered again
        number = state.compiled.class_of[slot]
        passed = int(np.count_nonzero(state.heard[slot] + state.deadlines.after_us[number] <= now))
        chain = state.deadlines.number[number, :passed].tolist()
        called = [state.compiled.rules[rule].id if rule != VOTES else "" for rule in chain]
        stage = max((at + 1 for at, name in enumerate(called) if name in rules), default=0)
        state.stage[slot] = stage
        state.silent[slot] = bool(stage) or bool(_active(state, slot))
        mute += [slot] if VOTES in chain[:stage] else []
        fresh += [(slot, rule) for rule, name in zip(chain[:stage], called, strict=False) if name not in rules]
    state.outages = tally(state.compiled, state.deadlines, state.stage)
    outage.reshaped(state, out, now)
    state.windows.silent(np.array(mute, np.int32))  # of a vote that is new as well; to the others it is nothing new
    for slot, rule in fresh:
        if rule != VOTES and rule not in state.outages:
            since = int(state.heard[slot] + state.compiled.silent_us[state.compiled.class_of[slot], rule])
            alarm = alarms.raise_alarm(state, out, slot, rule, onset=since, at=now)
            if alarm is not None:
                interlock.alarm_raised(state, out, alarm, rule, now)
