"""How far the store had come, kept beside it: so that an engine knows when its store was put back from a copy.

B1  The bookmark names a cycle only after that cycle is on disk. So a store that ends before it was put back.
B2  It knows the file too (its inode): a file that was copied is another one, though it ends where the bookmark says.
B3  What a restart, a kill or a power cut leaves behind is never taken for a copy: a bookmark is made with the store,
    before its first cycle, and is whole or not there.
B4  Until a cycle that says so (Restored) is on disk, the next start finds the same again.

A copy that is less than BOOKMARK_EVERY_S older than the newest cycle may pass for a restart if it is put back in place;
what it remembers is then not older than that. A disk that was turned back as a whole (a snapshot of a machine) brought
its bookmark along: then it must be said (`davy engine --restored`).
"""

import asyncio
import contextlib
import os
import tempfile
from pathlib import Path

import msgspec
import structlog

from engine.store import Store

_log = structlog.get_logger()

#: How often it is moved on. Source: product choice: the silence of a detector is longer.
BOOKMARK_EVERY_S = 5.0
_WRITING = "bookmark-"


class Place(msgspec.Struct, frozen=True):
    """Where a store stood: its name, its file, its last cycle and that one's time (microseconds UTC)."""

    engine: str
    inode: int
    cycle: int
    now: int


class Bookmark:
    """Of one store; used on the engine's loop."""

    def __init__(self, store: Store, restored: bool = False) -> None:
        """`restored`: somebody says that the store was put back from a copy."""
        self.path = store.path.with_suffix(".bookmark")
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
        return Place(store.engine, store.path.stat().st_ino, store.last_cycle, store.last_now)

    def _doubt(self) -> str:
        here = self._here()
        try:
            there = msgspec.json.decode(self.path.read_bytes(), type=Place)
        except FileNotFoundError:
            return "there is no bookmark beside it that says how far it had come"
        except (OSError, msgspec.MsgspecError) as wrong:
            return f"its bookmark cannot be read: {wrong}"
        if there.engine != here.engine:
            return f"the bookmark beside it is of store {there.engine}"
        if there.cycle > here.cycle:
            return f"it ends at cycle {here.cycle}, and had come to {there.cycle}"
        return "" if there.inode == here.inode else "its file is a copy, not the one that was written"

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
        try:
            with tempfile.NamedTemporaryFile(dir=self.path.parent, prefix=_WRITING, delete=False) as file:
                file.write(msgspec.json.encode(here))
                file.flush()
                os.fsync(file.fileno())
            Path(file.name).rename(self.path)
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as failed:
            self._sweep()
            _log.warning("how far the store has come could not be noted, trying again", why=str(failed))
            return
        self._written = here.cycle

    def _sweep(self) -> None:
        """Remove what a killed or failed writer left half done."""
        for left in self.path.parent.glob(f"{_WRITING}*"):
            with contextlib.suppress(OSError):
                left.unlink(missing_ok=True)
