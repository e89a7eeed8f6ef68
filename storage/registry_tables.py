"""The registry's tables, read and written whole, inside the caller's transaction."""

from collections.abc import Iterable, Sequence
from typing import Any, LiteralString

import msgspec

from devices.models import DeviceModel
from devices.sites import Device, MatrixRow, Site
from storage.database import Connection
from storage.registry_models import model_document
from storage.registry_plan import Known, Plan
from storage.text import clean

#: Columns in the order of the fields of Site, of Device after its number, and of MatrixRow.
_SITE: LiteralString = (
    "key, name, address, enterprise, timezone, simulated, area, building, riser, site_class, tags, manager"
)
_DEVICE: LiteralString = "vendor, serial, model, site, gateway, address, tags, installed, calibration_due, installer"
_MATRIX: LiteralString = "id, detectors, votes, rules, valves, fans"
_SITES: LiteralString = _SITE + " FROM site"
_DEVICES: LiteralString = "device_no, " + _DEVICE + " FROM device"
_ROWS: LiteralString = _MATRIX + " FROM matrix_row"


async def read_known(connection: Connection) -> Known:
    """All that is registered."""
    known = Known()
    cursor = await connection.execute("SELECT " + _SITES)
    known.sites = {row[0]: _site(row) for row in await cursor.fetchall()}
    cursor = await connection.execute("SELECT " + _DEVICES)
    known.devices = {device.identity: device for device in map(_device, await cursor.fetchall())}
    cursor = await connection.execute("SELECT detector, valve FROM link")
    known.links = {(detector, valve) for detector, valve in await cursor.fetchall()}
    cursor = await connection.execute("SELECT " + _ROWS)
    known.matrix = {row[0]: _matrix_row(row) for row in await cursor.fetchall()}
    cursor = await connection.execute("SELECT identity, token_sha256 FROM credential")
    known.credentials = dict(await cursor.fetchall())
    cursor = await connection.execute("SELECT key, document::text FROM device_model")
    known.models = dict(await cursor.fetchall())
    return known


async def read_site(connection: Connection, key: str) -> Site | None:
    """One site by its key, or None."""
    cursor = await connection.execute("SELECT " + _SITES + " WHERE key = %s", (clean(key),))
    row = await cursor.fetchone()
    return _site(row) if row else None


async def write_models(connection: Connection, models: Sequence[DeviceModel]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)"
            " ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, vendor = excluded.vendor, name = excluded.name,"
            " document = excluded.document",
            [(m.key, m.kind.value, clean(m.vendor), clean(m.name), model_document(m)) for m in models],
        )


async def write_plan(connection: Connection, plan: Plan) -> None:
    """What the plan touches. New devices get their numbers, in `plan.known` too."""
    await _write_sites(connection, plan)
    await _write_devices(connection, plan)
    await _load(connection, "link", "detector, valve", ((link.detector, link.valve) for link in plan.links))
    await connection.execute(
        "INSERT INTO link (detector, valve) SELECT detector, valve FROM pg_temp.given_link ON CONFLICT DO NOTHING"
    )
    await _load(connection, "matrix_row", _MATRIX, map(_columns, plan.matrix))
    await connection.execute(
        "INSERT INTO matrix_row (" + _MATRIX + ") SELECT " + _MATRIX + " FROM pg_temp.given_matrix_row ON CONFLICT (id)"  # noqa: S608
        " DO UPDATE SET detectors = excluded.detectors, votes = excluded.votes, rules = excluded.rules,"
        " valves = excluded.valves, fans = excluded.fans"
    )
    await _load(connection, "credential", "identity, token_sha256", plan.credentials.items())
    await connection.execute(
        "INSERT INTO credential (identity, token_sha256) SELECT identity, token_sha256 FROM pg_temp.given_credential"
        " ON CONFLICT (identity) DO UPDATE SET token_sha256 = excluded.token_sha256"
    )


