"""The follower's loop against a real engine store and door, and servers that really go away."""

import asyncio
import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import apsw
import pytest

from devices.models import load_catalogue
from devices.quantities import Flag
from devices.readings import Rows, blank
from engine.client import DoorClient
from engine.journal import JournalReader
from engine.records import CycleRecord
from rules.events import Event, LinkDown, LinkUp, ReadingsComplete, ReadingsMissing, SessionLost
from storage.database import Connection, connect
from storage.follower import Journal, Progress, follow
from storage.migrate import migrate
from storage.registry import import_registry
from storage.registry_source import parse_source
from storage.registry_whole import whole_registry
from tests.postgres import Server, embedded_bin, running
from tests.storage.cycles import MINUTE, SECOND, T0, RecordedJournal, cycle, readings
from tests.storage.engine import Engine, engine, eventually
from tests.storage.ledgers import account, balanced
from tests.storage.writing import one

_WAIT_S = 30


class Watch:
    """The follower's progress, and waiting for it to be as a test wants."""

    def __init__(self) -> None:
        self.seen = Progress()
        self.texts: list[str] = []
        self._changed = asyncio.Event()

    def __call__(self, progress: Progress) -> None:
        self.seen = progress
        self.texts += [text for text in (progress.database, progress.journal, progress.door) if text]
        self._changed.set()

    async def until(self, wanted: Callable[[Progress], bool]) -> Progress:
        async with asyncio.timeout(_WAIT_S):
            while not wanted(self.seen):
                self._changed.clear()
                await self._changed.wait()
        return self.seen

    async def until_cycle(self, cycle: int) -> None:
        await self.until(lambda progress: progress.cycle >= cycle)


@contextlib.asynccontextmanager
async def following(url: str, open_journal: Callable[[], Journal], door: Path) -> AsyncIterator[Watch]:
    stop, watch = asyncio.Event(), Watch()
    task = asyncio.create_task(
        follow(url, open_journal, DoorClient(door), stop=stop, clock=lambda: T0 + SECOND, progress=watch)
    )
    try:
        yield watch
    finally:
        stop.set()
        await asyncio.wait_for(task, _WAIT_S)


@pytest.fixture
async def an_engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as found:
        yield found


def part(number: int, n: int = 500) -> Rows:
    return readings(n, at=T0 + number * SECOND, step=100, seq=number * n)


async def test_what_the_engine_committed_is_stored_and_passed(
    url: str, database: Connection, an_engine: Engine
) -> None:
    last = [an_engine.commit(part(number)) for number in range(20)][-1]
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door) as watch:
        await watch.until(lambda progress: progress.cycle >= last)
        await eventually(lambda: an_engine.store.followers["storage"] >= last)
        later = an_engine.commit(part(20))
        await watch.until(lambda progress: progress.cycle >= later and progress.lag_s == 0)
    assert watch.seen.stored == 21 * 500
    assert await one(database, "SELECT count(*) FROM reading") == 21 * 500
    await balanced(database, [an_engine.counts()])


async def test_cycles_with_links_that_went_and_readings_that_never_came_are_followed(
    url: str, database: Connection, an_engine: Engine
) -> None:
    events: tuple[Event, ...] = (
        LinkDown(at=T0, device_no=9, reason="connection refused"),
        SessionLost(at=T0, device_no=9, reason="session not present"),
        LinkUp(at=T0, device_no=9),
        ReadingsMissing(at=T0, device_no=3, boot=1, first=120, many=7),
        ReadingsComplete(at=T0, device_no=3, lost=2),
    )
    unanswered = part(1)
    unanswered["flags"] = Flag.STALE
    an_engine.commit(part(0), events=events[:1], source="broker:city")
    last = an_engine.commit(unanswered, events=events[1:], source="modbus")
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door) as watch:
        await watch.until(lambda progress: progress.cycle >= last)
    assert (watch.seen.journal, watch.seen.stored) == ("", 1000)
    assert await one(database, f"SELECT count(*) FROM reading WHERE flags = {int(Flag.STALE)}") == 500
    found = await balanced(database, [an_engine.counts()])
    assert [line.source for line in found.engines[0].sources] == ["broker:city", "modbus"]


