"""What the worker of webhooks does in the database: deliveries made of the feed, those that are due, and what became of
each. (W1 to W3 stand in storage/webhooks.py.) Raises DatabaseAway, DatabaseRefused.

D1  Only one worker is at it, over all processes: a lock of the session, which goes with the connection. So nothing has
    to be claimed, and what a killed worker had begun is begun again at once.
D2  The feed is read in the grantor's name, and the deliveries are made in the same transaction in the house's own.
D3  A grant that does not count any more, or of which one party is gone, makes no delivery and sends none, however long
    one has waited.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec
from psycopg import sql

from access.audit_chain import Plain
from access.enterprises import EnterpriseKind
from access.sharing import given
from engine.times import rfc3339
from storage.audit import Said, record
from storage.change_feed import LATEST_US, RESOURCES, Event, Place, Within, ends, events, reach
from storage.database import Connection, translated
from storage.tenants import Roles, Tenant, search_path
from storage.times import as_datetime
from storage.webhooks import KEPT_S, OFF_AFTER_S, PAUSES_S

#: Events of one transaction at most, and what may wait for one webhook: then its place waits too (product choices;
#: 10,000 messages are some 5 MiB).
_MOST_EVENTS, MOST_WAITING = 200, 10_000
#: Messages to one webhook in a turn, and in all.
_OF_ONE, _OF_ALL = 8, 256
#: While a receiver is away its other messages wait with the one that found it out, so long at most.
_WITH_IT_S = 60
#: HTTP 410: the receiver wants no more (Standard Webhooks, "Disabling endpoints").
_GONE = 410
_LOCK: LiteralString = "SELECT pg_try_advisory_lock(hashtext('davy webhooks'))"
_COUNTS: LiteralString = (
    " w.off IS NULL AND g.receiver = w.enterprise AND g.accepted IS NOT NULL AND g.ended IS NULL"
    " AND g.begins <= %(now)s AND (g.ends IS NULL OR g.ends > %(now)s) AND NOT EXISTS (SELECT FROM enterprise party"
    " WHERE party.key IN (g.grantor, g.receiver) AND party.gone IS NOT NULL)"
)
_FEEDING: LiteralString = (
    "SELECT w.webhook, w.place::text, g.grant_key, g.fields::text, g.area, davy_us(g.begins), davy_us(g.ends),"  # noqa: S608
    " g.grantor, e.kind FROM webhook w JOIN sharing_grant g USING (grant_key)"
    " JOIN enterprise e ON e.key = g.grantor WHERE" + _COUNTS
)
_DUE: LiteralString = (
    "SELECT d.delivery, w.webhook, w.enterprise, d.id, d.body, w.url, w.secret,"  # noqa: S608
    " CASE WHEN w.former_until > %(now)s THEN w.former END, d.attempts, davy_us(d.due)"
    " FROM webhook w JOIN sharing_grant g USING (grant_key) CROSS JOIN LATERAL (SELECT * FROM webhook_delivery one"
    " WHERE one.webhook = w.webhook AND one.due <= %(now)s ORDER BY one.due, one.delivery LIMIT %(of_one)s) d"
    " WHERE" + _COUNTS + " ORDER BY d.due, d.delivery LIMIT %(of_all)s"
)


@dataclass(frozen=True, slots=True)
class Due:
    """A message that is to be sent now. secret, former: sealed; former only while it still signs too. attempts: so many
    were made. due: microseconds UTC."""

    number: int
    webhook: str
    enterprise: str
    id: str
    body: str
    url: str
    secret: bytes
    former: bytes | None
    attempts: int
    due: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one attempt. status: HTTP's, None: there was no whole answer. said: what was said, or what went wrong."""

    status: int | None
    said: str

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@dataclass(frozen=True, slots=True)
class _Feeding:
    webhook: str
    place: Place
    grant: str
    fields: dict[str, tuple[str, ...]]
    within: Within
    lender: Tenant


async def alone(connection: Connection) -> bool:
    """Whether this connection's worker is the one (D1), from now on."""
    with translated():
        row = await (await connection.execute(_LOCK)).fetchone()
    return row is not None and bool(row[0])


