"""A registry or rule change: the state laid out anew, nobody's timers moved.

H1  Slots are kept and appended; a rule that keeps its id keeps its alarms and its timers.
H2  An open alarm whose rule or device is gone, or whose rule no longer looks at its device, ends with the reason said.
    A wanted position whose valve is gone, or is no valve any more, ends as cancelled.
H3  A valve that is newly linked to a detector with an active closing alarm is closed; one that is linked no longer is
    free of that alarm. What a person cancelled stays cancelled.
    What is said of gateways, brokers and missing numbers is said as way_in, W3, has it.
H4  A wanted valve whose actuator is described otherwise is attempted soon: a pause fit for a valve that slept for a day
    is not kept for one that does not. Whether and until when it sleeps is said as it is now, by the rule there is now.
H5  What an edit changed is said, key by key. An alarm whose rule is in force from now on, or only tried, says so.
"""

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from devices.fleet import Fleet
from devices.models import Reachability
from rules.decisions import AlarmState, Change, Decision
from rules.evaluation.kernels import Compiled
from rules.incidents import incidents
from rules.interlock import budget, interlock, permits, rewiring, wanting
from rules.life import alarms, overlays, silence, way_in
from rules.life.alarms import Out
from rules.stepping import edits
from rules.stepping.columns import Columns
from rules.stepping.state import NO_ROW, State, Timer, sleepers
from rules.stepping.traits import Traits, traits


def reshape(state: State, fleet: Fleet, compiled: Compiled, now: int) -> list[Decision]:
    """Returns what changed, and what ended because of it."""
    out: Out = []
    touched = fleet.touched_since(state.fleet) if compiled.pack is state.compiled.pack else None
    some = None if touched is None else frozenset(touched.tolist())
    stood, came = way_in.standing(state, compiled), silence.came_to(state, touched)
    out += edits.noted(state.compiled.pack, compiled.pack, now)
    _end_orphans(state, out, fleet, compiled, some, now)
    old_rules = [state.compiled.by_id.get(rule.id, -1) for rule in compiled.rules]
    returned = np.flatnonzero(fleet.present[: len(state.heard)] & ~state.fleet.present)
    _lay_out(state, len(fleet), old_rules, traits(compiled), now)
    state.heard[returned], state.position[returned] = now, 0  # registered again: what was known of it is long ago
    _rename(state, {old: new for new, old in enumerate(old_rules) if old >= 0})
    before, rules_before, state.fleet, state.compiled = state.fleet, state.compiled, fleet, compiled
    state.changed = now
    state.windows = state.windows.reshaped(compiled)
    _sleep(state, touched)
    state.awake = {slot: at for slot, at in state.awake.items() if state.sleeps[slot]}
    _end_holds(state, touched)
    rewiring.rewire(state, out, before, rules_before, now)
    way_in.changed(state, out, before, stood, now)
    overlays.reshaped(state, out, now, some)
    for module in (incidents, permits, budget):
        module.reshaped(state, out, now)
    _try_anew(state, out, some, now)
    silence.reshaped(state, out, came, now, touched)
    state.refresh_busy(_those(touched, np.flatnonzero(state.busy), len(fleet)))
    for slot in sorted({*np.flatnonzero(state.watched).tolist(), *state.closed_for}):
        state.refresh_watched(slot)
    remind_all(state)
    return out


def _those(touched: NDArray[np.intp] | None, more: NDArray[np.intp], slots: int) -> NDArray[np.int32]:
    """These slots and those; all of them where it is not known what was touched."""
    return (np.arange(slots) if touched is None else np.union1d(touched, more)).astype(np.int32)


def _sleep(state: State, touched: NDArray[np.intp] | None) -> None:
    """Which valves sleep, of the fleet that there is now (H4)."""
    if touched is None:
        state.sleeps = sleepers(state.fleet)
        return
    sleeps = np.zeros(len(state.fleet), np.bool_)
    sleeps[: len(state.sleeps)] = state.sleeps
    for slot in touched.tolist():
        valve = state.fleet.valves.get(slot)
        sleeps[slot] = valve is not None and valve.actuator.reachability is Reachability.WAKES
    state.sleeps = sleeps


def _end_holds(state: State, touched: NDArray[np.intp] | None) -> None:
    """No hold runs of a rule that does not look at the device."""
    compiled = state.compiled
    slots = slice(None) if touched is None else touched
    for times in (state.since, state.due):
        times.values[slots] *= compiled.looks[compiled.class_of[slots]][:, times.rules]


def _rename(state: State, renumbered: dict[int, int]) -> None:
    """What names rules by number, by their numbers now."""
    if all(old == new for old, new in renumbered.items()) and len(renumbered) >= len(state.compiled):
        return
    state.open = {(slot, renumbered[rule]): alarm for (slot, rule), alarm in state.open.items()}
    state.by_alarm = {alarm.alarm: place for place, alarm in state.open.items()}
    state.closed_for = {
        valve: kept
        for valve, places in state.closed_for.items()
        if (kept := tuple((slot, renumbered[rule]) for slot, rule in places if renumbered.get(rule, -1) >= 0))
    }


