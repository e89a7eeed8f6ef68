"""Wanted positions: a valve that shall be closed, a fan that shall run; from the decision to what was seen of it.

V1  CLOSE is idempotent and is attempted until the valve is seen closed or a named person cancels (G6). There is no
    code here, and no decision type, that opens a valve.
V2  `confirmed` is an observed position, received after an attempt had left; an acknowledgement only ends doubt about
    delivery (G7). A fan has no position: it is confirmed by its own answer, and unverifiable by an acknowledgement
    alone where its model promises no answer.
V3  Every attempt carries its expiry (G8). A fresh attempt follows while the position is still wanted.
V4  A valve that was seen closed for an alarm that is still open, still reads closed and has not gone silent is not told
    again by a further alarm. One of which that is not known is; and once it is not known any more while such an alarm
    is active, it is told then.
"""

import msgspec

from devices.commands import Verb
from devices.fleet import MICROSECONDS, Fan, ShutOffValve
from devices.quantities import ValvePosition
from rules.decisions import CloseWanted, FanWanted, Outcome, Step, WantedEnded, wanted_id
from rules.interlock import attempts, permits, sleeping
from rules.interlock.attempts import find, record
from rules.life import alarms
from rules.life.alarms import Out
from rules.stepping.state import MOST_ENDED, NEVER, SILENT_INTERVALS, State, Timer, Wanted

#: Steps kept of one that has ended, of the last MOST_ENDED; the journal and the database have them all.
MOST_ENDED_STEPS = 100


def seen_closed(state: State, valve: ShutOffValve, at: int) -> bool:
    """V4."""
    slot = valve.slot
    silent_us = SILENT_INTERVALS * int(state.fleet.interval_us[slot])
    return (
        bool(state.closed_for.get(slot))
        and slot not in state.wanted_by_slot
        and valve.actuator.reports_position
        and int(state.position[slot]) == ValvePosition.CLOSED
        and at - state.seen.get(slot, at - silent_us) < silent_us
    )


def rely(state: State, slot: int) -> None:
    """An alarm does not tell this valve to close, because it was seen closed: that holds until it is silent (V4)."""
    if state.valves_speak:
        state.relied.add(slot)
        state.remind(unseen_at(state, slot), Timer.UNSEEN, slot, 0)


def remind_unseen(state: State) -> None:
    """Of all that alarms rely on."""
    for slot in state.relied:
        state.remind(unseen_at(state, slot), Timer.UNSEEN, slot, 0)


def unseen_at(state: State, slot: int) -> int:
    """When what was seen of a valve is too old. A time in which the engine did not listen is no silence."""
    seen = max(state.seen.get(slot, 0), state.deaf_until)
    return seen + SILENT_INTERVALS * int(state.fleet.interval_us[slot])


def want_closed(
    state: State, out: Out, valve: ShutOffValve, *, at: int, reason: str, alarm: str = "", by: str = ""
) -> None:
    """Want it closed; the wanted position that is open already is kept."""
    if valve.slot in state.wanted_by_slot:
        return
    device = valve.device
    permits.closing(state, out, valve.slot, at)
    confirm_by = at + round(valve.actuator.confirm_within_s * MICROSECONDS)
    hears_by = sleeping.hears_by(state, valve, at)
    wanted = _new(state, valve, at=at, reason=reason, alarm=alarm, by=by)
    seen = int(state.position[valve.slot]) if valve.actuator.reports_position else ValvePosition.UNKNOWN
    wanted = msgspec.structs.replace(
        wanted, confirm_by=confirm_by, position=ValvePosition(seen), hears_by=hears_by, verb=Verb.CLOSE
    )
    state.wanted_by_slot[valve.slot] = wanted
    state.relied.discard(valve.slot)
    state.remind(wanted.confirm_by, Timer.CONFIRM, valve.slot, wanted.epoch)
    out.append(
        CloseWanted(
            at=at,
            wanted=wanted.wanted,
            device_no=device.device_no,
            epoch=wanted.epoch,
            reason=reason,
            alarm=alarm,
            by=by,
            confirm_by=wanted.confirm_by,
            hears_by=wanted.hears_by,
        )
    )
    if wanted.hears_by:
        sleeping.tell(state, out, valve, at)
    attempts.begin(state, out, wanted, at)


