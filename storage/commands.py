"""Wanted positions and the attempts towards them, in the shape the engine gives live ones.
All of these raise DatabaseAway and DatabaseRefused."""

from collections.abc import Sequence
from typing import Any, LiteralString, NamedTuple

from devices.commands import Verb
from devices.quantities import Flag, ValvePosition
from engine.messages import StepView, WantedView
from rules.decisions import Outcome, Step
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

_SELECT: LiteralString = (
    "SELECT w.wanted, w.device_no, coalesce(d.identity, ''), w.site, w.epoch, w.reason, w.alarm, w.by,"
    " davy_us(w.since), coalesce(davy_us(w.confirm_by), 0), w.outcome, coalesce(davy_us(w.ended), 0),"
    " coalesce(davy_us(w.hears_by), 0), w.verb, coalesce(l.valve, 0), coalesce(l.flags, 0)"
    " FROM wanted w LEFT JOIN device d USING (device_no) LEFT JOIN device_latest l USING (device_no)"
)


class WantedKey(NamedTuple):
    """Where a page of wanted positions ended."""

    since: int
    wanted: str


async def wanted(connection: Connection, wanted: str) -> WantedView | None:
    """One wanted position with every step of every attempt, or None."""
    with translated():
        row = await (await connection.execute(_SELECT + " WHERE w.wanted = %s", (clean(wanted),))).fetchone()
        if row is None:
            return None
        return (await _with_steps(connection, [row]))[0]


async def history(
    connection: Connection,
    *,
    limit: int,
    from_us: int,
    to_us: int,
    after: WantedKey | None = None,
    device_no: int | None = None,
) -> list[WantedView]:
    """Wanted positions with from <= since < to, newest first, beginning after the key the last page ended with."""
    query: LiteralString = _SELECT + " WHERE w.since >= %s AND w.since < %s"
    values: list[Any] = [as_datetime(from_us), as_datetime(to_us)]
    if device_no is not None:
        query += " AND w.device_no = %s"
        values.append(device_no)
    if after is not None:
        query += " AND (w.since < %s OR (w.since = %s AND w.wanted > %s))"
        values += [as_datetime(after.since), as_datetime(after.since), clean(after.wanted)]
    with translated():
        cursor = await connection.execute(query + " ORDER BY w.since DESC, w.wanted LIMIT %s", (*values, limit))
        return await _with_steps(connection, await cursor.fetchall())


async def _with_steps(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> list[WantedView]:
    cursor = await connection.execute(
        "SELECT s.wanted, s.command, coalesce(c.attempt, 0), s.step, davy_us(s.at), s.note"
        " FROM command_step s LEFT JOIN command c USING (command) WHERE s.wanted = ANY(%s) ORDER BY s.at, s.cycle, s.n",
        ([row[0] for row in rows],),
    )
    steps: dict[str, list[StepView]] = {}
    for of, command, attempt, step, at, note in await cursor.fetchall():
        steps.setdefault(of, []).append(StepView(command, attempt, Step(step), at, note))
    return [_wanted(row, tuple(steps.get(row[0], ()))) for row in rows]


def _wanted(row: tuple[Any, ...], steps: tuple[StepView, ...]) -> WantedView:
    number, device_no, identity, site, epoch, reason, alarm, by, since, confirm_by, outcome, ended, *rest = row
    hears_by, verb, valve, flags = rest
    # A reading in which nobody was heard says nothing of where the valve stands.
    position = ValvePosition.UNKNOWN if flags & Flag.STALE else ValvePosition(valve)
    return WantedView(
        wanted=number,
        device_no=device_no,
        identity=identity,
        site=site,
        epoch=epoch,
        reason=reason,
        alarm=alarm,
        by=by,
        since=since,
        confirm_by=confirm_by,
        outcome=Outcome(outcome) if outcome else None,
        ended=ended,
        position=position,
        steps=steps,
        hears_by=hears_by,
        verb=Verb(verb),
    )
