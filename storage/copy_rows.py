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
_KEY = ("device_no", "ts", "boot", "seq")


@dataclass(frozen=True, slots=True)
class _Layout:
    """One record per row: the field count, then per column its length and, unless NULL, its value."""

    dtype: np.dtype[np.void]
    template: NDArray[np.void]
    present: tuple[str, ...]


def sort_by_key(rows: Rows) -> Rows:
    """The rows in the order of the database key: device, effective time, boot, sequence."""
    return rows[np.lexsort(tuple(rows[name] for name in reversed(_KEY)))]


def copy_payload(rows: Rows) -> Iterator[bytes]:
    """The whole COPY stream for `rows`, dtype READING, in a few large pieces."""
    yield _HEADER
    patterns = _null_patterns(rows)
    lowest = patterns.min(initial=0) if len(patterns) else 0
    if len(patterns) and (patterns == patterns[0]).all():
        yield _records(rows, int(patterns[0]))
    elif len(patterns):
        del lowest
        for pattern in np.unique(patterns):
            yield _records(rows[patterns == pattern], int(pattern))
    yield _TRAILER


def _null_patterns(rows: Rows) -> NDArray[np.int64]:
    """Shape (n,): bit i says that `_NULLABLE[i]` is NULL in that row."""
    patterns = np.zeros(len(rows), np.int64)
    for bit, name in enumerate(_NULLABLE):
        column = rows[name]
        absent = column == NO_TIME if name == "device_ts" else np.isnan(column)
        patterns |= absent.astype(np.int64) << bit
    return patterns


def _records(rows: Rows, pattern: int) -> bytes:
    layout = _layout(pattern)
    records = np.repeat(layout.template, len(rows))
    for name in layout.present:
        records[name] = _postgres_time(rows[name]) if name in _TIMES else rows[name]
    return records.tobytes()


def _postgres_time(times: NDArray[np.int64]) -> NDArray[np.int64]:
    shifted = np.clip(times, _LOWEST_TIME_US, _HIGHEST_TIME_US) - POSTGRES_EPOCH_US
    shifted[times < _LOWEST_TIME_US] = np.iinfo(np.int64).min
    shifted[times > _HIGHEST_TIME_US] = np.iinfo(np.int64).max
    return shifted


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