async def make_deliveries(connection: Connection, roles: Roles, now_us: int) -> bool:
    """Go on in the feed of every webhook; returns whether there was, or is, more than nothing to make."""
    busy = False
    until = await ends(connection)
    with translated():
        cursor = await connection.execute(_FEEDING, {"now": as_datetime(now_us)})
        feeding = [_feeding(row) for row in await cursor.fetchall()]
    for one in feeding:
        if dict(one.place) != dict(until):
            busy |= await _feed(connection, roles, one, until, now_us)
    return busy


async def _feed(connection: Connection, roles: Roles, one: _Feeding, until: Place, now_us: int) -> bool:
    """W1."""
    with translated():
        async with connection.transaction():
            place = await _place(connection, one.webhook)
            if place is None:
                return False
            far = await reach(connection, place, until)
            async with _in_the_lenders_name(connection, roles, one.lender):
                found, reached = await events(connection, one.within, place, far, limit=_MOST_EVENTS)
            async with connection.cursor() as cursor:
                await cursor.executemany(
                    "INSERT INTO webhook_delivery (webhook, id, body, made, due) VALUES (%s, %s, %s, %s, %s)"
                    " ON CONFLICT (webhook, id) DO NOTHING",
                    [(one.webhook, event.id, _body(event, one), *[as_datetime(now_us)] * 2) for event in found],
                )
            await connection.execute(
                "UPDATE webhook SET place = %s::jsonb WHERE webhook = %s",
                (msgspec.json.encode(reached).decode(), one.webhook),
            )
    return bool(found) or far != dict(until)


async def _place(connection: Connection, webhook: str) -> Place | None:
    """Where it is, held until the transaction ends; None: it is off or gone, or too much waits for it already."""
    cursor = await connection.execute(
        "SELECT place::text, (SELECT count(*) FROM (SELECT FROM webhook_delivery d WHERE d.webhook = w.webhook"
        " AND d.due IS NOT NULL LIMIT %s) waiting) FROM webhook w WHERE webhook = %s AND off IS NULL FOR UPDATE",
        (MOST_WAITING, webhook),
    )
    row = await cursor.fetchone()
    if row is None or row[1] >= MOST_WAITING:
        return None
    return msgspec.json.decode(row[0], type=dict[str, tuple[int, int]])


@contextlib.asynccontextmanager
async def _in_the_lenders_name(connection: Connection, roles: Roles, who: Tenant) -> AsyncIterator[None]:
    """Within a transaction (D2). Only read: it is taken back with all that SET LOCAL set."""
    async with connection.transaction(force_rollback=True):
        await connection.execute(
            sql.SQL("SET LOCAL ROLE {}; SET LOCAL search_path TO {}").format(
                sql.Identifier(roles.of(who)), sql.SQL(search_path(who))
            )
        )
        yield


def _feeding(row: tuple[Any, ...]) -> _Feeding:
    webhook, place, grant, fields, area, begins, until, grantor, kind = row
    lender = Tenant(grantor, EnterpriseKind(kind))
    named = msgspec.json.decode(fields, type=dict[str, tuple[str, ...]])
    shown = {of: given(lender.kind, named, of) for of in RESOURCES}
    kinds = frozenset(of for of, names in shown.items() if names)
    within = Within(kinds, area, begins, LATEST_US if until is None else until)
    return _Feeding(webhook, msgspec.json.decode(place, type=dict[str, tuple[int, int]]), grant, shown, within, lender)


def _body(event: Event, one: _Feeding) -> str:
    """An event as CloudEvents 1.0 has it in JSON, with the grant it is told by."""
    envelope = {
        "specversion": "1.0",
        "id": event.id,
        "source": f"davy/{event.engine}",
        "type": f"davy.{event.type}",
        "time": rfc3339(event.at),
        "datacontenttype": "application/json",
        "grant": one.grant,
        "data": {name: event.fields[name] for name in one.fields[event.of]},
    }
    return msgspec.json.encode(envelope).decode()


async def due(connection: Connection, now_us: int) -> list[Due]:
    """What is to be sent now, a few to each webhook."""
    asked = {"now": as_datetime(now_us), "of_one": _OF_ONE, "of_all": _OF_ALL}
    with translated():
        return [Due(*row) for row in await (await connection.execute(_DUE, asked)).fetchall()]


