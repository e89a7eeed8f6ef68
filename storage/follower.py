"""The follower: the engine's journal into PostgreSQL, for as long as the process lives.

It never exits by itself and never loses a cycle: while the database is away, or refuses (not migrated yet), it waits
with a growing pause and the engine keeps its journal; while there is no journal yet, or it is an older copy, it waits
for the right one. Reading and assembling the next batch overlaps with the database's work on this one; at most two
batches are in memory, each of at most MOST_READINGS readings and engine.journal.MOST_BYTES bytes, or one cycle more.
"""

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import apsw
import psycopg

from engine.client import EngineAway
from engine.journal import JournalBehind, JournalTrimmed
from storage import outbox
from storage.batch import Batch, assemble
from storage.clock_watch import since_boot_s
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import Door, EngineSide, pause
from storage.same_store import Journal, OlderStore, require_same_store
from storage.upkeep import Retention, keep_up
from storage.writer import CursorMoved, Writer

#: Readings in one transaction at most. Larger ones are no faster, and hold memory and locks for longer.
MOST_READINGS = 100_000
#: How long to wait for more when the journal gave less than it could: an idle system's latency, a busy one's batching.
_SOON_S, _LATER_S = 0.05, 0.2
_PAUSE_FIRST_S, _PAUSE_MOST_S = 0.2, 5.0
_DOOR_TURN_S = 0.5
#: An engine that does not answer by then is away; a registry of 100,000 devices takes it some seconds.
_DOOR_ANSWER_S = 60.0
#: After `stop`, a batch under way may finish; one that takes longer is given up, and written again by the next start.
_END_S = 5.0

__all__ = ["Journal", "Progress", "follow"]


@dataclass(frozen=True, slots=True)
class Progress:
    """How the follower stands. Counts are since this process started. `lag_s`: age of the newest cycle that is stored,
    while there are more to store; 0 when there are not. The three last texts are empty when all is well."""

    engine: str = ""
    cycle: int = 0
    stored: int = 0
    duplicate: int = 0
    poison: int = 0
    quarantined: int = 0
    cycles_missed: int = 0
    lag_s: float = 0.0
    database: str = "not connected yet"
    journal: str = ""
    door: str = ""
    upkeep: str = ""


@dataclass(slots=True)
class _Shared:
    """What the follower's tasks know of each other: replaced whole, by one event loop."""

    progress: Progress
    tell: Callable[[Progress], None]
    engine_known: asyncio.Event = field(default_factory=asyncio.Event)
    #: What the engine may be told to be durable: known only while its journal is seen to be the one that was followed.
    durable: int | None = None
    #: The engine was away, and may have come back with another store: the journal is to be opened anew.
    journal_is_old: bool = False

    def now(self, **changes: object) -> None:
        changed = replace(self.progress, **changes)  # type: ignore[arg-type]
        if changed != self.progress:
            self.progress = changed
            self.tell(changed)


