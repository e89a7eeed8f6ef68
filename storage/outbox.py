"""Changes of the registry on their way to the engine, numbered so that none is skipped.

B1  A change is put here in the transaction that changes the tables, under the advisory lock 'davy registry', held until
    it commits. So numbers are in the order of the commits, and whoever reads up to a number has all before it.
B2  Each change names the number it stands on (`base`). An engine that stands elsewhere (it is new, it was put back, a
    change was refused) is given the registry whole, as of one moment of the tables, and goes on from its number.
B3  What is here may be thrown away, because of B2: only the newest KEPT_BYTES are kept.
"""

import hashlib
from dataclasses import dataclass
from typing import LiteralString

from devices.sites import Registry, RegistryChange, encode_change, encode_registry, packed
from storage.database import Connection

#: Told to whoever listens when a change commits, so that it need not be looked for.
CHANNEL: LiteralString = "davy_registry"
#: Changes that nobody needs any more are kept so far, in bytes (product choice: an engine that was away for a night of
#: single changes catches up one by one).
KEPT_BYTES = 64 * 1024 * 1024
#: So seldom is it looked what may go, in changes.
_EVERY = 64
#: More changes than these are caught up with by one whole registry.
MOST_CHANGES = 1_000


@dataclass(frozen=True, slots=True)
class Offered:
    """One change that waits. whole: `body` is the registry as a document, and stands on nothing."""

    number: int
    base: int
    whole: bool
    body: bytes


async def offer(connection: Connection, change: RegistryChange) -> int:
    """Put a change in line; call inside the transaction that changes the tables. Returns its number, 0 for one that
    changes nothing. Raises psycopg.Error; call under `translated()`."""
    if change == RegistryChange():
        return 0
    return await _put(connection, packed(encode_change(change)), whole=False)


async def offer_whole(connection: Connection, registry: Registry) -> int:
    """As offer, for a registry as a whole: what it does not name leaves. The one that is newest already is not put
    again: 0."""
    body = packed(encode_registry(registry))
    await lock(connection)
    cursor = await connection.execute("SELECT sha256, refused FROM registry_outbox ORDER BY number DESC LIMIT 1")
    if await cursor.fetchone() == (_sha256(body), ""):
        return 0
    return await _put(connection, body, whole=True)


async def lock(connection: Connection) -> None:
    """Whoever changes the registry waits for whoever does so already, until that transaction ends (B1)."""
    await connection.execute("SELECT pg_advisory_xact_lock(hashtext('davy registry'))")


async def listen(connection: Connection) -> None:
    """From now on `changed` hears of every change on this connection."""
    await connection.execute("LISTEN " + CHANNEL)


async def changed(connection: Connection, within_s: float) -> None:
    """Return when a change commits, or committed since this was last asked; within `within_s` at the latest."""
    async for _ in connection.notifies(timeout=within_s, stop_after=1):
        pass


async def waiting(connection: Connection, known: int) -> list[Offered]:
    """What comes after the number `known` and was not refused, in order, at most MOST_CHANGES and one."""
    cursor = await connection.execute(
        "SELECT number, base, whole, body FROM registry_outbox WHERE refused = '' AND number > greatest(%s,"
        " coalesce((SELECT max(number) - 1 FROM registry_outbox WHERE whole AND refused = ''), 0))"
        " ORDER BY number LIMIT %s",
        (known, MOST_CHANGES + 1),
    )
    return [Offered(number, base, whole, bytes(body)) for number, base, whole, body in await cursor.fetchall()]


async def newest(connection: Connection) -> int:
    """The highest number there is; 0 when there is none."""
    row = await (await connection.execute("SELECT coalesce(max(number), 0) FROM registry_outbox")).fetchone()
    assert row is not None
    return int(row[0])


async def refuse(connection: Connection, number: int, why: str, *, after: int | None = None) -> None:
    """Write down that the engine did not take a change, nor (`after`) any above that number up to this; they are not
    offered again."""
    await connection.execute(
        "UPDATE registry_outbox SET refused = %s WHERE number <= %s AND number > %s AND refused = ''",
        (why, number, number - 1 if after is None else after),
    )


async def _put(connection: Connection, body: bytes, *, whole: bool) -> int:
    await lock(connection)
    cursor = await connection.execute("SELECT davy_offer(%s, %s, %s)", (whole, _sha256(body), body))
    row = await cursor.fetchone()
    assert row is not None
    number = int(row[0])
    await connection.execute("SELECT pg_notify(%s, %s)", (CHANNEL, str(number)))
    if whole or number % _EVERY == 0 or len(body) > KEPT_BYTES // _EVERY:
        await connection.execute("SELECT davy_forget_offered(%s)", (KEPT_BYTES,))
    return number


def _sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
