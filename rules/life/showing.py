"""What an open alarm shows: its state, its words. Each time they change, one decision.

N1  What an alarm says beyond its title is told whenever it is another, by a decision of its own (NOTED): at once, or
    when NOTE_EVERY_US has passed since it was last told. Followers never keep words that are no longer true.
N2  What is still untold when the alarm takes another state is told before that. A re-alarm tells its own words.
N3  A decision says the state that is shown, and until when if it is for a time. Replaying an alarm's decisions gives
    what its record shows.
"""

import msgspec

from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision
from rules.life.hiding import seen
from rules.stepping.state import OpenAlarm, State, Timer

Out = list[Decision]

#: A note that goes on changing is told no more often than this. Source: product choice.
NOTE_EVERY_US = 60_000_000


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


def record(
    state: State,
    out: Out,
    slot: int,
    rule: int,
    what: Change,
    at: int,
    *,
    by: str = "",
    comment: str = "",
    expected: int = 0,
) -> OpenAlarm:
    """An open alarm's true state (state.phase), or what hides it, or what is said of it, is another now: keep and tell
    what it shows. One that is NORMAL now is open no longer."""
    if state.open[slot, rule].unsaid:
        _tell(state, out, slot, rule, at)
    shows, until = seen(state, slot, rule)
    alarm = state.open[slot, rule]
    who = by if what is Change.ACKNOWLEDGED else ("" if what is Change.REALARMED else alarm.acknowledged_by)
    alarm = msgspec.structs.replace(alarm, state=shows, changed=at, acknowledged_by=who, until=until)
    if shows is AlarmState.NORMAL:
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
        trial=alarm.trial,
        until=alarm.until,
        resolution=alarm.resolution if what is Change.RESOLVED else "",
    )


def told_first(alarm: OpenAlarm) -> AlarmRaised:
    """The decision that an alarm begins with."""
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
        trial=alarm.trial,
        incident=alarm.incident,
        until=alarm.until,
    )
