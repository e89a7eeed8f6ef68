"""The registry's tables as frozen types: rows of those that are registered now."""

from typing import Any, LiteralString

import msgspec

from devices.sites import Credential, Device, MatrixRow, Site
from storage.database import Connection
from storage.registry_facts import FACTS
from storage.registry_known import Known
from storage.text import clean

#: Columns in the order of the fields of Site, of Device, and of MatrixRow.
SITE_COLUMNS: LiteralString = (
    "key, name, address, enterprise, timezone, simulated, area, building, riser, site_class, tags, manager"
)
GIVEN_COLUMNS: LiteralString = (
    "vendor, serial, model, site, gateway, address, tags, installed, calibration_due, installer"
)
DEVICE_COLUMNS: LiteralString = "device_no, " + GIVEN_COLUMNS
MATRIX_COLUMNS: LiteralString = "id, detectors, votes, rules, valves, fans"
CREDENTIAL_COLUMNS: LiteralString = "identity, token_sha256, former_sha256, coalesce(davy_us(former_until), 0)"
#: What is registered now; a condition may follow behind AND (of MATRIX and CREDENTIALS: behind WHERE).
SITES: LiteralString = "SELECT " + SITE_COLUMNS + " FROM site WHERE gone IS NULL"  # noqa: S608
DEVICES: LiteralString = "SELECT " + DEVICE_COLUMNS + " FROM device WHERE gone IS NULL"  # noqa: S608
MATRIX: LiteralString = "SELECT " + MATRIX_COLUMNS + " FROM matrix_row"  # noqa: S608
CREDENTIALS: LiteralString = "SELECT " + CREDENTIAL_COLUMNS + " FROM credential"  # noqa: S608
_TAGS = Site.__struct_fields__.index("tags")
_DEVICE_TAGS = Device.__struct_fields__.index("tags")
_DAYS = tuple(Device.__struct_fields__.index(name) for name in ("installed", "calibration_due"))


async def read_known(connection: Connection, *, facts: bool = False) -> Known:
    """All that is registered; `facts` too, or only what the engine judges by."""
    known = Known()
    cursor = await connection.execute(SITES)
    known.sites = {row[0]: site_of(row) for row in await cursor.fetchall()}
    cursor = await connection.execute(DEVICES)
    known.devices = {device.identity: device for device in map(device_of, await cursor.fetchall())}
    cursor = await connection.execute("SELECT detector, valve FROM link")
    known.links = {(detector, valve) for detector, valve in await cursor.fetchall()}
    cursor = await connection.execute(MATRIX)
    known.matrix = {row[0]: matrix_row_of(row) for row in await cursor.fetchall()}
    cursor = await connection.execute(CREDENTIALS)
    known.credentials = {row[0]: Credential(*row) for row in await cursor.fetchall()}
    cursor = await connection.execute("SELECT key, document::text FROM device_model")
    known.models = dict(await cursor.fetchall())
    for kind in FACTS if facts else ():
        if kind.of_people:
            continue
        columns: LiteralString = ", ".join(kind.columns)
        there: LiteralString = " WHERE gone IS NULL" if kind.has_gone or kind.table in ("site", "device") else ""
        rows = await (await connection.execute("SELECT " + columns + " FROM " + kind.table + there)).fetchall()  # noqa: S608
        found = map(kind.of_row, rows)
        known.facts[kind.name] = {kind.key(fact): fact for fact in found if not (kind.part_of and kind.empty(fact))}
    return known


async def read_site(connection: Connection, key: str) -> Site | None:
    """One site by its key, or None."""
    cursor = await connection.execute(SITES + " AND key = %s", (clean(key),))
    row = await cursor.fetchone()
    return site_of(row) if row else None


def site_of(row: tuple[Any, ...]) -> Site:
    values = list(row)
    values[_TAGS] = tuple(values[_TAGS])
    return Site(*values)


def device_of(row: tuple[Any, ...]) -> Device:
    """A row of DEVICE_COLUMNS."""
    values = list(row)
    for at in _DAYS:
        values[at] = values[at].isoformat() if values[at] else ""
    values[_DEVICE_TAGS] = tuple(values[_DEVICE_TAGS])
    return Device(*values)


def matrix_row_of(row: tuple[Any, ...]) -> MatrixRow:
    return msgspec.convert(dict(zip(MatrixRow.__struct_fields__, row, strict=True)), MatrixRow)
