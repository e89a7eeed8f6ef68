"""Readings have no policies of their own: tenants have views of them, joined with whose the devices are."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import psycopg
import pytest
from psycopg import sql

from access.enterprises import EnterpriseKind as Kind
from storage.database import Connection, connect
from storage.readings import buckets, history, latest
from storage.tenants import As, Roles, Standing, in_the_name_of, roles_of
from tests.fence.worlds import KINDS, populate, tenant

T0 = 1_767_225_600_000_000  # 2026-01-01T00:00:00Z
MINUTE = 60_000_000
VIEWS = ("reading", "reading_extra", "reading_1m", "reading_1h")
READERS = (Kind.GAS_COMPANY, Kind.VENDOR, Kind.INSTALLER)

_READINGS = """
INSERT INTO reading (ts, received, seq, flags, quality, device_no, boot, valve, valve_cause)
SELECT ts, ts, extract(epoch FROM ts), 0, 0, device_no, 1, 0, 0 FROM device CROSS JOIN
    generate_series(timestamptz '2026-01-01', timestamptz '2026-01-01T02:00Z', interval '1 minute') ts
"""
_EXTRA = "INSERT INTO reading_extra SELECT ts, seq, device_no, boot, '{\"firmware\": 1}' FROM reading"
_BUCKETS = """
INSERT INTO {} (bucket, device_no, n, bad, flags, combustible_lel_n, co_ppm_n, pressure_kpa_n, flow_m3h_n,
    temperature_c_n, humidity_pct_n, battery_pct_n, rssi_dbm_n, valve, valve_cause)
