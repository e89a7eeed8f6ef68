"""Cause and effect: an alarm wants valves closed; attempts go out until the position is seen closed.

V1  CLOSE is idempotent and is attempted until the valve is seen closed or a named person cancels (G6). There is no
    code here, and no decision type, that opens a valve.
V2  `confirmed` is an observed position, received after an attempt had left; an acknowledgement only ends doubt about
    delivery (G7). A reading that was measured before, by a clock that is believed, waited in some queue and confirms
    nothing; a reply is tied to its command and needs no clock. Past the model's deadline an unconfirmed CLOSE raises
    its own alarm, and attempts go on.
V3  Every attempt carries its expiry (G8). A fresh attempt follows while the position is still wanted.
V4  A valve that sleeps is attempted whenever it is heard, at once: it is awake now. Between, the pauses grow up to its
    wake interval, and people are told when it hears next.
V5  Only a `ShutOffValve` can be wanted closed, and a simulated detector only closes simulated valves (G10).
"""

import msgspec

from devices.fleet import MICROSECONDS, Fleet, ShutOffValve
from devices.quantities import ValvePosition
from rules import alarms, attempts, sleeping
from rules.alarms import Out
from rules.attempts import find, record
from rules.decisions import (
    AlarmState,
    CloseWanted,
    Outcome,
    Step,
    WantedEnded,
    wanted_id,
)
from rules.lifecycle import IS_ACTIVE
from rules.state import MOST_ENDED, NEVER, OpenAlarm, State, Timer, Wanted

#: A position measured by so much before the first attempt left is from before it; also for how long after a closing was
#: confirmed nothing from before it opens it again. Source: product choice; clocks that a network sets agree within a
#: second, and a minute forgives one that drifts.
FROM_BEFORE_US = 60 * MICROSECONDS
#: Steps kept of one that has ended, of the last MOST_ENDED; the journal and the database have them all.
MOST_ENDED_STEPS = 100


def alarm_raised(state: State, out: Out, alarm: OpenAlarm, rule: int, at: int) -> None:
    """An alarm became active. If its rule closes valves, want every shut-off valve of the detector closed."""
    if not state.compiled.closes[rule]:
        return
    valves = valves_of(state.fleet, alarm.slot)
    if not valves and state.compiled.no_valve >= 0:
        no_valve = state.compiled.no_valve
        alarms.raise_alarm(state, out, alarm.slot, no_valve, onset=alarm.onset, at=at, because=alarm.alarm)
    close_for(state, out, alarm, rule, valves, at)


def valves_of(fleet: Fleet, slot: int) -> list[ShutOffValve]:
    """The valves a detector may close: linked, and simulated exactly if it is."""
    here = bool(fleet.simulated[slot])
    return [valve for valve in fleet.links.get(slot, ()) if bool(fleet.simulated[valve.slot]) == here]


def close_for(state: State, out: Out, alarm: OpenAlarm, rule: int, valves: list[ShutOffValve], at: int) -> None:
    for valve in valves:
        places = state.closed_for.get(valve.slot, ())
        if (alarm.slot, rule) not in places:
            state.closed_for[valve.slot] = (*places, (alarm.slot, rule))
        want_closed(state, out, valve, at=at, reason=alarm.rule, alarm=alarm.alarm)


