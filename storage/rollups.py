"""`reading_1m` and `reading_1h`: our own tables in every mode, summed up again for the buckets that changed.

U1  A bucket that is not marked as due agrees with the rows (of `reading` for minutes, of `reading_1m` for hours).
    Marks are committed with the rows, and taken away in the transaction that reads the rows after it.
U2  A bucket is summed up after it has ended and settled, so at most once while all goes well, and again whenever late
    rows change it.
U3  Only good values count (G9): a value of any other quality is in `n` and `bad`, never in a sum, a mean or an extreme.
    A reading in which nobody was heard (Flag.STALE) has no good value, and says nothing of where a valve stands.
U4  One turn is bounded, and each bucket is a transaction of its own.
"""

from collections.abc import Sequence
from typing import Any

from devices.quantities import GAS_QUANTITIES, Flag, quality_shift
from storage.database import Connection
from storage.partitions import Partitions
from storage.readings import MEAN_QUANTITIES
from storage.times import HOUR_US, MINUTE_US, as_datetime

#: How long after its end a bucket settles: most rows of a minute arrive within seconds; an hour waits for its minutes
#: and for what rollup_marks calls live.
MINUTE_SETTLES_US = 15_000_000
HOUR_SETTLES_US = 3 * MINUTE_US
#: Per turn: whole minutes, device-hours, whole hours.
MOST_MINUTES, MOST_DEVICE_HOURS, MOST_HOURS = 30, 256, 2

#: A nibble of the quality word above NOT_MEASURED (1) has one of its three upper bits set: 0xEEEE_EEEE_EEEE_EEEE.
_BAD = 0xEEEE_EEEE_EEEE_EEEE - (1 << 64)
_HEARD = f"flags & {int(Flag.STALE)} = 0"


def _good(name: str) -> str:
    return f"CASE WHEN (quality >> {quality_shift(name)}) & 15 = 0 AND {_HEARD} THEN {name} END"


def _minute_columns() -> dict[str, str]:
    """Column of reading_1m -> how it is summed up from `reading r`. The last known valve position is carried through
    max(): microseconds into the bucket above, position and cause in the low bits."""
    last = (
        "max((date_part('epoch', ts - date_trunc('hour', ts)) * 1e6)::bigint * 256 + valve * 16 + valve_cause)"
        f" FILTER (WHERE valve <> 0 AND {_HEARD})"
    )
    columns = {
        "n": "count(*)",
        "bad": f"count(*) FILTER (WHERE quality & ({_BAD}) <> 0)",
        "flags": "bit_or(flags)",
        "valve": f"coalesce(({last} >> 4) & 15, 0)",
        "valve_cause": f"coalesce({last} & 15, 0)",
    }
    for name in GAS_QUANTITIES:
        columns |= {
            f"{name}_n": f"count({_good(name)})",
            f"{name}_min": f"min({_good(name)})",
            f"{name}_max": f"max({_good(name)})",
            f"{name}_sum": f"sum(({_good(name)})::double precision)",
        }
    for name in MEAN_QUANTITIES:
        columns |= {f"{name}_n": f"count({_good(name)})", f"{name}_mean": f"avg({_good(name)})"}
    return columns


def _hour_columns() -> dict[str, str]:
    """Column of reading_1h -> how it is summed up from `reading_1m r`."""
    last = "(array_agg({} ORDER BY r.bucket DESC) FILTER (WHERE valve <> 0))[1]"
    columns = {
        "n": "sum(n)",
        "bad": "sum(bad)",
        "flags": "bit_or(flags)",
        "valve": f"coalesce({last.format('valve')}, 0)",
        "valve_cause": f"coalesce({last.format('valve_cause')}, 0)",
    }
    for name in GAS_QUANTITIES:
        columns |= {f"{name}_{what}": f"sum({name}_{what})" for what in ("n", "sum")}
        columns |= {f"{name}_{what}": f"{what}({name}_{what})" for what in ("min", "max")}
    for name in MEAN_QUANTITIES:
        columns |= {
            f"{name}_n": f"sum({name}_n)",
            f"{name}_mean": f"sum({name}_mean::double precision * {name}_n) / nullif(sum({name}_n), 0)",
        }
    return columns


def _refresh(table: str, source: str, bucket: str, columns: dict[str, str], where: str) -> bytes:
    names = ", ".join(columns)
    values = ", ".join(columns.values())
    update = ", ".join(f"{name} = excluded.{name}" for name in columns)
    return (
        f"INSERT INTO {table} (bucket, device_no, {names})"  # noqa: S608  names are ours
        f" SELECT {bucket} AS bucket, r.device_no, {values} FROM {source} r {where} GROUP BY 1, 2"
        f" ON CONFLICT (device_no, bucket) DO UPDATE SET {update}"
    ).encode()


