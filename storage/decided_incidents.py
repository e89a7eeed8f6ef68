"""Decisions about incidents as rows of `incident` and `incident_event`."""

from typing import LiteralString

from rules.decisions import IncidentChange, IncidentChanged, IncidentScope
from storage.decided_rows import Event, Row
from storage.text import clean
from storage.times import as_datetime

_INCIDENT: LiteralString = """
INSERT INTO incident (incident, scope, key, priority, opened, changed, over, closed, closed_by, resolution, merged_into)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (incident) DO UPDATE SET
priority = excluded.priority, changed = excluded.changed,
over = CASE WHEN %s THEN excluded.over ELSE incident.over END,
closed = coalesce(excluded.closed, incident.closed),
closed_by = CASE WHEN excluded.closed IS NULL THEN incident.closed_by ELSE excluded.closed_by END,
resolution = CASE WHEN excluded.closed IS NULL THEN incident.resolution ELSE excluded.resolution END,
merged_into = CASE WHEN excluded.merged_into = '' THEN incident.merged_into ELSE excluded.merged_into END"""
_EVENT: LiteralString = """
INSERT INTO incident_event (engine, cycle, n, incident, at, change, priority, alarm, by, comment, quantity, value, step,
resolution, merged_into) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
#: Alarms that joined when they had been raised already. A larger incident is joined by its parts: what an alarm belongs
#: to is the incident of its site.
_JOIN: LiteralString = "UPDATE alarm SET incident = %s WHERE alarm = %s"
ORDER: tuple[LiteralString, ...] = (_INCIDENT, _EVENT, _JOIN)

_JOINS = (IncidentChange.OPENED, IncidentChange.JOINED)


def changed(decision: IncidentChanged, event: Event) -> list[Row]:
    at, change, priority = as_datetime(decision.at), decision.change, int(decision.priority)
    by, resolution = clean(decision.by), clean(decision.resolution)
    over = at if change is IncidentChange.OVER else None
    ended = (at, by, resolution) if change is IncidentChange.CLOSED else (None, "", "")
    # An alarm of it is active again: it is not over.
    tells = change is IncidentChange.OVER or change in _JOINS
    row = (decision.incident, decision.scope.value, clean(decision.key), priority, at, at, over, *ended, decision.into)
    said = (by, clean(decision.comment), clean(decision.quantity), decision.value, clean(decision.step), resolution)
    rows: list[Row] = [
        (_INCIDENT, (*row, tells)),
        (
            _EVENT,
            (*event, decision.incident, at, change.value, priority, decision.alarm, *said, decision.into),
        ),
    ]
    if decision.alarm and change in _JOINS and decision.scope is IncidentScope.SITE:
        rows.append((_JOIN, (decision.incident, decision.alarm)))
    return rows
