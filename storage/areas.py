"""Administrative areas as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

from devices.areas import FIRST_DAY, Area, AreaTree
from storage.database import Connection, translated
from storage.register_asked import Asked, Recorded, said_day, said_time, select
from storage.text import clean

_COLUMNS: LiteralString = "a.code, a.name, a.name_en, a.parent, a.since, a.until, a.version, a.recorded, a.recorded_by"

#: The areas that a code was part of on a day, and itself (far 0). It ends by itself: areas in a ring are refused.
_ABOVE: LiteralString = (
    "(WITH RECURSIVE above AS (SELECT a.*, 0 AS far FROM area a WHERE a.code = %(code)s AND a.since <= %(day)s"
    " AND (a.until IS NULL OR a.until > %(day)s) UNION ALL SELECT a.*, b.far + 1 FROM above b JOIN area a"
    " ON a.code = b.parent AND a.since <= %(day)s AND (a.until IS NULL OR a.until > %(day)s)"
    " WHERE b.parent <> '' AND b.far < 20) SELECT * FROM above) a"
)


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


async def ancestors(connection: Connection, code: str, day: str) -> tuple[Area, ...]:
    """The areas that `code` was part of on `day`, nearest first, without itself."""
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, _ABOVE, " WHERE a.far > 0", " ORDER BY a.far"), {"code": clean(code), "day": day}
        )
        return tuple(_area(row).area for row in await cursor.fetchall())


def _area(row: tuple[Any, ...]) -> RegisteredArea:
    code, name, name_en, parent, since, until, version, recorded, by = row
    return RegisteredArea(
        Area(code, name, name_en, parent, said_day(since), said_day(until)), Recorded(version, said_time(recorded), by)
    )