def _try_anew(state: State, out: Out, touched: Collection[int] | None, now: int) -> None:
    """H5: an alarm that is in force from now on does what it would have done; one that is only tried holds nothing."""
    came = []
    for slot, rule in [place for place in state.open if touched is None or place[0] in touched]:
        if (slot, rule) not in state.open:
            continue
        once = state.open[slot, rule].trial
        if alarms.tried(state, out, slot, rule, now):
            came.append((slot, rule))
        elif state.open[slot, rule].trial and not once:
            budget.settled(state, out, slot, rule, now)
            for valve in tuple(state.closed_for):
                if (slot, rule) in state.closed_for[valve]:
                    interlock.forget_cause(state, out, valve, (slot, rule), now)
    interlock.came_into_force(state, out, came, now)


def _end_orphans(
    state: State, out: Out, fleet: Fleet, compiled: Compiled, touched: Collection[int] | None, now: int
) -> None:
    for slot, rule in [place for place in state.open if touched is None or place[0] in touched]:
        alarm = state.open.get((slot, rule))
        if alarm is None:
            continue  # it ended with the alarm that had brought it about
        new_rule = compiled.by_id.get(alarm.rule, -1)
        if new_rule < 0:
            why = f"rule {alarm.rule} is no longer in force"
        elif fleet.devices[slot] is None:
            why = f"device {alarm.identity} has left the registry"
        elif not compiled.looks[compiled.class_of[slot], new_rule]:
            why = f"rule {alarm.rule} no longer applies to {alarm.identity}"
        else:
            continue
        state.phase[slot, rule] = AlarmState.NORMAL
        state.since[slot, rule] = state.due[slot, rule] = 0
        alarms.change(state, out, slot, rule, Change.REMOVED, AlarmState.NORMAL, now, comment=why)
        for valve in tuple(state.closed_for):
            interlock.forget_cause(state, out, valve, (slot, rule), now)


def _lay_out(state: State, slots: int, old_rules: list[int], laid_out: Traits, now: int) -> None:
    """Columns by rule id, rows by slot; new devices count as heard now. A hold that runs keeps its column, though its
    rule may not hold any more."""
    kept = [(new, old) for new, old in enumerate(old_rules) if old >= 0]
    before, were = len(state.heard), state.traits
    state.traits = laid_out
    same_rules = old_rules == list(range(state.phase.shape[1]))
    if same_rules and slots == before and (were.waits, were.worsens) == (laid_out.waits, laid_out.worsens):
        return
    phase = np.zeros((slots, len(old_rules)), np.uint8)
    if same_rules:
        phase[:before] = state.phase
    else:
        for new, old in kept:
            phase[:before, new] = state.phase[:, old]
    state.phase = phase
    running = set(state.since.used())
    held = {*laid_out.waits, *(new for new, old in kept if old in running)}
    state.since, state.due = (_columns(times, slots, old_rules, held) for times in (state.since, state.due))
    state.worst = state.worst.laid_out(slots, laid_out.worsens, old_rules)
    for name in ("heard", "position", "epoch", "busy", "watched", "stage", "silent"):
        old_array = getattr(state, name)
        array = np.zeros(slots, old_array.dtype)
        array[:before] = old_array
        setattr(state, name, array)
    state.first_row = np.full(slots, NO_ROW, np.int32)
    state.heard[before:] = now


def _columns(before: Columns, slots: int, old_rules: list[int], held: set[int]) -> Columns:
    after = Columns(slots, len(old_rules), held)
    if old_rules == list(range(len(old_rules))) and after.rules.tolist() == before.rules.tolist():
        after.values[: len(before.values)] = before.values
        return after
    for place, rule in enumerate(after.rules.tolist()):
        if old_rules[rule] >= 0:
            after.values[: len(before.values), place] = before.of_rule(old_rules[rule])
    return after


def remind_all(state: State) -> None:
    """Rebuild the heap from what is really due (state A3); the entries' total order makes the result unique."""
    state.timers.clear()
    for slot, rule in state.since.nonzero(np.flatnonzero(state.busy)):
        state.remind(state.due[slot, rule], Timer.HOLD, slot, rule)
    for (slot, rule), alarm in state.open.items():
        if alarm.unsaid:
            state.remind(alarm.told + alarms.NOTE_EVERY_US, Timer.NOTE, slot, rule)
    for slot, wanted in state.wanted_by_slot.items():
        state.remind(wanted.next_attempt, Timer.ATTEMPT, slot, wanted.epoch)
        state.remind(wanted.confirm_by, Timer.CONFIRM, slot, wanted.epoch)
        for made in wanted.attempts:
            if not made.over:
                state.remind(made.expires, Timer.EXPIRY, slot, made.number)
    wanting.remind_unseen(state)
    silence.remind_all(state)
    for module in (overlays, incidents, permits, budget):
        module.remind_all(state)
