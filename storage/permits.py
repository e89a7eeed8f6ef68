"""Permits and shut-offs held back, of the past. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString, NamedTuple

from access.ownership import EVERYTHING, Scope
from engine.messages import PermitView
from rules.decisions import HeldChange, PermitState
from storage.database import Connection, translated
from storage.scoped import OF_HELD, OF_PERMIT, condition
from storage.text import clean
from storage.times import as_datetime

_SELECT: LiteralString = (
    "SELECT p.permit, p.device_no, coalesce(d.identity, ''), p.site, p.state, davy_us(p.requested),"
    " p.requested_by, p.reason, p.epoch, coalesce(davy_us(p.expires), 0), p.approved_by,"
    " coalesce(davy_us(p.granted), 0), coalesce(davy_us(p.ended), 0), p.ended_by, p.comment, p.combustible_lel"
    " FROM permit p LEFT JOIN device d USING (device_no)"
)

_HELD: LiteralString = (
    "SELECT davy_us(h.at), h.engine, h.cycle, h.n, h.rule, h.device_no, coalesce(d.identity, ''),"
    " h.site, h.alarm, h.change, h.value, h.reason, h.by"
    " FROM shut_off_held h LEFT JOIN device d USING (device_no) WHERE h.at >= %s AND h.at < %s AND "
)


class PermitKey(NamedTuple):
    """Where a page of permits ended."""

    requested: int
    permit: str


@dataclass(frozen=True, slots=True)
class PermitEvent:
    """One step of a permit; `id` is `engine:cycle:n`. As of rules.decisions.PermitChanged."""

    id: str
    at: int
    state: PermitState
    epoch: int
    expires: int
    by: str
    comment: str
    combustible_lel: float | None


class HeldKey(NamedTuple):
    """Where a page of held shut-offs ended: at an event."""

    at: int
    engine: str
    cycle: int
    n: int


@dataclass(frozen=True, slots=True)
class HeldEvent:
    """A shut-off was held, or is held no more. device_no, identity: the valve's. As of rules.decisions.ShutOffHeld."""

    key: HeldKey
    rule: str
    device_no: int
    identity: str
    site: str
    alarm: str
    change: HeldChange
    value: float | None
    reason: str
    by: str

    @property
    def id(self) -> str:
        return f"{self.key.engine}:{self.key.cycle}:{self.key.n}"


async def permits(
    connection: Connection,
    *,
    limit: int,
    from_us: int,
    to_us: int,
    after: PermitKey | None = None,
    device_no: int | None = None,
    within: Scope = EVERYTHING,
) -> list[PermitView]:
    """Permits requested with from <= requested < to, newest first, beginning after the key the last page ended with."""
    admitted, owners = condition(within, OF_PERMIT)
    query: LiteralString = _SELECT + " WHERE p.requested >= %s AND p.requested < %s AND " + admitted
    values: list[Any] = [as_datetime(from_us), as_datetime(to_us), *owners]
    if device_no is not None:
        query += " AND p.device_no = %s"
        values.append(device_no)
    if after is not None:
        query += " AND (p.requested < %s OR (p.requested = %s AND p.permit > %s))"
        values += [as_datetime(after.requested), as_datetime(after.requested), clean(after.permit)]
    with translated():
        cursor = await connection.execute(query + " ORDER BY p.requested DESC, p.permit LIMIT %s", (*values, limit))
        return [_permit(row) for row in await cursor.fetchall()]


async def permit(connection: Connection, permit: str) -> PermitView | None:
    """One permit by its id, or None."""
    with translated():
        row = await (await connection.execute(_SELECT + " WHERE p.permit = %s", (clean(permit),))).fetchone()
    return _permit(row) if row else None


async def permit_events(connection: Connection, permit: str) -> list[PermitEvent]:
    """The steps of one permit, oldest first."""
    with translated():
        cursor = await connection.execute(
            "SELECT engine, cycle, n, davy_us(at), state, epoch, coalesce(davy_us(expires), 0), by, comment,"
            " combustible_lel FROM permit_event WHERE permit = %s ORDER BY at, cycle, n",
            (clean(permit),),
        )
        return [
            PermitEvent(f"{engine}:{cycle}:{n}", at, PermitState(state), *rest)
            for engine, cycle, n, at, state, *rest in await cursor.fetchall()
        ]


async def held(
    connection: Connection,
    *,
    limit: int,
    from_us: int,
    to_us: int,
    after: HeldKey | None = None,
    rule: str | None = None,
    alarm: str | None = None,
    within: Scope = EVERYTHING,
) -> list[HeldEvent]:
    """What became of shut-offs with from <= at < to, newest first, beginning after the key the last page ended with."""
    admitted, owners = condition(within, OF_HELD)
    query: LiteralString = _HELD + admitted
    values: list[Any] = [as_datetime(from_us), as_datetime(to_us), *owners]
    if rule is not None:
        query += " AND h.rule = %s"
        values.append(clean(rule))
    if alarm is not None:
        query += " AND h.alarm = %s"
        values.append(clean(alarm))
    if after is not None:
        query += " AND (h.at, h.engine, h.cycle, h.n) < (%s, %s, %s, %s)"
        values += [as_datetime(after.at), clean(after.engine), after.cycle, after.n]
    with translated():
        cursor = await connection.execute(
            query + " ORDER BY h.at DESC, h.engine DESC, h.cycle DESC, h.n DESC LIMIT %s", (*values, limit)
        )
        return [_held(row) for row in await cursor.fetchall()]


def _permit(row: tuple[Any, ...]) -> PermitView:
    name, device_no, identity, site, state, *rest = row
    return PermitView(name, device_no, identity, site, PermitState(state), *rest)


def _held(row: tuple[Any, ...]) -> HeldEvent:
    at, engine, cycle, n, rule, device_no, identity, site, alarm, change, *rest = row
    key = HeldKey(at, engine, cycle, n)
    return HeldEvent(key, rule, device_no, identity, site, alarm, HeldChange(change), *rest)
