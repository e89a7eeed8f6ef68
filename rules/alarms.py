"""Raising, returning, acknowledging one alarm: the table of `lifecycle` applied, and the decision it makes.

N1  What an alarm says beyond its title is told whenever it is another, by a decision of its own (NOTED): at once, or
    when NOTE_EVERY_US has passed since it was last told. Followers never keep words that are no longer true.
N2  What is still untold when the alarm takes another state is told before that. A re-alarm tells its own words.
"""

import math

import msgspec

from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    Change,
    Decision,
    alarm_id,
)
from rules.lifecycle import IS_ACTIVE, Happening, after
from rules.state import OpenAlarm, State, Timer

Out = list[Decision]

#: A note that goes on changing is told no more often than this. Source: product choice.
NOTE_EVERY_US = 60_000_000


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
) -> OpenAlarm | None:
    """The condition holds. A new alarm, or a re-alarm of one that had returned; None when it is active already."""
    before = AlarmState(state.phase[slot, rule])
    now_in = after(before, Happening.CONDITION)
    state.since[slot, rule] = state.due[slot, rule] = 0
    if now_in is before:
        return None
    state.phase[slot, rule] = now_in
    state.busy[slot] = True
    if before is not AlarmState.NORMAL:
        said = msgspec.structs.replace(state.open[slot, rule], note=note, expected=expected, told=at, unsaid=False)
        state.open[slot, rule] = said
        return change(state, out, slot, rule, Change.REALARMED, now_in, at, comment=note, expected=expected)
    return _new(
        state,
        out,
        slot,
        rule,
        now_in,
        onset=onset,
        at=at,
        value=value,
        because=because,
        note=note,
        expected=expected,
    )


def say(state: State, out: Out, slot: int, rule: int, note: str, *, at: int, expected: int = 0) -> None:
    """What an open alarm says beyond its title is this now (N1)."""
    alarm = state.open[slot, rule]
    if (alarm.note, alarm.expected) == (note, expected):
        return
    state.open[slot, rule] = msgspec.structs.replace(alarm, note=note, expected=expected, unsaid=True)
    due = alarm.told + NOTE_EVERY_US
    if due <= at:
        _tell(state, out, slot, rule, at)
    elif not alarm.unsaid:
        state.remind(due, Timer.NOTE, slot, rule)


def note_due(state: State, out: Out, slot: int, rule: int, due: int, at: int) -> None:
    """The time has come to tell what was not told yet."""
    alarm = state.open.get((slot, rule))
    if alarm is not None and alarm.unsaid and alarm.told + NOTE_EVERY_US == due:
        _tell(state, out, slot, rule, at)


def _tell(state: State, out: Out, slot: int, rule: int, at: int) -> None:
    alarm = msgspec.structs.replace(state.open[slot, rule], changed=at, told=at, unsaid=False)
    state.open[slot, rule] = alarm
    out.append(_changed(alarm, Change.NOTED, at, comment=alarm.note, expected=alarm.expected))


def raise_late(state: State, out: Out, slot: int, rule: int, *, onset: int, at: int, value: float | None) -> None:
    """A late alarm bit: people are told of an alarm that may be over; nothing moves (G10)."""
    if state.phase[slot, rule] == AlarmState.NORMAL:
        state.phase[slot, rule] = AlarmState.RETURNED_UNACKNOWLEDGED
        state.busy[slot] = True
        now_in = AlarmState.RETURNED_UNACKNOWLEDGED
        _new(state, out, slot, rule, now_in, onset=onset, at=at, value=value, because="", late=True)


def _new(
    state: State,
    out: Out,
    slot: int,
    rule: int,
    now_in: AlarmState,
    *,
    onset: int,
    at: int,
    value: float | None,
    because: str,
    late: bool = False,
    note: str = "",
    expected: int = 0,
) -> OpenAlarm:
    device, spec = state.fleet.devices[slot], state.compiled.rules[rule]
    assert device is not None, "a device that left the registry sends nothing"
    known = None if value is None or math.isnan(value) else float(value)
    alarm = OpenAlarm(
        alarm=alarm_id(spec.id, device.device_no, onset),
        rule=spec.id,
        slot=slot,
        device_no=device.device_no,
        identity=device.identity,
        site=device.site,
        priority=spec.priority,
        state=now_in,
        onset=onset,
        raised=at,
        changed=at,
        quantity=spec.quantity if known is not None else "",
        value=known,
        late=late,
        because=because,
        acknowledged_by="",
        note=note,
        expected=expected,
        told=at,
    )
    state.open[slot, rule] = alarm
    state.by_alarm[alarm.alarm] = (slot, rule)
    out.append(_raised(alarm))
    return alarm