async def test_the_newest_registry_goes_from_the_outbox_to_the_engine_and_once(
    url: str, database: Connection, an_engine: Engine
) -> None:
    source = '{"sites": [{"key": "%s"}]}'
    for key in ("home-1", "home-2"):
        rows = parse_source((source % key).encode())
        await import_registry(database, rows, load_catalogue(), dry_run=False, random_bytes=os.urandom)
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door) as watch:
        await watch.until(lambda progress: progress.database == "")
        await eventually(lambda: an_engine.cycle.memory.registry_number >= 2)
        cycles = an_engine.store.last_cycle
        # Each document is whole: of the two, only the newer one was given.
        with contextlib.closing(apsw.Connection(str(an_engine.path))) as store:
            assert store.execute("SELECT count(*) FROM document WHERE kind = 'registry'").get == 1
        rows = parse_source((source % "home-3").encode())
        await import_registry(database, rows, load_catalogue(), dry_run=False, random_bytes=os.urandom)
        await eventually(lambda: an_engine.cycle.memory.registry_number >= 3)
    assert [site.key for site in an_engine.cycle.memory.fleet.registry.sites] == ["home-1", "home-2", "home-3"]
    assert an_engine.store.last_cycle == cycles + 1


async def test_changes_come_one_by_one_and_where_one_is_missing_the_whole_registry_does(
    url: str, database: Connection, an_engine: Engine
) -> None:
    memory, source = an_engine.cycle.memory, '{"sites": [{"key": "home-%d"}]}'

    async def put(key: int) -> None:
        rows = parse_source((source % key).encode())
        await import_registry(database, rows, load_catalogue(), dry_run=False, random_bytes=os.urandom)

    await put(1)
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door):
        await eventually(lambda: memory.registry_number == 1)
        base = memory.registry_sha256
        for number in (2, 3, 4):
            await put(number)
            await eventually(lambda: memory.registry_number == number)  # noqa: B023  waited for at once
        assert (memory.registry_sha256, len(memory.registry_changes)) == (base, 3)
        async with database.transaction():
            await put(5)
            await database.execute("DELETE FROM registry_outbox WHERE number = 5")
            await put(6)
            await database.execute("UPDATE registry_outbox SET number = 6, base = 5 WHERE number = 5")
        await eventually(lambda: memory.registry_number == 6)
        assert memory.registry_sha256 != base
        assert memory.registry_changes == []
    assert sorted(memory.fleet.site_by_key) == [f"home-{number}" for number in range(1, 7)]
    assert memory.fleet.registry == await whole_registry(database)


async def test_a_document_the_engine_refuses_is_written_down_and_does_not_stop_the_next(
    url: str, database: Connection, an_engine: Engine
) -> None:
    rows = parse_source(b'{"sites": [{"key": "home-1"}]}')
    await import_registry(database, rows, load_catalogue(), dry_run=False, random_bytes=os.urandom)
    await database.execute("INSERT INTO registry_outbox (number, sha256, body) VALUES (2, '', 'not a registry')")
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door):
        # What is in the tables is offered in its place.
        await eventually(lambda: an_engine.cycle.memory.registry_number in (1, 2))
        rows = parse_source(b'{"sites": [{"key": "home-2"}]}')
        await import_registry(database, rows, load_catalogue(), dry_run=False, random_bytes=os.urandom)
        await eventually(lambda: an_engine.cycle.memory.registry_number == 3)
    assert await one(database, "SELECT refused <> '' FROM registry_outbox WHERE number = 2")
    assert await one(database, "SELECT string_agg(refused, '') FROM registry_outbox WHERE number <> 2") == ""


async def test_nothing_is_lost_or_double_when_the_server_is_killed_again_and_again(an_engine: Engine) -> None:
    with running("mortal", embedded_bin()) as server:
        url = server.database()
        await migrate(url)
        committed = 0
        async with following(url, lambda: JournalReader(an_engine.path), an_engine.door) as watch:
            for _ in range(3):
                for _ in range(15):
                    committed = an_engine.commit(part(an_engine.store.last_cycle, 2_000))
                # Some of these are stored, one is perhaps under way, some are not.
                await watch.until_cycle(committed - 10)
                await asyncio.to_thread(server.stop, at_once=True)
                for _ in range(5):
                    committed = an_engine.commit(part(an_engine.store.last_cycle, 2_000))
                await watch.until(lambda progress: progress.database.startswith("away"))
                await asyncio.to_thread(server.start)
            await watch.until_cycle(committed)
        connection = await connect(url, name="test")
        found = await balanced(connection, [an_engine.counts()])
        assert (found.rows_counted, found.engines[0].duplicate) == (60 * 2_000, 0)
        await connection.close()


async def test_a_database_that_is_not_migrated_yet_is_waited_for(plain_server: Server, an_engine: Engine) -> None:
    url = plain_server.database()
    last = an_engine.commit(part(1))
    async with following(url, lambda: JournalReader(an_engine.path), an_engine.door) as watch:
        await watch.until(lambda progress: "davy migrate" in progress.database)
        await migrate(url)
        await watch.until(lambda progress: progress.cycle >= last)


async def test_an_engine_that_has_no_store_yet_is_waited_for(url: str, tmp_path: Path) -> None:
    async with following(url, lambda: JournalReader(tmp_path / "engine.sqlite"), tmp_path / "door.sock") as watch:
        await watch.until(lambda progress: "no engine store" in progress.journal)
        async with engine(tmp_path) as late:
            last = late.commit(part(1))
            await watch.until(lambda progress: progress.cycle >= last)


