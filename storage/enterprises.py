"""Enterprises as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

from access.enterprises import Enterprise, EnterpriseKind
from storage.database import Connection, translated
from storage.register_asked import Asked, Recorded, said_time, select
from storage.text import clean

_COLUMNS: LiteralString = (
    "e.key, e.kind, e.name, e.name_en, e.uscc, e.vendor, e.area, e.contact,"
    " e.version, e.recorded, e.recorded_by, e.gone"
)


@dataclass(frozen=True, slots=True)
class RegisteredEnterprise:
    enterprise: Enterprise
    recorded: Recorded


async def enterprises(
    connection: Connection,
    *,
    limit: int,
    after: str = "",
    kind: EnterpriseKind | None = None,
    area: str | None = None,
    only: frozenset[str] | None = None,
    as_of_us: int | None = None,
) -> list[RegisteredEnterprise]:
    """Enterprises in the order of their keys, beginning after `after`. `only`: of these keys; None: of all. `area`:
    those whose area lies in it."""
    asking = Asked(as_of_us)
    table = asking.table("enterprise", "e")
    asking.where("e.gone IS NULL AND e.key > %s", clean(after))
    asking.equal("e.kind", kind.value if kind is not None else None)
    asking.within("e.area", area)
    if only is not None:
        asking.where("e.key = ANY(%s)", sorted(only))
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, table, asking.sql, " ORDER BY e.key LIMIT %s"), (*asking.values, limit)
        )
        return [_enterprise(row) for row in await cursor.fetchall()]


async def enterprise(connection: Connection, key: str, *, as_of_us: int | None = None) -> RegisteredEnterprise | None:
    """The enterprise, or None: there is none, or was none then."""
    asking = Asked(as_of_us)
    table = asking.table("enterprise", "e")
    asking.where("e.key = %s AND e.gone IS NULL", clean(key))
    with translated():
        cursor = await connection.execute(select(_COLUMNS, table, asking.sql), asking.values)
        row = await cursor.fetchone()
    return _enterprise(row) if row else None


async def enterprise_versions(
    connection: Connection, key: str, *, limit: int, before: int = 0
) -> list[RegisteredEnterprise]:
    """Everything that was ever recorded of it, newest first; beginning before version `before`, 0: with the newest."""
    with translated():
        cursor = await connection.execute(
            select(
                _COLUMNS + ", e.superseded",
                "enterprise_ever e",
                " WHERE e.key = %s AND (%s = 0 OR e.version < %s)",
                " ORDER BY e.version DESC LIMIT %s",
            ),
            (clean(key), before, before, limit),
        )
        return [_enterprise(row[:-1], said_time(row[-1])) for row in await cursor.fetchall()]


def _enterprise(row: tuple[Any, ...], superseded: int = 0) -> RegisteredEnterprise:
    key, kind, *words = row[:8]
    version, recorded, by, gone = row[8:]
    return RegisteredEnterprise(
        Enterprise(key, EnterpriseKind(kind), *words),
        Recorded(version, said_time(recorded), by, superseded, gone is not None),
    )