async def settle(connection: Connection, one: Due, outcome: Outcome, now_us: int) -> None:
    """Write down what became of an attempt (W3). What was asked to be sent again meanwhile stays due."""
    pause_s = 0 if outcome.arrived else _pause_s(one.attempts)
    over = outcome.arrived or pause_s is None
    now = as_datetime(now_us)
    with translated():
        async with connection.transaction():
            await connection.execute(
                "UPDATE webhook_delivery SET attempts = attempts + 1, status = %(status)s, said = %(said)s,"
                " done = CASE WHEN %(arrived)s THEN %(now)s ELSE done END,"
                " gave_up = CASE WHEN %(over)s AND NOT %(arrived)s THEN %(now)s ELSE NULL END,"
                " due = CASE WHEN due = %(seen)s THEN %(next)s ELSE due END WHERE delivery = %(number)s",
                {
                    "status": outcome.status,
                    "said": outcome.said[:500].replace("\x00", "\ufffd"),
                    "arrived": outcome.arrived,
                    "over": over,
                    "now": now,
                    "seen": as_datetime(one.due),
                    "next": None if over else as_datetime(now_us + (pause_s or 0) * 1_000_000),
                    "number": one.number,
                },
            )
            if outcome.arrived:
                await connection.execute(
                    "UPDATE webhook SET failing = NULL WHERE webhook = %s AND failing IS NOT NULL", (one.webhook,)
                )
            else:
                await _failed(connection, one, outcome, pause_s, now_us)


def _pause_s(attempts: int) -> int | None:
    """Before the attempt after the one that just failed, `attempts` having failed before; None: there is none."""
    return PAUSES_S[attempts] if attempts < len(PAUSES_S) else None


async def _failed(connection: Connection, one: Due, outcome: Outcome, pause_s: int | None, now_us: int) -> None:
    now = as_datetime(now_us)
    wait_s = min(pause_s or _WITH_IT_S, _WITH_IT_S)
    await connection.execute(
        "UPDATE webhook_delivery SET due = %s WHERE webhook = %s AND due <= %s AND delivery <> %s",
        (as_datetime(now_us + wait_s * 1_000_000), one.webhook, now, one.number),
    )
    cursor = await connection.execute(
        "UPDATE webhook SET failing = coalesce(failing, %s) WHERE webhook = %s AND off IS NULL"
        " RETURNING davy_us(failing), grant_key",
        (now, one.webhook),
    )
    row = await cursor.fetchone()
    if row is None:
        return
    if outcome.status == _GONE:
        await _put_off(connection, one, str(row[1]), "the receiver answered 410 Gone", now_us)
    elif now_us - int(row[0]) >= OFF_AFTER_S * 1_000_000:
        because = f"nothing arrived for {OFF_AFTER_S // 86_400} days; the last attempt: {outcome.said[:200]}"
        await _put_off(connection, one, str(row[1]), because, now_us)


async def _put_off(connection: Connection, one: Due, grant: str, because: str, now_us: int) -> None:
    because = because.replace("\x00", "\ufffd")
    body: dict[str, Plain] = {"webhook": one.webhook, "grant": grant, "url": one.url, "because": because}
    await connection.execute(
        "UPDATE webhook SET off = %s, off_because = %s WHERE webhook = %s", (as_datetime(now_us), because, one.webhook)
    )
    await connection.execute(
        "INSERT INTO notice (at, kind, body) VALUES (%s, 'webhook_put_off', %s)",
        (as_datetime(now_us), msgspec.json.encode({**body, "enterprise": one.enterprise}).decode()),
    )
    await record(connection, [Said(one.enterprise, now_us, "webhook_put_off", "", body)])


async def tidy(connection: Connection, now_us: int) -> None:
    """What waits for a grant that has ended is given up; what was over long ago goes."""
    now = as_datetime(now_us)
    with translated():
        await connection.execute(
            "UPDATE webhook_delivery d SET due = NULL, gave_up = %(now)s, said = 'the grant has ended'"
            " FROM webhook w JOIN sharing_grant g USING (grant_key) WHERE d.webhook = w.webhook AND d.due IS NOT NULL"
            " AND (g.ended IS NOT NULL OR g.ends <= %(now)s)",
            {"now": now},
        )
        await connection.execute(
            "DELETE FROM webhook_delivery WHERE due IS NULL AND made < %s", (as_datetime(now_us - KEPT_S * 1_000_000),)
        )
