"""An engine that is told what changed decides as one that is told the whole registry each time."""

from pathlib import Path

import msgspec
import pytest

from devices.registry_book import fold
from devices.sites import Registry
from engine.memory import Memory
from rules.stepping.snapshot import snapshot
from tests.devices.registries import Making, first
from tests.engine.history import Bench


def said(bench: Bench, making: Making, numbers: dict[str, int]) -> None:
    """Gas, alarm bits and quiet readings of some devices."""
    for identity in bench.memory.fleet.slot_by_identity:
        draw = making.rng.random()
        if draw < 0.5:
            numbers[identity] = numbers.get(identity, 0) + 1
            gas = making.rng.choice((1.0, 12.0, 26.0))
            alarm = {"high_alarm": True} if making.rng.random() < 0.2 else {}
            position = {"valve": making.rng.choice(("open", "closed"))} if making.rng.random() < 0.3 else {}
            bench.say(identity, bench.reading(numbers[identity], combustible_lel=gas, **alarm, **position))


def known(memory: Memory) -> dict[str, object]:
    """What an engine remembers."""
    found = snapshot(memory.state)
    standing = msgspec.to_builtins({name: getattr(found, name) for name in found.__struct_fields__ if name != "arrays"})
    arrays = found.arrays | memory.admission.snapshot()
    return standing | {name: (array.shape, array.tolist()) for name, array in arrays.items()}


@pytest.mark.parametrize("seed", range(3))
def test_told_what_changed_or_told_everything_is_the_same(tmp_path: Path, seed: int) -> None:
    (tmp_path / "changes").mkdir()
    (tmp_path / "whole").mkdir()
    making, whole = Making(seed, renumbers=False), first()
    by_changes, by_whole = Bench(tmp_path / "changes"), Bench(tmp_path / "whole")
    decided: list[list[object]] = [[], []]
    for bench, list_ in zip((by_changes, by_whole), decided, strict=True):
        bench.register(whole)
        bench.cycle.on_committed.append(lambda _, decisions, into=list_: into.extend(decisions))
        bench.turn()
    for number in range(2, 40):
        change = making.change(whole)
        if not by_changes.memory.book.faults(change):
            whole = fold(whole, [change])
            by_changes.edit(change, number)
            by_whole.register(Registry(*map(tuple, _fields(whole))), number)
        for bench in (by_changes, by_whole):
            bench.turn(1)
        state = making.rng.getstate()
        for bench, numbers in ((by_changes, {}), (by_whole, {})):
            making.rng.setstate(state)
            numbers.update(dict.fromkeys(bench.memory.fleet.slot_by_identity, number * 10))
            said(bench, making, numbers)
            bench.turn(2 if number % 7 else 4_000)
        assert by_changes.memory.fleet.device_no.tolist() == by_whole.memory.fleet.device_no.tolist()
        assert decided[0] == decided[1], number
        assert known(by_changes.memory) == known(by_whole.memory), number
    assert len(decided[0]) > 20
    for bench in (by_changes, by_whole):
        bench.store.close()


def _fields(registry: Registry) -> list[tuple[object, ...]]:
    return [getattr(registry, name) for name in Registry.__struct_fields__]
