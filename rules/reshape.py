"""A registry or rule change: the state laid out anew, nobody's timers moved.

H1  Slots are kept and appended; a rule that keeps its id keeps its alarms and its timers.
H2  An open alarm whose rule or device is gone, or whose rule no longer looks at its device, ends with the reason said.
    A wanted position whose valve is gone ends as cancelled.
H3  A valve that is newly linked to a detector with an active closing alarm is closed; one that is linked no longer is
    free of that alarm. What a person cancelled stays cancelled.
    What is said of gateways, brokers and missing numbers is said as way_in, W3, has it.
H4  A wanted valve whose actuator is described otherwise is attempted soon: a pause fit for a valve that slept for a day
    is not kept for one that does not. Whether and until when it sleeps is said as it is now, by the rule there is now.
"""

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from rules import alarms, attempts, budget, incidents, interlock, overlays, permits, sleeping, way_in
from rules.alarms import Out
from rules.decisions import AlarmState, Change, Decision, Outcome
from rules.kernels import Compiled
from rules.lifecycle import IS_ACTIVE
from rules.state import NEVER, OpenAlarm, State, Timer, sleepers


def reshape(state: State, fleet: Fleet, compiled: Compiled, now: int) -> list[Decision]:
    """Returns what ended because of the change."""
    out: Out = []
    looks = compiled.looks[compiled.class_of]
    stood = way_in.standing(state, compiled)
    _end_orphans(state, out, fleet, compiled, looks, now)
    old_rules = [state.compiled.by_id.get(rule.id, -1) for rule in compiled.rules]
    closed_before = {
        rule.id for rule, closes in zip(state.compiled.rules, state.compiled.closes, strict=True) if closes
    }
    returned = np.flatnonzero(fleet.present[: len(state.heard)] & ~state.fleet.present)
    _lay_out(state, len(fleet), old_rules, now)
    state.heard[returned], state.position[returned] = now, 0  # registered again: what was known of it is long ago
    renumbered = {old: new for new, old in enumerate(old_rules) if old >= 0}
    state.open = {(slot, renumbered[rule]): alarm for (slot, rule), alarm in state.open.items()}
    state.by_alarm = {alarm.alarm: place for place, alarm in state.open.items()}
    state.closed_for = {
        valve: kept
        for valve, places in state.closed_for.items()
        if (kept := tuple((slot, renumbered[rule]) for slot, rule in places if renumbered.get(rule, -1) >= 0))
    }
    before, state.fleet, state.compiled = state.fleet, fleet, compiled
    state.windows = state.windows.reshaped(compiled)
    state.sleeps = sleepers(fleet)
    state.awake = {slot: at for slot, at in state.awake.items() if state.sleeps[slot]}
    state.since[~looks] = 0
    state.due[~looks] = 0
    _end_unactuated(state, out, now)
    _hear_otherwise(state, out, before, now)
    _relink(state, out, before, closed_before, now)
    way_in.changed(state, out, before, stood, now)
    for module in (overlays, incidents, permits, budget):
        module.reshaped(state, out, now)
    state.refresh_busy(np.arange(len(fleet), dtype=np.int32))
    for slot in range(len(fleet)):
        if state.watched[slot] or slot in state.closed_for:
            state.refresh_watched(slot)
    remind_all(state)
    return out


def _end_orphans(state: State, out: Out, fleet: Fleet, compiled: Compiled, looks: NDArray[np.bool_], now: int) -> None:
    for (slot, rule), alarm in list(state.open.items()):
        if (slot, rule) not in state.open:
            continue  # it ended with the alarm that had brought it about
        new_rule = compiled.by_id.get(alarm.rule, -1)
        if new_rule < 0:
            why = f"rule {alarm.rule} is no longer in force"
        elif fleet.devices[slot] is None:
            why = f"device {alarm.identity} has left the registry"
        elif not looks[slot, new_rule]:
            why = f"rule {alarm.rule} no longer applies to {alarm.identity}"
        else:
            continue
        state.phase[slot, rule] = AlarmState.NORMAL
        state.since[slot, rule] = state.due[slot, rule] = 0
        alarms.change(state, out, slot, rule, Change.REMOVED, AlarmState.NORMAL, now, comment=why)
        for valve in tuple(state.closed_for):
            interlock.forget_cause(state, out, valve, (slot, rule), now)