async def test_an_engine_that_is_away_does_not_stop_the_storing(url: str, tmp_path: Path) -> None:
    journal = RecordedJournal([cycle(1, readings(100))])
    async with following(url, lambda: journal, tmp_path / "door.sock") as watch:
        await watch.until(lambda progress: progress.cycle == 1 and progress.door.startswith("away"))


async def test_cycles_trimmed_too_early_are_written_down_and_the_ledger_says_so(
    url: str, database: Connection, tmp_path: Path
) -> None:
    journal = RecordedJournal([cycle(number, part(number)) for number in (8, 9)])
    async with following(url, lambda: journal, tmp_path / "door.sock") as watch:
        await watch.until(lambda progress: progress.cycle == 9)
    assert watch.seen.cycles_missed == 7
    faults = (await account(database)).faults
    assert faults == ("engine engine-1: 7 cycles were trimmed before they came here",)


async def test_a_backlog_is_taken_in_order_with_two_batches_in_memory_at_most(
    url: str, database: Connection, tmp_path: Path
) -> None:
    records = [
        cycle(number, readings(60_000, at=T0 + number * SECOND, step=10, devices=60_000, seq=number))
        for number in range(1, 7)
    ]
    asked: list[tuple[int, int]] = []

    class Watched(RecordedJournal):
        def read(self, after_cycle: int, most_readings: int) -> list[CycleRecord]:
            asked.append((after_cycle, watch.seen.cycle))
            return super().read(after_cycle, most_readings)

    async with following(url, lambda: Watched([*records, cycle(7, blank(0))]), tmp_path / "door.sock") as watch:
        await watch.until_cycle(7)
    # Two cycles fill a batch. One batch is written while the next is read, so the one before both is stored.
    assert {after for after, _ in asked} >= {0, 2, 4, 6, 7}
    assert all(after - stored <= 2 for after, stored in asked)
    assert watch.seen.stored == 360_000
    await balanced(database)


async def test_an_older_copy_of_the_store_is_named_and_nothing_of_it_is_stored(plain_url: str, tmp_path: Path) -> None:
    place, door = tmp_path / "engine.sqlite", tmp_path / "door.sock"

    def keep(name: str) -> None:
        (tmp_path / name).mkdir()
        for path in tmp_path.glob("engine.sqlite*"):
            shutil.copy(path, tmp_path / name)

    def put_back(name: str) -> None:
        for path in tmp_path.glob("engine.sqlite*"):
            path.unlink()
        for path in (tmp_path / name).iterdir():
            shutil.copy(path, tmp_path)

    database = await connect(plain_url, name="test")
    # An engine makes a cycle of its own now and then, so ours are told by their number, not counted.
    async with engine(tmp_path) as first:
        first.commit(part(1))
    keep("older")
    async with following(plain_url, lambda: JournalReader(place), door) as watch:
        async with engine(tmp_path) as again:
            cursor = [again.commit(part(number), now=T0 + SECOND + number) for number in range(2, 12)][-1]
            await eventually(lambda: again.store.followers["storage"] >= cursor)
        keep("right")
        put_back("older")
        async with engine(tmp_path) as restored:
            await watch.until(lambda progress: "but the store ends at" in progress.journal)
            # It goes past the cursor: its numbers say nothing any more.
            for number in range(20):
                restored.commit(part(20 + number), now=T0 + MINUTE + number)
            await watch.until(lambda progress: "stands in the store" in progress.journal)
            assert restored.store.followers["storage"] < cursor
        assert await one(database, "SELECT count(*) FROM reading") == 11 * 500
        put_back("right")
        async with engine(tmp_path) as found:
            last = found.commit(part(12), now=T0 + 2 * MINUTE)
            await eventually(lambda: found.store.followers["storage"] >= last)
            assert watch.seen.journal == ""
            await balanced(database, [found.counts()])
        assert await one(database, "SELECT count(*) FROM reading") == 12 * 500
    await database.close()


async def test_an_older_copy_is_known_at_the_start_too(plain_url: str, tmp_path: Path) -> None:
    records = [cycle(number, part(number), now=T0 + number) for number in range(1, 5)]
    async with following(plain_url, lambda: RecordedJournal(records), tmp_path / "door.sock") as watch:
        await watch.until_cycle(4)
    others = [*records[:2], *(cycle(number, part(number), now=T0 + MINUTE + number) for number in range(3, 9))]
    async with following(plain_url, lambda: RecordedJournal(others), tmp_path / "door.sock") as watch:
        await watch.until(lambda progress: "another cycle 4 stands in the store" in progress.journal)
        assert watch.seen.stored == 0
