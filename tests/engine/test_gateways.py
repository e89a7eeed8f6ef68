"""Alarms about gateways and brokers themselves, over hours and over changes of what stands behind them."""

from collections.abc import Iterable
from pathlib import Path

import msgspec
import pytest

from davy.put_aside import PutAside
from devices.sites import Device, Registry
from engine.memory import Memory
from rules.decisions import AlarmChanged
from rules.events import LinkUp
from tests.engine.history import frozen
from tests.engine.test_following import idle
from tests.engine.test_ways_in import frame, records
from tests.engine.ways import BROKER, BUS, D1, ON_BUS, Ways, registry, ways


def standing(bench: Ways, *who: int) -> list[tuple[int, str, str]]:
    """(device, rule, state) of every open alarm of these devices."""
    return [(a.device_no, a.rule, a.state.name) for a in bench.memory.state.alarms() if a.device_no in who]


def test_a_bus_and_a_broker_that_work_for_hours_are_not_silent(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.bus.bring(up=[BUS])
    bench.broker.bring(up=[BROKER])
    for seq in range(1, 30):
        bench.bus.bring((ON_BUS, frame("clean air", bench.now)))
        bench.broker.bring(bench.from_broker(D1, seq))
        idle(bench, 600)
    assert standing(bench, BUS, BROKER) == []
    assert bench.bus.last.stored.tolist() == [1]


# ---- put aside while it is down -------------------------------------------------------------------------------------


def put_aside(how: str) -> Registry:
    """The bus has no address any more and its devices are gone, or only its devices are."""
    before = registry()
    kept: Iterable[Device] = (device for device in before.devices if device.gateway != "acme/bus")
    if how == "address":
        kept = [msgspec.structs.replace(one, address="") if one.device_no == BUS else one for one in kept]
    return msgspec.structs.replace(before, devices=tuple(kept), links=before.links[:1])


def replayed(bench: Ways) -> Memory:
    """A memory that was made from the journal alone."""
    memory = Memory.empty()
    bodies = {sha256: bench.store.body(sha256) for sha256 in _documents(bench)}
    for record in records(bench):
        memory.replay(record, bodies.__getitem__)
    return memory


def _documents(bench: Ways) -> list[str]:
    events = (event for record in records(bench) for event in record.inputs.events)
    return [event.sha256 for event in events if hasattr(event, "sha256")]


@pytest.mark.parametrize(
    ("how", "why"), [("address", "it has no address any more"), ("devices", "there is no device behind it any more")]
)
def test_a_bus_that_is_put_aside_while_it_is_down_is_down_no_longer(tmp_path: Path, how: str, why: str) -> None:
    bench = ways(tmp_path)
    bench.bus.bring(down=[(BUS, "no route to host")])
    bench.turn(1)
    bench.register(put_aside(how), 2)
    bench.turn(1)
    assert standing(bench, BUS) == [(BUS, "link-down", "RETURNED_UNACKNOWLEDGED")]
    (returned,) = [one for one in records(bench)[-1].decisions if isinstance(one, AlarmChanged)]
    assert returned.comment == why
    memory = replayed(bench)
    assert memory.mismatches == 0
    assert frozen(memory)[0] == frozen(bench.memory)[0]


def test_what_a_bus_says_that_has_nobody_behind_it_any_more_is_no_alarm(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.register(put_aside("devices"), 2)
    bench.bus.bring(down=[(BUS, "no route to host")])
    bench.turn(1)
    bench.bus.bring(down=[(BUS, "no route to host")])
    bench.turn(1)
    assert standing(bench, BUS) == []


def with_put_aside(bench: Ways, named: frozenset[str] | None) -> None:
    link = PutAside(lambda: bench.memory.state, named)
    bench.cycle.links = (*bench.cycle.links, link)
    bench.cycle.on_fleet.append(lambda fleet, _: link.replace(fleet))
    link.replace(bench.memory.fleet)


def test_a_broker_that_no_file_names_any_more_is_down_no_longer(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(down=[(BROKER, "refused")])
    bench.turn(1)
    assert standing(bench, BROKER) == [(BROKER, "link-down", "UNACKNOWLEDGED")]
    with_put_aside(bench, frozenset())
    bench.turn(1)
    assert standing(bench, BROKER) == [(BROKER, "link-down", "RETURNED_UNACKNOWLEDGED")]
    bench.turn(100)
    assert [type(e) for r in records(bench) for e in r.inputs.events].count(LinkUp) == 1


@pytest.mark.parametrize("named", [frozenset({"acme/broker"}), None])
def test_a_broker_that_is_named_or_may_be_stays_down_until_it_is_up(
    tmp_path: Path, named: frozenset[str] | None
) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(down=[(BROKER, "refused")])
    bench.bus.bring(down=[(BUS, "no route to host")])
    bench.turn(1)
    with_put_aside(bench, named)
    bench.turn(1)
    both = [(BROKER, "link-down", "UNACKNOWLEDGED"), (BUS, "link-down", "UNACKNOWLEDGED")]
    assert sorted(standing(bench, BROKER, BUS)) == both


def test_the_last_word_of_a_bus_that_was_ended_does_not_stand_for_ever(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    with_put_aside(bench, frozenset({"acme/broker"}))
    bench.register(put_aside("address"), 2)
    bench.turn(1)
    bench.bus.bring(down=[(BUS, "its last word")])
    bench.turn(1)
    bench.turn(1)
    assert standing(bench, BUS) == [(BUS, "link-down", "RETURNED_UNACKNOWLEDGED")]


# ---- missing readings -----------------------------------------------------------------------------------------------


def test_nothing_is_missing_any_more_of_a_device_that_is_polled_from_now_on(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 1), bench.from_broker(D1, 5))
    bench.turn(1)
    idle(bench, 30)
    assert (D1, "readings-missing", "UNACKNOWLEDGED") in standing(bench, D1)
    before = registry()
    moved = [
        Device(D1, "acme", "d1", "sim_modbus_detector", "plant", "acme/bus", "7") if one.device_no == D1 else one
        for one in before.devices
    ]
    bench.register(msgspec.structs.replace(before, devices=tuple(moved)), 2)
    bench.turn(1)
    assert (D1, "readings-missing", "RETURNED_UNACKNOWLEDGED") in standing(bench, D1)
    memory = replayed(bench)
    assert memory.mismatches == 0
    assert frozen(memory)[0] == frozen(bench.memory)[0]
