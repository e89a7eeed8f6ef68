"""How far the store had come, kept beside it: so that an engine knows when its store was put back from a copy.

B1  The bookmark names a cycle only after that cycle is on disk. So a store that ends before it was put back. Its own
    name has the cycle, too: a copy that is laid over the folder replaces no newer one.
B2  It knows the file too, by the time of its birth, which nobody can set: a file that was copied is another one, though
    it ends where the bookmark says. Where the file system keeps none, by its inode, whose number may be given again.
B3  What a restart, a kill or a power cut leaves behind is never taken for a copy: a bookmark is made with the store,
    before its first cycle, and is whole or not there.
B4  Until a cycle that says so (Restored) is on disk, the next start finds the same again.

A copy that is less than BOOKMARK_EVERY_S older than the newest cycle may pass for a restart if it is put back in place;
what it remembers is then not older than that. What was turned back as a whole (a snapshot of a disk or a machine), or
written into the same files while the newer bookmark was removed (rsync --inplace --delete), brought its bookmark along:
then it must be said (`davy engine --restored`).
"""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

import msgspec
import structlog

from engine.birth import born_ns
from engine.store import Store

_log = structlog.get_logger()

#: How often it is moved on. Source: product choice: the silence of a detector is longer.
BOOKMARK_EVERY_S = 5.0
_WRITING = "bookmark-"


class Place(msgspec.Struct, frozen=True):
    """Where a store stood: its name, its file (inode, and birth in nanoseconds; 0: not known), its last cycle and that
    one's time (microseconds UTC)."""

    engine: str
    inode: int
    cycle: int
    now: int
    born: int = 0

    def same_file(self, other: "Place") -> bool:
        return self.born == other.born if self.born and other.born else self.inode == other.inode


class Bookmark:
    """Of one store; used on the engine's loop."""

    def __init__(self, store: Store, restored: bool = False) -> None:
        """`restored`: somebody says that the store was put back from a copy."""
        self._store = store
        self._written = store.last_cycle
        #: Why the store is taken for a copy; empty: it is not.
        self.doubt = "it was said so" if restored else self._doubt()
        self._sweep()
        if not store.last_cycle:
            self.doubt = ""  # it remembers nothing
            self._write(self._here())

    def _here(self) -> Place:
        store = self._store
        inode = store.path.stat().st_ino
        return Place(store.engine, inode, store.last_cycle, store.last_now, born_ns(store.path))

    def _all(self) -> list[Path]:
        """More than one: a writer was killed, or a copy was laid over the folder."""
        return sorted(self._store.path.parent.glob(f"{self._store.path.stem}*.bookmark"))

    def _doubt(self) -> str:
        here = self._here()
        try:
            found = [msgspec.json.decode(path.read_bytes(), type=Place) for path in self._all()]
        except (OSError, msgspec.MsgspecError) as wrong:
            return f"its bookmark cannot be read: {wrong}"
        if not found:
            return "there is no bookmark beside it that says how far it had come"
        there = max(found, key=lambda place: place.cycle)
        if there.engine != here.engine:
            return f"the bookmark beside it is of store {there.engine}"
        if there.cycle > here.cycle:
            return f"it ends at cycle {here.cycle}, and had come to {there.cycle}"
        return "" if here.same_file(there) else "its file is a copy, not the one that was written"

    async def run(self) -> None:
        """Until cancelled. A disk that is full costs only the bookmark."""
        while True:
            await asyncio.sleep(BOOKMARK_EVERY_S)
            await self.keep()

    async def keep(self) -> None:
        """The store has come to here, if it has come any further."""
        here = self._here()
        if here.cycle > self._written:
            await asyncio.to_thread(self._write, here)

    def _write(self, here: Place) -> None:
        store = self._store.path
        path, before = store.with_name(f"{store.stem}.{here.cycle:020d}.bookmark"), self._all()
        try:
            with tempfile.NamedTemporaryFile(dir=store.parent, prefix=_WRITING, delete=False) as file:
                file.write(msgspec.json.encode(here))
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).rename(path)
            folder = os.open(store.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            for old in before:
                if old != path:
                    old.unlink(missing_ok=True)
        except OSError as failed:
            self._sweep()
            _log.warning("how far the store has come could not be noted, trying again", why=str(failed))
            return
        self._written = here.cycle

    def _sweep(self) -> None:
        """Remove what a killed or failed writer left half done."""
        for left in self._store.path.parent.glob(f"{_WRITING}*"):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