async def follow(
    url: str,
    open_journal: Callable[[], Journal],
    door: Door,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int],
    progress: Callable[[Progress], None] = lambda _: None,
    retention: Retention | None = None,
    steady: Callable[[], float] = since_boot_s,
) -> None:
    """Follow until `stop`. `open_journal` may raise FileNotFoundError while the engine has made no store yet; `clock`
    gives microseconds since 1970 UTC, `steady` seconds by a clock that nobody can set; `progress` is called on every
    change, and must return at once."""
    shared = _Shared(Progress(), progress)
    tasks = [
        asyncio.create_task(_journal_task(url, open_journal, stop, clock, shared), name="storage-journal"),
        asyncio.create_task(_door_task(url, door, stop, shared), name="storage-door"),
        asyncio.create_task(
            keep_up(url, stop, clock, steady, retention or Retention(), lambda text: shared.now(upkeep=text)),
            name="storage-upkeep",
        ),
    ]
    stopped = asyncio.create_task(stop.wait(), name="storage-stop")
    try:
        await asyncio.wait([*tasks, stopped], return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait(tasks, timeout=_END_S)
    finally:
        for task in (*tasks, stopped):
            task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
    for how in ended:
        if isinstance(how, Exception):
            raise how


async def _journal_task(
    url: str, open_journal: Callable[[], Journal], stop: asyncio.Event, clock: Callable[[], int], shared: _Shared
) -> None:
    wait_s = _PAUSE_FIRST_S
    while not stop.is_set():
        try:
            shared.durable, shared.journal_is_old = None, False
            async with contextlib.AsyncExitStack() as stack:
                journal = await asyncio.to_thread(open_journal)
                stack.callback(journal.close)
                shared.now(engine=journal.engine)
                shared.engine_known.set()
                connection = await connect(url, name="follower")
                stack.push_async_callback(connection.close)
                mode = await ready(connection)
                writer = Writer(connection, journal.engine, mode)
                with translated():
                    await writer.open()
                shared.now(cycle=writer.cycle, database="")
                await asyncio.to_thread(require_same_store, journal, writer.cycle, writer.cycle_now)
                shared.now(journal="")
                wait_s = _PAUSE_FIRST_S
                await _copy_across(journal, writer, stop, clock, shared)
        except (DatabaseAway, CursorMoved) as away:
            shared.now(database=f"away: {away}")
        except (DatabaseRefused, psycopg.Error) as refused:
            shared.now(database=f"refused: {refused}")
        except FileNotFoundError as none_yet:
            shared.now(journal=str(none_yet))
        except (OlderStore, JournalBehind) as older:
            shared.now(journal=str(older))
        except (apsw.Error, ValueError) as broken:
            shared.now(journal=f"{type(broken).__name__}: {broken}")
        await pause(stop, wait_s)
        wait_s = min(2 * wait_s, _PAUSE_MOST_S)


async def _copy_across(
    journal: Journal, writer: Writer, stop: asyncio.Event, clock: Callable[[], int], shared: _Shared
) -> None:
    """Until `stop`, until the journal is to be opened anew, or an error that asks for a new connection."""

    def read(after: int) -> Batch | None:
        records = journal.read(after, MOST_READINGS)
        return assemble(records, journal.document) if records else None

    if not await writer.knows_rules():
        await _find_rules(journal, writer, None)
    ahead = asyncio.create_task(asyncio.to_thread(read, writer.cycle))
    try:
        while not stop.is_set():
            try:
                batch = await ahead
            except JournalTrimmed as trimmed:
                since = writer.cycle_now
                with translated():
                    missed = await writer.miss(trimmed.oldest)
                await _find_rules(journal, writer, since)
                shared.now(cycle=writer.cycle, cycles_missed=shared.progress.cycles_missed + missed)
                ahead = asyncio.create_task(asyncio.to_thread(read, writer.cycle))
                continue
            if shared.journal_is_old:
                return
            shared.durable = writer.cycle
            if batch is None:
                shared.now(lag_s=0.0)
                with translated():
                    await writer.show_newest(clock())
                await pause(stop, _LATER_S if not writer.has_unshown else _SOON_S)
                ahead = asyncio.create_task(asyncio.to_thread(read, writer.cycle))
                continue
            ahead = asyncio.create_task(asyncio.to_thread(read, batch.last))
            await _write(writer, batch, clock(), shared)
            shared.durable = None if shared.journal_is_old else writer.cycle
            if len(batch.rows) < MOST_READINGS // 8:
                await pause(stop, _SOON_S)
    finally:
        # The thread must be done with the journal before another begins.
        with contextlib.suppress(Exception):
            await ahead


async def _find_rules(journal: Journal, writer: Writer, since_us: int | None) -> None:
    """Nobody saw the rules come that the next cycles were judged by."""
    found = await asyncio.to_thread(journal.rules_after, writer.cycle)
    if found is not None:
        with translated():
            await writer.found_rules(*found, since_us)


async def _write(writer: Writer, batch: Batch, now_us: int, shared: _Shared) -> None:
    with translated():
        written = await writer.write(batch, now_us)
    was = shared.progress
    shared.now(
        cycle=writer.cycle,
        stored=was.stored + written.stored,
        duplicate=was.duplicate + written.duplicate,
        poison=was.poison + written.poison,
        quarantined=was.quarantined + written.quarantined,
        lag_s=max(0.0, (now_us - batch.now) / 1e6),
    )


async def _until_changed(connection: Connection | None, stop: asyncio.Event) -> None:
    """Wait until something comes into the outbox, at most _DOOR_TURN_S."""
    if connection is None or connection.closed:
        await pause(stop, _DOOR_TURN_S)
        return
    with contextlib.suppress(DatabaseAway, DatabaseRefused, psycopg.Error):
        with translated():
            await outbox.changed(connection, _DOOR_TURN_S)
        return
    await pause(stop, _DOOR_TURN_S)  # the connection broke: the next turn says so


async def _door_task(url: str, door: Door, stop: asyncio.Event, shared: _Shared) -> None:
    side = EngineSide(door)
    connection = None
    was_away, conversations = False, 0
    try:
        while not stop.is_set():
            try:
                if shared.engine_known.is_set() and not shared.progress.database:
                    if connection is None or connection.closed:
                        connection = await connect(url, name="registry outbox")
                        with translated():
                            await outbox.listen(connection)
                    if not door.connected:
                        await side.begin()
                        if was_away or conversations:
                            shared.durable, shared.journal_is_old = None, True
                        was_away, conversations = False, conversations + 1
                    async with asyncio.timeout(_DOOR_ANSWER_S):
                        await side.turn(connection, shared.progress.engine, shared.durable)
                    shared.now(door="")
            except (EngineAway, TimeoutError) as away:
                was_away = True
                shared.now(door=f"away: {away or 'no answer'}")
            except (DatabaseAway, DatabaseRefused, psycopg.Error) as away:
                shared.now(door=f"the registry waits: {away}")
                if connection is not None:
                    await connection.close()
            await _until_changed(connection, stop)
    finally:
        await door.close()
        if connection is not None:
            await connection.close()
