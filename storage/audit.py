"""Adding to the record (access/audit_chain.py), inside the caller's transaction: what is done and that it was done are
one commit.

K1  Chains of several tenants are taken in the order of their names, so two writers never wait for each other in a ring.
K2  The tenant '' is the platform's own chain: what belongs to no enterprise stands there.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby

from access.audit_chain import FIRST_PREV, Entry, Plain, canonical_json
from storage.database import Connection
from storage.text import clean


@dataclass(frozen=True, slots=True)
class Said:
    """Something for the record. at: microseconds since 1970 UTC."""

    tenant: str
    at: int
    kind: str
    by: str
    body: Mapping[str, Plain]


async def record(connection: Connection, said: Iterable[Said]) -> None:
    """Append, in the order given within each tenant. Raises psycopg.Error; call under `translated()`."""
    ordered = sorted(said, key=lambda one: one.tenant)
    for tenant, ones in groupby(ordered, key=lambda one: one.tenant):
        await _append(connection, tenant, list(ones))


async def _append(connection: Connection, tenant: str, said: list[Said]) -> None:
    await connection.execute(
        "INSERT INTO audit_end VALUES (%s, 0, %s) ON CONFLICT (tenant) DO NOTHING", (tenant, FIRST_PREV)
    )
    cursor = await connection.execute("SELECT n, sha256 FROM audit_end WHERE tenant = %s FOR UPDATE", (tenant,))
    row = await cursor.fetchone()
    assert row is not None
    n, prev = int(row[0]), str(row[1])
    entries: list[Entry] = []
    for one in said:
        n += 1
        entry = Entry(tenant, n, one.at, one.kind, clean(one.by), clean(canonical_json(one.body)), prev)
        prev = entry.sha256
        entries.append(entry)
    await _insert(connection, entries)
    await connection.execute("UPDATE audit_end SET n = %s, sha256 = %s WHERE tenant = %s", (n, prev, tenant))


async def _insert(connection: Connection, entries: list[Entry]) -> None:
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY audit_entry (tenant, n, at, kind, by, body, prev, sha256) FROM STDIN") as copy,
    ):
        for one in entries:
            await copy.write_row((one.tenant, one.n, one.at, one.kind, one.by, one.body, one.prev, one.sha256))
