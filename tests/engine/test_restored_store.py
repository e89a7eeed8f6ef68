"""A store that was put back from a copy is known for one, and a restart, a kill or a move is never taken for it."""

import asyncio
import contextlib
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import msgspec
import pytest

from davy.wiring import run_engine
from devices.commands import Command, Verb
from devices.sites import Registry
from engine.birth import born_ns
from engine.bookmark import Bookmark
from engine.checkpoint import recall
from engine.cycle import Change, wire_epoch
from engine.journal import JournalReader
from engine.records import Inputs
from engine.store import Store, document
from ingest.links import Sending
from rules.events import Event, Restored, Resumed, RulesChanged
from rules.instructions import ApprovePermit, CloseValve, RequestPermit
from simulators.orders import Taken
from simulators.valve import ShutOffTraits, ShutOffValve
from tests.engine.history import SECOND, Bench, frozen
from tests.engine.ways import TestLink
from tests.guarantees.engines import EngineProcess, engine_inside, free_port, settings_for
from tests.guarantees.town import detector, town
from tests.rules.street import CLOSES
from tests.rules.world import OF_A_CLOSING

CAP = 64 * 1024 * 1024


def opened(folder: Path) -> Store:
    folder.mkdir(exist_ok=True)
    return Store(folder / "engine.sqlite", cap_bytes=CAP)


def commit(store: Store, many: int = 1) -> None:
    for _ in range(many):
        empty = Inputs(now=store.last_now + 1_000_000, packed=b"", extra={}, events=(), counts=(), marks=())
        store.commit(empty, (), readings=0)


def doubt(folder: Path, *, restored: bool = False) -> str:
    store = opened(folder)
    try:
        return Bookmark(store, restored).doubt
    finally:
        store.close()


async def used(folder: Path, many: int = 3) -> None:
    """An engine ran here, committed and was stopped."""
    store = opened(folder)
    bookmark = Bookmark(store)
    commit(store, many)
    await bookmark.keep()
    store.close()


def bookmark_in(folder: Path) -> Path:
    (found,) = folder.glob("engine*.bookmark")
    return found


def put_back(copy: Path, folder: Path, *, only_store: bool) -> None:
    for path in copy.iterdir():
        if not only_store or path.name.startswith("engine.sqlite"):
            shutil.copy2(path, folder / path.name)


async def test_a_new_store_and_one_that_was_stopped_killed_or_moved_is_no_copy(tmp_path: Path) -> None:
    assert doubt(tmp_path / "a") == ""
    assert doubt(tmp_path / "a") == ""
    store = opened(tmp_path / "a")
    commit(store, 5)
    store.close()  # no bookmark was kept after these cycles: as after a kill
    assert doubt(tmp_path / "a") == ""
    await used(tmp_path / "a")
    (tmp_path / "a").rename(tmp_path / "b")
    assert doubt(tmp_path / "b") == ""


async def test_a_store_that_ends_before_its_bookmark_was_put_back(tmp_path: Path) -> None:
    here = tmp_path / "a"
    await used(here)
    shutil.copytree(here, tmp_path / "copy")
    await used(here)
    put_back(tmp_path / "copy", here, only_store=True)
    assert doubt(here) == "it ends at cycle 3, and had come to 6"


#: How a folder is put back from one that was kept, or from an archive beside it; both bring the bookmark along.
WAYS = {
    "tar over it": "tar -C {here} -xf {kept}.tar",
    "tar over its files": "tar -C {here} --overwrite -xf {kept}.tar",
    "tar after it was emptied": "rm -rf {here}/* && tar -C {here} -xf {kept}.tar",
    "cp -a over it": "cp -a {kept}/. {here}/",
    "cp -a after it was emptied": "rm -rf {here}/* && cp -a {kept}/. {here}/",
    "mv": "rm -rf {here} && mv {kept} {here}",
    "as rsync does": "(cd {kept}; for f in *; do cp -a $f {here}/.$f && mv {here}/.$f {here}/$f || exit 1; done)",
    "as rsync --delete does": "(rm {here}/*.bookmark; cd {kept}; "
    "for f in *; do cp -a $f {here}/.$f && mv {here}/.$f {here}/$f || exit 1; done)",
}


