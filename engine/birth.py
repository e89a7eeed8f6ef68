"""When a file came to be, which nobody can set: a copy of it was born later."""

import ctypes
import os
import struct
from pathlib import Path

#: Of statx(2), linux/stat.h: relative paths are of this folder; the birth time is asked for; it stands at this byte of
#: what is filled in, after the mask of what is known at its beginning.
_AT_FDCWD, _BTIME, _BTIME_AT, _BYTES = -100, 0x800, 0x50, 256


def born_ns(path: Path) -> int:
    """In nanoseconds since 1970 UTC; 0 where the file system or the machine does not say. Raises OSError for a file
    that is not there."""
    birthtime = getattr(path.stat(), "st_birthtime", 0.0)
    if birthtime:
        return round(birthtime * 1e9)
    try:
        statx = ctypes.CDLL(None).statx  # Python itself does not ask for it before 3.15
    except (OSError, AttributeError):
        return 0
    filled = ctypes.create_string_buffer(_BYTES)
    if statx(_AT_FDCWD, os.fsencode(path), 0, _BTIME, filled):
        return 0
    (known,) = struct.unpack_from("I", filled.raw)
    seconds, nanoseconds = struct.unpack_from("qI", filled.raw, _BTIME_AT)
    return int(seconds) * 1_000_000_000 + int(nanoseconds) if known & _BTIME else 0
