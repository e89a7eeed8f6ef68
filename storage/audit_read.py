"""The record as it is asked for. Raises DatabaseAway, DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

from access.audit_chain import Entry
from storage.database import Connection, translated
from storage.text import clean


@dataclass(frozen=True, slots=True)
class Asked:
    """Of one tenant's chain: entries after `after`, of these times (microseconds UTC), of these kinds, by this one."""

    tenant: str
    after: int = 0
    from_us: int | None = None
    to_us: int | None = None
    kind: str | None = None
    by: str | None = None


async def entries(connection: Connection, asked: Asked, *, limit: int) -> list[Entry]:
    """In the order of the chain."""
    query: LiteralString = "SELECT tenant, n, at, kind, by, body, prev FROM audit_entry WHERE tenant = %s AND n > %s"
    values: list[Any] = [clean(asked.tenant), asked.after]
    if asked.from_us is not None:
        query += " AND at >= %s"
        values.append(asked.from_us)
    if asked.to_us is not None:
        query += " AND at < %s"
        values.append(asked.to_us)
    if asked.kind is not None:
        query += " AND kind = %s"
        values.append(clean(asked.kind))
    if asked.by is not None:
        query += " AND by = %s"
        values.append(clean(asked.by))
    with translated():
        cursor = await connection.execute(query + " ORDER BY n LIMIT %s", (*values, limit))
        return [Entry(*row) for row in await cursor.fetchall()]
