"""Readings as they are asked for: the newest, the raw history, and the sums per minute and hour.

Pages are stable: a page begins after a key, never after a count, so rows that arrive meanwhile shift nothing. A
`limit` is what the caller wants at most; the caller bounds it. Times are microseconds since 1970 UTC. All of these
raise DatabaseAway and DatabaseRefused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, LiteralString, NamedTuple

from devices.quantities import GAS_QUANTITIES, QUANTITY_NAMES
from storage.database import Connection, translated
from storage.times import as_datetime

#: Quantities of which the roll-ups keep the mean only; of gas they keep count, least, most and sum.
MEAN_QUANTITIES: tuple[str, ...] = tuple(name for name in QUANTITY_NAMES if name not in GAS_QUANTITIES)


class ReadingKey(NamedTuple):
    """Where a page of one device's raw readings ended."""

    ts: int
    boot: int
    seq: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One stored reading. `values` are aligned with QUANTITY_NAMES; None: absent, and its quality says why. `device_ts`
    is None where the device sent no time. `extra`: the JSON object of what else it sent, or None."""

    device_no: int
    ts: int
    device_ts: int | None
    received: int
    boot: int
    seq: int
    flags: int
    quality: int
    values: tuple[float | None, ...]
    valve: int
    valve_cause: int
    extra: str | None = None

    @property
    def key(self) -> ReadingKey:
        return ReadingKey(self.ts, self.boot, self.seq)


@dataclass(frozen=True, slots=True)
class GasSummary:
    """What one gas quantity did in a bucket: n readings with a value; lowest, highest and mean are None when n is 0."""

    n: int
    lowest: float | None
    highest: float | None
    mean: float | None


@dataclass(frozen=True, slots=True)
class Bucket:
    """One device in one minute or hour that begins at `bucket`. `n` readings, `bad` of them with a value of which the
    quality is neither good nor "not measured"; `flags` is the OR of all; `valve` and `valve_cause` the last seen.
    `gas` is aligned with GAS_QUANTITIES, `means` with MEAN_QUANTITIES. A bucket appears once it has ended."""

    device_no: int
    bucket: int
    n: int
    bad: int
    flags: int
    gas: tuple[GasSummary, ...]
    means: tuple[float | None, ...]
    valve: int
    valve_cause: int


# Column names come from our own table of quantities, never from a caller.
_RAW: LiteralString = (
    "r.device_no, davy_us(r.ts), davy_us(r.device_ts), davy_us(r.received), r.boot, r.seq, r.flags, r.quality,"
    " r.valve, r.valve_cause, "
)


def _columns(names: Sequence[str], prefix: str = "") -> Any:
    return ", ".join(prefix + name for name in names)


_RAW_COLUMNS = _RAW + _columns(QUANTITY_NAMES, "r.")
_BUCKET_COLUMNS = "device_no, davy_us(bucket), n, bad, flags, valve, valve_cause, " + _columns(
    [f"{name}_{what}" for name in GAS_QUANTITIES for what in ("n", "min", "max", "sum")]
    + [f"{name}_mean" for name in MEAN_QUANTITIES]
)


async def history(
    connection: Connection,
    device_no: int,
    *,
    from_us: int,
    to_us: int,
    limit: int,
    after: ReadingKey | None = None,
    newest_first: bool = False,
) -> list[Reading]:
    """Raw readings of one device with from <= ts < to, in the order of (ts, boot, seq) or backwards."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    query = (
        f"SELECT {_RAW_COLUMNS} FROM reading r WHERE r.device_no = %s AND r.ts >= %s AND r.ts < %s"  # noqa: S608
        + (f" AND (r.ts, r.boot, r.seq) {beyond} (%s, %s, %s)" if after else "")
        + f" ORDER BY r.ts {order}, r.boot {order}, r.seq {order} LIMIT %s"
    )
    place = (as_datetime(after.ts), after.boot, after.seq) if after else ()
    with translated():
        cursor = await connection.execute(
            query, (device_no, as_datetime(from_us), as_datetime(to_us), *place, limit), prepare=False
        )
        return await _with_extra(connection, [_reading(row) for row in await cursor.fetchall()])


