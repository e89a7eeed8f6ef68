"""The directory of who may sign in, on disk: what lets people go on when the API is restarted while PostgreSQL is down.

F1  One file, 0600, replaced whole: written beside, fsynced, renamed. It holds hashes and no secret
    (access/directory.py, K1).
F2  Sign-ins that the database does not know of yet stand in it, and are written down there when it is back.
"""

import os
from pathlib import Path

import msgspec
import structlog

from access.directory import Changes, Session

_log = structlog.get_logger()


class Snapshot(msgspec.Struct, frozen=True):
    """pending: begun while the database was away (F2)."""

    known: Changes = Changes()
    pending: tuple[Session, ...] = ()


def read_snapshot(path: Path) -> Snapshot:
    """What was known; nothing where there is no file, or one that cannot be read, which is said in the log."""
    try:
        return msgspec.msgpack.decode(path.read_bytes(), type=Snapshot)
    except FileNotFoundError:
        return Snapshot()
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as wrong:
        _log.warning("the file of who may sign in cannot be read; it is made anew", path=str(path), why=str(wrong))
        return Snapshot()


def write_snapshot(path: Path, snapshot: Snapshot) -> None:
    """F1. Raises OSError."""
    beside = path.with_name(path.name + ".new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, 0o600)
        file.write(msgspec.msgpack.encode(snapshot))
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
