"""One step of the rule engine: events, readings and timers in the order of their times; decisions out.

Pure save for the state it advances: no clock, no randomness, no I/O. Any split of the same inputs into steps, with or
without empty steps between, gives the same decisions: inputs are taken in the order of their times, and every timer
that is due by then fires first, at its own deadline (G5).
"""

import heapq
from collections.abc import Sequence

import numpy as np

from devices.quantities import ValvePosition
from devices.readings import Batch
from rules import alarms, attempts, budget, instructed, interlock, overlays, permits, sleeping, way_in
from rules.alarms import Out
from rules.decisions import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Decision,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    RegistryChanged,
    Replied,
    Restored,
    Resumed,
    RulesChanged,
    SessionLost,
)
from rules.judge import judge
from rules.lifecycle import IS_ACTIVE
from rules.state import NEVER, SILENT_INTERVALS, State, Timer


def step(state: State, batch: Batch, events: Sequence[Event], now: int) -> list[Decision]:
    """Advance `state` by one batch (rows in order of arrival) and these events; `now` is not before any of them.
    RegistryChanged and RulesChanged were applied by `reshape` before; they are passed over."""
    out: Out = []
    received = batch.rows["received"]
    told: dict[int, list[Event]] = {}
    for event in events:
        told.setdefault(event.at, []).append(event)
    for at in sorted(told.keys() | set(np.unique(received).tolist())):
        _away(state, out, told.get(at, ()), at)
        _timers(state, out, at)
        for event in told.get(at, ()):
            _event(state, out, event)
        mine = np.flatnonzero(received == at)
        if len(mine):
            whole = len(mine) == len(received)
            judge(
                state,
                out,
                batch.rows if whole else batch.rows[mine],
                batch.slots if whole else batch.slots[mine],
                at,
            )
    _timers(state, out, now)
    state.now = now
    return out


def _away(state: State, out: Out, told: Sequence[Event], at: int) -> None:
    """What was due before the engine went away is fired. Then everybody's silence starts later by its absence, before
    any silence of that time can be found; and what else came due meanwhile happens now, once, not as it might have
    happened: a day's absence must not send a day's attempts."""
    away_us = sum(event.down_us for event in told if isinstance(event, Resumed))
    deaf_us = away_us
    if away_us:
        _timers(state, out, at - away_us)
    if state.paused_since and any(isinstance(event, Listening | Resumed) for event in told):
        deaf_us, state.paused_since, state.silence_floor = at - state.paused_since, 0, 0
    if deaf_us:
        state.deaf_until = at
        state.heard = np.minimum(state.heard + deaf_us, at)  # nobody is heard in the future
    if away_us:
        _timers(state, out, at, back=at)


def _event(state: State, out: Out, event: Event) -> None:
    match event:
        case Connected():
            interlock.reachable(state, out, event.device_no, event.at)
        case AttemptSent():
            attempts.sent(state, out, event.command, event.at)
        case AttemptFailed():
            attempts.failed(state, out, event.command, event.reason, event.at)
        case AttemptAcknowledged():
            interlock.acknowledged(state, out, event.command, event.at)
        case Replied():
            position = ValvePosition(event.valve)
            interlock.replied(state, out, event.command, event.device_no, position, event.at)
        case Paused():
            state.paused_since = state.paused_since or event.at
        case Resumed():
            sleeping.follow_all(state, out, event.at)
            attempts.resumed(state, out, event.at)
        case Listening():
            sleeping.follow_all(state, out, event.at)
        case LinkDown() | LinkUp() | SessionLost() | ReadingsMissing() | ReadingsComplete():
            way_in.told(state, out, event)
        case Restored():
            budget.restored(state, out, event.at)
        case RegistryChanged() | RulesChanged():
            pass
        case _:
            instructed.instruct(state, out, event)


def _timers(state: State, out: Out, until: int, back: int = 0) -> None:
    """Fire everything due by `until`, earliest first, each at its own deadline; what that makes due fires in its turn.
    What came due before the engine was `back` is fired then: nothing could be decided or sent before."""
    while state.next_deadline <= until:
        if state.silence_floor <= until:
            _look_for_silence(state, until)
            continue
        due, kind, slot, number = heapq.heappop(state.timers)
        at = max(due, back)
        match kind:
            case Timer.HOLD:
                _hold_due(state, out, slot, number, due, at)
            case Timer.SILENCE:
                _silence_due(state, out, slot, number, due)
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
            case _:
                budget.release_due(state, out, number, due, at)


def _hold_due(state: State, out: Out, slot: int, rule: int, due: int, at: int) -> None:
    since = int(state.since[slot, rule])
    if since == 0 or int(state.due[slot, rule]) != due:
        return
    if alarms.is_active(state, slot, rule):
        if alarms.return_alarm(state, out, slot, rule, at=at) is not None:
            interlock.alarm_settled(state, out, slot, rule, at)
    else:
        alarm = alarms.raise_alarm(state, out, slot, rule, onset=since, at=at)
        if alarm is not None:
            interlock.alarm_raised(state, out, alarm, rule, at)
    state.refresh_busy([slot])


def _look_for_silence(state: State, until: int) -> None:
    """Turn silences due by `until` into timers, and find the next time to look. One pass over all devices, at most
    once per shortest silence when everybody reports."""
    if state.paused_since:
        state.silence_floor = NEVER
        return
    state.silence_floor = NEVER
    due = state.heard + SILENT_INTERVALS * state.fleet.interval_us
    for rule in state.compiled.silence:
        looks = state.compiled.looks[state.compiled.class_of, rule]
        waiting = state.fleet.present & looks & ~IS_ACTIVE[state.phase[:, rule]]
        now_due = np.flatnonzero(waiting & (due <= until))
        for slot in now_due.tolist():
            state.remind(int(due[slot]), Timer.SILENCE, slot, rule)
        later = due[waiting & (due > until)]
        if len(later):
            state.silence_floor = min(state.silence_floor, int(later.min()))


def _silence_due(state: State, out: Out, slot: int, rule: int, due: int) -> None:
    still = int(state.heard[slot] + SILENT_INTERVALS * state.fleet.interval_us[slot])
    if still == due and not state.paused_since:
        alarms.raise_alarm(state, out, slot, rule, onset=due, at=due)
