"""Every bit of a reading comes through COPY."""

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.quantities import QUANTITY_NAMES
from devices.readings import NO_TIME, READING, Rows, blank
from storage.copy_rows import COLUMNS, copy_payload, rows_per_day, sort_by_key
from storage.database import Connection
from storage.store_rows import copy
from tests.storage.cycles import DAY, T0, readings

_TIMES = {"ts", "device_ts", "received"}
_TARGET = f"COPY pg_temp.target ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"

_shapes = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 40))


def _random_rows(seed: int, n: int) -> Rows:
    """Rows of random bits, with NaN and "no time" as often as not, and times that timestamptz can hold."""
    random = np.random.default_rng(seed)
    rows = np.frombuffer(random.bytes(n * READING.itemsize), READING).copy()
    rows["device_no"] &= 0x7FFF_FFFF
    for name in _TIMES:
        rows[name] = random.integers(-(2**56), 2**61, n)
    for name in QUANTITY_NAMES:
        rows[name][random.random(n) < 0.5] = np.nan
        rows[name][random.random(n) < 0.1] = random.choice([np.inf, -np.inf, -0.0])
    rows["device_ts"][random.random(n) < 0.3] = NO_TIME
    return rows


@given(_shapes)
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_every_bit_of_a_reading_comes_back(database: Connection, shape: tuple[int, int]) -> None:
    rows = _random_rows(*shape)
    await database.execute("CREATE TEMP TABLE IF NOT EXISTS target (LIKE reading)")
    await database.execute("TRUNCATE pg_temp.target")
    await copy(database, _TARGET, sort_by_key(rows))
    columns = ", ".join(map(_exactly, COLUMNS))
    found = await (await database.execute(f"SELECT {columns} FROM pg_temp.target".encode())).fetchall()
    assert sorted(map(_comparable, found)) == sorted(map(_comparable, map(tuple, _expected(rows))))


def _exactly(name: str) -> str:
    """Times to the microsecond, floats with all their bits."""
    if name in _TIMES:
        return f"(extract(epoch from {name}) * 1000000)::bigint"
    return f"{name}::double precision" if name in QUANTITY_NAMES else name


def _expected(rows: Rows) -> list[list[object]]:
    expected: list[list[object]] = []
    for row in rows.tolist():
        line: list[object] = []
        for name, value in zip(COLUMNS, row, strict=True):
            absent = value == NO_TIME if name == "device_ts" else value != value
            line.append(None if absent else value)
        expected.append(line)
    return expected


def _comparable(row: tuple[object, ...]) -> str:
    return repr(row)


@given(_shapes)
@settings(max_examples=100, deadline=None)
def test_rows_are_sorted_by_the_key_whatever_their_times(shape: tuple[int, int]) -> None:
    rows = _random_rows(*shape)
    keys = [(row["device_no"], row["ts"], row["boot"], row["seq"]) for row in sort_by_key(rows)]
    assert keys == sorted((row["device_no"], row["ts"], row["boot"], row["seq"]) for row in rows)


def test_equal_device_and_time_are_sorted_by_boot_and_sequence() -> None:
    rows = readings(6, devices=1)
    rows["ts"] = T0
    rows["boot"] = [3, 1, 2, 1, 3, 2]
    rows["seq"] = [2, 9, 5, 8, 1, 5]
    assert [(row["boot"], row["seq"]) for row in sort_by_key(rows)] == [(1, 8), (1, 9), (2, 5), (2, 5), (3, 1), (3, 2)]


async def test_a_time_beyond_the_calendar_is_stored_as_infinity(database: Connection) -> None:
    rows = blank(3)
    rows["device_no"], rows["seq"] = 1, [1, 2, 3]
    rows["device_ts"] = [NO_TIME + 1, (1 << 63) - 1, 0]
    await database.execute("CREATE TEMP TABLE target (LIKE reading)")
    await copy(database, _TARGET, rows)
    cursor = await database.execute(
        "SELECT device_ts = '-infinity', device_ts = 'infinity', davy_us(device_ts) FROM pg_temp.target ORDER BY seq"
    )
    assert await cursor.fetchall() == [(True, False, None), (False, True, None), (False, False, 0)]


def test_no_rows_are_a_valid_stream() -> None:
    assert b"".join(copy_payload(blank(0))) == b"PGCOPY\n\xff\r\n\x00" + bytes(8) + b"\xff\xff"


def test_rows_are_counted_by_the_day_of_their_effective_time() -> None:
    rows = readings(10, at=T0 - 3, step=1, devices=1)
    assert rows_per_day(rows) == {T0 // DAY - 1: 3, T0 // DAY: 7}
    assert rows_per_day(rows[:0]) == {}
