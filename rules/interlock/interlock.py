"""Cause and effect: an alarm asks for valves to be closed and fans to run; what is seen of a valve ends or renews that.

V5  Only a `ShutOffValve` can be wanted closed and a `Fan` be run, and a simulated detector only reaches what is
    simulated (G10).
V6  What an alarm asks for follows from its true state (state.phase), whatever hides it from people's list: a shelved or
    suppressed alarm acts. A trial acts on nothing; a device out of service by its own high alarm bit only.
V7  A reading that was measured before, by a clock that is believed, waited in some queue and confirms nothing; a reply
    is tied to its command and needs no clock. A reply to a command that is not under way waited likewise: it says
    nothing of a valve whose closing is wanted, or that an alarm keeps closed.
(V1 to V4: rules/interlock/wanting.py. How many shut-offs leave at once: rules/interlock/budget.py. Who asks for what:
rules/interlock/matrix.py.)
"""

from collections.abc import Sequence

import msgspec

from devices.commands import Verb
from devices.fleet import MICROSECONDS, ShutOffValve
from devices.quantities import ValvePosition
from rules.decisions import AlarmState, Outcome, Step, wanted_id
from rules.interlock import attempts, budget, matrix, permits, releasing, sleeping, trials, wanting
from rules.interlock.attempts import find, record
from rules.interlock.matrix import Place
from rules.life import alarms
from rules.life.alarms import Out
from rules.life.lifecycle import FORBIDS_OPEN, IS_ACTIVE
from rules.stepping.state import OpenAlarm, State, Timer

#: A position measured by so much before the first attempt left is from before it; also for how long after a closing was
#: confirmed nothing from before it opens it again. Source: product choice; clocks that a network sets agree within a
#: second, and a minute forgives one that drifts.
FROM_BEFORE_US = 60 * MICROSECONDS

acknowledged, confirm_due, cancel, end = wanting.acknowledged, wanting.confirm_due, wanting.cancel, wanting.end
want_closed, valves_of, forget_cause = wanting.want_closed, matrix.valves_of, wanting.forget_cause


def alarm_raised(state: State, out: Out, alarm: OpenAlarm, rule: int, at: int) -> None:
    """An alarm became active: what it asks for, unless it is one too many of a rule that proves itself."""
    if trials.raised(state, out, state.open[alarm.slot, rule], rule, at):
        budget.drop(state, out, alarm.rule, at)
    act(state, out, alarm.slot, rule, at)


def came_into_force(state: State, out: Out, places: Sequence[Place], at: int) -> None:
    """Active alarms were trials and are not any more. They count as raised, all of them before the first one acts: a
    rule that stood on trial at a whole city is taken back before it has closed a valve."""
    for place in places:
        alarm = state.open[place]
        if trials.raised(state, out, alarm, place[1], at):
            budget.drop(state, out, alarm.rule, at)
    for place in places:
        act(state, out, *place, at)


def device_said(state: State, out: Out, alarm: OpenAlarm, rule: int, at: int) -> None:
    """An alarm bit of the device came for an alarm that is active (its `device_says` is set already): what waits for it
    leaves at once, and what a person vetoed is asked for again."""
    act(state, out, alarm.slot, rule, at)


