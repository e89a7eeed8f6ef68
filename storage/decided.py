"""Decisions into the tables of alarms and commands, inside the caller's transaction.

Idempotent twice over: the cursor moves in the same transaction, and every event is keyed by engine:cycle:n. Rows of
`alarm`, `wanted` and `command` are what the events amount to; a change that comes without its beginning (the database
is younger than the alarm) makes the row.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, LiteralString

from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    AttemptRequested,
    Change,
    CloseWanted,
    CommandStepped,
    Step,
    WantedEnded,
)
from storage.batch import Decided
from storage.database import Connection
from storage.text import clean
from storage.times import as_datetime

_RAISE: LiteralString = """
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, quantity, value, late,
because, note, expected) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (alarm) DO NOTHING"""
_CHANGE: LiteralString = """
INSERT INTO alarm (alarm, rule, device_no, site, priority, state, onset, raised, changed, acknowledged_by, note,
expected) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (alarm) DO UPDATE SET
priority = excluded.priority, state = excluded.state, changed = excluded.changed,
acknowledged_by = CASE WHEN %s THEN excluded.acknowledged_by ELSE alarm.acknowledged_by END,
note = CASE WHEN %s THEN excluded.note ELSE alarm.note END,
expected = CASE WHEN %s THEN excluded.expected ELSE alarm.expected END"""
_ALARM_EVENT: LiteralString = """
INSERT INTO alarm_event (engine, cycle, n, alarm, at, change, state, by, comment)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_WANT: LiteralString = """
INSERT INTO wanted (wanted, device_no, epoch, reason, alarm, by, since, confirm_by, hears_by)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (wanted) DO NOTHING"""
_END: LiteralString = """
INSERT INTO wanted (wanted, device_no, epoch, reason, since, outcome, ended, ended_by, comment)
VALUES (%s, %s, 0, '', %s, %s, %s, %s, %s) ON CONFLICT (wanted) DO UPDATE SET outcome = excluded.outcome,
ended = excluded.ended, ended_by = excluded.ended_by, comment = excluded.comment"""
_COMMAND: LiteralString = """
INSERT INTO command (command, wanted, device_no, epoch, attempt, requested, expires, reason)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (command) DO NOTHING"""
_STEP: LiteralString = """
INSERT INTO command_step (engine, cycle, n, command, wanted, at, step, note)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_ANSWER: LiteralString = """
INSERT INTO answer (engine, cycle, n, id, at, accepted, reason, subject)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
#: Rows before the events that change them.
_ORDER: tuple[LiteralString, ...] = (_RAISE, _CHANGE, _ALARM_EVENT, _WANT, _END, _COMMAND, _STEP, _ANSWER)


async def write_decisions(connection: Connection, engine: str, decided: Sequence[Decided]) -> None:
    """All of them, in order. Raises psycopg.DataError or IntegrityError when the database refuses one."""
    values: dict[LiteralString, list[tuple[Any, ...]]] = {statement: [] for statement in _ORDER}
    for one in decided:
        for statement, row in _rows(engine, one):
            values[statement].append(row)
    async with connection.cursor() as cursor:
        for statement in _ORDER:
            if values[statement]:
                await cursor.executemany(statement, values[statement])


def _rows(engine: str, one: Decided) -> list[tuple[LiteralString, tuple[Any, ...]]]:
    decision, event = one.decision, (engine, one.cycle, one.n)
    at = as_datetime(decision.at)
    match decision:
        case AlarmRaised() | AlarmChanged():
            return _alarm_rows(decision, event)
        case CloseWanted(wanted=wanted, device_no=device_no, epoch=epoch, alarm=alarm):
            due, hears_by = _or_none(decision.confirm_by), _or_none(decision.hears_by)
            reason, by = clean(decision.reason), clean(decision.by)
            return [(_WANT, (wanted, device_no, epoch, reason, alarm, by, at, due, hears_by))]
        case WantedEnded(wanted=wanted, device_no=device_no, outcome=outcome):
            ended = (wanted, device_no, at, outcome.value, at, clean(decision.by), clean(decision.comment))
            return [(_END, ended)]
        case AttemptRequested(command=command, wanted=wanted, device_no=device_no, epoch=epoch, attempt=attempt):
            expires, reason = as_datetime(decision.expires), clean(decision.reason)
            return [
                (_COMMAND, (command, wanted, device_no, epoch, attempt, at, expires, reason)),
                (_STEP, (*event, command, wanted, at, Step.REQUESTED.value, reason)),
            ]
        case CommandStepped(command=command, wanted=wanted, step=step):
            return [(_STEP, (*event, command, wanted, at, step.value, clean(decision.note)))]
        case Answered(id=id, accepted=accepted):
            return [(_ANSWER, (*event, clean(id), at, accepted, clean(decision.reason), clean(decision.subject)))]


def _alarm_rows(
    decision: AlarmRaised | AlarmChanged, event: tuple[str, int, int]
) -> list[tuple[LiteralString, tuple[Any, ...]]]:
    at, onset = as_datetime(decision.at), as_datetime(decision.onset)
    alarm, state = decision.alarm, int(decision.state)
    who = (alarm, clean(decision.rule), decision.device_no, clean(decision.site), int(decision.priority), state, onset)
    if isinstance(decision, AlarmRaised):
        rest = (at, at, clean(decision.quantity), decision.value, decision.late, decision.because)
        more = (clean(decision.note), _or_none(decision.expected))
        return [(_RAISE, who + rest + more), (_ALARM_EVENT, (*event, alarm, at, "raised", state, "", ""))]
    by, comment = clean(decision.by), clean(decision.comment)
    # The comment of an alarm that comes back, or says something else, is its note now; one that comes back has been
    # acknowledged by nobody.
    again = decision.change is Change.REALARMED
    noted = again or decision.change is Change.NOTED
    signed = again or decision.change is Change.ACKNOWLEDGED
    signer = by if decision.change is Change.ACKNOWLEDGED else ""
    now = (comment, _or_none(decision.expected)) if noted else ("", None)
    return [
        (_CHANGE, (*who, at, at, signer, *now, signed, noted, noted)),
        (_ALARM_EVENT, (*event, alarm, at, decision.change.value, state, by, comment)),
    ]


def _or_none(time_us: int) -> datetime | None:
    """0 says that there is no such time."""
    return as_datetime(time_us) if time_us else None
