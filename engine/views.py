"""What the rules' memory looks like from outside: alarms and wanted positions as the door tells them."""

from engine.memory import Memory
from engine.messages import AlarmView, StepView, WantedView
from rules.state import OpenAlarm, Wanted


def alarm_views(memory: Memory, alarm: str = "") -> tuple[AlarmView, ...]:
    """Every alarm that is not NORMAL, worst and oldest first; or one by its id, or none."""
    if alarm:
        place = memory.state.by_alarm.get(alarm)
        return (_alarm(memory.state.open[place]),) if place else ()
    alarms = sorted(memory.state.alarms(), key=lambda one: (one.priority, one.onset, one.alarm))
    return tuple(_alarm(one) for one in alarms)


def wanted_views(memory: Memory, wanted: str) -> tuple[WantedView, ...]:
    """One by its id (or none), or all that are kept when `wanted` is empty; newest first."""
    if not wanted:
        return tuple(_wanted(one) for one in memory.state.wanted())
    found = memory.state.find_wanted(wanted)
    return (_wanted(found),) if found else ()


def _alarm(one: OpenAlarm) -> AlarmView:
    return AlarmView(
        alarm=one.alarm,
        rule=one.rule,
        device_no=one.device_no,
        identity=one.identity,
        site=one.site,
        priority=one.priority,
        state=one.state,
        onset=one.onset,
        raised=one.raised,
        changed=one.changed,
        quantity=one.quantity,
        value=one.value,
        late=one.late,
        because=one.because,
        acknowledged_by=one.acknowledged_by,
        note=one.note,
        expected=one.expected,
    )


def _wanted(one: Wanted) -> WantedView:
    return WantedView(
        wanted=one.wanted,
        device_no=one.device_no,
        identity=one.identity,
        site=one.site,
        epoch=one.epoch,
        reason=one.reason,
        alarm=one.alarm,
        by=one.by,
        since=one.since,
        confirm_by=one.confirm_by,
        outcome=one.outcome,
        ended=one.ended,
        position=one.position,
        steps=tuple(StepView(s.command, s.attempt, s.step, s.at, s.note) for s in one.steps),
        hears_by=one.hears_by,
    )
