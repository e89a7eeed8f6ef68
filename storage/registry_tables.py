"""A plan into the registry's tables, inside the caller's transaction, by COPY: a hundred thousand rows are a few
statements."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from typing import Any, LiteralString

import msgspec

from devices.models import DeviceModel
from devices.sites import Credential, Device, Link, MatrixRow, Registry, RegistryChange, Site, without_examples
from devices.sites import Gone as GoneFromRegistry
from storage.database import Connection
from storage.registry_facts import FACT_BY_NAME, FACTS, FactKind
from storage.registry_known import Plan
from storage.registry_models import model_document
from storage.registry_people import Sealing, write_people
from storage.registry_read import GIVEN_COLUMNS, MATRIX_COLUMNS, SITE_COLUMNS, read_known, read_site
from storage.text import clean
from storage.times import as_datetime

#: Rows that are written at a time.
_AT_A_TIME = 1_000

__all__ = ["read_known", "read_site", "write_models", "write_plan"]


async def write_models(connection: Connection, models: Sequence[DeviceModel]) -> None:
    if models:
        async with connection.cursor() as cursor:
            await cursor.executemany(
                "INSERT INTO device_model (key, kind, vendor, name, document) VALUES (%s, %s, %s, %s, %s::jsonb)"
                " ON CONFLICT (key) DO UPDATE SET kind = excluded.kind, vendor = excluded.vendor,"
                " name = excluded.name, document = excluded.document",
                [(m.key, m.kind.value, clean(m.vendor), clean(m.name), model_document(m)) for m in models],
            )


async def write_plan(connection: Connection, plan: Plan, sealing: Sealing | None = None) -> RegistryChange:
    """What the plan touches, in the order in which rows need each other. New devices get their numbers, in `plan.known`
    too. Returns the change as the engine is to hear it."""
    await write_models(connection, plan.models)
    await _write_facts(connection, plan, ("enterprise", "area"))
    await _take_away(connection, plan)
    await _write_sites(connection, plan.sites)
    if sealing is not None:
        await write_people(connection, sealing, plan)
    await _write_devices(connection, plan)
    await _write_facts(connection, plan, ("site_facts", "device_facts", "certificate", "installation"))
    await _write_links(connection, plan.links)
    await _write_facts(connection, plan, ("link_facts",))
    await _write_matrix(connection, plan.matrix)
    await _write_credentials(connection, plan.credentials.values())
    return _change(plan)


def _change(plan: Plan) -> RegistryChange:
    known, gone = plan.known, plan.gone
    return RegistryChange(
        put=Registry(
            models=tuple(without_examples(_as_kept(model)) for model in plan.models),
            sites=tuple(plan.sites),
            devices=tuple(known.devices[device.identity] for device in plan.devices),
            links=tuple(plan.links),
            credentials=tuple(plan.credentials.values()),
            matrix=tuple(plan.matrix),
        ),
        gone=GoneFromRegistry(
            sites=tuple(gone.get("site", ())),
            devices=tuple(gone.get("device", ())),
            links=tuple(plan.gone_links),
            credentials=tuple(gone.get("token", ())),
            matrix=tuple(gone.get("matrix", ())),
        ),
    )


def _as_kept(model: DeviceModel) -> DeviceModel:
    """The engine hears what the table holds, so that a whole registry read later is the same."""
    return msgspec.json.decode(model_document(model), type=DeviceModel)


async def _take_away(connection: Connection, plan: Plan) -> None:
    """Sites and devices stay, with the time since when they are gone: their numbers and their past name them."""
    if plan.gone_links:
        await connection.execute(
            "DELETE FROM link WHERE (detector, valve) IN (SELECT * FROM unnest(%s::text[], %s::text[]))",
            ([link.detector for link in plan.gone_links], [link.valve for link in plan.gone_links]),
        )
    statements: tuple[tuple[str, LiteralString], ...] = (
        ("matrix", "DELETE FROM matrix_row WHERE id = ANY(%s)"),
        ("token", "DELETE FROM credential WHERE identity = ANY(%s)"),
        ("device", "UPDATE device SET gone = davy_at() WHERE identity = ANY(%s)"),
        ("site", "UPDATE site SET gone = davy_at() WHERE key = ANY(%s)"),
    )
    for kind, statement in statements:
        if plan.gone.get(kind):
            await connection.execute(statement, (plan.gone[kind],))
    for name, keys in plan.gone_facts.items():
        kind_of = FACT_BY_NAME[name]
        where = _where_key(kind_of)
        begin: LiteralString = (
            "UPDATE " + kind_of.table + " SET gone = davy_at()" if kind_of.has_gone else "DELETE FROM " + kind_of.table  # noqa: S608
        )
        for key in keys:
            await connection.execute(begin + " WHERE " + where, kind_of.key_values(key))


def _where_key(kind: FactKind) -> LiteralString:
    return " AND ".join(f"{kind.columns[kind.type.__struct_fields__.index(name)]} = %s" for name in kind.keys)


async def _write_sites(connection: Connection, sites: Sequence[Site]) -> None:
    if sites:
        await _load(connection, "site", SITE_COLUMNS, map(_columns, sites))
        await connection.execute(
            "INSERT INTO site (" + SITE_COLUMNS + ") SELECT " + SITE_COLUMNS + " FROM pg_temp.given_site"  # noqa: S608
            " ON CONFLICT (key) DO UPDATE SET name = excluded.name, address = excluded.address,"
            " enterprise = excluded.enterprise, timezone = excluded.timezone, simulated = excluded.simulated,"
            " area = excluded.area, building = excluded.building, riser = excluded.riser,"
            " site_class = excluded.site_class, tags = excluded.tags, manager = excluded.manager, gone = NULL"
        )
        await connection.execute("DROP TABLE pg_temp.given_site")


async def _write_devices(connection: Connection, plan: Plan) -> None:
    if not plan.devices:
        return
    await _load(connection, "device", GIVEN_COLUMNS, map(_device_columns, plan.devices))
    await connection.execute(
        # The numbers follow the order of the file's names, so that the same import on two machines gives the same ones.
        "INSERT INTO device (" + GIVEN_COLUMNS + ") SELECT " + GIVEN_COLUMNS + " FROM pg_temp.given_device g"  # noqa: S608
        " WHERE NOT EXISTS (SELECT FROM device d WHERE d.vendor = g.vendor AND d.serial = g.serial) ORDER BY given"
    )
    old = [device.identity for device in plan.devices if device.identity not in plan.new_devices]
    cursor = await connection.execute(
        "SELECT identity, device_no, gone IS NOT NULL FROM device WHERE identity = ANY(%s)", (sorted(plan.new_devices),)
    )
    for identity, device_no, was_gone in await cursor.fetchall():
        plan.known.devices[identity] = msgspec.structs.replace(plan.known.devices[identity], device_no=device_no)
        old += [identity] if was_gone else []
    if old:
        await connection.execute(
            "UPDATE device d SET model = g.model, site = g.site, gateway = g.gateway, address = g.address,"
            " tags = g.tags, installed = g.installed, calibration_due = g.calibration_due, installer = g.installer,"
            " gone = NULL"
            " FROM pg_temp.given_device g WHERE d.identity = g.vendor || '/' || g.serial AND d.identity = ANY(%s)",
            (old,),
        )
    await connection.execute("DROP TABLE pg_temp.given_device")


async def _write_links(connection: Connection, links: Sequence[Link]) -> None:
    if links:
        await _load(connection, "link", "detector, valve", ((link.detector, link.valve) for link in links))
        await connection.execute(
            "INSERT INTO link (detector, valve) SELECT detector, valve FROM pg_temp.given_link ON CONFLICT DO NOTHING"
        )
        await connection.execute("DROP TABLE pg_temp.given_link")


async def _write_matrix(connection: Connection, rows: Sequence[MatrixRow]) -> None:
    if rows:
        await _load(connection, "matrix_row", MATRIX_COLUMNS, map(_columns, rows))
        await connection.execute(
            "INSERT INTO matrix_row ("  # noqa: S608
            + MATRIX_COLUMNS
            + ") SELECT "
            + MATRIX_COLUMNS
            + " FROM pg_temp.given_matrix_row"
            " ON CONFLICT (id) DO UPDATE SET detectors = excluded.detectors, votes = excluded.votes,"
            " rules = excluded.rules, valves = excluded.valves, fans = excluded.fans"
        )
        await connection.execute("DROP TABLE pg_temp.given_matrix_row")


_CREDENTIAL: LiteralString = "identity, token_sha256, former_sha256, former_until"


async def _write_credentials(connection: Connection, credentials: Iterable[Credential]) -> None:
    rows = [
        (
            one.identity,
            one.token_sha256,
            one.former_sha256,
            as_datetime(one.former_until_us) if one.former_until_us else None,
        )
        for one in credentials
    ]
    if rows:
        await _load(connection, "credential", _CREDENTIAL, rows)
        await connection.execute(
            "INSERT INTO credential (" + _CREDENTIAL + ") SELECT " + _CREDENTIAL + " FROM pg_temp.given_credential"  # noqa: S608
            " ON CONFLICT (identity) DO UPDATE SET token_sha256 = excluded.token_sha256,"
            " former_sha256 = excluded.former_sha256, former_until = excluded.former_until"
        )
        await connection.execute("DROP TABLE pg_temp.given_credential")


def _time(time_us: int) -> datetime | None:
    return as_datetime(time_us) if time_us else None


async def _write_facts(connection: Connection, plan: Plan, names: Sequence[str]) -> None:
    for kind in FACTS:
        facts = plan.facts.get(kind.name)
        if kind.name not in names or not facts:
            continue
        columns: LiteralString = ", ".join(kind.columns)
        await _load(connection, kind.table, columns, map(kind.values, facts))
        keys = [kind.columns[kind.type.__struct_fields__.index(name)] for name in kind.keys]
        others = [column for column in kind.columns if column not in keys]
        if kind.part_of:
            changed: LiteralString = ", ".join(f"{column} = g.{column}" for column in others)
            same: LiteralString = " AND ".join(f"t.{column} = g.{column}" for column in keys)
            await connection.execute(
                f"UPDATE {kind.table} t SET {changed} FROM pg_temp.given_{kind.table} g WHERE {same}"  # noqa: S608
            )
        else:
            back: LiteralString = ", gone = NULL" if kind.has_gone else ""
            put: LiteralString = ", ".join(f"{column} = excluded.{column}" for column in others)
            key: LiteralString = ", ".join(keys)
            await connection.execute(
                f"INSERT INTO {kind.table} ({columns}) SELECT {columns} FROM pg_temp.given_{kind.table}"  # noqa: S608
                f" ON CONFLICT ({key}) DO UPDATE SET {put}{back}"
            )
        await connection.execute("DROP TABLE pg_temp.given_" + kind.table)


async def _load(
    connection: Connection, table: LiteralString, columns: LiteralString, rows: Iterable[tuple[Any, ...]]
) -> None:
    """Rows by COPY into a temporary table of the same shape; `given` numbers them."""
    await connection.execute(
        "CREATE TEMP TABLE given_" + table + " ON COMMIT DROP AS SELECT " + columns + " FROM " + table + " LIMIT 0"  # noqa: S608
    )
    await connection.execute("ALTER TABLE pg_temp.given_" + table + " ADD given bigint GENERATED ALWAYS AS IDENTITY")
    async with (
        connection.cursor() as cursor,
        cursor.copy("COPY pg_temp.given_" + table + " (" + columns + ") FROM STDIN") as stream,
    ):
        for some in batched(rows, _AT_A_TIME):
            await stream.write("".join("\t".join(map(_copied, row)) + "\n" for row in some))
    await connection.execute("ANALYZE pg_temp.given_" + table)


def batched(rows: Iterable[tuple[Any, ...]], size: int) -> Iterator[list[tuple[Any, ...]]]:
    """Lists of at most `size`."""
    source = iter(rows)
    while some := list(islice(source, size)):
        yield some


def _copied(value: Any) -> str:
    """A value in COPY's text format (PostgreSQL, COPY, File Formats)."""
    if type(value) is str:
        return value.translate(_COPY_ESCAPES)
    if value is None:
        return r"\N"
    if isinstance(value, bool):
        return "t" if value else "f"
    if isinstance(value, list | tuple):
        return _array(value).translate(_COPY_ESCAPES)
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value).translate(_COPY_ESCAPES)


def _array(words: Sequence[Any]) -> str:
    """A text[] as a literal (PostgreSQL, Array Input and Output Syntax)."""
    return "{" + ",".join('"' + str(word).translate(_ARRAY_ESCAPES) + '"' for word in words) + "}"


_COPY_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_ARRAY_ESCAPES = str.maketrans({"\\": "\\\\", '"': '\\"'})


def _columns(given: Site | Device | MatrixRow) -> tuple[Any, ...]:
    """Its fields as columns."""
    return tuple(msgspec.structs.astuple(given))


def _device_columns(device: Device) -> tuple[Any, ...]:
    """Without the number; a day that is not known is NULL."""
    *rest, installed, calibration_due, installer = _columns(device)[1:]
    return (*rest, installed or None, calibration_due or None, installer)
