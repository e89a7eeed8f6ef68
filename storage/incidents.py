"""Incidents of the past, in the shape the engine gives live ones.
All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from access.ownership import EVERYTHING, Scope
from engine.messages import IncidentView, MarkView
from rules.decisions import IncidentChange, IncidentScope, Priority
from rules.instructions import FieldStep, Resolution
from storage.database import Connection, translated
from storage.scoped import OF_INCIDENT, condition
from storage.text import clean
from storage.times import as_datetime

#: An alarm joins again when it comes again; it stands where it first joined. The four steps are to be done each time
#: they are asked for.
_SELECT: LiteralString = (
    "SELECT i.incident, i.scope, i.key, davy_us(i.opened), i.priority, coalesce(e.alarms, '{}'),"
    " coalesce(a.device_no, 0), coalesce(d.identity, ''), coalesce(davy_us(o.at), 0),"
    " ARRAY(SELECT x.step FROM incident_event x WHERE x.incident = i.incident AND x.change = 'step done'"
    " AND (x.at, x.cycle, x.n) > (o.at, o.cycle, o.n)),"
    " coalesce(davy_us(i.over), 0), i.merged_into,"
    " ARRAY(SELECT p.incident FROM incident p WHERE p.merged_into = i.incident ORDER BY p.opened, p.incident),"
    " coalesce(davy_us(i.closed), 0), i.closed_by, i.resolution"
    " FROM incident i"
    " LEFT JOIN LATERAL (SELECT array_agg(x.alarm ORDER BY x.at, x.cycle, x.n)"
    " FILTER (WHERE x.change IN ('opened', 'joined') AND x.alarm <> '') AS alarms"
    " FROM incident_event x WHERE x.incident = i.incident) e ON true"
    " LEFT JOIN LATERAL (SELECT x.at, x.cycle, x.n FROM incident_event x WHERE x.incident = i.incident"
    " AND x.change = 'steps opened' ORDER BY x.at DESC, x.cycle DESC, x.n DESC LIMIT 1) o ON true"
    " LEFT JOIN alarm a ON a.alarm = e.alarms[1] LEFT JOIN device d ON d.device_no = a.device_no"
)

_ALL_OF_ITS_SITES: tuple[LiteralString, LiteralString] = (
    " AND (SELECT bool_and(coalesce(",
    ", false)) FROM incident_site o WHERE o.incident = i.incident)",
)


class IncidentKey(NamedTuple):
    """Where a page of incidents ended."""

    opened: int
    incident: str


@dataclass(frozen=True, slots=True)
class IncidentEvent:
    """One step of an incident; `id` is `engine:cycle:n`. As of rules.decisions.IncidentChanged."""

    id: str
    incident: str
    at: int
    change: IncidentChange
    priority: Priority
    alarm: str
    by: str
    comment: str
    quantity: str
    value: float | None
    step: str
    resolution: str
    into: str


async def incidents(
    connection: Connection,
    *,
    limit: int,
    from_us: int,
    to_us: int,
    after: IncidentKey | None = None,
    key: str | None = None,
    scope: IncidentScope | None = None,
    resolution: Resolution | None = None,
    within: Scope = EVERYTHING,
) -> list[IncidentView]:
    """Incidents opened with from <= opened < to, newest first, beginning after the key the last page ended with;
    without their marks. `within`: those of which every site lies there."""
    query: LiteralString = _SELECT + " WHERE i.opened >= %s AND i.opened < %s"
    values: list[Any] = [as_datetime(from_us), as_datetime(to_us)]
    if not within.everything:
        admitted, owners = condition(within, OF_INCIDENT)
        query += _ALL_OF_ITS_SITES[0] + admitted + _ALL_OF_ITS_SITES[1]
        values += owners
    if key is not None:
        query += " AND i.key = %s"
        values.append(clean(key))
    if scope is not None:
        query += " AND i.scope = %s"
        values.append(scope.value)
    if resolution is not None:
        query += " AND i.resolution = %s"
        values.append(resolution.value)
    if after is not None:
        query += " AND (i.opened < %s OR (i.opened = %s AND i.incident > %s))"
        values += [as_datetime(after.opened), as_datetime(after.opened), clean(after.incident)]
    with translated():
        cursor = await connection.execute(query + " ORDER BY i.opened DESC, i.incident LIMIT %s", (*values, limit))
        return [_incident(row, ()) for row in await cursor.fetchall()]


async def incident(connection: Connection, incident: str) -> IncidentView | None:
    """One incident by its id with what people did and said, or None."""
    with translated():
        row = await (await connection.execute(_SELECT + " WHERE i.incident = %s", (clean(incident),))).fetchone()
    if row is None:
        return None
    said = [event for event in await events(connection, incident) if event.by]
    return _incident(
        row, tuple(MarkView(e.at, e.change.value, e.by, e.comment, e.quantity, e.value, e.step) for e in said)
    )


async def events(connection: Connection, incident: str, *, limit: int = 1000) -> list[IncidentEvent]:
    """The steps of one incident, oldest first."""
    with translated():
        cursor = await connection.execute(
            "SELECT engine, cycle, n, incident, davy_us(at), change, priority, alarm, by, comment, quantity, value,"
            " step, resolution, merged_into FROM incident_event WHERE incident = %s ORDER BY at, cycle, n LIMIT %s",
            (clean(incident), limit),
        )
        return [_event(*row) for row in await cursor.fetchall()]


def _event(
    engine: str, cycle: int, n: int, incident: str, at: int, change: str, priority: int, alarm: str, by: str, *rest: Any
) -> IncidentEvent:
    return IncidentEvent(
        f"{engine}:{cycle}:{n}", incident, at, IncidentChange(change), Priority(priority), alarm, by, *rest
    )


def _incident(row: tuple[Any, ...], marks: tuple[MarkView, ...]) -> IncidentView:
    (name, scope, key, opened, priority, alarms, device_no, identity, opened_steps, done, *rest) = row
    over, into, parts, closed, closed_by, resolution = rest
    return IncidentView(
        incident=name,
        scope=IncidentScope(scope),
        key=key,
        opened=opened,
        priority=Priority(priority),
        alarms=tuple(dict.fromkeys(alarms)),
        device_no=device_no,
        identity=identity,
        steps=tuple(step for step in FieldStep if opened_steps and step.value not in done),
        opened_steps=opened_steps,
        over=over,
        into=into,
        parts=tuple(parts),
        marks=marks,
        closed=closed,
        closed_by=closed_by,
        resolution=resolution,
    )
