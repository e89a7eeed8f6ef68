"""The canonical reading and the Batch: one numpy row per measuring point and instant.

The layout is the journal's format. `pack` and `unpack` turn rows into bytes and back, column by column, because in a
batch most columns are constant (no pressure sensor, no flags): a constant column costs its one value.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from devices.quantities import NOTHING_MEASURED, QUANTITY_NAMES

#: Rows of canonical readings, shape (n,), dtype READING.
Rows = NDArray[np.void]

READING = np.dtype(
    [
        ("device_no", "<i4"),
        ("boot", "<i4"),
        ("ts", "<i8"),  # effective time; this and the next two: microseconds since 1970 UTC
        ("device_ts", "<i8"),  # what the device said, or NO_TIME
        ("received", "<i8"),
        ("seq", "<i8"),
        ("flags", "<i8"),
        ("quality", "<i8"),
        *((name, "<f4") for name in QUANTITY_NAMES),
        ("valve", "<i2"),
        ("valve_cause", "<i2"),
    ]
)

#: "The device sent no time." The smallest i8: no clock can say it.
NO_TIME = -(1 << 63)
#: "The device sent no sequence number"; admission replaces it, so it is never stored.
NO_SEQ = -1


def blank(n: int) -> Rows:
    """n rows in which nothing was measured: floats NaN, quality NOT_MEASURED, no device time, no sequence."""
    rows = np.zeros(n, READING)
    for name in QUANTITY_NAMES:
        rows[name] = np.nan
    rows["quality"] = NOTHING_MEASURED
    rows["device_ts"] = NO_TIME
    rows["seq"] = NO_SEQ
    return rows


@dataclass(frozen=True, slots=True)
class Batch:
    """Admitted readings in the order they arrived.

    rows: shape (n,), dtype READING.
    slots: shape (n,), i4: where each row's device stands in the engine's arrays; private to one engine run.
    extra: (row index, JSON object as bytes) of what a device sent beyond the canonical columns.
    """

    rows: Rows
    slots: NDArray[np.int32]
    extra: tuple[tuple[int, bytes], ...] = field(default=())


_CONSTANT, _VARYING = b"\x00", b"\x01"


def pack(rows: Rows) -> bytes:
    """Rows as bytes: the count (u4), then per column one byte and either its single value or all of them.
    Bit patterns are compared, so NaN columns are constant too and every bit comes back."""
    n = len(rows)
    parts = [n.to_bytes(4, "little")]
    if n == 0:
        return parts[0]
    for name in READING.names or ():
        column = np.ascontiguousarray(rows[name])
        bits = column.view(f"<u{column.itemsize}")
        if (bits == bits[0]).all():
            parts += (_CONSTANT, column[:1].tobytes())
        else:
            parts += (_VARYING, column.tobytes())
    return b"".join(parts)


def unpack(packed: bytes) -> Rows:
    """The inverse of `pack`. Raises ValueError when the bytes are not a packed batch of exactly this layout."""
    if len(packed) < 4:
        raise ValueError("a packed batch has at least 4 bytes")
    n = int.from_bytes(packed[:4], "little")
    rows = np.empty(n, READING)
    at = 4
    if n == 0:
        if len(packed) != at:
            raise ValueError(f"a packed empty batch has 4 bytes, got {len(packed)}")
        return rows
    for name in READING.names or ():
        dtype: np.dtype[Any] = READING[name]
        mark, at = packed[at : at + 1], at + 1
        count = {_CONSTANT: 1, _VARYING: n}.get(mark)
        if count is None or at + count * dtype.itemsize > len(packed):
            raise ValueError(f"packed batch broken at column {name!r}, byte {at}")
        rows[name] = np.frombuffer(packed, dtype, count, at)
        at += count * dtype.itemsize
    if at != len(packed):
        raise ValueError(f"{len(packed) - at} bytes after the last column of a packed batch")
    return rows
