"""Raising, returning, acknowledging one alarm: the table of `lifecycle` applied, and what follows from it.

M1  Every change of an alarm is one decision that says what it shows (showing, N1 to N3), then what it does to its
    incident (incident_life), then what it does to the alarms it explains (suppression), in this order.
M2  Hidden alarms are raised, changed and ended as any other; only what is shown differs.
M3  A trial alarm lives the whole life; nothing follows from it.
"""

import math
from typing import NamedTuple

import msgspec

from rules.decisions import AlarmState, Change, Priority, alarm_id
from rules.incidents import life as incident_life
from rules.interlock.canary import is_trial
from rules.life import suppression
from rules.life.hiding import seen
from rules.life.lifecycle import IS_ACTIVE, REFUSED, Happening, after
from rules.life.showing import NOTE_EVERY_US as NOTE_EVERY_US
from rules.life.showing import Out as Out
from rules.life.showing import note_due as note_due
from rules.life.showing import record, told_first
from rules.life.showing import say as say
from rules.stepping.state import OpenAlarm, State


def raise_alarm(
    state: State,
    out: Out,
    slot: int,
    rule: int,
    *,
    onset: int,
    at: int,
    value: float | None = None,
    because: str = "",
    note: str = "",
    expected: int = 0,
    priority: Priority | None = None,
    device_bits: int = 0,
) -> OpenAlarm | None:
    """The condition holds. A new alarm, or a re-alarm of one that had returned; None when it is active already.
    `priority`: what holds at the reading, if it is not the rule's own. `device_bits`: the alarm bits of the device
    itself, as of Flag, that raise it."""
    before = AlarmState(state.phase[slot, rule])
    now_in = after(before, Happening.CONDITION)
    state.since[slot, rule] = state.due[slot, rule] = 0
    if now_in is before:
        return None
    state.phase[slot, rule] = now_in
    state.busy[slot] = True
    priority = priority or state.compiled.rules[rule].priority
    if before is AlarmState.NORMAL:
        said = _Said(onset, at, value, because, note, expected, priority, device_bits)
        return _new(state, out, slot, rule, said)
    state.open[slot, rule] = msgspec.structs.replace(
        state.open[slot, rule],
        note=note,
        expected=expected,
        told=at,
        unsaid=False,
        priority=priority,
        device_says=bool(device_bits),
        device_bits=device_bits,
        worst=_known(value),
        trial=is_trial(state, rule, slot, device_says=bool(device_bits)),
    )
    record(state, out, slot, rule, Change.REALARMED, at, comment=note, expected=expected)
    _come_out(state, out, slot, rule, at)
    return _follow(state, out, slot, rule, at, explained_others=False)


def raise_late(
    state: State, out: Out, slot: int, rule: int, *, onset: int, at: int, value: float | None, device_bits: int
) -> None:
    """Late alarm bits: people are told of an alarm that may be over; nothing moves (G10)."""
    if state.phase[slot, rule] == AlarmState.NORMAL:
        state.phase[slot, rule] = AlarmState.RETURNED_UNACKNOWLEDGED
        state.busy[slot] = True
        priority = state.compiled.rules[rule].priority
        said = _Said(onset, at, value, priority=priority, device_bits=device_bits, late=True)
        _new(state, out, slot, rule, said)


class _Said(NamedTuple):
    """What a new alarm begins with."""

    onset: int
    at: int
    value: float | None
    because: str = ""
    note: str = ""
    expected: int = 0
    priority: Priority = Priority.LOW
    device_bits: int = 0
    late: bool = False


def _new(state: State, out: Out, slot: int, rule: int, said: _Said) -> OpenAlarm:
    device, spec = state.fleet.devices[slot], state.compiled.rules[rule]
    assert device is not None, "a device that left the registry sends nothing"
    known = _known(said.value)
    suppression.explained(state, slot, rule, said.priority)
    _outgrow(state, slot, rule, said.priority)
    shows, until = seen(state, slot, rule)
    alarm = OpenAlarm(
        alarm=alarm_id(spec.id, device.device_no, said.onset),
        rule=spec.id,
        slot=slot,
        device_no=device.device_no,
        identity=device.identity,
        site=device.site,
        priority=said.priority,
        state=shows,
        onset=said.onset,
        raised=said.at,
        changed=said.at,
        quantity=state.traits.quantity[rule] if known is not None else "",
        value=known,
        worst=known,
        late=said.late,
        because=said.because,
        acknowledged_by="",
        note=said.note,
        expected=said.expected,
        trial=is_trial(state, rule, slot, device_says=bool(said.device_bits)),
        device_says=bool(said.device_bits),
        device_bits=said.device_bits,
        until=until,
        told=said.at,
    )
    alarm = msgspec.structs.replace(alarm, incident=incident_life.belongs(state, alarm, said.at))
    state.open[slot, rule] = alarm
    state.by_alarm[alarm.alarm] = (slot, rule)
    out.append(told_first(alarm))
    return _follow(state, out, slot, rule, said.at, explained_others=False)


