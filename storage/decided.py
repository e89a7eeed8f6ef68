"""Decisions into their tables, inside the caller's transaction.

Idempotent twice over: the cursor moves in the same transaction, and every event is keyed by engine:cycle:n. Rows of
`alarm`, `wanted`, `command`, `incident` and `permit` are what the events amount to; a change that comes without its
beginning (the database is younger than the alarm) makes the row.
"""

from collections.abc import Sequence
from typing import Any, LiteralString, assert_never

from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    Answered,
    AttemptRequested,
    CloseWanted,
    CommandStepped,
    FanWanted,
    IncidentChanged,
    PermitChanged,
    RuleNoted,
    ShutOffHeld,
    WantedEnded,
)
from storage import decided_alarms, decided_commands, decided_incidents, decided_permits
from storage.batch import Decided
from storage.database import Connection
from storage.decided_rows import Event, Row
from storage.text import clean
from storage.times import as_datetime

_NOTE: LiteralString = """
INSERT INTO rule_note (engine, cycle, n, at, rule, what, reverted)
VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_ANSWER: LiteralString = """
INSERT INTO answer (engine, cycle, n, id, at, accepted, reason, subject)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
#: Rows before the events that change them.
_ORDER: tuple[LiteralString, ...] = (
    *decided_alarms.ORDER,
    *decided_incidents.ORDER,
    *decided_permits.ORDER,
    *decided_commands.ORDER,
    _NOTE,
    _ANSWER,
)


async def write_decisions(connection: Connection, engine: str, decided: Sequence[Decided]) -> None:
    """All of them, in order. Raises psycopg.DataError or IntegrityError when the database refuses one."""
    values: dict[LiteralString, list[tuple[Any, ...]]] = {statement: [] for statement in _ORDER}
    for one in decided:
        for statement, row in _rows(one, (engine, one.cycle, one.n)):
            values[statement].append(row)
    async with connection.cursor() as cursor:
        for statement in _ORDER:
            if values[statement]:
                await cursor.executemany(statement, values[statement])


def _rows(one: Decided, event: Event) -> list[Row]:
    decision = one.decision
    match decision:
        case AlarmRaised():
            return decided_alarms.raised(decision, event)
        case AlarmChanged():
            return decided_alarms.changed(decision, event)
        case CloseWanted() | FanWanted() | WantedEnded():
            return decided_commands.wanted(decision)
        case AttemptRequested() | CommandStepped():
            return decided_commands.stepped(decision, event)
        case IncidentChanged():
            return decided_incidents.changed(decision, event)
        case PermitChanged():
            return decided_permits.changed(decision, event)
        case ShutOffHeld():
            return decided_permits.held(decision, event)
        case RuleNoted(rule=rule, what=what, reverted=reverted):
            return [(_NOTE, (*event, as_datetime(decision.at), clean(rule), clean(what), reverted))]
        case Answered(id=id, accepted=accepted):
            at, reason = as_datetime(decision.at), clean(decision.reason)
            return [(_ANSWER, (*event, clean(id), at, accepted, reason, clean(decision.subject)))]
        case _:
            assert_never(decision)
