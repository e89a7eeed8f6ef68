"""Administrative areas as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

from devices.areas import FIRST_DAY, Area, AreaTree
from storage.database import Connection, translated
from storage.register_asked import Asked, Recorded, said_day, said_time, select
from storage.text import clean

_COLUMNS: LiteralString = "a.code, a.name, a.name_en, a.parent, a.since, a.until, a.version, a.recorded, a.recorded_by"


@dataclass(frozen=True, slots=True)
class RegisteredArea:
    area: Area
    recorded: Recorded


async def areas(
    connection: Connection,
    *,
    limit: int,
    after: tuple[str, str] = ("", ""),
    parent: str | None = None,
    within: str | None = None,
    day: str | None = None,
    as_of_us: int | None = None,
) -> list[RegisteredArea]:
    """Areas in the order of (code, since), beginning after `after`. parent: those right below it ('': the provinces).
    within: those that lie in it. day (YYYY-MM-DD): those that there were on it; None: those of every day."""
    asking = Asked(as_of_us)
    table = asking.table("area", "a")
    if after[0]:
        asking.where("(a.code, a.since) > (%s, %s::date)", clean(after[0]), after[1] or FIRST_DAY)
    asking.equal("a.parent", parent)
    asking.within("a.code", within)
    if day is not None:
        asking.where("a.since <= %s AND (a.until IS NULL OR a.until > %s)", day, day)
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, table, asking.sql, " ORDER BY a.code, a.since LIMIT %s"), (*asking.values, limit)
        )
        return [_area(row) for row in await cursor.fetchall()]


async def area_rows(connection: Connection, code: str) -> list[RegisteredArea]:
    """Everything a code has meant, earliest first."""
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, "area a", " WHERE a.code = %s", " ORDER BY a.since"), (clean(code),)
        )
        return [_area(row) for row in await cursor.fetchall()]


async def area_tree(connection: Connection) -> AreaTree:
    """All areas of all days. A country has about 700,000 villages; what is registered here is a few towns."""
    with translated():
        cursor = await connection.execute(select(_COLUMNS, "area a"))
        return AreaTree([_area(row).area for row in await cursor.fetchall()])


def _area(row: tuple[Any, ...]) -> RegisteredArea:
    code, name, name_en, parent, since, until, version, recorded, by = row
    return RegisteredArea(
        Area(code, name, name_en, parent, said_day(since), said_day(until)), Recorded(version, said_time(recorded), by)
    )
