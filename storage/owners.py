"""Whose a thing of the past is, as the engine says it of a thing of now. All raise DatabaseAway and DatabaseRefused.

What names a site is that site's, also when its device has moved since; everything else is where its device stands.
"""

from typing import Any, LiteralString

from access.ownership import Owner
from storage.database import Connection, translated
from storage.text import clean

_DEVICE: LiteralString = (
    "SELECT coalesce(d.site, ''), coalesce(d.enterprise, ''), coalesce(d.manager, ''), coalesce(d.area, ''),"
    " coalesce(d.vendor, ''), coalesce(d.installer, '')"
)
_ALARM: LiteralString = (
    "SELECT a.site, coalesce(s.enterprise, ''), coalesce(s.manager, ''), coalesce(s.area, ''),"
    " coalesce(d.vendor, ''), coalesce(d.installer, '')"
)
_SITE: LiteralString = "SELECT key, enterprise, manager, area FROM site WHERE key = %s"

#: The sites that an incident `i` is about: its own, those of its alarms, those of the incidents it is made of.
#: An alarm or a site that the asker may not see is NULL here, which no condition admits.
INCIDENT_SITES: LiteralString = (
    "(SELECT i.key AS site WHERE i.scope = 'site'"
    " UNION SELECT a.site FROM incident_event x LEFT JOIN alarm a USING (alarm)"
    " WHERE x.incident = i.incident AND x.alarm <> ''"
    " UNION SELECT p.key FROM incident p WHERE p.merged_into = i.incident AND p.merged_into <> '' AND p.scope = 'site')"
)

_INCIDENT: LiteralString = (
    "SELECT coalesce(o.site, ''), coalesce(s.enterprise, ''), coalesce(s.manager, ''), coalesce(s.area, '')"
    " FROM incident i CROSS JOIN LATERAL "
)


async def device_owner(connection: Connection, identity: str) -> Owner | None:
    return await _one(connection, _DEVICE + " FROM device d WHERE d.identity = %s", identity)


async def alarm_owner(connection: Connection, alarm: str) -> Owner | None:
    return await _one(
        connection,
        _ALARM + " FROM alarm a LEFT JOIN site s ON s.key = a.site LEFT JOIN device d USING (device_no)"
        " WHERE a.alarm = %s",
        alarm,
    )


async def command_owner(connection: Connection, wanted: str) -> Owner | None:
    return await _one(
        connection,
        _DEVICE + " FROM wanted w LEFT JOIN device d USING (device_no) WHERE w.wanted = %s",
        wanted,
    )


async def permit_owner(connection: Connection, permit: str) -> Owner | None:
    return await _one(
        connection,
        _DEVICE + " FROM permit p LEFT JOIN device d USING (device_no) WHERE p.permit = %s",
        permit,
    )


async def site_owner(connection: Connection, site: str) -> Owner | None:
    return await _one(connection, _SITE, site)


async def incident_owners(connection: Connection, incident: str) -> tuple[Owner, ...]:
    """Of every site that it is about; none: there is no such incident."""
    with translated():
        cursor = await connection.execute(
            _INCIDENT + INCIDENT_SITES + " o LEFT JOIN site s ON s.key = o.site WHERE i.incident = %s ORDER BY 1",
            (clean(incident),),
        )
        return tuple(Owner(*row) for row in await cursor.fetchall())


async def _one(connection: Connection, query: LiteralString, name: str) -> Owner | None:
    with translated():
        row: tuple[Any, ...] | None = await (await connection.execute(query, (clean(name),))).fetchone()
    return Owner(*row) if row else None
