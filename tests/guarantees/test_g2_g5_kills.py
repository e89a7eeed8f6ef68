"""G2 and G5 under `kill -9`: what was acknowledged is stored exactly once, and the alarms are those of an engine that
was never killed."""

import asyncio
import contextlib
import random
import time
from pathlib import Path

from devices.readings import Batch
from engine.checkpoint import recall
from engine.client import DoorClient
from engine.journal import JournalReader
from engine.memory import Memory
from engine.records import CycleRecord
from engine.store import Store
from rules.events import Event, Resumed
from storage.database import connect
from storage.follower import Progress, follow
from storage.ledger import EngineCounts, ledger
from storage.migrate import migrate
from tests.guarantees.engines import EngineProcess, door_of
from tests.guarantees.talker import Talker
from tests.guarantees.town import GATEWAY, detector, town
from tests.postgres import embedded_bin, running

HOMES = 20
KILLS = 20
WINDOW = 32


class Book:
    """What one gateway sent and what was acknowledged to it, as (device_no, seq). A window of readings is offered;
    after a kill those without an acknowledgement are offered again, as a real device does."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.acknowledged: set[tuple[int, int]] = set()
        self.offered: dict[tuple[int, int], dict[str, object]] = {}
        self.under_way: dict[int, tuple[int, int]] = {}
        self.next_seq = [0] * HOMES

    def fresh(self, now_ms: int) -> tuple[int, int]:
        home = self.rng.randrange(HOMES)
        self.next_seq[home] += 1
        key = (10 + 2 * home, self.next_seq[home])
        leak = self.rng.random() < 0.05
        self.offered[key] = {
            "ts": now_ms,
            "boot": 1,
            "seq": key[1],
            "combustible_lel": 60.0 if leak else 1.0,
            "high_alarm": leak,
        }
        return key

    def say(self, talker: Talker, key: tuple[int, int]) -> None:
        self.under_way[talker.say(detector((key[0] - 10) // 2), self.offered[key])] = key

    def settle(self, talker: Talker) -> None:
        for packet_id in talker.acknowledged:
            key = self.under_way.pop(packet_id, None)
            if key is not None:
                self.acknowledged.add(key)
                del self.offered[key]
        talker.acknowledged.clear()


async def talk_until_killed(engine: EngineProcess, book: Book, now_ms: int, kill_after: int) -> None:
    """Offer readings until so many were acknowledged on this connection, then kill the engine under it."""
    talker = Talker(engine.port, GATEWAY)
    await talker.connect()
    book.under_way.clear()
    for key in sorted(book.offered):
        book.say(talker, key)
    before = len(book.acknowledged)
    while len(book.acknowledged) - before < kill_after and not talker.gone:
        while len(book.under_way) < WINDOW:
            book.say(talker, book.fresh(now_ms))
        with contextlib.suppress(TimeoutError):
            await talker.until(lambda: bool(talker.acknowledged) or talker.gone)
        book.settle(talker)
    engine.kill()
    await talker.until(lambda: talker.gone)
    book.settle(talker)
    await talker.close()


async def test_g2_g5_twenty_kills_lose_nothing_double_nothing_and_change_no_alarm(tmp_path: Path) -> None:
    rng = random.Random(20)
    book = Book(rng)
    engine = EngineProcess(tmp_path / "data")
    await engine.started(town(HOMES))
    for kill in range(KILLS):
        if kill:
            engine.start()
        door = await door_of(engine.settings)
        now_ms = (await door.status()).now // 1000
        await door.close()
        await talk_until_killed(engine, book, now_ms, rng.randrange(1, 120))
    records = JournalReader(engine.settings.engine_store).read(0, 1 << 40)
    stored = [(int(row["device_no"]), int(row["seq"])) for record in records for row in record.rows()]
    assert len(stored) == len(set(stored)), "a reading was stored twice"
    assert book.acknowledged <= set(stored), "an acknowledged reading was lost"
    assert set(stored) <= book.acknowledged | set(book.offered), "a reading was made up"
    _counters_balance(engine, len(stored))
    _alarms_equal_those_without_kills(engine, records)
    await _reaches_the_database_exactly_once(engine, set(stored))


def _counters_balance(engine: EngineProcess, rows: int) -> None:
    _, counts = JournalReader(engine.settings.engine_store).counts()
    assert sum(count.stored for count in counts) == rows
    for count in counts:
        assert count.received == count.stored + count.duplicate + count.quarantined


def _alarms_equal_those_without_kills(engine: EngineProcess, records: list[CycleRecord]) -> None:
    """Two memories from the same journal: one as the killed engines left it (replays, resumptions), one
    that steps through the same admitted inputs in one go."""
    store = Store(engine.settings.engine_store, cap_bytes=1 << 40)
    killed = recall(store, engine.settings.checkpoints)
    assert killed.mismatches == 0
    unbroken = Memory.empty()
    for record in records:
        events = tuple(event for event in record.inputs.events if not isinstance(event, Resumed))
        _advance(unbroken, record, events, store)
    store.close()
    left = {(a.alarm, a.state, a.onset) for a in killed.state.alarms() if a.rule != "valve-not-closed"}
    right = {(a.alarm, a.state, a.onset) for a in unbroken.state.alarms() if a.rule != "valve-not-closed"}
    assert left == right
    assert left, "the run made no alarm, so it showed nothing"


def _advance(memory: Memory, record: CycleRecord, events: tuple[Event, ...], store: Store) -> None:
    now = record.inputs.now
    for event in events:
        memory.change(event, now, store.body)
    rows = record.rows()
    batch = Batch(rows, memory.fleet.slots(rows["device_no"]), record.inputs.extra)
    memory.admission.replay(batch)
    memory.judge(batch, events, now)


async def _reaches_the_database_exactly_once(engine: EngineProcess, stored: set[tuple[int, int]]) -> None:
    """The follower takes the journal of the killed engine into a real PostgreSQL, and the ledger balances there."""
    engine.start()
    last, _ = JournalReader(engine.settings.engine_store).counts()
    with running("plain", embedded_bin()) as server:
        url = server.database()
        await migrate(url)
        stop = asyncio.Event()

        def seen(progress: Progress) -> None:
            if progress.cycle >= last:
                stop.set()

        async with asyncio.timeout(60):
            await follow(
                url,
                lambda: JournalReader(engine.settings.engine_store),
                DoorClient(engine.settings.door),
                stop=stop,
                clock=lambda: time.time_ns() // 1000,
                progress=seen,
            )
        connection = await connect(url, name="test")
        rows = await (await connection.execute("SELECT device_no, seq FROM reading")).fetchall()
        assert len(rows) == len(stored)
        assert set(rows) == stored
        found = await ledger(connection, lambda: _said(engine))
        assert found.faults == ()
        assert [line.pending for engine_line in found.engines for line in engine_line.sources] == [0]
        await connection.close()
    engine.end()


async def _said(engine: EngineProcess) -> list[EngineCounts]:
    """The engine's own counters, asked after the database, as the ledger does."""
    journal = JournalReader(engine.settings.engine_store)
    return [EngineCounts(journal.engine, *journal.counts())]
