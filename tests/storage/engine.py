"""A real engine for the follower: its store, its journal and its door, without links."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from devices.readings import Rows, pack
from engine.cycle import Cycle
from engine.door import Door
from engine.feed import Feed
from engine.journal import JournalReader
from engine.memory import Memory
from engine.owners import Owners
from engine.pushes import PushLink
from engine.records import Inputs, SourceCount
from engine.store import Store
from ingest.mqtt_directory import Directory
from rules.decisions import Decision
from rules.events import Event
from storage.ledger import EngineCounts
from tests.storage.cycles import T0


@dataclass(slots=True)
class Engine:
    """`commit` makes a cycle durable in the store, as the engine's loop does."""

    folder: Path
    store: Store
    cycle: Cycle
    journal: JournalReader

    @property
    def path(self) -> Path:
        return self.folder / "engine.sqlite"

    @property
    def door(self) -> Path:
        return self.folder / "door.sock"

    def commit(
        self,
        rows: Rows,
        decisions: Sequence[Decision] = (),
        *,
        now: int = T0,
        events: Sequence[Event] = (),
        source: str = "mqtt",
    ) -> int:
        counts = (SourceCount(source, len(rows), len(rows), 0, 0),)
        return self.store.commit(Inputs(now, pack(rows), (), tuple(events), counts), decisions, readings=len(rows))

    def counts(self) -> EngineCounts:
        cycle, counts = self.journal.counts()
        return EngineCounts(self.store.engine, cycle, counts)


@contextlib.asynccontextmanager
async def engine(folder: Path) -> AsyncIterator[Engine]:
    """An engine that runs and listens at `folder/door.sock`."""
    store = Store(folder / "engine.sqlite", cap_bytes=1 << 30)
    memory = Memory.empty()
    cycle = Cycle(store, memory, (), lambda: T0)
    journal = JournalReader(folder / "engine.sqlite")
    feed = Feed(
        store.engine,
        journal,
        lambda device_no: memory.fleet.identity(device_no),
        Owners(lambda: memory.state).of,
    )
    directory = Directory(memory.book)
    door = Door(cycle, PushLink(cycle.wake), feed, folder / "door.sock", directory, dict)
    running = asyncio.create_task(cycle.run())
    await door.open()
    try:
        yield Engine(folder, store, cycle, journal)
    finally:
        await door.close()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        journal.close()
        store.close()


async def eventually(wanted: Callable[[], bool], within_s: float = 30) -> None:
    """Wait for what the engine shows and tells nobody. Raises TimeoutError."""
    async with asyncio.timeout(within_s):
        while not wanted():
            await asyncio.sleep(0.005)