def want_running(state: State, out: Out, fan: Fan, *, at: int, reason: str, alarm: str) -> None:
    """Want a fan to run; the wanted position that is open already is kept."""
    if fan.slot in state.wanted_by_slot:
        return
    wanted = msgspec.structs.replace(
        _new(state, fan, at=at, reason=reason, alarm=alarm, by=""),
        confirm_by=at + round(fan.actuator.confirm_within_s * MICROSECONDS),
        verb=Verb.FAN_ON,
    )
    state.remind(wanted.confirm_by, Timer.CONFIRM, fan.slot, wanted.epoch)
    number, epoch = fan.device.device_no, wanted.epoch
    out.append(FanWanted(at=at, wanted=wanted.wanted, device_no=number, epoch=epoch, reason=reason, alarm=alarm))
    attempts.begin(state, out, wanted, at)


def _new(state: State, what: ShutOffValve | Fan, *, at: int, reason: str, alarm: str, by: str) -> Wanted:
    device = what.device
    state.epoch[what.slot] += 1
    epoch = int(state.epoch[what.slot])
    wanted = Wanted(
        wanted=wanted_id(device.device_no, epoch),
        slot=what.slot,
        device_no=device.device_no,
        identity=device.identity,
        site=device.site,
        epoch=epoch,
        reason=reason,
        alarm=alarm,
        by=by,
        since=at,
        confirm_by=at,
        next_attempt=NEVER,
    )
    state.by_wanted[wanted.wanted] = what.slot
    state.watched[what.slot] = True
    return wanted


def acknowledged(state: State, out: Out, command: str, at: int, note: str = "") -> None:
    """The device has the command. Where nothing more can be seen of it, that is the end of it."""
    found = find(state, command)
    if found is None:
        permits.stepped(state, out, command, Step.ACKNOWLEDGED, at, note)
        return
    wanted = record(state, out, found[0], found[1], Step.ACKNOWLEDGED, at, note)
    actuator = state.fleet.actuator(wanted.slot)
    if actuator is not None and not actuator.reports_position:
        why = "this model reports no position" if wanted.verb is Verb.CLOSE else "this model says not whether it runs"
        wanted = record(state, out, wanted, found[1], Step.UNVERIFIABLE, at, why)
        end(state, out, wanted, Outcome.UNVERIFIABLE, at)


def runs(state: State, out: Out, command: str, at: int) -> None:
    """A fan answered a command: it runs, as it says itself."""
    found = find(state, command)
    if found is not None:
        wanted = record(state, out, found[0], found[1], Step.CONFIRMED, at, "the fan answered")
        end(state, out, wanted, Outcome.CONFIRMED, at)


def confirm_due(state: State, out: Out, slot: int, epoch: int, at: int) -> None:
    """The deadline of the model has passed and nobody has seen the valve closed (G7), or heard of the fan."""
    wanted = state.wanted_by_slot.get(slot)
    if wanted is not None and wanted.epoch == epoch and state.compiled.unconfirmed >= 0:
        alarms.raise_alarm(
            state, out, slot, state.compiled.unconfirmed, onset=wanted.since, at=at, because=wanted.alarm
        )


def cancel(state: State, out: Out, wanted_name: str, by: str, reason: str, at: int) -> str:
    """A named person ends the attempts. Returns why not, or empty."""
    wanted = state.find_wanted(wanted_name)
    if wanted is None:
        return f"there is no wanted position {wanted_name!r}"
    if wanted.outcome is not None:
        return f"it has ended already: {wanted.outcome}"
    end(state, out, wanted, Outcome.CANCELLED, at, by=by, comment=reason)
    return ""


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
    over = [state.compiled.unconfirmed, state.compiled.asleep]
    if outcome in (Outcome.CONFIRMED, Outcome.CANCELLED):
        over.append(state.compiled.reopened)
    for rule in over:
        if rule >= 0:
            alarms.return_alarm(state, out, wanted.slot, rule, at=at, comment=comment)


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
