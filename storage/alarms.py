"""Alarms of the past, in the shape the engine gives live ones. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from access.ownership import EVERYTHING, Owner, Scope
from engine.messages import AlarmView
from rules.decisions import AlarmState, Priority
from storage.database import Connection, translated
from storage.scoped import OF_ALARM, condition
from storage.text import clean
from storage.times import as_datetime

_SELECT: LiteralString = (
    "SELECT a.alarm, a.rule, a.device_no, coalesce(d.identity, ''), a.site, a.priority, a.state, davy_us(a.onset),"
    " davy_us(a.raised), davy_us(a.changed), a.quantity, a.value, a.late, a.because, a.acknowledged_by, a.note,"
    " coalesce(davy_us(a.expected), 0), a.trial, a.incident, a.resolution, coalesce(davy_us(a.until), 0),"
    " a.enterprise, a.manager, a.area, a.vendor, coalesce(d.installer, '')"
    " FROM alarm a LEFT JOIN device d USING (device_no)"
)


#: Under these the true state is another, which only the engine knows.
_HIDING = (AlarmState.SHELVED, AlarmState.SUPPRESSED, AlarmState.OUT_OF_SERVICE)


class AlarmKey(NamedTuple):
    """Where a page of alarms ended."""

    raised: int
    alarm: str


@dataclass(frozen=True, slots=True)
class AlarmEvent:
    """One step of an alarm; `id` is `engine:cycle:n`. `change` is `raised`, or a word of rules.decisions.Change."""

    id: str
    alarm: str
    at: int
    change: str
    state: AlarmState
    by: str
    comment: str
    #: As it was then; None: stored before this was kept.
    priority: Priority | None = None
    trial: bool = False
    #: Until when it was shelved or taken out of service; 0: without a limit, or neither.
    until: int = 0
    resolution: str = ""


async def alarms(
    connection: Connection,
    *,
    limit: int,
    from_us: int,
    to_us: int,
    after: AlarmKey | None = None,
    device_no: int | None = None,
    site: str | None = None,
    state: AlarmState | None = None,
    priority: Priority | None = None,
    incident: str | None = None,
    trial: bool | None = None,
    within: Scope = EVERYTHING,
) -> list[AlarmView]:
    """Alarms raised with from <= raised < to, newest first, beginning after the key the last page ended with."""
    admitted, owners = condition(within, OF_ALARM)
    query: LiteralString = _SELECT + " WHERE a.raised >= %s AND a.raised < %s AND " + admitted
    values: list[Any] = [as_datetime(from_us), as_datetime(to_us), *owners]
    if device_no is not None:
        query += " AND a.device_no = %s"
        values.append(device_no)
    if site is not None:
        query += " AND a.site = %s"
        values.append(clean(site))
    if state is not None:
        query += " AND a.state = %s"
        values.append(int(state))
    if priority is not None:
        query += " AND a.priority = %s"
        values.append(int(priority))
    if incident is not None:
        query += " AND a.incident <> '' AND a.incident = %s"
        values.append(clean(incident))
    if trial is not None:
        query += " AND a.trial = %s"
        values.append(trial)
    if after is not None:
        query += " AND (a.raised < %s OR (a.raised = %s AND a.alarm > %s))"
        values += [as_datetime(after.raised), as_datetime(after.raised), clean(after.alarm)]
    with translated():
        cursor = await connection.execute(query + " ORDER BY a.raised DESC, a.alarm LIMIT %s", (*values, limit))
        return [_alarm(row) for row in await cursor.fetchall()]


async def alarm(connection: Connection, alarm: str) -> AlarmView | None:
    """One alarm by its id, or None."""
    with translated():
        row = await (await connection.execute(_SELECT + " WHERE a.alarm = %s", (clean(alarm),))).fetchone()
    return _alarm(row) if row else None


async def events(connection: Connection, alarm: str, *, limit: int = 1000) -> list[AlarmEvent]:
    """The steps of one alarm, oldest first."""
    with translated():
        cursor = await connection.execute(
            "SELECT engine, cycle, n, alarm, davy_us(at), change, state, by, comment, priority, trial,"
            " coalesce(davy_us(until), 0), resolution FROM alarm_event WHERE alarm = %s ORDER BY at, cycle, n LIMIT %s",
            (clean(alarm), limit),
        )
        return [_event(*row) for row in await cursor.fetchall()]


def _event(engine: str, cycle: int, n: int, alarm: str, at: int, change: str, state: int, *rest: Any) -> AlarmEvent:
    by, comment, priority, trial, until, resolution = rest
    return AlarmEvent(
        id=f"{engine}:{cycle}:{n}",
        alarm=alarm,
        at=at,
        change=change,
        state=AlarmState(state),
        by=by,
        comment=comment,
        priority=None if priority is None else Priority(priority),
        trial=trial,
        until=until,
        resolution=resolution,
    )


def _alarm(row: tuple[Any, ...]) -> AlarmView:
    (number, rule, device_no, identity, site, priority, state, onset, raised, changed, *rest) = row
    quantity, value, late, because, acknowledged_by, note, expected, trial, incident, resolution, until, *of = rest
    shown = AlarmState(state)
    return AlarmView(
        alarm=number,
        rule=rule,
        device_no=device_no,
        identity=identity,
        site=site,
        priority=Priority(priority),
        state=shown,
        onset=onset,
        raised=raised,
        changed=changed,
        quantity=quantity,
        value=value,
        late=late,
        because=because,
        acknowledged_by=acknowledged_by,
        note=note,
        expected=expected,
        trial=trial,
        incident=incident,
        resolution=resolution,
        until=until,
        true_state=None if shown in _HIDING else shown,
        owner=Owner(site, *of),
    )
