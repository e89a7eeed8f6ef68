"""F1 to F4 of storage/writer.py and R1 to R3 of storage/store_rows.py, against a real server."""

import json

import numpy as np
import psycopg
import pytest

from devices.quantities import QUANTITY_NAMES
from devices.readings import READING
from engine.records import Quarantined
from rules.decisions import Answered
from storage import readings as stored
from storage.batch import assemble
from storage.database import Connection, connect, ready
from storage.modes import Mode
from storage.writer import CursorMoved, Writer
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND, T0, cycle, readings
from tests.storage.writing import one, write


async def test_what_was_admitted_is_what_is_read(url: str, database: Connection) -> None:
    rows = readings(40, step=SECOND)
    rows["co_ppm"][7], rows["valve"][7], rows["flags"][7] = 12.5, 3, 1 << 40
    await write(url, [cycle(1, rows, extra=[(7, b'{"firmware": "1.2"}')])])
    page = await stored.history(database, 8, from_us=T0, to_us=T0 + HOUR, limit=100)
    assert [reading.ts for reading in page] == [T0 + 7 * SECOND + 10 * k * SECOND for k in range(4)]
    first = page[0]
    assert (first.boot, first.seq, first.valve, first.flags) == (1, 0, 3, 1 << 40)
    assert first.quality == int(rows["quality"][7])
    assert (first.received, first.device_ts) == (int(rows["received"][7]), int(rows["device_ts"][7]))
    expected = [None if np.isnan(rows[name][7]) else float(rows[name][7]) for name in QUANTITY_NAMES]
    assert list(first.values) == expected
    assert json.loads(first.extra or "") == {"firmware": "1.2"}


async def test_a_duplicate_that_reaches_the_database_is_counted_and_not_stored(url: str, database: Connection) -> None:
    rows = readings(1_000, step=1_000)
    await write(url, [cycle(1, rows[:600])])
    written = await write(url, [cycle(2, rows)])
    assert (written.stored, written.duplicate, written.poison) == (400, 600, 0)
    assert await one(database, "SELECT count(*) FROM reading") == 1_000
    assert await one(database, "SELECT sum(stored) FROM reading_day") == 1_000
    assert await one(database, "SELECT (readings, stored, duplicate)::text FROM follower_cursor") == "(1600,1000,600)"


async def test_duplicates_inside_one_batch_are_stored_once(url: str, database: Connection) -> None:
    rows = readings(300, step=1_000)
    written = await write(url, [cycle(1, rows), cycle(2, rows)])
    assert (written.stored, written.duplicate) == (300, 300)
    assert await one(database, "SELECT count(*) FROM reading") == 300


async def test_a_poison_row_is_set_aside_and_the_rest_is_stored(url: str, database: Connection) -> None:
    # The server itself refuses one value; admission would never let it come so far.
    await database.execute("ALTER TABLE reading ADD CONSTRAINT poison CHECK (rssi_dbm IS DISTINCT FROM -66)")
    rows = readings(500, step=1_000)
    rows["rssi_dbm"][[17, 311]] = -66
    written = await write(url, [cycle(1, rows)])
    assert (written.stored, written.duplicate, written.poison) == (498, 0, 2)
    cursor = await database.execute(
        "SELECT device_no, reason, raw FROM quarantine WHERE origin = 'database' ORDER BY n"
    )
    found = await cursor.fetchall()
    assert sorted(int(device) for device, _, _ in found) == sorted(int(n) for n in rows["device_no"][[17, 311]])
    assert all("poison" in reason for _, reason, _ in found)
    kept = np.concatenate([np.frombuffer(raw, READING) for _, _, raw in found])
    assert sorted(kept.tobytes() for kept in kept) == sorted(row.tobytes() for row in rows[[17, 311]])


