"""Checkpoints of the memory, beside the store: what makes a restart quick. The journal alone would be enough.

K1  A checkpoint file is whole or not there: written beside, fsynced, renamed, its folder fsynced.
K2  It names the cycle it holds; a restart loads the newest that can be read and replays what follows.
K3  The loop only pays for copying arrays; encoding, writing and fsync happen on a thread of its own.

Why not a forked child: docs/decisions/0004.
"""

import asyncio
import os
import tempfile
import time
import zlib
from pathlib import Path

import apsw
import msgspec
import structlog

from engine.journal import JournalBehind, JournalReader, JournalTrimmed
from engine.memory import Encode, Frozen, Memory
from engine.store import Store, StoreRefused

_log = structlog.get_logger()
_MAGIC = b"davy-checkpoint-1\n"
#: Checkpoints kept: the newest, and the one before it in case the newest cannot be read.
KEPT = 2
#: Readings replayed per read of the journal on restart.
REPLAY_READINGS = 65_536
#: What replay costs, rounded up from measurement; a checkpoint is due when replaying what came since the last one would
#: take `MOST_REPLAY_S` (the design allows 5 s), or after `MOST_AGE_S`, so that the journal can be trimmed.
REPLAY_S_PER_CYCLE = 0.001
REPLAY_S_PER_READING = 2e-6
MOST_REPLAY_S = 2.5
MOST_AGE_S = 60.0
#: The write-ahead log is moved into the store when it is larger than this. Less often costs disk; more often, fsyncs
#: beside those of the commits.
WAL_BYTES = 8 * 1024 * 1024
#: A log that never finds a quiet moment is reset at this size by making the writer wait for the rest.
MOST_WAL_BYTES = 64 * 1024 * 1024


def write_checkpoint(folder: Path, cycle: int, encode: Encode, number: int) -> Path:
    """Encode and write one checkpoint; keeps it and the one before it. Raises OSError."""
    body = msgspec.msgpack.encode((cycle, number, encode()))
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / f"{cycle:020d}.checkpoint"
    # A name of its own: a writer that was given up may still be at work beside this one.
    with tempfile.NamedTemporaryFile(dir=folder, prefix="writing-", delete=False) as file:
        file.write(_MAGIC + zlib.crc32(body).to_bytes(4, "little") + body)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).rename(path)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    for old in sorted(folder.glob("*.checkpoint"))[:-KEPT]:
        old.unlink(missing_ok=True)
    return path


def read_checkpoint(path: Path) -> tuple[int, int, Frozen]:
    """(cycle, registry number, frozen memory). Raises ValueError when the file is torn or of another format."""
    raw = path.read_bytes()
    body = raw[len(_MAGIC) + 4 :]
    if not raw.startswith(_MAGIC) or int.from_bytes(raw[len(_MAGIC) :][:4], "little") != zlib.crc32(body):
        raise ValueError(f"{path} is not a whole checkpoint")
    return msgspec.msgpack.decode(body, type=tuple[int, int, Frozen])


def recall(store: Store, folder: Path) -> Memory:
    """The memory as the log has it: newest readable checkpoint, then replay. Raises StoreRefused when neither a
    checkpoint nor the journal goes back far enough, or the journal cannot be read."""
    started = time.perf_counter()
    _sweep(folder)
    cycle, memory = _newest(store, folder)
    store.checkpointed = min([cycle, *_kept(folder)])
    journal = JournalReader(store.path)
    replayed = 0
    try:
        while records := journal.read(cycle, REPLAY_READINGS):
            for record in records:
                memory.replay(record, store.body)
                replayed += 1
            cycle = records[-1].cycle
    except (JournalTrimmed, JournalBehind, ValueError, apsw.Error) as broken:
        raise StoreRefused(f"{store.path} cannot be replayed from cycle {cycle}: {broken}") from broken
    finally:
        journal.close()
    if memory.mismatches:
        _log.error("replay decided otherwise than the journal", cycles=memory.mismatches)
    took_s = round(time.perf_counter() - started, 3)
    _log.info("memory recalled", checkpoint=store.checkpointed, replayed_cycles=replayed, seconds=took_s)
    return memory


def _newest(store: Store, folder: Path) -> tuple[int, Memory]:
    for path in sorted(folder.glob("*.checkpoint"), reverse=True):
        try:
            cycle, number, frozen = read_checkpoint(path)
            if cycle <= store.last_cycle:
                return cycle, Memory.thaw(frozen, store.body, number)
            _log.error("checkpoint is ahead of the store and is set aside", path=str(path), store=store.last_cycle)
            path.rename(path.with_suffix(".ahead"))  # left among the others it would outlive every new one
        except (ValueError, KeyError, OSError, msgspec.MsgspecError) as wrong:
            _log.error("checkpoint cannot be used, trying an older one", path=str(path), why=str(wrong))
    if store.oldest > 1:
        raise StoreRefused(f"no usable checkpoint in {folder}, and the journal starts at cycle {store.oldest}")
    return 0, Memory.empty()


def _kept(folder: Path) -> list[int]:
    """The cycles of the checkpoints that are there, readable or not."""
    return [int(path.stem) for path in folder.glob("*.checkpoint")]


def _sweep(folder: Path) -> None:
    """Remove what a killed writer left half done."""
    for left in folder.glob("writing-*"):
        left.unlink(missing_ok=True)


class Keeper:
    """Writes checkpoints and resets the write-ahead log, both on a thread, while the loop goes on."""

    def __init__(self, store: Store, memory: Memory, folder: Path, every_s: float) -> None:
        """`every_s`: how often it is looked whether something is due."""
        self._store = store
        self._memory = memory
        self._folder = folder
        self._every_s = every_s
        self._readings = store.readings_written
        self._at = time.monotonic()
        self._newest = store.last_cycle if store.checkpointed == store.last_cycle else 0

    async def run(self) -> None:
        """Until cancelled. A disk that is full costs only the checkpoint: the journal goes on from the last one."""
        while True:
            await asyncio.sleep(self._every_s)
            try:
                if self._due():
                    await self.checkpoint()
                await asyncio.to_thread(self._reset_wal)
            except (OSError, apsw.Error) as failed:
                _log.warning("checkpoint not written, trying again", why=str(failed))

    def _due(self) -> bool:
        store = self._store
        cycles = store.last_cycle - self._newest
        readings = store.readings_written - self._readings
        replay_s = cycles * REPLAY_S_PER_CYCLE + readings * REPLAY_S_PER_READING
        old = time.monotonic() - self._at >= MOST_AGE_S
        return cycles > 0 and (replay_s >= MOST_REPLAY_S or old or store.in_reserve)

    async def checkpoint(self) -> None:
        """One checkpoint of this moment, unless there is one already."""
        store = self._store
        cycle, self._readings, self._at = store.last_cycle, store.readings_written, time.monotonic()
        if cycle == self._newest:
            return
        encode, number = self._memory.freeze(), self._memory.registry_number
        await asyncio.to_thread(write_checkpoint, self._folder, cycle, encode, number)
        self._newest = cycle
        store.checkpointed = min(_kept(self._folder))

    def _reset_wal(self) -> None:
        """PASSIVE moves it without stopping the writer; RESTART, only past the bound, waits for the rest."""
        wal = self._store.path.with_name(self._store.path.name + "-wal")
        size = wal.stat().st_size if wal.exists() else 0
        if size < WAL_BYTES:
            return
        db = apsw.Connection(str(self._store.path))
        try:
            db.set_busy_timeout(1_000)
            db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            if size > MOST_WAL_BYTES:
                db.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        finally:
            db.close()
