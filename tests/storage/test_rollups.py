"""U1 to U4 of storage/rollups.py: sums agree with the rows, in whatever order and however late those come."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from devices.quantities import GAS_QUANTITIES, QUANTITY_NAMES, Flag, Quality, ValvePosition, quality_shift
from devices.readings import Rows
from storage import readings as stored
from storage.database import Connection
from storage.modes import Mode
from storage.partitions import Partitions
from storage.readings import MEAN_QUANTITIES, Bucket
from storage.rollups import Rollups
from tests.storage.cycles import DAY, HOUR, MINUTE, SECOND, T0, cycle, readings
from tests.storage.writing import write


async def refresh(database: Connection, mode: Mode, now: int) -> int:
    rollups = Rollups(database, Partitions(mode))
    done = 0
    while more := await rollups.turn(now, T0 - 30 * DAY):
        done += more
    return done


def expected(rows: Rows, device_no: int, start: int, length: int) -> Bucket | None:
    """The sums of one device in one bucket, worked out one reading at a time."""
    mine = [row for row in np.sort(rows, order="ts") if row["device_no"] == device_no]
    mine = [row for row in mine if start <= row["ts"] < start + length]
    if not mine:
        return None
    heard = [row for row in mine if not int(row["flags"]) & Flag.STALE]
    good = {
        name: [float(row[name]) for row in heard if (int(row["quality"]) >> quality_shift(name)) & 15 == Quality.GOOD]
        for name in QUANTITY_NAMES
    }
    flags = 0
    for row in mine:
        flags |= int(row["flags"])
    known = [row for row in heard if row["valve"]]
    return Bucket(
        device_no=device_no,
        bucket=start,
        n=len(mine),
        bad=sum(any((int(row["quality"]) >> 4 * i) & 15 > 1 for i in range(16)) for row in mine),
        flags=flags,
        gas=tuple(
            stored.GasSummary(
                len(good[name]),
                min(good[name], default=None),
                max(good[name], default=None),
                sum(good[name]) / len(good[name]) if good[name] else None,
            )
            for name in GAS_QUANTITIES
        ),
        means=tuple(sum(good[name]) / len(good[name]) if good[name] else None for name in MEAN_QUANTITIES),
        valve=int(known[-1]["valve"]) if known else 0,
        valve_cause=int(known[-1]["valve_cause"]) if known else 0,
    )


def assert_agrees(found: Bucket, wanted: Bucket | None) -> None:
    assert wanted is not None
    assert (found.n, found.bad, found.flags) == (wanted.n, wanted.bad, wanted.flags)
    assert (found.valve, found.valve_cause) == (wanted.valve, wanted.valve_cause)
    assert _numbers(found.means) == pytest.approx(_numbers(wanted.means), rel=1e-5, nan_ok=True)
    for mine, other in zip(found.gas, wanted.gas, strict=True):
        assert mine.n == other.n
        assert _numbers((mine.lowest, mine.highest, mine.mean)) == pytest.approx(
            _numbers((other.lowest, other.highest, other.mean)), rel=1e-5, nan_ok=True
        )


def _numbers(values: Sequence[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


def fleet(seed: int) -> Rows:
    """Half an hour of three devices with every quality, some flags and moving valves."""
    random = np.random.default_rng(seed)
    rows = readings(300, step=6 * SECOND, devices=3)
    rows["ts"] += random.integers(0, 5 * SECOND, 300)
    rows["received"] = rows["ts"] + 50_000
    for name in QUANTITY_NAMES:
        rows[name] = random.integers(0, 1000, 300).astype(np.float32) / 8
    rows["quality"] = random.choice([0, 0, 0, 0x1, 0x11, 0x22, 0x4, 0x60, 0x77777777], 300)
    rows["flags"] = 1 << random.integers(0, len(Flag), 300)
    rows["valve"] = random.integers(0, 7, 300)
    rows["valve_cause"] = random.integers(0, 10, 300)
    return rows


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 299), max_size=4))
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_sums_agree_with_the_rows_however_they_were_batched(
    url: str, database: Connection, mode: Mode, seed: int, cuts: Sequence[int]
) -> None:
    for table in ("reading", "reading_1m", "reading_1h", "rollup_due", "follower_cursor", "reading_day"):
        await database.execute(f"DELETE FROM {table}".encode())
    rows = fleet(seed)
    for number, part in enumerate(np.split(np.random.default_rng(seed).permutation(rows), sorted(cuts)), 1):
        await write(url, [cycle(number, part)])
        await refresh(database, mode, T0 + 3 * HOUR)
    for device_no in (1, 2, 3):
        minutes = await stored.buckets(database, device_no, hourly=False, from_us=T0, to_us=T0 + HOUR, limit=100)
        assert sum(bucket.n for bucket in minutes) == 100
        for bucket in minutes:
            assert_agrees(bucket, expected(rows, device_no, bucket.bucket, MINUTE))
        hours = await stored.buckets(database, device_no, hourly=True, from_us=T0, to_us=T0 + HOUR, limit=100)
        assert [bucket.bucket for bucket in hours] == [T0]
        assert_agrees(hours[0], expected(rows, device_no, T0, HOUR))


async def test_a_late_reading_corrects_its_minute_and_its_hour(url: str, database: Connection, mode: Mode) -> None:
    rows = readings(60, step=MINUTE, devices=1)
    await write(url, [cycle(1, rows)])
    await refresh(database, mode, T0 + 2 * HOUR)
    late = readings(1, at=T0 + 30 * MINUTE + SECOND, devices=1, seq=99)
    late["received"], late["combustible_lel"] = T0 + 5 * HOUR, 80
    await write(url, [cycle(2, late)])
    assert await refresh(database, mode, T0 + 5 * HOUR) == 2
    minute = await stored.buckets(database, 1, hourly=False, from_us=T0 + 30 * MINUTE, to_us=T0 + 31 * MINUTE, limit=1)
    hour = await stored.buckets(database, 1, hourly=True, from_us=T0, to_us=T0 + HOUR, limit=1)
    assert (minute[0].n, minute[0].gas[0].highest) == (2, 80)
    assert (hour[0].n, hour[0].gas[0].highest) == (61, 80)


async def test_a_bucket_appears_once_it_has_ended_and_settled(url: str, database: Connection, mode: Mode) -> None:
    await write(url, [cycle(1, readings(2, step=SECOND, devices=1))])
    assert await refresh(database, mode, T0 + MINUTE + 14 * SECOND) == 0
    assert await refresh(database, mode, T0 + MINUTE + 16 * SECOND) == 1
    assert await refresh(database, mode, T0 + HOUR + 4 * MINUTE) == 1
    assert await refresh(database, mode, T0 + DAY) == 0


async def test_warm_up_and_inhibited_values_are_in_no_mean(url: str, database: Connection, mode: Mode) -> None:
    rows = readings(3, step=SECOND, devices=1)
    rows["combustible_lel"] = [10, 0, 0]
    rows["quality"] = [0, Quality.WARM_UP, Quality.INHIBITED]
    rows["valve"] = [ValvePosition.CLOSED, ValvePosition.UNKNOWN, ValvePosition.UNKNOWN]
    await write(url, [cycle(1, rows)])
    await refresh(database, mode, T0 + HOUR)
    bucket = (await stored.buckets(database, 1, hourly=False, from_us=T0, to_us=T0 + MINUTE, limit=1))[0]
    assert (bucket.n, bucket.bad, bucket.gas[0].n, bucket.gas[0].lowest) == (3, 2, 1, 10)
    assert bucket.valve == ValvePosition.CLOSED


async def test_a_poll_that_nobody_answered_has_no_value_and_no_valve_position(
    url: str, database: Connection, mode: Mode
) -> None:
    rows = readings(3, step=SECOND, devices=1)
    rows["combustible_lel"] = [10, 99, np.nan]
    rows["quality"] = [0, Quality.STALE, Quality.STALE]
    rows["flags"][1:] = Flag.STALE
    rows["valve"] = [ValvePosition.OPEN, ValvePosition.CLOSED, ValvePosition.UNKNOWN]
    await write(url, [cycle(1, rows)])
    await refresh(database, mode, T0 + 2 * HOUR)
    for hourly in (False, True):
        (bucket,) = await stored.buckets(database, 1, hourly=hourly, from_us=T0, to_us=T0 + MINUTE, limit=2)
        assert (bucket.n, bucket.bad, bucket.flags) == (3, 2, Flag.STALE)
        assert (bucket.gas[0].n, bucket.gas[0].lowest, bucket.gas[0].highest) == (1, 10, 10)
        assert bucket.valve == ValvePosition.OPEN
    latest = (await stored.latest(database, [1]))[1]
    assert (latest.flags, latest.quality & 0xF, latest.values[0]) == (Flag.STALE, Quality.STALE, None)


async def test_what_a_broker_had_kept_is_shown_as_stale_and_counts_in_no_sum(
    url: str, database: Connection, mode: Mode
) -> None:
    rows = readings(3, step=SECOND, devices=1)
    rows["combustible_lel"] = [10, 99, 55]
    rows["quality"] = [0, 0, Quality.STALE]  # the second: as such a row was written by an older engine
    rows["flags"][1:] = Flag.STALE | Flag.BACKFILL | Flag.LATE
    await write(url, [cycle(1, rows)])
    await refresh(database, mode, T0 + 2 * HOUR)
    for hourly in (False, True):
        (bucket,) = await stored.buckets(database, 1, hourly=hourly, from_us=T0, to_us=T0 + MINUTE, limit=2)
        assert bucket.n == 3
        assert (bucket.gas[0].n, bucket.gas[0].lowest, bucket.gas[0].highest) == (1, 10, 10)
    latest = (await stored.latest(database, [1]))[1]
    assert (latest.quality & 0xF, latest.values[0]) == (Quality.STALE, 55)


async def test_sums_are_paged_both_ways(url: str, database: Connection, mode: Mode) -> None:
    await write(url, [cycle(1, readings(10, step=MINUTE, devices=1))])
    await refresh(database, mode, T0 + HOUR)
    first = await stored.buckets(database, 1, hourly=False, from_us=T0, to_us=T0 + HOUR, limit=6)
    rest = await stored.buckets(database, 1, hourly=False, from_us=T0, to_us=T0 + HOUR, limit=6, after=first[-1].bucket)
    back = await stored.buckets(database, 1, hourly=False, from_us=T0, to_us=T0 + HOUR, limit=99, newest_first=True)
    assert [b.bucket for b in first + rest] == [T0 + k * MINUTE for k in range(10)]
    assert [b.bucket for b in back] == [b.bucket for b in reversed(first + rest)]