async def test_poison_and_duplicates_in_one_batch_are_told_apart(url: str, database: Connection) -> None:
    await database.execute("ALTER TABLE reading ADD CONSTRAINT poison CHECK (rssi_dbm IS DISTINCT FROM -66)")
    rows = readings(200, step=1_000)
    await write(url, [cycle(1, rows[50:80])])
    rows["rssi_dbm"][10] = -66
    written = await write(url, [cycle(2, rows)])
    assert (written.stored, written.duplicate, written.poison) == (169, 30, 1)


async def test_an_impossible_time_makes_no_partition(url: str, database: Connection, mode: Mode) -> None:
    rows = readings(5, step=SECOND)
    rows["ts"][1], rows["ts"][2], rows["device_no"][3] = -DAY, T0 + 400 * DAY, 0
    written = await write(url, [cycle(1, rows)])
    assert (written.stored, written.poison) == (2, 3)
    if mode is Mode.PLAIN:
        parts = await database.execute("SELECT relname FROM pg_class WHERE relname ~ '^reading_2.*' AND relkind = 'r'")
        assert await parts.fetchall() == [("reading_20251202",)]


async def test_late_readings_find_their_day(url: str, database: Connection) -> None:
    rows = readings(60, at=T0 - 59 * DAY, step=DAY, devices=1)
    rows["received"] = T0
    written = await write(url, [cycle(1, rows)])
    assert written.stored == 60
    assert await one(database, "SELECT count(*) FROM reading_day") == 60


async def test_extra_fields_the_database_refuses_do_not_cost_the_reading(url: str, database: Connection) -> None:
    rows = readings(3, step=SECOND)
    extra = [(0, b'{"a": 1}'), (1, b'{"a": "\\u0000"}'), (2, b"not json \xff")]
    written = await write(url, [cycle(1, rows, extra=extra)])
    assert (written.stored, written.poison) == (3, 0)
    assert await one(database, "SELECT count(*) FROM reading_extra") == 1
    cursor = await database.execute("SELECT reason, raw FROM quarantine ORDER BY n")
    found = await cursor.fetchall()
    assert [raw for _, raw in found] == [extra[1][1], extra[2][1]]
    assert all(reason.startswith("extra fields: ") for reason, _ in found)


async def test_quarantined_input_is_kept_with_its_reason_and_bytes(url: str, database: Connection) -> None:
    item = Quarantined(T0, "mqtt", 4, "no JSON at byte 0\x00", b"\x00\xff{")
    written = await write(url, [cycle(1, quarantined=[item, item])])
    assert written.quarantined == 2
    cursor = await database.execute("SELECT origin, source, device_no, reason, raw FROM quarantine")
    assert await cursor.fetchall() == 2 * [("engine", "mqtt", 4, "no JSON at byte 0\ufffd", b"\x00\xff{")]


async def test_a_text_with_nul_does_not_stop_the_follower(url: str, database: Connection) -> None:
    said = Answered(at=T0, id="a\x00b", accepted=False, reason="\x00")
    await write(url, [cycle(1, decisions=[said])])
    assert await one(database, "SELECT id FROM answer") == "a\ufffdb"


async def test_rows_and_cursor_are_of_one_commit(url: str, database: Connection) -> None:
    connection = await connect(url, name="test writer")
    writer = Writer(connection, "engine-1", await ready(connection))
    await writer.open()
    # Fails at the very end of the transaction, after every row was written.
    await database.execute("ALTER TABLE follower_cursor ADD CONSTRAINT stuck CHECK (cycle < 1)")
    with pytest.raises(psycopg.errors.CheckViolation):
        await writer.write(assemble([cycle(1, readings(100))]), T0)
    assert await one(database, "SELECT count(*) FROM reading") == 0
    assert await one(database, "SELECT cycle FROM follower_cursor") == 0
    await database.execute("ALTER TABLE follower_cursor DROP CONSTRAINT stuck")
    await connection.close()
    assert (await write(url, [cycle(1, readings(100))])).stored == 100


async def test_two_followers_of_one_engine_cannot_both_write_a_batch(url: str, database: Connection) -> None:
    connection = await connect(url, name="test writer")
    slow = Writer(connection, "engine-1", await ready(connection))
    await slow.open()
    await write(url, [cycle(1, readings(100))])
    with pytest.raises(CursorMoved):
        await slow.write(assemble([cycle(1, readings(100))]), T0)
    await connection.close()
    assert await one(database, "SELECT count(*) FROM reading") == 100


