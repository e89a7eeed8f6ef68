"""Readings that reach a day which is in the columnstore already: late ones, and duplicates (TimescaleDB, community
edition). An older TimescaleDB stopped at the first conflict there and lost the rest (timescaledb#7672)."""

import pytest

from storage.database import Connection
from storage.modes import Mode
from tests.storage.cycles import HOUR, MINUTE, cycle, readings
from tests.storage.ledgers import account
from tests.storage.writing import one, write


@pytest.fixture
async def columnstore(database: Connection, mode: Mode) -> Connection:
    if mode is not Mode.TIMESCALE_TSL:
        pytest.skip(f"this database is {mode}: a columnstore needs TimescaleDB's community edition")
    return database


async def test_late_and_double_rows_find_their_place_in_a_compressed_day(url: str, columnstore: Connection) -> None:
    rows = readings(2_000, step=1_000)
    await write(url, [cycle(1, rows[::2])])
    compressed = await one(columnstore, "SELECT count(compress_chunk(c)) FROM show_chunks('reading') c")
    assert compressed >= 1
    written = await write(url, [cycle(2, rows)], now=int(rows["ts"][-1]) + HOUR + MINUTE)
    assert (written.stored, written.duplicate, written.poison) == (1_000, 1_000, 0)
    assert await one(columnstore, "SELECT count(*) FROM reading") == 2_000
    assert await one(columnstore, "SELECT count(DISTINCT (device_no, ts, boot, seq)) FROM reading") == 2_000
    assert (await account(columnstore)).faults == ()
