"""What people say of an incident, and of an alarm: who is sent, who is there, what was done, what it was.

W1  Whoever speaks of an incident that is not open, or repeats himself, is told so.
W2  An incident is closed when none of its alarms, and of its parts', is active and none of the four steps is left.
    Closing a larger one closes its parts.
W3  What an alarm was changes no state of it.
"""

import msgspec

from rules.decisions import Change, IncidentChange
from rules.incidents import field
from rules.incidents import life as incident_life
from rules.incidents import marks as incident_marks
from rules.incidents.life import tell
from rules.incidents.words import clock, is_blank, too_long
from rules.instructions import Arrived, CloseIncident, Comment, Dispatched, FieldReading, Resolve, StepDone
from rules.life.alarms import Out, no_open_alarm
from rules.life.showing import record
from rules.stepping.standing import FieldMark
from rules.stepping.state import State


def dispatched(state: State, out: Out, said: Dispatched) -> str:
    """Returns why not, or empty."""
    if is_blank(said.crew):
        return "say who was sent"
    words = f"{said.crew}: {said.comment}" if said.comment else said.crew
    return _mark(state, out, said.incident, IncidentChange.DISPATCHED, said.at, said.by, words)


def arrived(state: State, out: Out, said: Arrived) -> str:
    """As dispatched."""
    return _mark(state, out, said.incident, IncidentChange.ARRIVED, said.at, said.by, said.comment)


def field_reading(state: State, out: Out, said: FieldReading) -> str:
    """As dispatched."""
    incident = state.incidents.get(said.incident)
    if incident is None:
        return _not_open(said.incident)
    return field.reading(state, out, incident, said)


def step_done(state: State, out: Out, said: StepDone) -> str:
    """As dispatched."""
    incident = state.incidents.get(said.incident)
    if incident is None:
        return _not_open(said.incident)
    if not incident.opened_steps:
        return "the four steps were not asked for: no reading on site has reached the limit"
    if said.step not in incident.steps:
        return f"the step {said.step} is done already"
    if refused := too_long(said.comment):
        return refused
    left = tuple(step for step in incident.steps if step is not said.step)
    incident = msgspec.structs.replace(incident, steps=left)
    what = f"{IncidentChange.STEP_DONE}: {said.step}"
    incident = incident_marks.keep(state, incident, FieldMark(said.at, what, said.by, said.comment))
    tell(out, incident, IncidentChange.STEP_DONE, said.at, by=said.by, comment=said.comment, step=said.step)
    return ""


def close(state: State, out: Out, said: CloseIncident) -> str:
    """As dispatched."""
    if said.incident not in state.incidents:
        return _not_open(said.incident)
    family = incident_life.family(state, said.incident)
    refused = _may_not_close(state, family) or too_long(said.comment)
    if refused:
        return refused
    for name in family:
        incident = state.incidents[name]
        incident_life.forget(state, name)
        tell(
            out,
            incident,
            IncidentChange.CLOSED,
            said.at,
            by=said.by,
            comment=said.comment,
            resolution=said.resolution,
        )
    return ""


def _may_not_close(state: State, family: list[str]) -> str:
    active = [alarm for name in family for alarm in incident_life.gathered(state).active.get(name, ())]
    if active:
        first = min((state.open[state.by_alarm[alarm]] for alarm in active), key=lambda one: (one.raised, one.alarm))
        many = "an alarm" if len(active) == 1 else f"{len(active)} alarms"
        return f"{many} of it still active, {first.rule} at {first.identity} since {clock(first.onset)}"
    for incident in (state.incidents[name] for name in family):
        if incident.steps:
            return f"{', '.join(incident.steps)} not done at {incident.key}"
    return ""


def comment(state: State, out: Out, said: Comment) -> str:
    """On an alarm or an incident."""
    if is_blank(said.text):
        return "the comment is empty"
    place = state.by_alarm.get(said.subject)
    if place is None and said.subject not in state.incidents:
        return f"there is no open alarm or incident {said.subject!r}"
    if refused := too_long(said.text):
        return refused
    if place is None:
        return _mark(state, out, said.subject, IncidentChange.COMMENTED, said.at, said.by, said.text)
    record(state, out, *place, Change.COMMENTED, said.at, by=said.by, comment=said.text)
    return ""


def resolve(state: State, out: Out, said: Resolve) -> str:
    """What an alarm was (W3)."""
    place = state.by_alarm.get(said.alarm)
    if place is None:
        return no_open_alarm(said.alarm) + "; closing its incident says what it was"
    alarm = state.open[place]
    if alarm.resolution == said.resolution:
        return f"it is said to be {said.resolution} already"
    if refused := too_long(said.comment):
        return refused
    state.open[place] = msgspec.structs.replace(alarm, resolution=said.resolution)
    record(state, out, *place, Change.RESOLVED, said.at, by=said.by, comment=said.comment)
    return ""


def _mark(state: State, out: Out, name: str, what: IncidentChange, at: int, by: str, words: str) -> str:
    """Keep and tell what was said of an incident. Returns why not, or empty."""
    incident = state.incidents.get(name)
    if incident is None:
        return _not_open(name)
    mark = FieldMark(at, what, by, words)
    refused = too_long(words) or incident_marks.said_already(incident, mark)
    if refused:
        return refused
    tell(out, incident_marks.keep(state, incident, mark), what, at, by=by, comment=words)
    return ""


def _not_open(incident: str) -> str:
    return f"there is no open incident {incident!r}; it may be closed"


def reshaped(state: State, out: Out, now: int) -> None:
    """The registry or the rules are others now. An incident whose device is gone is known by another of its alarms."""
    state.gathered = None
    gone = [one for one in state.incidents.values() if state.fleet.devices[one.slot] is None]
    if not gone:
        return
    elsewhere: dict[str, int] = {}
    for alarm in state.open.values():
        elsewhere.setdefault(alarm.incident, alarm.slot)
    for incident in gone:
        slot = elsewhere.get(incident.incident, incident.slot)
        state.incidents[incident.incident] = msgspec.structs.replace(incident, slot=slot)


def remind_all(state: State) -> None:
    """Nothing about incidents falls due."""
