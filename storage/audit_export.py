"""The record as a file (access/audit_verify.py says its form), streamed: what is exported is never in memory whole."""

from collections.abc import AsyncIterator

from access.audit_chain import Entry, Plain, canonical_json
from access.audit_verify import FORMAT
from storage.database import Connection, translated

_ROWS = 10_000


async def export_lines(
    connection: Connection, tenant: str, *, from_n: int = 1, to_n: int | None = None
) -> AsyncIterator[bytes]:
    """The lines of one tenant's chain, the first line first, each with its line feed; as far as it went when this
    began. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        cursor = await connection.execute("SELECT coalesce(max(n), 0) FROM audit_end WHERE tenant = %s", (tenant,))
        row = await cursor.fetchone()
    assert row is not None
    last = int(row[0]) if to_n is None else min(int(row[0]), to_n)
    head: dict[str, Plain] = {"davy_audit": FORMAT, "from_n": from_n, "tenant": tenant, "to_n": max(last, from_n - 1)}
    yield canonical_json(head).encode() + b"\n"
    at = from_n
    while at <= last:
        with translated():
            cursor = await connection.execute(
                "SELECT tenant, n, at, kind, by, body, prev FROM audit_entry WHERE tenant = %s AND n >= %s AND n <= %s"
                " ORDER BY n LIMIT %s",
                (tenant, at, last, _ROWS),
            )
            rows = await cursor.fetchall()
        if not rows:
            return  # a gap at the end: the first line says what is missing
        for one in rows:
            yield Entry(*one).canonical() + b"\n"
        at = int(rows[-1][1]) + 1


async def tenants_with_a_chain(connection: Connection) -> list[tuple[str, int]]:
    """(tenant, entries) of every chain."""
    with translated():
        cursor = await connection.execute("SELECT tenant, n FROM audit_end WHERE n > 0 ORDER BY tenant")
        return [(str(tenant), int(n)) for tenant, n in await cursor.fetchall()]