async def latest(connection: Connection, device_nos: Sequence[int]) -> dict[int, Reading]:
    """The newest stored reading of each device that has one, by device number. At most about a second behind the
    rows of `reading` (storage/latest.py)."""
    with translated():
        cursor = await connection.execute(
            f"SELECT {_RAW_COLUMNS} FROM device_latest r WHERE r.device_no = ANY(%s)",  # noqa: S608
            (list(device_nos),),
        )
        readings = await _with_extra(connection, [_reading(row) for row in await cursor.fetchall()])
    return {reading.device_no: reading for reading in readings}


async def _with_extra(connection: Connection, readings: list[Reading]) -> list[Reading]:
    """The same with what else was sent. A question of its own, with times and numbers written out: a join would not be
    passed on into the view that a tenant reads (migration 0013), which would read all that the devices ever sent."""
    if not readings:
        return readings
    times = [reading.ts for reading in readings]
    cursor = await connection.execute(
        "SELECT device_no, davy_us(ts), boot, seq, extra::text FROM reading_extra"
        " WHERE device_no = ANY(%s) AND ts >= %s AND ts <= %s AND ts = ANY(%s)",
        (
            sorted({reading.device_no for reading in readings}),
            as_datetime(min(times)),
            as_datetime(max(times)),
            [as_datetime(ts) for ts in sorted(set(times))],
        ),
        prepare=False,
    )
    extra = {(device_no, ts, boot, seq): text for device_no, ts, boot, seq, text in await cursor.fetchall()}
    if not extra:
        return readings
    return [replace(one, extra=extra.get((one.device_no, one.ts, one.boot, one.seq))) for one in readings]


async def buckets(
    connection: Connection,
    device_no: int,
    *,
    hourly: bool,
    from_us: int,
    to_us: int,
    limit: int,
    after: int | None = None,
    newest_first: bool = False,
) -> list[Bucket]:
    """Sums per minute (or hour) of one device with from <= bucket < to; `after` is the bucket the last page ended
    with."""
    order, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    table = "reading_1h" if hourly else "reading_1m"
    query = (
        f"SELECT {_BUCKET_COLUMNS} FROM {table} WHERE device_no = %s AND bucket >= %s AND bucket < %s"  # noqa: S608
        + (f" AND bucket {beyond} %s" if after is not None else "")
        + f" ORDER BY bucket {order} LIMIT %s"
    )
    place = (as_datetime(after),) if after is not None else ()
    with translated():
        cursor = await connection.execute(
            query, (device_no, as_datetime(from_us), as_datetime(to_us), *place, limit), prepare=False
        )
        return [_bucket(row) for row in await cursor.fetchall()]


def _reading(row: tuple[Any, ...]) -> Reading:
    device_no, ts, device_ts, received, boot, seq, flags, quality, valve, valve_cause, *values = row
    return Reading(
        device_no=device_no,
        ts=ts,
        device_ts=device_ts,
        received=received,
        boot=boot,
        seq=seq,
        flags=flags,
        quality=quality,
        values=tuple(values),
        valve=valve,
        valve_cause=valve_cause,
    )


def _bucket(row: tuple[Any, ...]) -> Bucket:
    device_no, bucket, n, bad, flags, valve, valve_cause, *columns = row
    gas = [columns[at : at + 4] for at in range(0, 4 * len(GAS_QUANTITIES), 4)]
    return Bucket(
        device_no=device_no,
        bucket=bucket,
        n=n,
        bad=bad,
        flags=flags,
        gas=tuple(GasSummary(count, low, high, total / count if count else None) for count, low, high, total in gas),
        means=tuple(columns[4 * len(GAS_QUANTITIES) :]),
        valve=valve,
        valve_cause=valve_cause,
    )
