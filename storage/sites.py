"""Sites as they are asked for. All of these raise DatabaseAway and DatabaseRefused."""

from dataclasses import dataclass
from typing import Any, LiteralString

from access.ownership import EVERYTHING, Scope
from devices.register import GasSupply, Neighbourhood, SiteFacts
from devices.sites import Site
from storage.database import Connection, translated
from storage.register_asked import Asked, Recorded, said_day, said_time, select
from storage.scoped import OwnerColumns
from storage.text import clean

OF_SITE = OwnerColumns("s.key", "s.enterprise", "s.manager", "s.area", "''", "''")

_COLUMNS: LiteralString = (
    "s.key, s.name, s.address, s.enterprise, s.timezone, s.simulated, s.area, s.building, s.riser, s.site_class,"
    " s.tags, s.manager, s.department, s.neighbourhood, s.hardship, s.funding, s.building_height_m, s.gas_supply,"
    " s.gas_on, s.version, s.recorded, s.recorded_by, s.gone"
)


@dataclass(frozen=True, slots=True)
class RegisteredSite:
    site: Site
    facts: SiteFacts
    recorded: Recorded


@dataclass(frozen=True, slots=True)
class SitesAsked:
    """What a list of sites is narrowed to; None: not asked. area: a code, with all that lies in it. hardship: whether
    it stands on a list of hardship."""

    area: str | None = None
    enterprise: str | None = None
    manager: str | None = None
    building: str | None = None
    site_class: str | None = None
    department: str | None = None
    neighbourhood: Neighbourhood | None = None
    hardship: bool | None = None


async def sites(
    connection: Connection,
    *,
    limit: int,
    after: str = "",
    asked: SitesAsked | None = None,
    scope: Scope = EVERYTHING,
    as_of_us: int | None = None,
) -> list[RegisteredSite]:
    """Sites in the order of their keys, beginning after `after`."""
    narrowed = asked or SitesAsked()
    asking = Asked(as_of_us)
    table = asking.table("site", "s")
    asking.where("s.gone IS NULL AND s.key > %s", clean(after))
    asking.scoped(scope, OF_SITE)
    asking.within("s.area", narrowed.area)
    asking.equal("s.enterprise", narrowed.enterprise)
    asking.equal("s.manager", narrowed.manager)
    asking.equal("s.building", narrowed.building)
    asking.equal("s.site_class", narrowed.site_class)
    asking.equal("s.department", narrowed.department)
    asking.equal("s.neighbourhood", narrowed.neighbourhood)
    if narrowed.hardship is not None:
        asking.where("s.hardship <> ''" if narrowed.hardship else "s.hardship = ''")
    with translated():
        cursor = await connection.execute(
            select(_COLUMNS, table, asking.sql, " ORDER BY s.key LIMIT %s"),
            (*asking.values, limit),
            prepare=False,  # a plan for these values, not for any
        )
        return [_site(row) for row in await cursor.fetchall()]


async def site(connection: Connection, key: str, *, as_of_us: int | None = None) -> RegisteredSite | None:
    """The site, or None: there is none, or was none then."""
    asking = Asked(as_of_us)
    table = asking.table("site", "s")
    asking.where("s.key = %s AND s.gone IS NULL", clean(key))
    with translated():
        cursor = await connection.execute(select(_COLUMNS, table, asking.sql), asking.values)
        row = await cursor.fetchone()
    return _site(row) if row else None


async def site_versions(connection: Connection, key: str, *, limit: int, before: int = 0) -> list[RegisteredSite]:
    """Everything that was ever recorded of a site, newest first; beginning before version `before`, 0: with the
    newest."""
    with translated():
        cursor = await connection.execute(
            select(
                _COLUMNS + ", s.superseded",
                "site_ever s",
                " WHERE s.key = %s AND (%s = 0 OR s.version < %s)",
                " ORDER BY s.version DESC LIMIT %s",
            ),
            (clean(key), before, before, limit),
        )
        return [_site(row[:-1], said_time(row[-1])) for row in await cursor.fetchall()]


def _site(row: tuple[Any, ...], superseded: int = 0) -> RegisteredSite:
    key, *engines = row[:12]
    department, neighbourhood, hardship, funding, height, supply, gas_on = row[12:19]
    version, recorded, by, gone = row[19:]
    engines[9] = tuple(engines[9])
    return RegisteredSite(
        Site(key, *engines),
        SiteFacts(
            key,
            department,
            Neighbourhood(neighbourhood),
            hardship,
            funding,
            height,
            GasSupply(supply),
            said_day(gas_on),
        ),
        Recorded(version, said_time(recorded), by, superseded, gone is not None),
    )
