"""The registry or the rules are others: valves and fans follow what is linked, written in the matrix, and said by the
rules now.

Called by `reshape` (H2 to H4), after the state was laid out anew.
"""

from devices.commands import Verb
from devices.fleet import Fleet
from rules.decisions import Outcome
from rules.evaluation.kernels import Compiled
from rules.interlock import attempts, budget, interlock, matrix, releasing, sleeping, trials
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.state import OpenAlarm, State

_WORD = {Verb.CLOSE: "valve", Verb.FAN_ON: "fan"}


def rewire(state: State, out: Out, before: Fleet, rules_before: Compiled, now: int) -> None:
    """`before`, `rules_before`: what was in force until now; the state holds what is in force from now on."""
    budget.laid_out(state, out, now)
    trials.edited(state, out, rules_before, now)
    releasing.forget_spent(state, now)
    _end_unactuated(state, out, before, now)
    _hear_otherwise(state, out, before, now)
    _free(state, out, now)
    _ask_anew(state, out, before, rules_before, now)


def _end_unactuated(state: State, out: Out, before: Fleet, now: int) -> None:
    """What is wanted of one that is gone, or is something else now: no valve is ever told what a fan was."""
    for slot, wanted in list(state.wanted_by_slot.items()):
        told = matrix.commanded(state.fleet, slot)
        if told is not wanted.verb:
            why = f"the {_WORD[wanted.verb]} has left the registry, or its model no longer takes commands"
            why = f"what was a {_WORD[wanted.verb]} is a {_WORD[told]} now" if told else why
            interlock.end(state, out, wanted, Outcome.CANCELLED, now, comment=why)
    touched = state.fleet.touched_since(before)
    for slot in (*before.valves, *before.fans) if touched is None else touched.tolist():
        was = matrix.commanded(before, slot)
        if was is not None and matrix.commanded(state.fleet, slot) is not was:
            state.position[slot] = 0


def _hear_otherwise(state: State, out: Out, before: Fleet, now: int) -> None:
    """A valve whose model now says otherwise when it hears must not wait for a pause that no longer holds."""
    for slot in list(state.wanted_by_slot):
        if state.fleet.actuator(slot) != before.actuator(slot):
            sleeping.follow(state, out, slot, now)
            attempts.soon(state, out, state.wanted_by_slot[slot], now)
        elif state.sleeps[slot]:
            sleeping.tell(state, out, state.fleet.valves[slot], now)


def _free(state: State, out: Out, now: int) -> None:
    """A valve that an alarm reaches no longer is free of it."""
    for valve, places in list(state.closed_for.items()):
        for slot, rule in places:
            spec = state.compiled.rules[rule]
            reached = any(one.slot == valve for one in matrix.reach(state.fleet, slot, spec.id))
            if not reached or not spec.action.closes:
                interlock.forget_cause(state, out, valve, (slot, rule), now)


def _ask_anew(state: State, out: Out, before: Fleet, rules_before: Compiled, now: int) -> None:
    """An alarm that is active asks for what it did not ask for before: it is newly linked, or its rule newly acts. What
    a person cancelled stays cancelled."""
    acted = {rule.id: rule.action for rule in rules_before.rules}
    unprotected: dict[int, OpenAlarm] = {}
    touched = _touched(state, before, rules_before)
    places = [place for place in state.open if touched is None or place[0] in touched]
    for slot, rule in places:
        alarm = state.open.get((slot, rule))
        if alarm is None:
            continue
        spec = state.compiled.rules[rule]
        if not (spec.action.closes or spec.action.ventilates) or not matrix.acts(state, slot, rule):
            continue
        known = _asked_before(state, before, slot, rule) if acted.get(spec.id) == spec.action else set()
        for what, causes in matrix.asked(state, state.fleet, slot, rule):
            if what.slot not in known:
                budget.ask(state, out, (slot, rule), what, causes, now)
        if spec.action.closes and not matrix.reaches(state, slot, rule):
            unprotected.setdefault(slot, alarm)
    no_valve = state.compiled.no_valve  # a pack in which a rule closes has it
    for slot in [slot for slot, rule in places if rule == no_valve]:
        interlock.end_no_valve(state, out, slot, now)
    for slot, alarm in unprotected.items():
        alarms.raise_alarm(state, out, slot, no_valve, onset=alarm.onset, at=now, because=alarm.alarm)


def _touched(state: State, before: Fleet, rules_before: Compiled) -> frozenset[int] | None:
    """The slots at which something may be otherwise; None: anywhere."""
    touched = state.fleet.touched_since(before) if rules_before.pack is state.compiled.pack else None
    return None if touched is None else frozenset(touched.tolist())


def _asked_before(state: State, before: Fleet, slot: int, rule: int) -> set[int]:
    """Slots of what an alarm asked for as things were linked before, and what it was to do is what it would do now."""
    asked = {what.slot for what, _ in matrix.asked(state, before, slot, rule)}
    return {one for one in asked if matrix.commanded(before, one) is matrix.commanded(state.fleet, one)}