_MINUTE = "date_trunc('minute', r.ts)"
_HOUR = "date_trunc('hour', r.bucket)"
_DUE_ROWS = (
    "JOIN unnest(%s::timestamptz[], %s::integer[]) AS due (hour, device_no) ON r.device_no = due.device_no"
    " AND r.{axis} >= due.hour AND r.{axis} < due.hour + interval '1 hour'"
)
_WHOLE_MINUTE = _refresh("reading_1m", "reading", _MINUTE, _minute_columns(), "WHERE r.ts >= %s AND r.ts < %s")
_DEVICE_MINUTES = _refresh("reading_1m", "reading", _MINUTE, _minute_columns(), _DUE_ROWS.format(axis="ts"))
_WHOLE_HOUR = _refresh("reading_1h", "reading_1m", _HOUR, _hour_columns(), "WHERE r.bucket >= %s AND r.bucket < %s")
_DEVICE_HOURS = _refresh("reading_1h", "reading_1m", _HOUR, _hour_columns(), _DUE_ROWS.format(axis="bucket"))


class Rollups:
    """One turn after another, over one connection in UTC."""

    def __init__(self, connection: Connection, partitions: Partitions) -> None:
        self._connection = connection
        self._partitions = partitions

    async def turn(self, now_us: int, raw_from_us: int) -> int:
        """Sum up what is due and settled; returns how many buckets or device-hours were. Rows older than `raw_from_us`
        may be gone already (storage/retention.py), so marks before it are void: their buckets stand as they are."""
        await self._connection.execute(
            "DELETE FROM rollup_due WHERE level = '1m' AND bucket < %s", (as_datetime(raw_from_us),)
        )
        done = 0
        for bucket in await self._whole("1m", now_us - MINUTE_US - MINUTE_SETTLES_US, MOST_MINUTES):
            await self._whole_minute(bucket)
            done += 1
        done += await self._device_minutes(now_us)
        for bucket in await self._whole("1h", now_us - HOUR_US - HOUR_SETTLES_US, MOST_HOURS):
            await self._whole_hour(bucket)
            done += 1
        return done + await self._device_hours(now_us)

    async def _whole(self, level: str, before_us: int, most: int) -> list[int]:
        cursor = await self._connection.execute(
            "SELECT DISTINCT davy_us(bucket) FROM rollup_due WHERE level = %s AND device_no = 0 AND bucket <= %s"
            " ORDER BY 1 LIMIT %s",
            (level, as_datetime(before_us), most),
        )
        return [int(bucket) for (bucket,) in await cursor.fetchall()]

    async def _whole_minute(self, bucket: int) -> None:
        async with self._connection.transaction():
            await self._take("1m", [bucket], [0])
            await self._partitions.for_buckets(self._connection, bucket, bucket)
            await self._connection.execute(_WHOLE_MINUTE, (as_datetime(bucket), as_datetime(bucket + MINUTE_US)))
            await self._mark_hours([bucket - bucket % HOUR_US], [0])

    async def _device_minutes(self, now_us: int) -> int:
        hours, devices = await self._pairs("1m", now_us)
        if hours:
            async with self._connection.transaction():
                await self._take("1m", hours, devices)
                await self._partitions.for_buckets(self._connection, min(hours), max(hours))
                await self._connection.execute(_DEVICE_MINUTES, (_datetimes(hours), devices))
                await self._mark_hours(hours, devices)
        return len(hours)

    async def _whole_hour(self, bucket: int) -> None:
        async with self._connection.transaction():
            await self._take("1h", [bucket], [0])
            await self._connection.execute(_WHOLE_HOUR, (as_datetime(bucket), as_datetime(bucket + HOUR_US)))

    async def _device_hours(self, now_us: int) -> int:
        hours, devices = await self._pairs("1h", now_us - HOUR_US - HOUR_SETTLES_US)
        if hours:
            async with self._connection.transaction():
                await self._take("1h", hours, devices)
                await self._connection.execute(_DEVICE_HOURS, (_datetimes(hours), devices))
        return len(hours)

    async def _pairs(self, level: str, before_us: int) -> tuple[list[int], list[int]]:
        cursor = await self._connection.execute(
            "SELECT DISTINCT davy_us(bucket), device_no FROM rollup_due WHERE level = %s AND device_no <> 0"
            " AND bucket <= %s ORDER BY 1, 2 LIMIT %s",
            (level, as_datetime(before_us), MOST_DEVICE_HOURS),
        )
        rows: list[tuple[Any, ...]] = await cursor.fetchall()
        return [int(hour) for hour, _ in rows], [int(device) for _, device in rows]

    async def _take(self, level: str, buckets: Sequence[int], devices: Sequence[int]) -> None:
        """The marks first, the rows after: a row whose mark was taken here is seen by the statement that follows."""
        await self._connection.execute(
            "DELETE FROM rollup_due d USING unnest(%s::timestamptz[], %s::integer[]) AS due (bucket, device_no)"
            " WHERE d.level = %s AND d.bucket = due.bucket AND d.device_no = due.device_no",
            (_datetimes(buckets), list(devices), level),
        )

    async def _mark_hours(self, hours: Sequence[int], devices: Sequence[int]) -> None:
        await self._connection.execute(
            "INSERT INTO rollup_due (level, bucket, device_no) SELECT '1h', due.* FROM"
            " unnest(%s::timestamptz[], %s::integer[]) AS due (bucket, device_no) WHERE NOT EXISTS (SELECT FROM"
            " rollup_due d WHERE d.level = '1h' AND d.bucket = due.bucket AND d.device_no = due.device_no)",
            (_datetimes(hours), list(devices)),
        )


def _datetimes(times_us: Sequence[int]) -> list[Any]:
    return [as_datetime(time) for time in times_us]