SELECT DISTINCT date_trunc({}, ts), device_no, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 FROM reading
"""


def _write(url: str, many: int = 0) -> None:
    with psycopg.connect(url, autocommit=True) as owner:
        populate(owner)
        owner.execute(
            "INSERT INTO device (device_no, vendor, serial, model, site)"
            " SELECT 1000 + n, 'other', n::text, 'model', 'site-b' FROM generate_series(1, %s) n",
            (many,),
        )
        plain = owner.execute("SELECT mode = 'plain' FROM davy_mode").fetchone() == (True,)
        if plain:
            for table, days in (("reading", 1), ("reading_extra", 1), ("reading_1m", 7)):
                owner.execute(
                    "SELECT davy_add_partition(%s, day, day + %s * interval '1 day') FROM (VALUES"
                    " (timestamptz '2026-01-01')) AS first (day)",
                    (table, days),
                )
        owner.execute(_READINGS)
        owner.execute(_EXTRA)
        for table, length in (("reading_1m", "minute"), ("reading_1h", "hour")):
            owner.execute(sql.SQL(_BUCKETS).format(sql.Identifier(table), sql.Literal(length)))
        owner.execute("DELETE FROM device_latest")
        owner.execute(
            "INSERT INTO device_latest SELECT DISTINCT ON (device_no) * FROM reading ORDER BY device_no, ts DESC"
        )
        owner.execute("ANALYZE reading; ANALYZE reading_extra; ANALYZE reading_1m; ANALYZE reading_1h; ANALYZE device")


@pytest.fixture
async def connection(url: str) -> AsyncIterator[Connection]:
    await asyncio.to_thread(_write, url)
    found = await connect(url, name="test")
    yield found
    await found.close()


@pytest.fixture
async def roles(connection: Connection) -> Roles:
    return await roles_of(connection)


async def _devices(connection: Connection, table: str) -> set[int]:
    cursor = await connection.execute(sql.SQL("SELECT DISTINCT device_no FROM {}").format(sql.Identifier(table)))
    return {number for (number,) in await cursor.fetchall()}


async def test_each_tenant_reads_its_own_devices_through_the_usual_names(connection: Connection, roles: Roles) -> None:
    for kind in KINDS:
        for world, own in (("a", {11, 12}), ("b", {21, 22})):
            for view in VIEWS:
                try:
                    async with in_the_name_of(connection, roles, tenant(kind, world)):
                        seen = await _devices(connection, view)
                except PermissionError:
                    seen = set()
                assert seen == (own if kind in READERS else set()), (kind, view)
    async with in_the_name_of(connection, roles, Standing.PLATFORM):
        assert [await _devices(connection, view) for view in VIEWS] == [{11, 12, 21, 22}] * 4


async def test_the_apis_own_questions_give_a_tenant_its_own_and_nothing_of_others(
    connection: Connection, roles: Roles
) -> None:
    async def asked(who: As, device_no: int) -> tuple[int, int, int, list[str | None]]:
        times: dict[str, Any] = {"from_us": T0, "to_us": T0 + 120 * MINUTE, "limit": 1000}
        async with in_the_name_of(connection, roles, who):
            raw = await history(connection, device_no, **times)
            minutes = await buckets(connection, device_no, hourly=False, **times)
            newest = await latest(connection, [device_no])
        return len(raw), len(minutes), len(newest), [one.extra for one in (*raw[-1:], *newest.values())]

    own = (120, 120, 1, ['{"firmware": 1}'] * 2)
    assert await asked(tenant(Kind.GAS_COMPANY, "a"), 11) == own
    assert await asked(tenant(Kind.VENDOR, "a"), 11) == own
    assert await asked(tenant(Kind.INSTALLER, "a"), 11) == own
    assert await asked(Standing.PLATFORM, 11) == own
    assert await asked(tenant(Kind.GAS_COMPANY, "b"), 11) == (0, 0, 0, [])
    assert await asked(tenant(Kind.VENDOR, "b"), 11) == (0, 0, 0, [])


async def test_partitions_and_chunks_are_closed(connection: Connection, roles: Roles) -> None:
    """Those of the columnstore too, where the server has one; and what is in it is read as before."""
    if (await (await connection.execute("SELECT mode FROM davy_mode")).fetchone()) == ("timescale-tsl",):
        await connection.execute("SELECT compress_chunk(chunk) FROM show_chunks('reading') chunk")
        async with in_the_name_of(connection, roles, tenant(Kind.GAS_COMPANY, "a")):
            assert await _devices(connection, "reading") == {11, 12}
    cursor = await connection.execute(
        "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'p') AND (c.relispartition OR n.nspname = '_timescaledb_internal')"
        " AND relname ~ '^(reading|_hyper|compress)'"
    )
    parts = [name for (name,) in await cursor.fetchall()]
    assert parts
    for kind in KINDS:
        for part in parts:
            with pytest.raises(PermissionError):
                async with in_the_name_of(connection, roles, tenant(kind, "a")):
                    await connection.execute(b"SELECT FROM " + part.encode())


async def test_a_tenants_readings_are_found_by_the_index(url: str) -> None:
    """Among 2,000 devices, and read as a page of one device is."""
    await asyncio.to_thread(_write, url, 2_000)
    connection = await connect(url, name="test")
    try:
        roles = await roles_of(connection)
        for kind in READERS:
            async with in_the_name_of(connection, roles, tenant(kind, "a")):
                for query in (
                    "SELECT * FROM reading WHERE device_no = 11 AND ts >= %s AND ts < %s"
                    " AND (ts, boot, seq) > (%s, 0, 0) ORDER BY ts, boot, seq LIMIT 100",
                    "SELECT * FROM reading_extra WHERE device_no = ANY(ARRAY[11]) AND ts >= %s AND ts < %s"
                    " AND ts = ANY(%s)",
                    "SELECT * FROM reading_1m WHERE device_no = 11 AND bucket >= %s AND bucket < %s AND bucket <> %s",
                ):
                    plan = await _plan(connection, query)
                    assert "Index Cond: " in plan, plan
                    assert not [line for line in plan.splitlines() if "Seq Scan on" in line and "reading" in line], plan
    finally:
        await connection.close()


async def _plan(connection: Connection, query: str) -> str:
    begin, end = (datetime.fromisoformat(f"2026-01-01T0{hour}:00:00+00:00") for hour in (0, 1))
    last: Any = [begin] if "= ANY(%s)" in query else begin
    cursor = await connection.execute(("EXPLAIN " + query).encode(), (begin, end, last))
    return "\n".join(line for (line,) in await cursor.fetchall())
