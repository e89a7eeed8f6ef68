"""Changes of the registry, through the door: each once, none skipped, and the same after any restart."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from devices.registry_book import fold
from devices.sites import Registry, RegistryChange, decode_registry, encode_change, encode_registry
from engine.changes import Changes
from engine.checkpoint import recall, write_checkpoint
from engine.client import DoorClient, EngineRefused
from engine.cycle import Cycle
from engine.memory import Memory
from engine.messages import Done, Stands
from engine.store import Store
from tests.devices.registries import Making, first
from tests.engine.history import Bench, frozen
from tests.guarantees.town import town
from tests.storage.engine import Engine, engine

WHOLE = town(2)


@pytest.fixture
async def an_engine(tmp_path: Path) -> AsyncIterator[Engine]:
    async with engine(tmp_path) as found:
        yield found


def renamed(at: int, name: str) -> RegistryChange:
    return RegistryChange(put=Registry(sites=(msgspec.structs.replace(WHOLE.sites[at], name=name),)))


async def test_a_change_is_taken_once_and_only_where_it_stands(an_engine: Engine) -> None:
    memory = an_engine.cycle.memory
    one, two = renamed(0, "one"), renamed(1, "two")
    async with DoorClient(an_engine.door) as door:
        assert isinstance(await door.change_registry(1, 0, encode_change(one)), Stands)  # it has no registry at all yet
        await door.replace_registry(7, encode_registry(WHOLE))
        assert isinstance(await door.change_registry(8, 7, encode_change(one)), Done)
        cycles = an_engine.store.last_cycle
        assert isinstance(await door.change_registry(8, 7, encode_change(two)), Done)
        behind = await door.change_registry(10, 9, encode_change(two))
        assert isinstance(behind, Stands)
        assert behind.number == 8
        assert an_engine.store.last_cycle == cycles
    assert memory.fleet.registry == fold(WHOLE, [one])
    assert decode_registry(an_engine.journal.current("registry") or b"") == fold(WHOLE, [one])


async def test_a_change_with_faults_changes_nothing_and_the_next_one_is_taken(an_engine: Engine) -> None:
    wrong = RegistryChange(put=Registry(devices=(msgspec.structs.replace(WHOLE.devices[0], site="nowhere"),)))
    async with DoorClient(an_engine.door) as door:
        await door.replace_registry(1, encode_registry(WHOLE))
        with pytest.raises(EngineRefused, match="'nowhere' is not registered"):
            await door.change_registry(2, 1, encode_change(wrong))
        with pytest.raises(EngineRefused, match="unknown field"):
            await door.change_registry(2, 1, b'{"puts": {}}')
        assert isinstance(await door.change_registry(3, 1, encode_change(renamed(0, "x"))), Done)
    assert an_engine.cycle.memory.registry_number == 3


async def test_many_changes_become_one_document_and_a_checkpoint_of_before_still_serves(tmp_path: Path) -> None:
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    memory = Memory.empty()
    cycle = Cycle(store, memory, (), lambda: 1_800_000_000_000_000)
    running = asyncio.create_task(cycle.run())
    changes = Changes(cycle, most=5)
    await changes.replace_registry(1, encode_registry(WHOLE))
    whole = WHOLE
    for number in range(2, 14):
        change = renamed(number % 2, f"name {number}")
        whole = fold(whole, [change])
        at = store.last_cycle
        write_checkpoint(tmp_path / f"before-{number}", at, memory.freeze(), memory.registry_number)
        assert await changes.change_registry(number, number - 1, encode_change(change))
        assert len(memory.registry_changes) < 5
    assert memory.fleet.registry == whole
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    store.close()
    again = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    for number in range(2, 14):
        recalled = recall(again, tmp_path / f"before-{number}")
        assert recalled.fleet.registry == whole
        assert recalled.registry_number == 13
        assert recalled.mismatches == 0
    again.close()


def test_random_changes_live_replayed_and_from_any_checkpoint_are_one_memory(tmp_path: Path) -> None:
    bench, making, whole = Bench(tmp_path), Making(11), first()
    bench.register(whole)
    bench.turn()
    number = 1
    for _ in range(60):
        change = making.change(whole)
        if bench.memory.book.faults(change):
            continue
        number, whole = number + 1, fold(whole, [change])
        bench.edit(change, number)
        bench.turn(3)
        if number % 4 == 0:
            kept = tmp_path / f"at-{number}"
            write_checkpoint(kept, bench.store.last_cycle, bench.memory.freeze(), bench.memory.registry_number)
    assert number > 20
    assert bench.memory.fleet.registry == whole
    bench.store.close()
    store = Store(tmp_path / "engine.sqlite", cap_bytes=1 << 30)
    for kept in (tmp_path / "none", *tmp_path.glob("at-*")):
        assert frozen(recall(store, kept)) == frozen(bench.memory), kept.name
    store.close()