def _lay_out(state: State, slots: int, old_rules: list[int], now: int) -> None:
    """Columns by rule id, rows by slot; new devices count as heard now."""
    kept = [(new, old) for new, old in enumerate(old_rules) if old >= 0]
    before = len(state.heard)
    for name, dtype in (("phase", np.uint8), ("since", np.int64), ("due", np.int64)):
        old_array, array = getattr(state, name), np.zeros((slots, len(old_rules)), dtype)
        for new, old in kept:
            array[:before, new] = old_array[:, old]
        setattr(state, name, array)
    for name in ("heard", "position", "epoch", "busy", "watched"):
        old_array = getattr(state, name)
        array = np.zeros(slots, old_array.dtype)
        array[:before] = old_array
        setattr(state, name, array)
    state.heard[before:] = now


def _end_unactuated(state: State, out: Out, now: int) -> None:
    for slot, wanted in list(state.wanted_by_slot.items()):
        if slot not in state.fleet.valves:
            why = "the valve has left the registry, or its model no longer takes commands"
            interlock.end(state, out, wanted, Outcome.CANCELLED, now, comment=why)


def _hear_otherwise(state: State, out: Out, before: Fleet, now: int) -> None:
    """A valve whose model now says otherwise when it hears must not wait for a pause that no longer holds."""
    for slot in list(state.wanted_by_slot):
        if state.fleet.valves[slot].actuator != before.valves[slot].actuator:
            sleeping.follow(state, out, slot, now)
            attempts.soon(state, out, state.wanted_by_slot[slot], now)
        elif state.sleeps[slot]:
            sleeping.tell(state, out, state.fleet.valves[slot], now)


def _relink(state: State, out: Out, before: Fleet, closed_before: set[str], now: int) -> None:
    """Valves follow the links and the rules: one that is newly linked, or whose alarm's rule newly closes, is closed
    for an alarm that is active; one that is no longer, is free."""
    closes, no_valve = state.compiled.closes, state.compiled.no_valve
    for valve, places in list(state.closed_for.items()):
        for slot, rule in places:
            linked = any(one.slot == valve for one in interlock.valves_of(state.fleet, slot))
            if not linked or not closes[rule]:
                interlock.forget_cause(state, out, valve, (slot, rule), now)
    unprotected: dict[int, OpenAlarm] = {}
    for (slot, rule), alarm in list(state.open.items()):
        if closes[rule] and IS_ACTIVE[alarm.state]:
            valves = interlock.valves_of(state.fleet, slot)
            known = (
                {valve.slot for valve in interlock.valves_of(before, slot)} if alarm.rule in closed_before else set()
            )
            new = [valve for valve in valves if valve.slot not in known]
            interlock.close_for(state, out, alarm, rule, new, now)
            if not valves:
                unprotected.setdefault(slot, alarm)
    if no_valve < 0:
        return
    for slot in [slot for slot, rule in state.open if rule == no_valve and slot not in unprotected]:
        alarms.return_alarm(state, out, slot, no_valve, at=now)
    for slot, alarm in unprotected.items():
        alarms.raise_alarm(state, out, slot, no_valve, onset=alarm.onset, at=now, because=alarm.alarm)


def remind_all(state: State) -> None:
    """Rebuild the heap from what is really due (state A3); the entries' total order makes the result unique."""
    state.timers.clear()
    for slot, rule in zip(*np.nonzero(state.since), strict=True):
        state.remind(int(state.due[slot, rule]), Timer.HOLD, int(slot), int(rule))
    for (slot, rule), alarm in state.open.items():
        if alarm.unsaid:
            state.remind(alarm.told + alarms.NOTE_EVERY_US, Timer.NOTE, slot, rule)
    for slot, wanted in state.wanted_by_slot.items():
        state.remind(wanted.next_attempt, Timer.ATTEMPT, slot, wanted.epoch)
        state.remind(wanted.confirm_by, Timer.CONFIRM, slot, wanted.epoch)
        for made in wanted.attempts:
            if not made.over:
                state.remind(made.expires, Timer.EXPIRY, slot, made.number)
    state.silence_floor = 0 if len(state.heard) else NEVER
    for module in (overlays, incidents, permits, budget):
        module.remind_all(state)