def alarm_settled(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """An alarm is no longer active, or is over: what stood only because of it goes with it."""
    if not state.compiled.closes[rule]:
        return
    no_valve = state.compiled.no_valve
    still = any(state.compiled.closes[r] and alarms.is_active(state, slot, r) for r in range(len(state.compiled)))
    if no_valve >= 0 and not still:
        alarms.return_alarm(state, out, slot, no_valve, at=at)
    if (slot, rule) in state.open:
        return
    for valve in state.fleet.links.get(slot, ()):
        forget_cause(state, out, valve.slot, (slot, rule), at)


def forget_cause(state: State, out: Out, valve: int, cause: tuple[int, int], at: int) -> None:
    """This alarm no longer keeps the valve closed."""
    left = tuple(place for place in state.closed_for.get(valve, ()) if place != cause)
    if left:
        state.closed_for[valve] = left
    else:
        state.closed_for.pop(valve, None)
        if state.compiled.reopened >= 0:
            alarms.return_alarm(state, out, valve, state.compiled.reopened, at=at)
    state.refresh_watched(valve)


def want_closed(
    state: State, out: Out, valve: ShutOffValve, *, at: int, reason: str, alarm: str = "", by: str = ""
) -> Wanted:
    """Want it closed; the wanted position that is open already is kept."""
    before = state.wanted_by_slot.get(valve.slot)
    if before is not None:
        return before
    device = valve.device
    state.epoch[valve.slot] += 1
    epoch = int(state.epoch[valve.slot])
    seen = int(state.position[valve.slot]) if valve.actuator.reports_position else ValvePosition.UNKNOWN
    wanted = Wanted(
        wanted=wanted_id(device.device_no, epoch),
        slot=valve.slot,
        device_no=device.device_no,
        identity=device.identity,
        site=device.site,
        epoch=epoch,
        reason=reason,
        alarm=alarm,
        by=by,
        since=at,
        confirm_by=at + round(valve.actuator.confirm_within_s * MICROSECONDS),
        next_attempt=NEVER,
        position=ValvePosition(seen),
        hears_by=sleeping.hears_by(state, valve, at),
    )
    state.wanted_by_slot[valve.slot] = wanted
    state.by_wanted[wanted.wanted] = valve.slot
    state.watched[valve.slot] = True
    state.remind(wanted.confirm_by, Timer.CONFIRM, valve.slot, epoch)
    out.append(
        CloseWanted(
            at=at,
            wanted=wanted.wanted,
            device_no=device.device_no,
            epoch=epoch,
            reason=reason,
            alarm=alarm,
            by=by,
            confirm_by=wanted.confirm_by,
            hears_by=wanted.hears_by,
        )
    )
    if wanted.hears_by:
        sleeping.tell(state, out, valve, at)
    return attempts.attempt(state, out, wanted, at)


def acknowledged(state: State, out: Out, command: str, at: int, note: str = "") -> None:
    """The device has the command. For a valve that cannot report its position there is nothing more to see."""
    found = find(state, command)
    if found is None:
        return
    wanted = record(state, out, found[0], found[1], Step.ACKNOWLEDGED, at, note)
    valve = state.fleet.valves.get(wanted.slot)
    if valve is not None and not valve.actuator.reports_position:
        wanted = record(state, out, wanted, found[1], Step.UNVERIFIABLE, at, "this model reports no position")
        end(state, out, wanted, Outcome.UNVERIFIABLE, at)


def replied(state: State, out: Out, command: str, device_no: int, position: ValvePosition, at: int) -> None:
    """The device answered: proof of delivery, and where its valve stands."""
    found = find(state, command)
    slot = int(state.fleet.slot_of[device_no]) if 0 <= device_no < len(state.fleet.slot_of) else -1
    if found is not None and found[0].slot != slot:
        return  # a device may only answer for its own valve
    if found is None and slot in state.wanted_by_slot:
        return  # an answer to an older command says nothing of the closing that is wanted now (G7)
    if found is not None:
        acknowledged(state, out, command, at, f"valve {position.name.lower()}")
    if slot >= 0:
        sleeping.woke(state, slot, at)
    if slot >= 0 and position is not ValvePosition.UNKNOWN:
        state.position[slot] = position
        observed(state, out, slot, position, at)
    if slot >= 0 and state.sleeps[slot]:
        sleeping.follow(state, out, slot, at)


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
        _opened_again(state, out, slot, at)
    elif position is ValvePosition.CLOSED and state.compiled.reopened >= 0:
        alarms.return_alarm(state, out, slot, state.compiled.reopened, at=at)


#: States in which an alarm forbids its valves to be open: the condition is there, or waits for a manual reset.
_FORBIDS = {
    AlarmState.UNACKNOWLEDGED,
    AlarmState.ACKNOWLEDGED,
    AlarmState.LATCHED_UNACKNOWLEDGED,
    AlarmState.LATCHED_ACKNOWLEDGED,
}


def _opened_again(state: State, out: Out, slot: int, at: int) -> None:
    """A valve that was closed for an alarm is open although the alarm is not over. People are told; while the gas is
    still there it is closed again. (With the condition gone somebody on site may be at work: the alarm tells.)"""
    causes = [state.open[place] for place in state.closed_for.get(slot, ()) if place in state.open]
    standing = [alarm for alarm in causes if alarm.state in _FORBIDS]
    if not standing:
        return
    because = next((alarm for alarm in standing if IS_ACTIVE[alarm.state]), standing[0])
    if state.compiled.reopened >= 0:
        alarms.raise_alarm(state, out, slot, state.compiled.reopened, onset=at, at=at, because=because.alarm)
    valve = state.fleet.valves.get(slot)
    if valve is not None and IS_ACTIVE[because.state]:
        want_closed(state, out, valve, at=at, reason=because.rule, alarm=because.alarm)


def closed_by_a_person(state: State, out: Out, valve: ShutOffValve, *, at: int, reason: str, by: str) -> str:
    """A person wants it closed, now: where its closing is wanted already, an attempt leaves at once all the same.
    Returns the wanted position's id."""
    before = state.wanted_by_slot.get(valve.slot)
    if before is None:
        return want_closed(state, out, valve, at=at, reason=reason, by=by).wanted
    attempts.soon(state, out, before, at)
    return before.wanted


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
        state.position[slot] = position
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


def cancel(state: State, out: Out, wanted_name: str, by: str, reason: str, at: int) -> str:
    """A named person ends the attempts. Returns why not, or empty."""
    wanted = state.find_wanted(wanted_name)
    if wanted is None:
        return f"there is no wanted position {wanted_name!r}"
    if wanted.outcome is not None:
        return f"it has ended already: {wanted.outcome}"
    end(state, out, wanted, Outcome.CANCELLED, at, by=by, comment=reason)
    return ""


def confirm_due(state: State, out: Out, slot: int, epoch: int, at: int) -> None:
    """The deadline of the model has passed and nobody has seen the valve closed (G7)."""
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None and wanted.epoch == epoch and state.compiled.unconfirmed >= 0:
        alarms.raise_alarm(
            state, out, slot, state.compiled.unconfirmed, onset=wanted.since, at=at, because=wanted.alarm
        )


def end(state: State, out: Out, wanted: Wanted, outcome: Outcome, at: int, *, by: str = "", comment: str = "") -> None:
    """Attempts are over. The record is kept among the last MOST_ENDED."""
    steps = wanted.steps[-MOST_ENDED_STEPS:]
    wanted = msgspec.structs.replace(wanted, outcome=outcome, ended=at, next_attempt=NEVER, steps=steps)
    state.wanted_by_slot.pop(wanted.slot, None)
    state.by_wanted.pop(wanted.wanted, None)
    for made in wanted.attempts:
        state.by_command.pop(made.command, None)
    state.ended[wanted.wanted] = wanted
    while len(state.ended) > MOST_ENDED:
        del state.ended[next(iter(state.ended))]
    if outcome is Outcome.CANCELLED:
        state.closed_for.pop(wanted.slot, None)  # a named person decided: the valve open now is not "opened again"
    state.refresh_watched(wanted.slot)
    out.append(
        WantedEnded(at=at, wanted=wanted.wanted, device_no=wanted.device_no, outcome=outcome, by=by, comment=comment)
    )
    settled = outcome in (Outcome.CONFIRMED, Outcome.CANCELLED)
    for rule in (state.compiled.unconfirmed, state.compiled.asleep, state.compiled.reopened if settled else -1):
        if rule >= 0:
            alarms.return_alarm(state, out, wanted.slot, rule, at=at, comment=comment)
