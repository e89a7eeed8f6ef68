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
    "SELECT a.site, a.enterprise, a.manager, a.area, a.vendor, coalesce(d.installer, '')"
    " FROM alarm a LEFT JOIN device d USING (device_no) WHERE a.alarm = %s"
)
_COMMAND: LiteralString = (
    "SELECT w.site, w.enterprise, w.manager, w.area, w.vendor, coalesce(d.installer, '')"
    " FROM wanted w LEFT JOIN device d USING (device_no) WHERE w.wanted = %s"
)
_PERMIT: LiteralString = (
    "SELECT p.site, p.enterprise, p.manager, p.area, p.vendor, coalesce(d.installer, '')"
    " FROM permit p LEFT JOIN device d USING (device_no) WHERE p.permit = %s"
)
_SITE: LiteralString = "SELECT key, enterprise, manager, area FROM site WHERE key = %s"
#: Its row, where it has one, besides those of its alarms: an incident may stand before its first alarm is stored.
_INCIDENT: LiteralString = (
    "SELECT o.site, o.enterprise, o.manager, o.area FROM incident_site o WHERE o.incident = %(incident)s UNION"
    " SELECT s.key, s.enterprise, s.manager, s.area FROM incident i JOIN site s ON s.key = i.key"
    " WHERE i.incident = %(incident)s AND i.scope = 'site' ORDER BY 1"
)


async def device_owner(connection: Connection, identity: str) -> Owner | None:
    return await _one(connection, _DEVICE + " FROM device d WHERE d.identity = %s", identity)


async def alarm_owner(connection: Connection, alarm: str) -> Owner | None:
    return await _one(connection, _ALARM, alarm)


async def command_owner(connection: Connection, wanted: str) -> Owner | None:
    return await _one(connection, _COMMAND, wanted)


async def permit_owner(connection: Connection, permit: str) -> Owner | None:
    return await _one(connection, _PERMIT, permit)


async def site_owner(connection: Connection, site: str) -> Owner | None:
    return await _one(connection, _SITE, site)


async def incident_owners(connection: Connection, incident: str) -> tuple[Owner, ...]:
    """Of every site that it is about; none: there is no such incident."""
    with translated():
        cursor = await connection.execute(_INCIDENT, {"incident": clean(incident)})
        return tuple(Owner(*row) for row in await cursor.fetchall())


async def _one(connection: Connection, query: LiteralString, name: str) -> Owner | None:
    with translated():
        row: tuple[Any, ...] | None = await (await connection.execute(query, (clean(name),))).fetchone()
    return Owner(*row) if row else None
