"""Webhooks and what is sent to them. Raises DatabaseAway, DatabaseRefused.

W1  A delivery is made of an event in the transaction that moves the webhook's place past it: every event that the grant
    shares becomes one message, whatever is killed.
W2  A message keeps its id however often it is sent. Between sending and writing down that it was sent a kill means that
    it is sent again: at least once, and the receiver tells by the id.
W3  What does not arrive is tried again with a growing pause, for days; what a receiver refuses for good after that is
    given up, and said. A webhook at which nothing arrived for long is put off, and said.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, LiteralString

import msgspec

from access.audit_chain import Plain
from storage.audit import Said, record
from storage.change_feed import Place
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime

#: Pauses before the second attempt and so on (Standard Webhooks, "Retries": from seconds to a day over some days).
PAUSES_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: A webhook at which nothing arrived for so long is put off (the same source: days).
OFF_AFTER_S = 5 * 86_400
#: Deliveries that are over are kept so long, to look back and to send again.
KEPT_S = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Webhook:
    """secret, former: sealed. Times in microseconds UTC; None: not. `place`: of the change feed."""

    key: str
    enterprise: str
    grant: str
    url: str
    secret: bytes
    former: bytes | None
    former_until: int | None
    place: Place
    made: int
    failing: int | None
    off: int | None
    off_because: str


@dataclass(frozen=True, slots=True)
class Delivery:
    """due None: it is over (done or given up). status: of the last answer, None: there was none; said: what was said or
    what went wrong."""

    number: int
    webhook: str
    id: str
    body: str
    made: int
    due: int | None
    attempts: int
    done: int | None
    gave_up: int | None
    status: int | None
    said: str


_WEBHOOK: LiteralString = (
    "SELECT webhook, enterprise, grant_key, url, secret, former, davy_us(former_until), place::text, davy_us(made),"
    " davy_us(failing), davy_us(off), off_because FROM webhook"
)
_DELIVERY: LiteralString = (
    "SELECT delivery, webhook, id, body, davy_us(made), davy_us(due), attempts, davy_us(done), davy_us(gave_up),"
    " status, said FROM webhook_delivery"
)


async def make(connection: Connection, webhook: Webhook, *, by: str, now_us: int) -> None:
    """Raises psycopg.IntegrityError for a grant that does not exist."""
    with translated():
        await connection.execute(
            "INSERT INTO webhook (webhook, enterprise, grant_key, url, secret, place, made, made_by)"
            " VALUES (%s, %s, %s, %s, %s, %s::jsonb, %s, %s)",
            (
                webhook.key,
                webhook.enterprise,
                webhook.grant,
                webhook.url,
                webhook.secret,
                msgspec.json.encode(webhook.place).decode(),
                as_datetime(now_us),
                by,
            ),
        )
        await _record(connection, webhook, "webhook_made", by, now_us)


async def webhook(connection: Connection, key: str) -> Webhook | None:
    with translated():
        row = await (await connection.execute(_WEBHOOK + " WHERE webhook = %s", (clean(key),))).fetchone()
    return _webhook(row) if row else None


async def webhooks_of(connection: Connection, enterprise: str) -> list[Webhook]:
    """An enterprise's, newest first."""
    with translated():
        cursor = await connection.execute(
            _WEBHOOK + " WHERE enterprise = %s ORDER BY made DESC, webhook LIMIT 1000", (clean(enterprise),)
        )
        return [_webhook(row) for row in await cursor.fetchall()]


async def change(
    connection: Connection, known: Webhook, *, kind: str, values: Mapping[str, Any], by: str, now_us: int
) -> None:
    """Set columns of one webhook; `kind` is what the record says of it."""
    columns: dict[str, LiteralString] = {
        "secret": "secret = %(secret)s",
        "former": "former = %(former)s",
        "former_until": "former_until = %(former_until)s",
        "off": "off = %(off)s",
        "off_because": "off_because = %(off_because)s",
        "failing": "failing = %(failing)s",
    }
    sets: LiteralString = ""
    for name in columns:
        if name in values:
            sets = sets + (", " if sets else "") + columns[name]
    with translated():
        await connection.execute(
            "UPDATE webhook SET " + sets + " WHERE webhook = %(webhook)s",  # noqa: S608 - of the constants above
            {**values, "webhook": known.key},
        )
        await _record(connection, known, kind, by, now_us)


async def remove(connection: Connection, known: Webhook, *, by: str, now_us: int) -> None:
    with translated():
        await connection.execute("DELETE FROM webhook WHERE webhook = %s", (known.key,))
        await _record(connection, known, "webhook_removed", by, now_us)


async def deliveries(connection: Connection, key: str, *, before: int | None, limit: int) -> list[Delivery]:
    """Of one webhook, newest first."""
    with translated():
        cursor = await connection.execute(
            _DELIVERY + " WHERE webhook = %s AND delivery < %s ORDER BY delivery DESC LIMIT %s",
            (clean(key), before if before is not None else 2**62, limit),
        )
        return [Delivery(*row) for row in await cursor.fetchall()]


async def again(
    connection: Connection,
    known: Webhook,
    *,
    numbers: Sequence[int] = (),
    from_us: int | None = None,
    by: str,
    now_us: int,
) -> int:
    """Send again, with the ids they had: these, and all that were made since a time. Returns how many."""
    with translated():
        cursor = await connection.execute(
            "UPDATE webhook_delivery SET due = %s, attempts = 0, gave_up = NULL WHERE webhook = %s"
            " AND (delivery = ANY(%s) OR made >= %s)",
            (
                as_datetime(now_us),
                known.key,
                list(numbers),
                None if from_us is None else as_datetime(from_us),
            ),
        )
        if cursor.rowcount:
            await _record(connection, known, "webhook_sends_again", by, now_us, {"deliveries": cursor.rowcount})
        return cursor.rowcount


async def _record(
    connection: Connection,
    of: Webhook,
    kind: str,
    by: str,
    now_us: int,
    more: Mapping[str, Plain] = MappingProxyType({}),
) -> None:
    body: dict[str, Plain] = {"webhook": of.key, "grant": of.grant, "url": of.url, **more}
    await record(connection, [Said(of.enterprise, now_us, kind, by, body)])


def _webhook(row: tuple[Any, ...]) -> Webhook:
    key, enterprise, grant, url, secret, former, former_until, place, *rest = row
    read = msgspec.json.decode(place, type=dict[str, tuple[int, int]])
    return Webhook(key, enterprise, grant, url, secret, former, former_until, read, *rest)
