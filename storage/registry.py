"""`davy registry import`: sites, devices, links and tokens into PostgreSQL, and the whole registry on to the engine.

I1  All or nothing: one refused row refuses the import. The dry run runs the same plan and shows every row's fate.
I2  By key, so the same file twice changes nothing the second time. What the file does not name stays as it is.
I3  The registry document goes into the outbox in the transaction that changes the tables, under a lock, so numbers and
    documents are in the same order. The document is made of what the tables then hold, with the model catalogue.
I4  Models come with every import, as they stand in their files; what that changes is a row of the plan.
"""

import base64
import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

import msgspec

from devices.models import DeviceModel
from devices.sites import Device, Site, encode_registry, token_sha256
from storage.database import Connection, translated
from storage.registry_models import model_document
from storage.registry_plan import Known, Plan, plan_import
from storage.registry_rows import Fate, RowFate
from storage.registry_source import SourceRow
from storage.text import clean

#: Documents kept in the outbox: each is whole, so the engine needs only the newest; the others are for looking back.
_KEPT_DOCUMENTS = 5


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import did, or would do. number: of the document in the outbox; 0: none was needed, or nothing was
    applied. tokens: (identity, token) made now; they are stored only as hashes, so this is the one time they are
    seen. warnings: what is probably wrong with the devices of the file, and stopped nothing."""

    applied: bool
    fates: tuple[RowFate, ...]
    faults: tuple[str, ...]
    number: int = 0
    tokens: tuple[tuple[str, str], ...] = ()
    warnings: tuple[str, ...] = ()

    def count(self, fate: Fate) -> int:
        return sum(one.fate is fate for one in self.fates)


async def import_registry(
    connection: Connection,
    rows: Sequence[SourceRow],
    models: Sequence[DeviceModel],
    *,
    dry_run: bool,
    random_bytes: Callable[[int], bytes],
) -> Imported:
    """Plan, and unless `dry_run` or something is refused, do it. `random_bytes` (os.urandom) makes tokens. Raises
    DatabaseAway, DatabaseRefused."""
    with translated():
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtext('davy registry'))")
            plan = plan_import(await _known(connection), rows, models)
            warnings = tuple(plan.warnings)
            if dry_run or not plan.may_be_applied:
                return Imported(False, tuple(plan.fates), tuple(plan.faults), warnings=warnings)
            tokens = tuple((identity, _token(random_bytes)) for identity in plan.to_make)
            for identity, token in tokens:
                plan.credentials[identity] = plan.known.credentials[identity] = token_sha256(token)
            await _write_models(connection, models)
            await _write(connection, plan)
            number = await _offer(connection, encode_registry(plan.known.registry(models)))
            return Imported(True, tuple(plan.fates), (), number, tokens, warnings)


async def _known(connection: Connection) -> Known:
    known = Known()
    cursor = await connection.execute("SELECT key, name, address, enterprise, timezone, simulated FROM site")
    known.sites = {row[0]: Site(*row) for row in await cursor.fetchall()}
    cursor = await connection.execute(
        "SELECT identity, device_no, vendor, serial, model, site, gateway, address FROM device"
    )
    known.devices = {row[0]: Device(*row[1:]) for row in await cursor.fetchall()}
    cursor = await connection.execute("SELECT detector, valve FROM link")
    known.links = {(detector, valve) for detector, valve in await cursor.fetchall()}
    cursor = await connection.execute("SELECT identity, token_sha256 FROM credential")
    known.credentials = dict(await cursor.fetchall())
    cursor = await connection.execute("SELECT key, document::text FROM device_model")
    known.models = dict(await cursor.fetchall())
    return known


async def _write_models(connection: Connection, models: Sequence[DeviceModel]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)"
            " ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, vendor = excluded.vendor, name = excluded.name,"
            " document = excluded.document",
            [(m.key, m.kind.value, clean(m.vendor), clean(m.name), model_document(m)) for m in models],
        )


async def _write(connection: Connection, plan: Plan) -> None:
    await _load(connection, "site", "key, name, address, enterprise, timezone, simulated", map(_columns, plan.sites))
    await connection.execute(
        "INSERT INTO site SELECT * FROM pg_temp.given_site ON CONFLICT (key) DO UPDATE SET name = excluded.name,"
        " address = excluded.address, enterprise = excluded.enterprise, timezone = excluded.timezone,"
        " simulated = excluded.simulated"
    )
    await _load(
        connection, "device", "vendor, serial, model, site, gateway, address", (_columns(d)[1:] for d in plan.devices)
    )
    cursor = await connection.execute(
        # The numbers follow the order of the file's names, so that the same import on two machines gives the same ones.
        "INSERT INTO device (vendor, serial, model, site, gateway, address)"
        " SELECT vendor, serial, model, site, gateway, address FROM pg_temp.given_device g WHERE NOT EXISTS"
        " (SELECT FROM device d WHERE d.vendor = g.vendor AND d.serial = g.serial) ORDER BY given"
        " RETURNING identity, device_no"
    )
    for identity, device_no in await cursor.fetchall():
        plan.known.devices[identity] = msgspec.structs.replace(plan.known.devices[identity], device_no=device_no)
    await connection.execute(
        "UPDATE device d SET model = g.model, site = g.site, gateway = g.gateway, address = g.address"
        " FROM pg_temp.given_device g WHERE d.vendor = g.vendor AND d.serial = g.serial"
        " AND (d.model, d.site, d.gateway, d.address) IS DISTINCT FROM (g.model, g.site, g.gateway, g.address)"
    )
    await _load(connection, "link", "detector, valve", ((link.detector, link.valve) for link in plan.links))
    await connection.execute(
        "INSERT INTO link (detector, valve) SELECT detector, valve FROM pg_temp.given_link ON CONFLICT DO NOTHING"
    )
    await _load(connection, "credential", "identity, token_sha256", plan.credentials.items())
    await connection.execute(
        "INSERT INTO credential (identity, token_sha256) SELECT identity, token_sha256 FROM pg_temp.given_credential"
        " ON CONFLICT (identity) DO UPDATE SET token_sha256 = excluded.token_sha256"
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


async def _offer(connection: Connection, body: bytes) -> int:
    sha256 = hashlib.sha256(body).hexdigest()
    cursor = await connection.execute("SELECT sha256, refused FROM registry_outbox ORDER BY number DESC LIMIT 1")
    if await cursor.fetchone() == (sha256, ""):
        return 0
    # Above what any engine says it has: after a restored backup the engine may know a higher number than this table.
    cursor = await connection.execute(
        "INSERT INTO registry_outbox (number, sha256, body) SELECT greatest("
        "(SELECT coalesce(max(number), 0) FROM registry_outbox),"
        " (SELECT coalesce(max(registry_number), 0) FROM follower_cursor)) + 1, %s, %s RETURNING number",
        (sha256, body),
    )
    row = await cursor.fetchone()
    assert row is not None
    await connection.execute("DELETE FROM registry_outbox WHERE number <= %s", (row[0] - _KEPT_DOCUMENTS,))
    return int(row[0])


def _columns(given: Site | Device) -> tuple[Any, ...]:
    return msgspec.structs.astuple(given)


def _token(random_bytes: Callable[[int], bytes]) -> str:
    return base64.urlsafe_b64encode(random_bytes(32)).rstrip(b"=").decode()
