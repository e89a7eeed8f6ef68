"""The disk under the engine store, watched: a SQLite VFS over the real one that counts fsyncs and can refuse writes.

It stands between the real SQLite and the real file system; nothing of the engine is replaced.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import apsw


@dataclass(slots=True)
class Disk:
    """synced: when each fsync of a file had returned (time.perf_counter). full: writes fail as on a full disk.
    fills_at: it is full from the first write on that holds these bytes."""

    synced: list[float] = field(default_factory=list)
    full: bool = False
    fills_at: bytes = b""


class _File(apsw.VFSFile):
    def __init__(self, disk: Disk, base: str, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__(base, name, flags)
        self._disk = disk

    def xSync(self, flags: int) -> None:
        if self._disk.full:
            raise apsw.IOError("no space left on device (the test says so)")
        super().xSync(flags)
        self._disk.synced.append(time.perf_counter())

    def xWrite(self, data: bytes, offset: int) -> None:
        if self._disk.fills_at and self._disk.fills_at in data:
            self._disk.full = True
        if self._disk.full:
            raise apsw.FullError("no space left on device (the test says so)")
        super().xWrite(data, offset)


class _VFS(apsw.VFS):
    def __init__(self, name: str, base: str, disk: Disk) -> None:
        super().__init__(name, base, makedefault=True)
        self._base = base
        self._disk = disk

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:
        return _File(self._disk, self._base, name, flags)


@contextlib.contextmanager
def watched_disk() -> Iterator[Disk]:
    """Every SQLite file opened inside stands on this disk."""
    disk = Disk()
    base = apsw.vfs_names()[0]
    vfs = _VFS(f"watched-{id(disk)}", base, disk)
    try:
        yield disk
    finally:
        vfs.unregister()