async def _write_sites(connection: Connection, plan: Plan) -> None:
    await _load(connection, "site", _SITE, map(_columns, plan.sites))
    await connection.execute(
        "INSERT INTO site (" + _SITE + ") SELECT " + _SITE + " FROM pg_temp.given_site ON CONFLICT (key) DO UPDATE SET"  # noqa: S608
        " name = excluded.name, address = excluded.address, enterprise = excluded.enterprise,"
        " timezone = excluded.timezone, simulated = excluded.simulated, area = excluded.area,"
        " building = excluded.building, riser = excluded.riser, site_class = excluded.site_class,"
        " tags = excluded.tags, manager = excluded.manager"
    )


async def _write_devices(connection: Connection, plan: Plan) -> None:
    await _load(connection, "device", _DEVICE, map(_device_columns, plan.devices))
    cursor = await connection.execute(
        # The numbers follow the order of the file's names, so that the same import on two machines gives the same ones.
        "INSERT INTO device (" + _DEVICE + ") SELECT " + _DEVICE + " FROM pg_temp.given_device g WHERE NOT EXISTS"  # noqa: S608
        " (SELECT FROM device d WHERE d.vendor = g.vendor AND d.serial = g.serial) ORDER BY given"
        " RETURNING identity, device_no"
    )
    for identity, device_no in await cursor.fetchall():
        plan.known.devices[identity] = msgspec.structs.replace(plan.known.devices[identity], device_no=device_no)
    await connection.execute(
        "UPDATE device d SET model = g.model, site = g.site, gateway = g.gateway, address = g.address, tags = g.tags,"
        " installed = g.installed, calibration_due = g.calibration_due, installer = g.installer"
        " FROM pg_temp.given_device g WHERE d.vendor = g.vendor AND d.serial = g.serial"
        " AND (d.model, d.site, d.gateway, d.address, d.tags, d.installed, d.calibration_due, d.installer)"
        " IS DISTINCT FROM"
        " (g.model, g.site, g.gateway, g.address, g.tags, g.installed, g.calibration_due, g.installer)"
    )


async def _load(
    connection: Connection, table: LiteralString, columns: LiteralString, rows: Iterable[tuple[Any, ...]]
) -> None:
    """Rows by COPY into a temporary table of the same shape; `given` numbers them."""
    await connection.execute(
        "CREATE TEMP TABLE given_" + table + " ON COMMIT DROP AS SELECT " + columns + " FROM " + table + " LIMIT 0"  # noqa: S608
    )
    if table == "device":
        await connection.execute("ALTER TABLE pg_temp.given_device ADD given bigint GENERATED ALWAYS AS IDENTITY")
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY pg_temp.given_" + table + " (" + columns + ") FROM STDIN") as stream,
    ):
        for row in rows:
            await stream.write_row(row)


def _columns(given: Site | Device | MatrixRow) -> tuple[Any, ...]:
    """Its fields as columns: psycopg makes arrays of lists, and composites of tuples."""
    return tuple(list(value) if isinstance(value, tuple) else value for value in msgspec.structs.astuple(given))


def _device_columns(device: Device) -> tuple[Any, ...]:
    """Without the number; a day that is not known is NULL."""
    *rest, installed, calibration_due, installer = _columns(device)[1:]
    return (*rest, installed or None, calibration_due or None, installer)


def _site(row: tuple[Any, ...]) -> Site:
    return msgspec.convert(dict(zip(Site.__struct_fields__, row, strict=True)), Site)


def _device(row: tuple[Any, ...]) -> Device:
    *plain, installed, calibration_due, installer = row
    days = [day.isoformat() if day else "" for day in (installed, calibration_due)]
    return msgspec.convert(dict(zip(Device.__struct_fields__, (*plain, *days, installer), strict=True)), Device)


def _matrix_row(row: tuple[Any, ...]) -> MatrixRow:
    return msgspec.convert(dict(zip(MatrixRow.__struct_fields__, row, strict=True)), MatrixRow)
