"""Stored readings as columns, in the order in which they were received: what a backtest and an explanation run over.

H1  Every stored reading with from <= ts < to of the devices asked for comes once.
H2  They come in the order of (received, ts): the order in which the engine judged them. `ts` alone would be another:
    what was backfilled came when nobody could act on it any more. Ties are of different devices, or are late.
H3  Memory is bounded: one window of `ts` at a time, and what was received after its window waits for its turn. Nothing
    has a `ts` later than FUTURE_US after it was received (admission), so a window's end tells what is complete.
H4  Only the columns that are asked for leave the database; the others are as if nothing had been measured. They leave
    as arrays, one per column and window, because a row at a time costs more than the rules do.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray

from devices.quantities import QUALITY_BITS, QUANTITY_NAMES, Quality, quality_shift
from devices.readings import READING, Rows, blank
from ingest.admission import FUTURE_US
from storage.copy_rows import POSTGRES_EPOCH_US
from storage.database import CONNECT_TIMEOUT_S, translated
from storage.times import DAY_US, as_datetime

#: A window is made longer or shorter until it has about so many readings: some 40 MiB on their way.
AIMED_AT = 250_000
#: So many may wait for their turn (some 900 MiB): a period in which most was backfilled is to be run in parts.
MOST_WAITING = 10_000_000
_FIRST_WINDOW_US, _SHORTEST_US, _LONGEST_US = 600_000_000, 1_000_000, DAY_US
#: What rules look at besides quantities.
_ALWAYS = ("device_no", "ts", "received", "flags", "quality", "valve", "valve_cause")
_KEY = ("boot", "seq")


class TooMuchBackfilled(RuntimeError):
    """More readings than fit in memory were received long after they were measured. Permanent: take a shorter time."""


@dataclass(frozen=True, slots=True)
class Asked:
    """from_us <= ts < to_us, microseconds UTC. `device_nos` None: of all devices. `quantities`: canonical names."""

    from_us: int
    to_us: int
    quantities: tuple[str, ...] = QUANTITY_NAMES
    device_nos: tuple[int, ...] | None = None
    #: Boot and sequence too; rules do not look at them.
    identity: bool = False


def stored_readings(url: str, asked: Asked, *, first_window_us: int = _FIRST_WINDOW_US) -> Iterator[Rows]:
    """Readings in chunks of any size, none of them empty. The next window is fetched while the last is worked on.
    Raises DatabaseAway, DatabaseRefused, TooMuchBackfilled."""
    with translated(), psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S) as connection:
        connection.execute("SET timezone = 'UTC'")
        with ThreadPoolExecutor(1, "history") as ahead:
            yield from _in_order(_windows(connection, asked, first_window_us, ahead))


def _windows(
    connection: psycopg.Connection[Any], asked: Asked, length_us: int, ahead: ThreadPoolExecutor
) -> Iterator[tuple[int, Rows]]:
    """(end of the window, its readings), windows in order, each fetched before the one before is worked on."""
    start = asked.from_us
    coming = ahead.submit(_fetched, connection, asked, start, length_us) if start < asked.to_us else None
    while coming is not None:
        here, rows = coming.result()
        length_us = max(here - start, _SHORTEST_US)
        if len(rows) < AIMED_AT // 2:
            length_us = min(2 * length_us, _LONGEST_US)
        start = here
        coming = ahead.submit(_fetched, connection, asked, start, length_us) if start < asked.to_us else None
        yield here, rows


def _fetched(connection: psycopg.Connection[Any], asked: Asked, start: int, length_us: int) -> tuple[int, Rows]:
    """(its end, the readings) of a window of at most this length. It is counted first, and made shorter until it has
    not far more than is aimed at: what follows on a quiet time may be any number (H3)."""
    end = min(start + length_us, asked.to_us)
    while end - start > _SHORTEST_US and _too_many(connection, asked, start, end):
        end = start + max((end - start) // 2, _SHORTEST_US)
    return end, _window(connection, asked, start, end)


def _too_many(connection: psycopg.Connection[Any], asked: Asked, start: int, end: int) -> bool:
    where, values = _where(asked, start, end)
    query = f"SELECT count(*) FROM (SELECT FROM reading{where} LIMIT %s) AS few"  # noqa: S608
    most = 2 * AIMED_AT
    found = connection.execute(query.encode(), (*values, most + 1)).fetchone()
    return found is not None and int(found[0]) > most


def _where(asked: Asked, start: int, end: int) -> tuple[str, list[Any]]:
    values: list[Any] = [as_datetime(start), as_datetime(end)]
    if asked.device_nos is None:
        return " WHERE ts >= %s AND ts < %s", values
    return " WHERE ts >= %s AND ts < %s AND device_no = ANY(%s)", [*values, list(asked.device_nos)]


def _in_order(windows: Iterator[tuple[int, Rows]]) -> Iterator[Rows]:
    waiting: Rows = blank(0)
    for end, rows in windows:
        together = _sorted(np.concatenate([waiting, rows]) if len(waiting) else rows)
        # What was received before this has a ts before the window's end, so all of it is here.
        ripe = int(np.searchsorted(together["received"], end - FUTURE_US))
        ready, waiting = together[:ripe], together[ripe:]
        if len(waiting) > MOST_WAITING:
            raise TooMuchBackfilled(
                f"{len(waiting):,} readings were received later than the time they are about; take a shorter time"
            )
        if len(ready):
            yield ready
    if len(waiting):
        yield waiting


def _sorted(rows: Rows) -> Rows:
    order = np.lexsort((rows["seq"], rows["boot"], rows["device_no"], rows["ts"], rows["received"]))
    # take(), because indexing copies a structured row field by field.
    return np.take(rows, order)


def _column(name: str) -> str:
    """A column without NULL, so that its array is of one stride. Names are of our own table of columns."""
    return f"coalesce({name}, 'NaN'::real)" if name in QUANTITY_NAMES else name


def _columns(asked: Asked) -> tuple[str, ...]:
    names = _ALWAYS + tuple(name for name in QUANTITY_NAMES if name in asked.quantities)
    return names + (_KEY if asked.identity else ())


def _window(connection: psycopg.Connection[Any], asked: Asked, start: int, end: int) -> Rows:
    names = _columns(asked)
    where, values = _where(asked, start, end)
    query = f"SELECT {', '.join(f'array_agg({_column(name)})' for name in names)} FROM reading{where}"  # noqa: S608
    with connection.cursor(binary=True) as cursor:
        cursor.execute(query.encode(), values, prepare=False)
        result = cursor.pgresult
        assert result is not None
        arrays = [result.get_value(0, at) for at in range(len(names))]
    if arrays[0] is None:
        return blank(0)
    columns = {name: _array(body, name) for name, body in zip(names, arrays, strict=True) if body is not None}
    return _rows(columns, asked)


def _array(body: bytes, name: str) -> NDArray[Any]:
    """One array as PostgreSQL sends it: a head of 20 bytes (dimensions, whether there are NULLs, type, length, lower
    bound), then per element its length and its value. Source: src/backend/utils/adt/arrayfuncs.c, array_send."""
    dimensions, nulls, _, many, _ = (int(number) for number in np.frombuffer(body, ">i4", 5))
    assert (dimensions, nulls) == (1, 0), "an array_agg of values that are not NULL"
    kind = READING[name].str.replace("<", ">")
    pairs = np.frombuffer(body, np.dtype([("length", ">i4"), ("value", kind)]), many, 20)
    values: NDArray[Any] = pairs["value"].astype(READING[name])
    if name in ("ts", "received"):
        values += POSTGRES_EPOCH_US
    return values


def _rows(columns: dict[str, NDArray[Any]], asked: Asked) -> Rows:
    rows = blank(len(columns["ts"]))
    for name, values in columns.items():
        rows[name] = values
    left_out = [name for name in QUANTITY_NAMES if name not in asked.quantities]
    if left_out:
        rows["quality"] = rows["quality"] & ~_nibbles(left_out) | _not_measured(left_out)
    return rows


def _nibbles(names: Sequence[str]) -> int:
    return sum(((1 << QUALITY_BITS) - 1) << quality_shift(name) for name in names)


def _not_measured(names: Sequence[str]) -> int:
    return sum(Quality.NOT_MEASURED << quality_shift(name) for name in names)
