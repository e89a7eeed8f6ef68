"""Decisions about alarms as rows of `alarm` and `alarm_event`."""

from typing import LiteralString

from rules.decisions import AlarmChanged, AlarmRaised, Change
from storage.decided_rows import Event, Row, or_none
from storage.text import clean
from storage.times import as_datetime

_RAISE: LiteralString = """
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, quantity, value, late,
because, note, expected, trial, incident, until)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (alarm) DO NOTHING"""
#: A change always says state, priority, trial and limit; of the rest, whether it says anything (the flags at the end).
_CHANGE: LiteralString = """
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, trial, acknowledged_by, note,
expected, until, resolution) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (alarm) DO UPDATE SET
priority = excluded.priority, state = excluded.state, changed = excluded.changed, trial = excluded.trial,
until = excluded.until,
acknowledged_by = CASE WHEN %s THEN excluded.acknowledged_by ELSE alarm.acknowledged_by END,
note = CASE WHEN %s THEN excluded.note ELSE alarm.note END,
expected = CASE WHEN %s THEN excluded.expected ELSE alarm.expected END,
resolution = CASE WHEN %s THEN excluded.resolution ELSE alarm.resolution END"""
_EVENT: LiteralString = """
INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment, priority, trial, until, resolution)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
ORDER: tuple[LiteralString, ...] = (_RAISE, _CHANGE, _EVENT)

#: What stands in `change` of the first event.
RAISED = "raised"


def raised(decision: AlarmRaised, event: Event) -> list[Row]:
    at, state, priority = as_datetime(decision.at), int(decision.state), int(decision.priority)
    who = (decision.alarm, clean(decision.rule), decision.device_no, clean(decision.site))
    how = (priority, state, as_datetime(decision.onset), at, at, clean(decision.quantity), decision.value)
    more = (decision.late, decision.because, clean(decision.note), or_none(decision.expected))
    until = or_none(decision.until)
    last = (decision.trial, decision.incident, until)
    return [
        (_RAISE, (*who, *how, *more, *last)),
        (_EVENT, (*event, decision.alarm, at, RAISED, state, "", "", priority, decision.trial, until, "")),
    ]


def changed(decision: AlarmChanged, event: Event) -> list[Row]:
    at, state, priority = as_datetime(decision.at), int(decision.state), int(decision.priority)
    who = (decision.alarm, clean(decision.rule), decision.device_no, clean(decision.site))
    how = (priority, state, as_datetime(decision.onset), at, at, decision.trial)
    by, comment = clean(decision.by), clean(decision.comment)
    # The comment of an alarm that comes back, or says something else, is its note now; one that comes back has been
    # acknowledged by nobody.
    again = decision.change is Change.REALARMED
    noted = again or decision.change is Change.NOTED
    signed = again or decision.change is Change.ACKNOWLEDGED
    signer = by if decision.change is Change.ACKNOWLEDGED else ""
    now = (comment, or_none(decision.expected)) if noted else ("", None)
    until = or_none(decision.until)
    found = decision.change is Change.RESOLVED
    says = (signed, noted, noted, found)
    return [
        (_CHANGE, (*who, *how, signer, *now, until, clean(decision.resolution) if found else "", *says)),
        (
            _EVENT,
            (
                *event,
                decision.alarm,
                at,
                decision.change.value,
                state,
                by,
                comment,
                priority,
                decision.trial,
                until,
                clean(decision.resolution),
            ),
        ),
    ]
