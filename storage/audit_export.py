"""The record as a file (access/audit_verify.py says its form), part by part: what is exported is never in memory whole.
Raises DatabaseAway, DatabaseRefused."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from access.audit_chain import Plain, canonical_json
from access.audit_verify import FORMAT
from storage.audit_read import Asked, entries
from storage.database import Connection, translated

_ROWS = 10_000


@dataclass(frozen=True, slots=True)
class Part:
    """Lines with their line feeds: the first line of an export from `from_n` to `to_n`, and its first entries."""

    to_n: int
    lines: list[bytes]


async def export_part(connection: Connection, tenant: str, from_n: int, to_n: int | None) -> Part:
    """The beginning of an export. to_n None: as far as the chain goes now."""
    with translated():
        cursor = await connection.execute("SELECT coalesce(max(n), 0) FROM audit_end WHERE tenant = %s", (tenant,))
        row = await cursor.fetchone()
    assert row is not None
    last = max(from_n - 1, int(row[0]) if to_n is None else min(int(row[0]), to_n))
    head: dict[str, Plain] = {"davy_audit": FORMAT, "from_n": from_n, "tenant": tenant, "to_n": last}
    found = await entries(connection, Asked(tenant, after=from_n - 1), limit=min(_ROWS, last - from_n + 1))
    return Part(last, [canonical_json(head).encode() + b"\n", *(one.canonical() + b"\n" for one in found)])


async def export_lines(
    connection: Connection, tenant: str, *, from_n: int = 1, to_n: int | None = None
) -> AsyncIterator[bytes]:
    """All of it, line by line, as far as the chain went when this began."""
    part = await export_part(connection, tenant, from_n, to_n)
    to_n = part.to_n
    yield part.lines[0]
    while len(part.lines) > 1:
        for line in part.lines[1:]:
            yield line
        from_n += len(part.lines) - 1
        part = await export_part(connection, tenant, from_n, to_n)


async def tenants_with_a_chain(connection: Connection) -> list[tuple[str, int]]:
    """(tenant, entries) of every chain."""
    with translated():
        cursor = await connection.execute("SELECT tenant, n FROM audit_end WHERE n > 0 ORDER BY tenant")
        return [(str(tenant), int(n)) for tenant, n in await cursor.fetchall()]