@pytest.mark.parametrize("way", WAYS)
async def test_a_folder_that_is_put_back_with_its_bookmark_is_known_for_a_copy(tmp_path: Path, way: str) -> None:
    here, kept = tmp_path / "data", tmp_path / "kept"
    await used(here)
    subprocess.run(f"cp -a {here} {kept} && tar -C {here} -cf {kept}.tar .", shell=True, check=True)
    if not born_ns(here / "engine.sqlite"):
        pytest.skip("this file system keeps no birth times")
    for _ in range(2):
        await used(here)
        assert doubt(here) == ""
    subprocess.run(WAYS[way].format(here=here, kept=kept), shell=True, check=True)
    assert doubt(here)
    await used(here, 1)
    assert doubt(here) == ""


async def test_a_killed_writer_of_bookmarks_leaves_nothing_that_looks_like_a_copy(tmp_path: Path) -> None:
    here = tmp_path / "a"
    await used(here)
    before = bookmark_in(here)
    shutil.copy2(before, tmp_path / before.name)
    await used(here)
    shutil.copy2(tmp_path / before.name, before)  # killed before the older one was removed
    assert doubt(here) == ""
    await used(here)
    assert bookmark_in(here).name == f"engine.{9:020d}.bookmark"


async def test_a_bookmark_of_before_births_were_kept_is_no_copy(tmp_path: Path) -> None:
    here = tmp_path / "a"
    await used(here)
    there = msgspec.json.decode(bookmark_in(here).read_bytes())
    del there["born"]
    (here / "engine.bookmark").write_bytes(msgspec.json.encode(there))
    bookmark_in_its_name = here / f"engine.{3:020d}.bookmark"
    bookmark_in_its_name.unlink()
    assert doubt(here) == ""
    await used(here)
    assert bookmark_in(here).name == f"engine.{6:020d}.bookmark"


