"""Adding to the record (access/audit_chain.py), inside the caller's transaction: what is done and that it was done are
one commit.

K1  No role of a tenant may write the tables: it calls the database's function `davy_record`, which gives the number and
    makes the hash (`record`). The follower, which owns them, writes thousands at a time as rows (`record_many`).
K2  Chains of several tenants are taken in the order of their names, so two writers never wait for each other in a ring.
K3  The tenant '' is the platform's own chain: what belongs to no enterprise stands there.
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
    """Append, in the order given within each tenant. Raises psycopg.Error; call under `translated()`. Raises ValueError
    for a body with a float in it."""
    ordered = sorted(said, key=lambda one: one.tenant)
    if ordered:
        await connection.execute(
            "SELECT davy_record(%s::text[], %s::bigint[], %s::text[], %s::text[], %s::text[])",
            (
                [clean(one.tenant) for one in ordered],
                [one.at for one in ordered],
                [clean(one.kind) for one in ordered],
                [clean(one.by) for one in ordered],
                [clean(canonical_json(one.body)) for one in ordered],
            ),
        )


async def record_many(connection: Connection, said: Iterable[Said]) -> None:
    """The same by the tables' owner: a twentieth of the database's work for each. Raises as `record` does."""
    ordered = sorted(said, key=lambda one: one.tenant)
    if not ordered:
        return
    ends = await _ends(connection, sorted({one.tenant for one in ordered}))
    rows: list[tuple[Entry, str]] = []
    for tenant, ones in groupby(ordered, key=lambda one: one.tenant):
        n, prev = ends[tenant]
        for one in ones:
            n += 1
            entry = Entry(tenant, n, one.at, clean(one.kind), clean(one.by), clean(canonical_json(one.body)), prev)
            prev = entry.sha256
            rows.append((entry, prev))
        ends[tenant] = (n, prev)
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY audit_entry (tenant, n, at, kind, by, body, prev, sha256) FROM STDIN") as stream,
    ):
        for entry, sha256 in rows:
            await stream.write_row(
                (entry.tenant, entry.n, entry.at, entry.kind, entry.by, entry.body, entry.prev, sha256)
            )
    await connection.execute(
        "UPDATE audit_end e SET n = g.n, sha256 = g.sha256 FROM unnest(%s::text[], %s::bigint[], %s::text[])"
        " AS g (tenant, n, sha256) WHERE e.tenant = g.tenant",
        (list(ends), [n for n, _ in ends.values()], [sha256 for _, sha256 in ends.values()]),
    )


async def _ends(connection: Connection, tenants: list[str]) -> dict[str, tuple[int, str]]:
    """Where each chain ends, locked until the transaction does (K2)."""
    await connection.execute(
        "INSERT INTO audit_end SELECT t, 0, %s FROM unnest(%s::text[]) t ORDER BY t ON CONFLICT (tenant) DO NOTHING",
        (FIRST_PREV, tenants),
    )
    cursor = await connection.execute(
        "SELECT tenant, n, sha256 FROM audit_end WHERE tenant = ANY(%s) ORDER BY tenant FOR UPDATE", (tenants,)
    )
    return {str(tenant): (int(n), str(sha256)) for tenant, n, sha256 in await cursor.fetchall()}
