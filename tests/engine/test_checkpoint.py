"""A restart from any checkpoint, or from none, is the engine that was never stopped (G5)."""

from pathlib import Path

import msgspec
import pytest

from devices.sites import Gone, Registry, RegistryChange
from engine.checkpoint import read_checkpoint, recall, write_checkpoint
from engine.store import Store, StoreRefused
from rules.instructions import Acknowledge, CloseValve
from tests.engine.history import Bench, bench_with_town, frozen
from tests.guarantees.town import detector, town


def lived(folder: Path) -> Bench:
    """A history with holds, alarms, a wanted position, people, duplicates, nonsense, a silence, a registry change;
    a checkpoint is kept of every cycle, each in a folder of its own."""
    bench = bench_with_town(folder)

    def turn(after_s: float) -> None:
        cycle = bench.turn(after_s)
        if cycle:
            kept = folder / f"at-{cycle}"
            write_checkpoint(kept, cycle, bench.memory.freeze(), bench.memory.registry_number)

    for seq in range(1, 12):
        gas = 25.0 if seq > 3 else 2.0
        bench.say(detector(0), bench.reading(seq, combustible_lel=gas))
        if seq % 2:
            bench.say(detector(1), bench.reading(seq), bench.reading(seq), b"nonsense")
        turn(7)
    bench.say(detector(2), bench.reading(1, combustible_lel=80.0, high_alarm=True))
    turn(1)
    alarm = next(iter(bench.memory.state.by_alarm))
    bench.instruct(lambda now: Acknowledge(at=now, id="a", by="desk", alarm=alarm))
    bench.instruct(lambda now: CloseValve(at=now, id="c", by="desk", device_no=13, reason="to be sure"))
    turn(2)
    bench.register(town(2), number=2)
    turn(3)
    away, back = edits()
    bench.edit(away, number=3)
    turn(2)
    bench.edit(back, number=4)
    turn(2)
    bench.edit(away, number=5)
    turn(2)
    for _ in range(8):
        turn(11)
    return bench


def edits() -> tuple[RegistryChange, RegistryChange]:
    """A home's detector leaves the registry, and what names it; and it comes back, at a site that is another's now."""
    whole = town(2)
    gone = next(one for one in whole.devices if one.identity == detector(1))
    named = tuple(link for link in whole.links if gone.identity in (link.detector, link.valve))
    theirs = tuple(msgspec.structs.replace(one, enterprise="gas-b") for one in whole.sites if one.key == gone.site)
    token = tuple(one for one in whole.credentials if one.identity == gone.identity)
    away = RegistryChange(gone=Gone(devices=(gone.identity,), links=named, credentials=(gone.identity,)))
    return away, RegistryChange(put=Registry(sites=theirs, devices=(gone,), links=named, credentials=token))


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Bench]:
    folder = tmp_path_factory.mktemp("history")
    bench = lived(folder)
    bench.store.close()
    return folder, bench


def reopened(folder: Path) -> Store:
    return Store(folder / "engine.sqlite", cap_bytes=1 << 30)


def test_every_checkpoint_and_the_cycles_after_it_give_the_same_memory(history: tuple[Path, Bench]) -> None:
    folder, bench = history
    store = reopened(folder)
    folders = sorted(folder.glob("at-*"))
    assert len(folders) > 15
    for kept in folders:
        assert frozen(recall(store, kept)) == frozen(bench.memory), kept.name
    store.close()


def test_without_a_checkpoint_the_whole_journal_gives_it(history: tuple[Path, Bench]) -> None:
    folder, bench = history
    store = reopened(folder)
    assert frozen(recall(store, folder / "none")) == frozen(bench.memory)
    store.close()


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(history: tuple[Path, Bench], tmp_path: Path) -> None:
    folder, bench = history
    older, newest = sorted(folder.glob("at-*"), key=lambda kept: int(kept.name[3:]))[-2:]
    for kept in (older, newest):
        (file,) = kept.glob("*.checkpoint")
        body = file.read_bytes()
        (tmp_path / file.name).write_bytes(body if kept is older else body[:-100])
    store = reopened(folder)
    assert frozen(recall(store, tmp_path)) == frozen(bench.memory)
    assert store.checkpointed == int(older.name[3:])
    store.close()


def test_a_checkpoint_ahead_of_its_store_is_not_used(history: tuple[Path, Bench], tmp_path: Path) -> None:
    folder, bench = history
    write_checkpoint(tmp_path, bench.store.last_cycle + 50, bench.memory.freeze(), bench.memory.registry_number)
    store = reopened(folder)
    assert frozen(recall(store, tmp_path)) == frozen(bench.memory)
    assert store.checkpointed == 0
    write_checkpoint(tmp_path, store.last_cycle, bench.memory.freeze(), bench.memory.registry_number)
    assert frozen(recall(store, tmp_path)) == frozen(bench.memory)
    assert store.checkpointed == store.last_cycle, "the one ahead counts neither as kept nor as newest"
    store.close()


def test_a_checkpoint_is_whole_or_refused(history: tuple[Path, Bench], tmp_path: Path) -> None:
    _, bench = history
    path = write_checkpoint(tmp_path, 7, bench.memory.freeze(), bench.memory.registry_number)
    cycle, number, _ = read_checkpoint(path)
    assert (cycle, number) == (7, bench.memory.registry_number)
    whole = path.read_bytes()
    for end in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:end])
        with pytest.raises(ValueError, match="not a whole checkpoint"):
            read_checkpoint(path)


def test_only_the_last_two_are_kept(history: tuple[Path, Bench], tmp_path: Path) -> None:
    _, bench = history
    for cycle in (1, 2, 3):
        write_checkpoint(tmp_path, cycle, bench.memory.freeze(), bench.memory.registry_number)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"{n:020d}.checkpoint" for n in (2, 3)]


def test_a_trimmed_journal_without_its_checkpoint_is_refused_in_words(tmp_path: Path) -> None:
    bench = bench_with_town(tmp_path)
    for seq in range(1, 40):
        bench.say(detector(0), bench.reading(seq))
        bench.turn(1)
        bench.store.checkpointed = bench.store.last_cycle
        bench.store.passed("storage", bench.store.last_cycle)
    assert bench.store.oldest > 1
    bench.store.close()
    store = reopened(tmp_path)
    with pytest.raises(StoreRefused, match="no usable checkpoint"):
        recall(store, tmp_path / "none")
    store.close()
