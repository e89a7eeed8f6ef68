"""Readings as PostgreSQL's binary COPY format, built by numpy: no Python per row.

W1  Absent is NULL: a NaN quantity, a device time that was never sent. Its quality, beside it, says why.
W2  Every other bit of a reading is kept: integers as they are, floats by their bits, times to the microsecond.
W3  Rows leave sorted by the key, so that index pages are filled in order.

A NULL has no bytes in this format, so rows differ in length by which columns are NULL. Rows are therefore grouped by
that pattern (a fleet has a handful: a detector, a valve, ...), and each group is one fixed record layout.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from devices.quantities import QUANTITY_NAMES
from devices.readings import NO_TIME, READING, Rows
from storage.times import DAY_US

#: The columns of `reading`, in the order COPY is given them.
COLUMNS: tuple[str, ...] = READING.names or ()
#: PostgreSQL counts timestamptz in microseconds from 2000-01-01 UTC; we count from 1970.
POSTGRES_EPOCH_US = 946_684_800_000_000
#: What timestamptz can hold (datatype/timestamp.h: 4714 BC to 294276 AD), in our microseconds. Beyond stands infinity.
_LOWEST_TIME_US = -211_813_488_000_000_000 + POSTGRES_EPOCH_US
_HIGHEST_TIME_US = 9_223_371_331_200_000_000 - 1
_TIMES = frozenset({"ts", "device_ts", "received"})
_NULLABLE: tuple[str, ...] = (*QUANTITY_NAMES, "device_ts")
_HEADER = b"PGCOPY\n\xff\r\n\x00" + bytes(8)
_TRAILER = b"\xff\xff"
#: Rows per piece: about 300 KiB, which fits the second-level cache of any server.
_PIECE = 2048


@dataclass(frozen=True, slots=True)
class _Layout:
    """One record per row: the field count, then per column its length and, unless NULL, its value."""

    dtype: np.dtype[np.void]
    template: NDArray[np.void]
    present: tuple[str, ...]


def sort_by_key(rows: Rows) -> Rows:
    """The rows in the order of the database key: device, effective time, boot, sequence."""
    if len(rows) < 2:
        return rows
    device_no, ts = rows["device_no"].astype(np.int64), rows["ts"]
    first = int(ts.min())
    span = int(ts.max()) - first + 1
    order = None
    if int(device_no.min()) >= 0 and int(device_no.max()) < (1 << 62) // span:
        # Device and time as one integer: ten times faster than sorting by several keys.
        both = device_no * span + (ts - first)
        order = np.argsort(both, kind="stable")
        if (np.diff(both[order]) == 0).any():
            order = None
    if order is None:
        order = np.lexsort((rows["seq"], rows["boot"], ts, device_no))
    # take(), because indexing copies a structured row field by field.
    return np.take(rows, order)


def copy_payload(rows: Rows) -> Iterator[bytes]:
    """The whole COPY stream for `rows`, dtype READING, in pieces of at most a few hundred KiB."""
    yield _HEADER
    patterns = _null_patterns(rows)
    if len(patterns) and (patterns == patterns[0]).all():
        yield from _records(rows, int(patterns[0]))
    else:
        for pattern in np.unique(patterns):
            yield from _records(np.take(rows, np.flatnonzero(patterns == pattern)), int(pattern))
    yield _TRAILER


def _null_patterns(rows: Rows) -> NDArray[np.int64]:
    """Shape (n,): bit i says that `_NULLABLE[i]` is NULL in that row."""
    patterns = np.zeros(len(rows), np.int64)
    for bit, name in enumerate(_NULLABLE):
        column = rows[name]
        absent = column == NO_TIME if name == "device_ts" else np.isnan(column)
        patterns |= absent.astype(np.int64) << bit
    return patterns


def _records(rows: Rows, pattern: int) -> Iterator[bytes]:
    layout = _layout(pattern)
    # One buffer, filled again for every piece: it stays in the processor's cache, and lengths are written once.
    records = np.repeat(layout.template, min(len(rows), _PIECE))
    for at in range(0, len(rows), _PIECE):
        part = rows[at : at + _PIECE]
        for name in layout.present:
            records[name][: len(part)] = _postgres_time(part[name]) if name in _TIMES else part[name]
        yield records[: len(part)].tobytes()


def _postgres_time(times: NDArray[np.int64]) -> NDArray[np.int64]:
    if len(times) and int(times.min()) >= _LOWEST_TIME_US and int(times.max()) <= _HIGHEST_TIME_US:
        return times - POSTGRES_EPOCH_US
    shifted = np.clip(times, _LOWEST_TIME_US, _HIGHEST_TIME_US) - POSTGRES_EPOCH_US
    shifted[times < _LOWEST_TIME_US] = np.iinfo(np.int64).min
    shifted[times > _HIGHEST_TIME_US] = np.iinfo(np.int64).max
    return shifted


def rows_per_day(rows: Rows) -> dict[int, int]:
    """How many rows each day (days since 1970 UTC, by effective time) has, days ascending."""
    if not len(rows):
        return {}
    first, last = int(rows["ts"].min()) // DAY_US, int(rows["ts"].max()) // DAY_US
    if first == last:
        return {first: len(rows)}
    days, counts = np.unique(rows["ts"] // DAY_US, return_counts=True)
    return {int(day): int(n) for day, n in zip(days, counts, strict=True)}


@cache
def _layout(pattern: int) -> _Layout:
    absent = {name for bit, name in enumerate(_NULLABLE) if pattern >> bit & 1}
    fields: list[tuple[str, str]] = [("fields", ">i2")]
    for name in COLUMNS:
        fields.append((f"{name} length", ">i4"))
        if name not in absent:
            fields.append((name, READING[name].str.replace("<", ">")))
    dtype = np.dtype(fields)
    template = np.zeros(1, dtype)
    template["fields"] = len(COLUMNS)
    for name in COLUMNS:
        template[f"{name} length"] = -1 if name in absent else READING[name].itemsize
    return _Layout(dtype, template, tuple(name for name in COLUMNS if name not in absent))
