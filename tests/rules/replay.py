"""What a follower knows who has only the decisions: the alarms and incidents they add up to."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    Change,
    Decision,
    IncidentChange,
    IncidentChanged,
    IncidentScope,
    Priority,
)
from rules.stepping.standing import Incident
from rules.stepping.state import OpenAlarm, State


@dataclass(frozen=True)
class Shown:
    """An alarm as it is shown."""

    rule: str
    device_no: int
    priority: Priority
    state: AlarmState
    until: int
    trial: bool
    acknowledged_by: str
    resolution: str
    note: str


@dataclass(frozen=True)
class Case:
    """An incident as it is shown. `marks`: how many words were said of it."""

    scope: IncidentScope
    key: str
    priority: Priority
    alarms: tuple[str, ...]
    over: bool
    into: str
    steps: tuple[str, ...]
    marks: int


def replayed(decisions: Iterable[Decision]) -> tuple[dict[str, Shown], dict[str, Case]]:
    """The open alarms and incidents, by id."""
    alarms: dict[str, Shown] = {}
    cases: dict[str, Case] = {}
    for one in decisions:
        if isinstance(one, AlarmRaised):
            alarms[one.alarm] = Shown(
                one.rule, one.device_no, one.priority, one.state, one.until, one.trial, "", "", one.note
            )
        elif isinstance(one, AlarmChanged):
            alarms[one.alarm] = _changed(alarms[one.alarm], one)
            if one.state is AlarmState.NORMAL:
                del alarms[one.alarm]
        elif isinstance(one, IncidentChanged):
            cases[one.incident] = _incident(cases.get(one.incident), one)
            if one.change is IncidentChange.CLOSED:
                del cases[one.incident]
    return alarms, cases


def _changed(alarm: Shown, one: AlarmChanged) -> Shown:
    who = alarm.acknowledged_by
    if one.change in (Change.ACKNOWLEDGED, Change.REALARMED):
        who = one.by if one.change is Change.ACKNOWLEDGED else ""
    return replace(
        alarm,
        priority=one.priority,
        state=one.state,
        until=one.until,
        trial=one.trial,
        acknowledged_by=who,
        resolution=one.resolution or alarm.resolution,
        note=one.comment if one.change in (Change.REALARMED, Change.NOTED) else alarm.note,
    )


_WORDS = (
    IncidentChange.DISPATCHED,
    IncidentChange.ARRIVED,
    IncidentChange.COMMENTED,
    IncidentChange.FIELD_READING,
    IncidentChange.STEP_DONE,
)
_FOUR = ("evacuate", "cordon", "close_upstream", "vent")


def _incident(case: Case | None, one: IncidentChanged) -> Case:
    if one.change is IncidentChange.OPENED:
        return Case(one.scope, one.key, one.priority, (one.alarm,), False, "", (), 0)
    assert case is not None
    case = replace(case, priority=one.priority, marks=case.marks + (one.change in _WORDS))
    if one.change is IncidentChange.JOINED:
        fresh = one.alarm not in case.alarms and case.scope is IncidentScope.SITE
        case = replace(case, over=False, alarms=(*case.alarms, one.alarm) if fresh else case.alarms)
    elif one.change is IncidentChange.OVER:
        case = replace(case, over=True)
    elif one.change is IncidentChange.MERGED:
        case = replace(case, into=one.into)
    elif one.change is IncidentChange.STEPS_OPENED:
        case = replace(case, steps=_FOUR)
    elif one.change is IncidentChange.STEP_DONE:
        case = replace(case, steps=tuple(step for step in case.steps if step != one.step))
    return case


def shown(state: State) -> tuple[dict[str, Shown], dict[str, Case]]:
    """The same, as the engine's memory has it."""
    return (
        {alarm.alarm: _shown(alarm) for alarm in state.alarms()},
        {one.incident: _case(one) for one in state.incidents.values()},
    )


def _shown(alarm: OpenAlarm) -> Shown:
    return Shown(
        alarm.rule,
        alarm.device_no,
        alarm.priority,
        alarm.state,
        alarm.until,
        alarm.trial,
        alarm.acknowledged_by,
        alarm.resolution,
        alarm.note,
    )


def _case(one: Incident) -> Case:
    return Case(
        one.scope, one.key, one.priority, one.alarms, bool(one.over), one.into, tuple(one.steps), len(one.marks)
    )