def _raised(alarm: OpenAlarm) -> AlarmRaised:
    return AlarmRaised(
        at=alarm.raised,
        alarm=alarm.alarm,
        rule=alarm.rule,
        device_no=alarm.device_no,
        site=alarm.site,
        priority=alarm.priority,
        onset=alarm.onset,
        state=alarm.state,
        late=alarm.late,
        quantity=alarm.quantity,
        value=alarm.value,
        because=alarm.because,
        note=alarm.note,
        expected=alarm.expected,
    )


def return_alarm(state: State, out: Out, slot: int, rule: int, *, at: int, comment: str = "") -> OpenAlarm | None:
    """The condition is gone; None when the alarm was not active."""
    before = AlarmState(state.phase[slot, rule])
    happening = Happening.RETURN_LATCHED if state.compiled.latch[rule] else Happening.RETURN
    now_in = after(before, happening)
    state.since[slot, rule] = state.due[slot, rule] = 0
    if now_in is before:
        return None
    state.phase[slot, rule] = now_in
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
    expected: int = 0,
) -> OpenAlarm:
    """Record that an open alarm is now in `now_in` (the phase array says so already)."""
    if state.open[slot, rule].unsaid:
        _tell(state, out, slot, rule, at)
    alarm = state.open[slot, rule]
    who = by if what is Change.ACKNOWLEDGED else ("" if what is Change.REALARMED else alarm.acknowledged_by)
    alarm = msgspec.structs.replace(alarm, state=now_in, changed=at, acknowledged_by=who)
    if now_in is AlarmState.NORMAL:
        del state.open[slot, rule]
        del state.by_alarm[alarm.alarm]
        state.refresh_busy([slot])
    else:
        state.open[slot, rule] = alarm
    out.append(_changed(alarm, what, at, by=by, comment=comment, expected=expected))
    return alarm


def _changed(
    alarm: OpenAlarm, what: Change, at: int, *, by: str = "", comment: str = "", expected: int = 0
) -> AlarmChanged:
    return AlarmChanged(
        at=at,
        alarm=alarm.alarm,
        rule=alarm.rule,
        device_no=alarm.device_no,
        site=alarm.site,
        priority=alarm.priority,
        onset=alarm.onset,
        change=what,
        state=alarm.state,
        by=by,
        comment=comment,
        expected=expected,
    )


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
        return f"there is no open alarm {alarm!r}; it may have returned to normal"
    before = AlarmState(state.phase[place])
    now_in = after(before, happening)
    if now_in is before:
        return _REFUSED.get((happening, before), f"an alarm that is {before.name.lower()} cannot be {what}")
    state.phase[place] = now_in
    change(state, out, *place, what, now_in, at, by=by, comment=comment)
    return ""


_REFUSED = {
    (Happening.ACKNOWLEDGE, AlarmState.ACKNOWLEDGED): "it is acknowledged already",
    (Happening.ACKNOWLEDGE, AlarmState.LATCHED_ACKNOWLEDGED): "it is acknowledged already; reset it when it is safe",
    (Happening.RESET, AlarmState.UNACKNOWLEDGED): "its condition is still present, and nobody has acknowledged it",
    (Happening.RESET, AlarmState.ACKNOWLEDGED): "its condition is still present",
    (Happening.RESET, AlarmState.LATCHED_UNACKNOWLEDGED): "acknowledge it first",
    (Happening.RESET, AlarmState.RETURNED_UNACKNOWLEDGED): "it does not latch; acknowledging ends it",
}


def is_active(state: State, slot: int, rule: int) -> bool:
    return bool(IS_ACTIVE[state.phase[slot, rule]])