def act(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """What an active alarm asks for now. Asking again changes nothing. One that is only tried, since its rule was taken
    back, keeps closed nothing of what it closed before."""
    spec, alarm = state.compiled.rules[rule], state.open.get((slot, rule))
    if alarm is None:
        return
    if alarm.trial:
        for valve in matrix.reach(state.fleet, slot, spec.id):
            if (slot, rule) in state.closed_for.get(valve.slot, ()):
                forget_cause(state, out, valve.slot, (slot, rule), at)
    elif spec.action.closes and IS_ACTIVE[state.phase[slot, rule]]:
        permits.alarmed(state, out, slot, rule, at)
    if not (spec.action.closes or spec.action.ventilates) or not matrix.acts(state, slot, rule):
        return
    if spec.action.closes and not matrix.reaches(state, slot, rule):
        no_valve = state.compiled.no_valve  # a pack that closes has that rule, and `reopened` (documents/together.py)
        alarms.raise_alarm(state, out, slot, no_valve, onset=alarm.onset, at=at, because=alarm.alarm)
    for what, causes in matrix.asked(state, state.fleet, slot, rule):
        if matrix.acts(state, slot, rule):  # it may be taken back while it asks
            budget.ask(state, out, (slot, rule), what, causes, at)


def alarm_settled(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """An alarm is no longer active, or is over: what stood only because of it goes with it."""
    action = state.compiled.rules[rule].action
    if not (action.closes or action.ventilates):
        return
    end_no_valve(state, out, slot, at)
    budget.settled(state, out, slot, rule, at)
    if action.ventilates:
        _stop_asking(state, out, slot, rule, at)
    if state.phase[slot, rule] != AlarmState.NORMAL:
        return
    for valve in matrix.reach(state.fleet, slot, state.compiled.rules[rule].id):
        forget_cause(state, out, valve.slot, (slot, rule), at)


def _stop_asking(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """A fan that does not run yet, and that no alarm asks for any more, need not run. (A closing goes on: G6.)"""
    for row in matrix.rows_for(state.fleet, slot, state.compiled.rules[rule].id):
        for fan in row.fans:
            wanted = state.wanted_by_slot.get(fan.slot)
            asked = any(matrix.asks_for(state, fan.slot, number) for number in range(len(state.compiled)))
            if wanted is not None and wanted.verb is Verb.FAN_ON and not asked:
                end(state, out, wanted, Outcome.OVER, at)


def end_no_valve(state: State, out: Out, slot: int, at: int) -> None:
    """That a detector closes nothing is said until none of its alarms would close something that is not there."""
    closing = [rule for rule in range(len(state.compiled)) if state.compiled.closes[rule]]
    still = any(alarms.is_active(state, slot, rule) and not matrix.reaches(state, slot, rule) for rule in closing)
    if state.compiled.no_valve >= 0 and not still:
        alarms.return_alarm(state, out, slot, state.compiled.no_valve, at=at)


def replied(state: State, out: Out, command: str, device_no: int, position: ValvePosition, at: int) -> None:
    """The device answered: proof of delivery, and where its valve stands."""
    found = find(state, command)
    slot = int(state.fleet.slot_of[device_no]) if 0 <= device_no < len(state.fleet.slot_of) else -1
    if slot < 0 or (found is not None and found[0].slot != slot):
        return  # a device may only answer for its own valve
    if found is None and slot in state.wanted_by_slot:
        return  # an answer to an older command says nothing of the closing that is wanted now (G7)
    if found is not None and found[0].verb is Verb.FAN_ON:
        wanting.runs(state, out, command, at)
        return
    said = f"valve {position.name.lower()}"
    if found is None:
        permits.stepped(state, out, command, Step.ACKNOWLEDGED, at, said, slot=slot)
    else:
        acknowledged(state, out, command, at, said)
    sleeping.woke(state, slot, at)
    under_way = found is not None or not state.watched[slot]  # V7
    if under_way and position is not ValvePosition.UNKNOWN:
        _stands(state, slot, position, at)
        observed(state, out, slot, position, at)
    if state.sleeps[slot]:
        sleeping.follow(state, out, slot, at)


def _stands(state: State, slot: int, position: ValvePosition, at: int) -> None:
    """Where it was seen; of a watched one also when, in the order of the readings (state.heard runs ahead of it)."""
    state.position[slot] = position
    if state.watched[slot]:
        state.seen[slot] = at


def observed(state: State, out: Out, slot: int, position: ValvePosition, at: int) -> None:
    """A watched valve was seen in a position, by a reading that is not late or by a reply."""
    valve = state.fleet.valves.get(slot)
    if valve is None or not valve.actuator.reports_position:
        return  # what such a valve says of its position is no observation
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None:
        wanted = state.wanted_by_slot[slot] = msgspec.structs.replace(wanted, position=position)
        if position is ValvePosition.CLOSED and wanted.first_sent and at >= wanted.first_sent:
            made = next(one for one in reversed(wanted.attempts) if one.sent)
            wanted = record(state, out, wanted, made, Step.CONFIRMED, at)
            end(state, out, wanted, Outcome.CONFIRMED, at)
    elif position in (ValvePosition.OPEN, ValvePosition.OPENING):
        _opened_again(state, out, valve, at)
    elif position is ValvePosition.CLOSED and state.compiled.reopened >= 0:
        alarms.return_alarm(state, out, slot, state.compiled.reopened, at=at)


def _opened_again(state: State, out: Out, valve: ShutOffValve, at: int) -> None:
    """A valve that was closed for an alarm is open although the alarm is not over. People are told; while the gas is
    still there it is closed again. (With the condition gone somebody on site may be at work: the alarm tells.)"""
    slot = valve.slot
    standing = [place for place in state.closed_for.get(slot, ()) if FORBIDS_OPEN[state.phase[place]]]
    if not standing:
        return
    place = next((place for place in standing if IS_ACTIVE[state.phase[place]]), standing[0])
    because = state.open[place]
    alarms.raise_alarm(state, out, slot, state.compiled.reopened, onset=at, at=at, because=because.alarm)
    if any(matrix.acts(state, *one) for one in standing):
        want_closed(state, out, valve, at=at, reason=because.rule, alarm=because.alarm)


def unseen_due(state: State, out: Out, slot: int, due: int, at: int) -> None:
    """A valve that an alarm did not tell to close, because it was seen closed, may have gone silent since. While the
    engine does not hear everybody it has not; afterwards it has all its time again (wanting.remind_unseen)."""
    if slot not in state.relied or state.paused_since:
        return
    later = wanting.unseen_at(state, slot)
    if later > due:
        state.remind(later, Timer.UNSEEN, slot, 0)
        return
    state.relied.discard(slot)
    valve = state.fleet.valves.get(slot)
    place = next((one for one in state.closed_for.get(slot, ()) if matrix.acts(state, *one)), None)
    if valve is not None and place is not None:
        because = state.open[place]
        want_closed(state, out, valve, at=max(at, state.changed), reason=because.rule, alarm=because.alarm)


def closed_by_a_person(state: State, out: Out, valve: ShutOffValve, *, at: int, reason: str, by: str) -> str:
    """A person wants it closed, now: where its closing is wanted already, an attempt leaves at once all the same.
    Returns the wanted position's id."""
    before = state.wanted_by_slot.get(valve.slot)
    if before is not None:
        attempts.soon(state, out, before, at)
        return before.wanted
    want_closed(state, out, valve, at=at, reason=reason, by=by)
    releasing.closed(state, out, valve.slot, at)
    return state.wanted_by_slot[valve.slot].wanted


def reachable(state: State, out: Out, device_no: int, at: int) -> None:
    """A valve is connected: what was wanted meanwhile is attempted at once."""
    slot = int(state.fleet.slot_of[device_no]) if 0 <= device_no < len(state.fleet.slot_of) else -1
    if slot < 0:
        return
    sleeping.woke(state, slot, at)
    if state.sleeps[slot]:
        sleeping.follow(state, out, slot, at)
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None:
        attempts.soon(state, out, wanted, at)


def heard(state: State, out: Out, slot: int, position: ValvePosition, at: int, *, measured: int, late: bool) -> None:
    """A reading of a valve, not stale: it stood in `position` (UNKNOWN: it does not say) at `measured`, and if it
    sleeps, it is awake now. A late reading says neither; it was under way for nobody knows how long (G10)."""
    if late:
        sleeping.heard(state, slot, at)
        if state.sleeps[slot]:
            sleeping.follow(state, out, slot, at)
        return
    sleeping.woke(state, slot, at)
    if position is not ValvePosition.UNKNOWN and not _from_before(state, slot, measured, at):
        _stands(state, slot, position, at)
        observed(state, out, slot, position, at)
    if state.sleeps[slot]:
        sleeping.follow(state, out, slot, at)
        wanted = state.wanted_by_slot.get(slot)
        if wanted is not None:
            attempts.soon(state, out, wanted, at)


def _from_before(state: State, slot: int, measured: int, at: int) -> bool:
    """Whether a reading was measured before the closing that is wanted, or was confirmed a moment ago, had left."""
    closing = state.wanted_by_slot.get(slot)
    if closing is None:
        closing = state.ended.get(wanted_id(int(state.fleet.device_no[slot]), int(state.epoch[slot])))
        if closing is None or closing.outcome is not Outcome.CONFIRMED or at - closing.ended > FROM_BEFORE_US:
            return False
    return measured < closing.first_sent - FROM_BEFORE_US
