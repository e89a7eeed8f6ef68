"""Timers: what is due, earliest first, each at its own deadline."""

import heapq

import numpy as np

from rules.interlock import attempts, budget, interlock, permits
from rules.life import alarms, overlays, silence
from rules.life.alarms import Out
from rules.stepping.state import State, Timer


def fire(state: State, out: Out, until: int, back: int = 0) -> None:
    """Fire everything due by `until`; what that makes due fires in its turn. What came due before the engine was `back`
    is fired then: nothing could be decided or sent before."""
    while state.next_due <= until:
        if not state.paused_since and state.deadlines.lowest <= until:
            silence.find(state, until)
            continue
        due, kind, slot, number = heapq.heappop(state.timers)
        at = max(due, back)
        match kind:
            case Timer.HOLD:
                _hold_due(state, out, slot, number, due, at)
            case Timer.SILENCE:
                silence.due(state, out, slot, number, due, back)
            case Timer.ATTEMPT if due > back:  # else `resumed` makes the attempt, with all others
                attempts.attempt_due(state, out, slot, number, due)
            case Timer.ATTEMPT:
                pass
            case Timer.EXPIRY:
                attempts.expiry_due(state, out, slot, number, due, at)
            case Timer.CONFIRM:
                interlock.confirm_due(state, out, slot, number, at)
            case Timer.NOTE:
                alarms.note_due(state, out, slot, number, due, at)
            case Timer.SHELF:
                overlays.shelf_due(state, out, slot, number, due, at)
            case Timer.SERVICE:
                overlays.service_due(state, out, slot, due, at)
            case Timer.PERMIT:
                permits.permit_due(state, out, slot, due, at)
            case Timer.RELEASE:
                budget.release_due(state, out, number, due, at)
            case _:
                interlock.unseen_due(state, out, slot, due, at)


def _hold_due(state: State, out: Out, slot: int, rule: int, due: int, at: int) -> None:
    since = state.since[slot, rule]
    if since == 0 or state.due[slot, rule] != due:
        return
    if alarms.is_active(state, slot, rule):
        if alarms.return_alarm(state, out, slot, rule, at=at) is not None:
            interlock.alarm_settled(state, out, slot, rule, at)
    elif not _in_schedule(state, slot, rule, due):
        state.since[slot, rule] = state.due[slot, rule] = 0
    else:
        value = state.worst.value(rule, state.worst.orders[slot])
        alarm = alarms.raise_alarm(state, out, slot, rule, onset=since, at=at, value=value)
        if alarm is not None:
            interlock.alarm_raised(state, out, alarm, rule, at)
    state.refresh_busy([slot])


def _in_schedule(state: State, slot: int, rule: int, at: int) -> bool:
    found = state.compiled.inside(rule, np.array([slot], np.int32), np.array([at], np.int64))
    return bool(found[0])