async def test_two_engines_have_a_cursor_each(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(10))], engine="north")
    await write(url, [cycle(1, readings(10, first_device=100)), cycle(2)], engine="south")
    cursor = await database.execute("SELECT engine, cycle FROM follower_cursor ORDER BY engine")
    assert await cursor.fetchall() == [("north", 1), ("south", 2)]


async def test_the_newest_reading_of_a_device_is_shown_and_a_late_one_is_not(url: str, database: Connection) -> None:
    await write(url, [cycle(1, readings(20, step=SECOND, seq=5))])
    late = readings(10, at=T0 - HOUR, step=SECOND)
    await write(url, [cycle(2, late)])
    newest = await stored.latest(database, [1, 2, 99])
    assert {device: reading.ts for device, reading in newest.items()} == {1: T0 + 10 * SECOND, 2: T0 + 11 * SECOND}


async def test_what_a_crash_left_unshown_is_shown_after_the_restart(url: str, database: Connection) -> None:
    await database.execute("INSERT INTO device_model VALUES ('m', 'detector', 'v', 'n', '{}')")
    await database.execute("INSERT INTO site (key) VALUES ('s')")
    await database.execute(
        "INSERT INTO device (device_no, vendor, serial, model, site)"
        " SELECT n, 'v', 'd' || n, 'm', 's' FROM generate_series(1, 600) AS n"
    )
    connection = await connect(url, name="test writer")
    writer = Writer(connection, "engine-1", await ready(connection))
    await writer.open()
    # 600 devices are more than are shown at once without waiting for the second to pass.
    await writer.write(assemble([cycle(1, readings(600, devices=600))]), T0)
    await writer.write(assemble([cycle(2, readings(600, at=T0 + SECOND, devices=600, seq=1))]), T0 + 1)
    assert await one(database, "SELECT count(*) FROM device_latest WHERE seq = 1") == 0
    assert await one(database, "SELECT latest_from IS NOT NULL FROM follower_cursor")
    await connection.close()
    await write(url, [cycle(3)])
    assert await one(database, "SELECT count(*) FROM device_latest WHERE seq = 1") == 600
    assert await one(database, "SELECT latest_from IS NULL FROM follower_cursor")


async def test_live_rows_mark_their_minute_and_late_rows_their_device_hour(url: str, database: Connection) -> None:
    live = readings(20, at=T0 + 30 * MINUTE, step=6 * SECOND)
    late = readings(5, at=T0 + MINUTE, step=MINUTE, devices=1)
    late["received"] = T0 + 30 * MINUTE
    await write(url, [cycle(1, live), cycle(2, late)])
    cursor = await database.execute(
        "SELECT davy_us(bucket), device_no FROM rollup_due WHERE level = '1m' ORDER BY device_no, bucket"
    )
    assert await cursor.fetchall() == [(T0 + 30 * MINUTE, 0), (T0 + 31 * MINUTE, 0), (T0, 1)]


async def test_a_partition_that_vanished_costs_no_row(url: str, database: Connection, mode: Mode) -> None:
    connection = await connect(url, name="test writer")
    writer = Writer(connection, "engine-1", await ready(connection))
    await writer.open()
    await writer.write(assemble([cycle(1, readings(10))]), T0)
    batch = assemble([cycle(2, readings(100, at=T0 + MINUTE, seq=9))])
    if mode is Mode.PLAIN:
        await database.execute("DROP TABLE reading_20251202")
        with pytest.raises(psycopg.errors.CheckViolation, match="no partition"):
            await writer.write(batch, T0)
    await connection.close()
    # As the follower does: another connection, another writer.
    assert (await write(url, [cycle(2, readings(100, at=T0 + MINUTE, seq=9))])).stored == 100
    assert await one(database, "SELECT count(*) FROM quarantine") == 0