async def test_a_whole_folder_from_a_copy_is_known_by_its_file(tmp_path: Path) -> None:
    await used(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert doubt(tmp_path / "b") == "its file is a copy, not the one that was written"
    assert doubt(tmp_path / "a") == ""


async def test_a_store_without_a_bookmark_or_with_another_ones_or_a_broken_one_is_taken_for_a_copy(
    tmp_path: Path,
) -> None:
    here, other = tmp_path / "a", tmp_path / "b"
    await used(here)
    await used(other)
    shutil.copy2(bookmark_in(other), bookmark_in(here))
    assert doubt(here).startswith("the bookmark beside it is of store ")
    bookmark_in(here).write_bytes(b"\x00" * 20)
    assert doubt(here).startswith("its bookmark cannot be read: ")
    bookmark_in(here).unlink()
    assert doubt(here) == "there is no bookmark beside it that says how far it had come"


async def test_somebody_may_say_so(tmp_path: Path) -> None:
    await used(tmp_path / "a")
    assert doubt(tmp_path / "a", restored=True) == "it was said so"
    assert doubt(tmp_path / "fresh", restored=True) == ""  # a new store remembers nothing


async def test_it_is_found_again_until_a_cycle_that_says_so_is_on_disk(tmp_path: Path) -> None:
    here = tmp_path / "a"
    await used(here)
    shutil.copytree(here, tmp_path / "b")
    store = opened(tmp_path / "b")
    bookmark = Bookmark(store)
    await bookmark.keep()  # nothing was committed: nothing is noted
    store.close()
    assert doubt(tmp_path / "b")
    await used(tmp_path / "b", 1)
    assert doubt(tmp_path / "b") == ""


async def test_a_disk_that_takes_no_bookmark_stops_nothing(tmp_path: Path) -> None:
    store = opened(tmp_path / "a")
    bookmark = Bookmark(store)
    commit(store)
    before, taken = bookmark_in(tmp_path / "a"), tmp_path / "a" / f"engine.{1:020d}.bookmark"
    taken.mkdir()  # the rename onto it fails
    await bookmark.keep()
    assert not list(tmp_path.glob("a/bookmark-*"))
    assert before.is_file()
    taken.rmdir()
    await bookmark.keep()
    assert bookmark_in(tmp_path / "a") == taken
    store.close()


# ---- the engine itself ----------------------------------------------------------------------------------------------


def events(folder: Path) -> list[Event]:
    journal = JournalReader(folder / "engine.sqlite")
    found: list[Event] = []
    cycle = 0
    while records := journal.read(cycle, 65_536):
        found += [event for record in records for event in record.inputs.events]
        cycle = records[-1].cycle
    journal.close()
    return [event for event in found if isinstance(event, Restored | Resumed)]


def kinds(folder: Path) -> list[str]:
    return [type(event).__name__ for event in events(folder)]


async def ran(folder: Path, registry: Registry) -> None:
    async with engine_inside(folder, registry):
        pass


async def test_an_engine_on_a_copy_says_so_before_anything_else_and_once(tmp_path: Path) -> None:
    here, registry = tmp_path / "data", town(2)
    await ran(here, registry)
    shutil.copytree(here, tmp_path / "copy")
    await ran(here, registry)
    assert kinds(here) == ["Resumed"]
    for name in ("engine.sqlite", "engine.sqlite-wal", "engine.sqlite-shm"):
        (here / name).unlink(missing_ok=True)
    shutil.rmtree(here / "checkpoints")
    for path in (tmp_path / "copy").iterdir():
        if path.name.startswith("engine.sqlite"):
            shutil.copy2(path, here / path.name)
    shutil.copytree(tmp_path / "copy" / "checkpoints", here / "checkpoints")
    await ran(here, registry)
    assert kinds(here) == ["Restored", "Resumed"]
    await ran(here, registry)
    assert kinds(here) == ["Restored", "Resumed", "Resumed"]


async def test_an_engine_that_was_killed_at_once_is_only_back(tmp_path: Path) -> None:
    engine = EngineProcess(tmp_path / "data")
    await engine.started(town(2))
    engine.kill()
    await engine.started()
    engine.end()
    assert kinds(tmp_path / "data") == ["Resumed"]


async def test_an_engine_is_told_so(tmp_path: Path) -> None:
    here = tmp_path / "data"
    await ran(here, town(2))
    stop = asyncio.Event()
    running = asyncio.create_task(run_engine(settings_for(here, free_port()), stop, restored=True))
    async with asyncio.timeout(20):
        while "Restored" not in kinds(here):
            await asyncio.sleep(0.05)
    stop.set()
    await running


async def test_a_valve_obeys_an_engine_whose_store_began_anew(tmp_path: Path) -> None:
    epochs = []
    for n, began in enumerate((60_000_000_000, 63_600_000_000)):  # an hour later
        store = opened(tmp_path / str(n))
        empty = Inputs(now=began, packed=b"", extra={}, events=(), counts=(), marks=())
        store.commit(empty, (), readings=0)
        store.close()
        store = opened(tmp_path / str(n))
        assert store.began == began
        epochs.append(wire_epoch(store, 1))
        store.close()
    assert epochs == [1_001, 1_061]


# ---- before anything else -------------------------------------------------------------------------------------------

BUDGET = "\nbudget = { least = 2, share_pct = 0.0, per_s = 600.0 }"


def judged(more: str = "") -> bytes:
    """Rules of which one closes, judged by software, and what a pack that closes needs."""
    bodies = (CLOSES + BUDGET + more, *OF_A_CLOSING)
    titled = [f'[[rule]]\ntitle = {{ zh = "规", en = "r" }}\nsource = "product choice"\n{one}\n' for one in bodies]
    return (
        'version = "1"\n' + "".join(one + ("" if "priority" in one else 'priority = "high"\n') for one in titled)
    ).encode()


def bring_rules(bench: Bench, body: bytes) -> None:
    doc = document("rules", body)
    event = RulesChanged(at=bench.now, sha256=doc.sha256, by="anna")
    bench.cycle.pending.changes.append(Change(event, doc, None, lambda _: None))


def put_back_with_closings(folder: Path) -> tuple[Bench, TestLink]:
    """An engine in which software judged six leaks is put back six hours later, and has not turned since."""
    folder.mkdir(exist_ok=True)
    bench, wire = Bench(folder), TestLink("wire")
    wire.sending = Sending.SENT
    bench.cycle.links = (*bench.cycle.links, wire)
    bring_rules(bench, judged())
    bench.register(town(6))
    bench.turn()
    for home in range(6):
        bench.say(detector(home), bench.reading(1, combustible_lel=60.0))
    bench.turn(1)
    assert len(bench.memory.state.held) == 4
    wire.commands.clear()
    bench.now += 6 * 3600 * SECOND
    bench.cycle._last_turn = 0
    away = Resumed(at=bench.now, down_us=bench.now - bench.store.last_now)
    least = (bench.now - bench.store.began) // (60 * SECOND)
    bench.cycle.pending.events += [Restored(at=bench.now, least_epoch=least), away]
    return bench, wire


@pytest.mark.parametrize("what", ["rules", "registry"])
def test_what_a_copy_remembers_is_put_aside_before_rules_or_registry_change(tmp_path: Path, what: str) -> None:
    bench, wire = put_back_with_closings(tmp_path)
    if what == "rules":
        bring_rules(bench, judged('\nnotify = "x"'))
    else:
        bench.register(town(7), number=2)
    for _ in range(3):
        bench.turn()
    assert wire.commands == []
    assert {one.unheard for one in bench.memory.state.held.values()} == {True}
    assert len(bench.memory.state.held) == 6
    assert len(bench.memory.fleet) == (13 if what == "rules" else 15)
    bench.store.close()
    store = Store(bench.store.path, cap_bytes=CAP)
    assert frozen(recall(store, tmp_path / "none")) == frozen(bench.memory)
    store.close()


def test_nobody_approves_a_permit_of_a_copy_before_it_is_dead(tmp_path: Path) -> None:
    bench, wire = put_back_with_closings(tmp_path)
    bench.cycle.pending.events.clear()
    bench.register(town(7), number=2)
    bench.turn()
    bench.instruct(lambda now: RequestPermit(at=now, id="r", by="anna", device_no=23, reason="a new hose"))
    bench.turn(1)
    permit = bench.answered[-1].subject
    wire.commands.clear()
    bench.instruct(lambda now: ApprovePermit(at=now, id="a", by="bo", permit=permit))
    bench.now += SECOND
    bench.cycle.pending.events += [Restored(at=bench.now), Resumed(at=bench.now, down_us=0)]
    bench.turn()
    bench.turn()
    assert not bench.answered[-1].accepted
    assert not [command for _, command in wire.commands if command.verb is Verb.PERMIT_OPEN]
    bench.store.close()


# ---- what valves make of it -----------------------------------------------------------------------------------------


def close(bench: Bench, wire: TestLink) -> Command:
    bench.instruct(lambda now: CloseValve(at=now, id=f"c{now}", by="anna", device_no=11, reason="smell"))
    bench.turn(1)
    return wire.commands[-1][1]


@pytest.mark.parametrize("days", [0.01, 1.0, 30.0])
def test_a_valve_that_obeyed_a_store_that_was_put_back_obeys_one_that_begins_later(tmp_path: Path, days: float) -> None:
    street_valve = ShutOffValve(ShutOffTraits())
    old, wire = put_back_with_closings(tmp_path / "old")
    old.turn()
    before = close(old, wire)
    assert street_valve.obey(before, _issued_us(before) + 1) is Taken.CLOSING
    street_valve.advance(60.0)
    street_valve.open_by_hand()
    old.store.close()
    (tmp_path / "young").mkdir()
    young, wire = Bench(tmp_path / "young"), TestLink("wire")
    wire.sending = Sending.SENT
    young.cycle.links = (*young.cycle.links, wire)
    young.now = old.now + round(days * 86_400 * SECOND)
    young.register(town(6))
    young.turn()
    now = close(young, wire)
    assert now.epoch > before.epoch
    assert street_valve.obey(now, _issued_us(now) + 1) is Taken.CLOSING
    young.store.close()


def test_a_store_that_is_put_back_goes_on_beyond_what_it_may_have_given_meanwhile(tmp_path: Path) -> None:
    bench, wire = put_back_with_closings(tmp_path)
    began_us = bench.store.began
    bench.cycle.pending.events.clear()
    given = close(bench, wire).epoch
    bench.cycle.restored = True

    async def first_turn() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                await bench.cycle.run()

    asyncio.run(first_turn())
    minutes = (bench.now - began_us) // (60 * SECOND)
    assert minutes > 6 * 60 - 1
    assert bench.memory.state.epoch[bench.memory.fleet.slot_of[11]] >= minutes > given - wire_epoch(bench.store, 0)
    bench.store.close()


def _issued_us(command: Command) -> int:
    return round(datetime.fromisoformat(command.issued).timestamp() * SECOND)
