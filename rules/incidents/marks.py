"""What people said of an incident, kept with it: the last MOST_MARKS, and every reading on site that still counts."""

import msgspec

from rules.decisions import IncidentChange
from rules.incidents.words import MICROSECONDS, clock
from rules.stepping.standing import FieldMark, Incident
from rules.stepping.state import State

#: Marks an incident keeps; the journal and the database have them all. Source: product choice.
MOST_MARKS = 200
#: The same words by the same person within this time are one thing said twice. Source: product choice.
SAME_WORDS_US = 60 * MICROSECONDS


def said_already(incident: Incident, mark: FieldMark) -> str:
    """Why this need not be said again, or empty."""
    for before in reversed(incident.marks):
        if before.at + SAME_WORDS_US < mark.at:
            break
        if msgspec.structs.replace(before, at=mark.at) == mark:
            return f"{mark.by} said the same already, at {clock(before.at)}"
    return ""


def keep(state: State, incident: Incident, mark: FieldMark) -> Incident:
    """The incident with one mark more, the oldest gone that says nothing of now."""
    marks = (*incident.marks, mark)
    if len(marks) > MOST_MARKS:
        newest = {*newest_readings(marks).values()}
        drop = next((at for at, one in enumerate(marks[:-1]) if one not in newest), 0)
        marks = marks[:drop] + marks[drop + 1 :]
    found = state.incidents[incident.incident] = msgspec.structs.replace(incident, marks=marks)
    return found


def newest_readings(marks: tuple[FieldMark, ...]) -> dict[tuple[str, str], FieldMark]:
    """What was measured last, by quantity and place."""
    return {(one.quantity, one.comment): one for one in marks if one.what == IncidentChange.FIELD_READING}