def _known(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _outgrow(state: State, slot: int, rule: int, priority: Priority) -> bool:
    """A shelf does not hide what is worse than what was shelved. Whether one ended."""
    key = (slot, state.compiled.rules[rule].id)
    shelf = state.shelves.get(key)
    if shelf is None or priority >= shelf.priority:
        return False
    del state.shelves[key]
    return True


def _come_out(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    """An open alarm has another priority now: what may not hide it any more does not."""
    alarm = state.open[slot, rule]
    if _outgrow(state, slot, rule, alarm.priority):
        record(state, out, slot, rule, Change.UNSHELVED, at, comment="it is worse than when it was shelved")
    if state.compiled.rules[rule].suppressed_by:
        suppression.refresh(state, out, slot, rule, at)


def _follow(state: State, out: Out, slot: int, rule: int, at: int, *, explained_others: bool) -> OpenAlarm:
    """M1, of an alarm that is open and whose own decision was made."""
    incident_life.follow(state, out, slot, rule, at)
    suppression.follow(state, out, slot, rule, at, before=explained_others)
    return state.open[slot, rule]


def return_alarm(state: State, out: Out, slot: int, rule: int, *, at: int, comment: str = "") -> OpenAlarm | None:
    """The condition is gone; None when the alarm was not active."""
    before = AlarmState(state.phase[slot, rule])
    happening = Happening.RETURN_LATCHED if state.compiled.latch[rule] else Happening.RETURN
    now_in = after(before, happening)
    state.since[slot, rule] = state.due[slot, rule] = 0
    if now_in is before:
        return None
    return change(state, out, slot, rule, Change.RETURNED, now_in, at, comment=comment)


def change(
    state: State,
    out: Out,
    slot: int,
    rule: int,
    what: Change,
    now_in: AlarmState,
    at: int,
    *,
    by: str = "",
    comment: str = "",
) -> OpenAlarm:
    """An open alarm is truly in `now_in` from now on. Returns it as it is then, or as it ended."""
    explained_others = suppression.explains(state, slot, rule) or what is Change.REMOVED
    state.phase[slot, rule] = now_in
    alarm = record(state, out, slot, rule, what, at, by=by, comment=comment)
    if (slot, rule) in state.open:
        return _follow(state, out, slot, rule, at, explained_others=explained_others)
    incident_life.follow(state, out, slot, rule, at, ended=alarm)
    suppression.follow(state, out, slot, rule, at, before=explained_others)
    return alarm


def escalate(state: State, out: Out, slot: int, rule: int, priority: Priority, at: int) -> None:
    """An active alarm has at least this priority from now on; nothing happens when it has it already."""
    alarm = state.open.get((slot, rule))
    if alarm is None or priority >= alarm.priority or not is_active(state, slot, rule):
        return
    state.open[slot, rule] = msgspec.structs.replace(alarm, priority=priority)
    record(state, out, slot, rule, Change.ESCALATED, at)
    _come_out(state, out, slot, rule, at)
    incident_life.follow(state, out, slot, rule, at)


def device_said(state: State, out: Out, slot: int, rule: int, bits: int, at: int) -> bool:
    """Alarm bits of the device itself came for an active alarm: one that was only tried because its rule was taken back
    is in force from now on. Whether one of them is new."""
    alarm = state.open.get((slot, rule))
    if alarm is None or not bits & ~alarm.device_bits or not is_active(state, slot, rule):
        return False
    known = alarm.device_bits | bits
    state.open[slot, rule] = msgspec.structs.replace(alarm, device_says=True, device_bits=known)
    tried(state, out, slot, rule, at)
    return True


def tried(state: State, out: Out, slot: int, rule: int, at: int) -> bool:
    """Rules were edited, one was taken back, or its device says so itself now: whether an open alarm is a trial is
    found anew. Whether it is in force from now on, and active: then its action is to happen."""
    alarm = state.open.get((slot, rule))
    if alarm is None or alarm.trial is (trial := is_trial(state, rule, slot, device_says=alarm.device_says)):
        return False
    explained_others = suppression.explains(state, slot, rule)
    state.open[slot, rule] = msgspec.structs.replace(alarm, trial=trial)
    record(state, out, slot, rule, Change.TRIED, at)
    _follow(state, out, slot, rule, at, explained_others=explained_others)
    return not trial and is_active(state, slot, rule)


def acknowledge(state: State, out: Out, alarm: str, by: str, comment: str, at: int) -> str:
    """A person has seen it. Returns why not, or empty."""
    return _instructed(state, out, alarm, Happening.ACKNOWLEDGE, Change.ACKNOWLEDGED, by, comment, at)


def reset(state: State, out: Out, alarm: str, by: str, at: int) -> str:
    """A person takes a latched alarm back to normal. Returns why not, or empty."""
    return _instructed(state, out, alarm, Happening.RESET, Change.RESET, by, "", at)


def _instructed(
    state: State, out: Out, alarm: str, happening: Happening, what: Change, by: str, comment: str, at: int
) -> str:
    place = state.by_alarm.get(alarm)
    if place is None:
        return no_open_alarm(alarm)
    before = AlarmState(state.phase[place])
    now_in = after(before, happening)
    if now_in is before:
        return REFUSED[before, happening]
    change(state, out, *place, what, now_in, at, by=by, comment=comment)
    return ""


def no_open_alarm(alarm: str) -> str:
    """Why nothing can be done to it."""
    return f"there is no open alarm {alarm!r}; it may have returned to normal"


def is_active(state: State, slot: int, rule: int) -> bool:
    return bool(IS_ACTIVE[state.phase[slot, rule]])
