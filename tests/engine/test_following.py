"""Devices behind a broker: what they are told is on disk, what is found missing, and that a restart knows it all."""

from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.codecs.frame import FrameState, encode_frame
from engine.checkpoint import recall, write_checkpoint
from engine.journal import JournalReader
from engine.memory import Frozen, Memory
from engine.records import Inputs, decode_inputs
from engine.store import Store
from ingest.links import Upto
from rules.decisions import AlarmRaised, AlarmState
from rules.events import ReadingsComplete, ReadingsMissing
from tests.engine.history import SECOND, frozen
from tests.engine.test_ways_in import DETECTOR, Reserved, frame
from tests.engine.ways import D1, D2, ON_BUS, VALVE, Ways, registry, stands_at, ways


def reopened(folder: Path) -> Store:
    return Store(folder / "engine.sqlite", cap_bytes=1 << 30)


def told(bench: Ways) -> list[object]:
    reader = JournalReader(bench.store.path)
    try:
        events = [event for record in reader.read(0, 1 << 30) for event in record.inputs.events]
    finally:
        reader.close()
    return [event for event in events if isinstance(event, ReadingsMissing | ReadingsComplete)]


def idle(bench: Ways, seconds: float) -> None:
    """Turn whenever the engine's own timer would."""
    until = bench.now + round(seconds * SECOND)
    while bench.now < until:
        due = min(bench.memory.next_look, bench.memory.state.next_deadline, bench.store.last_now + 5 * SECOND, until)
        bench.turn(max(due - bench.now, 1) / SECOND)


def test_a_device_is_told_what_is_on_disk_after_the_commit(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 7), bench.from_broker(D1, 8), bench.from_broker(D2, 1))
    assert bench.broker.settled == []
    bench.turn(1)
    assert sorted(bench.broker.last.upto) == [Upto(D1, 1, 8), Upto(D2, 1, 1)]


def test_links_that_carry_no_acknowledgement_are_given_none_and_follow_nobody(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.say("acme/d1", bench.reading(1), bench.reading(5))
    bench.bus.bring((ON_BUS, frame("clean air", 9)), (ON_BUS, frame("clean air", 100)))
    bench.turn(1)
    assert not bench.memory.contiguity
    assert bench.bus.last.upto == ()
    idle(bench, 40)
    assert told(bench) == []


def test_a_number_that_is_missing_for_20_s_raises_an_alarm_within_30(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    raised: list[AlarmRaised] = []
    bench.cycle.on_committed.append(lambda _, made: raised.extend(d for d in made if isinstance(d, AlarmRaised)))
    bench.broker.bring(bench.from_broker(D1, 1), bench.from_broker(D1, 5))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 1),)
    idle(bench, 19)
    assert told(bench) == []
    idle(bench, 6)
    (event,) = told(bench)
    assert isinstance(event, ReadingsMissing)
    assert (event.device_no, event.boot, event.first, event.many) == (D1, 1, 2, 3)
    (alarm,) = [one for one in raised if one.device_no == D1]
    assert "3 readings from 2 on (boot 1)" in alarm.note
    bench.broker.bring(*(bench.from_broker(D1, seq) for seq in (2, 3, 4)))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 5),)
    assert told(bench)[1:] == [ReadingsComplete(at=bench.now, device_no=D1, lost=0)]


def test_what_the_broker_lost_and_the_device_no_longer_holds_is_passed_over_counted_and_told(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 1))
    bench.turn(1)
    bench.broker.bring(bench.from_broker(D1, 9, first=6))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 5),)
    assert bench.memory.contiguity.lost == 4
    bench.broker.bring(*(bench.from_broker(D1, seq, first=6) for seq in (6, 7, 8)))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 9),)
    missing, complete = told(bench)
    assert isinstance(missing, ReadingsMissing)
    assert (missing.first, missing.many) == (2, 4)
    assert isinstance(complete, ReadingsComplete)
    assert complete.lost == 4
    (alarm,) = [one for one in bench.memory.state.alarms() if one.rule == "readings-missing"]
    assert (alarm.device_no, alarm.state) == (D1, AlarmState.RETURNED_UNACKNOWLEDGED)


def test_poison_does_not_stop_the_count(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 1))
    bench.turn(1)
    poison = (b'{"boot":1,"seq":2,"co_ppm":"high"}', b'{"boot":1,"seq":3,"co_ppm":NaN}', b"\xffnumberless")
    bench.broker.bring(*((D1, one) for one in poison), bench.from_broker(D1, 4))
    bench.turn(1)
    assert bench.broker.last.quarantined.tolist() == [1, 1, 1, 0]
    assert bench.broker.last.upto == (Upto(D1, 1, 4),)


def test_a_duplicate_is_acknowledged_again_for_the_first_word_may_have_been_lost(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    one = bench.from_broker(D1, 1)
    bench.broker.bring(one, bench.from_broker(D1, 2))
    bench.turn(1)
    bench.broker.bring(one)
    bench.turn(1)
    assert bench.broker.last.duplicate.tolist() == [1]
    assert bench.broker.last.upto == (Upto(D1, 1, 2),)


def test_what_is_withheld_in_the_reserve_is_not_acknowledged_and_not_called_missing(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 1))
    bench.turn(1)
    bench.store.__class__ = Reserved
    held = bench.from_broker(D1, 2)
    bench.broker.bring(held, bench.from_broker(D1, 3, combustible_lel=80.0, high_alarm=True))
    bench.turn(1)
    assert bench.broker.last.withheld == {0}
    assert bench.broker.last.upto == ()
    idle(bench, 90)
    assert told(bench) == []
    bench.store.__class__ = Store
    bench.turn(1)
    idle(bench, 15)
    assert told(bench) == []
    bench.broker.bring(held)
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 3),)
    idle(bench, 60)
    assert told(bench) == []


def test_what_a_broker_had_kept_makes_nobody_followed(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 5), retained=[0])
    bench.turn(1)
    bench.broker.bring(bench.from_broker(D1, 9_000))
    bench.turn(1)
    assert bench.broker.last.upto == (Upto(D1, 1, 9_000),)
    assert bench.memory.contiguity.lost == 0


def test_a_device_that_moves_to_a_bus_or_leaves_is_followed_no_longer(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(bench.from_broker(D1, 1), bench.from_broker(D2, 1))
    bench.turn(1)
    before = registry()
    gone = [device for device in before.devices if device.device_no != D2]
    moved = [
        msgspec.structs.replace(device, model="sim_modbus_detector", gateway="acme/bus", address="5")
        if device.device_no == D1
        else device
        for device in gone
    ]
    bench.register(msgspec.structs.replace(before, devices=tuple(moved)), number=2)
    bench.turn(1)
    bench.bus.bring((D1, frame("clean air", bench.now, D1, fleet=bench.memory.fleet)))
    bench.turn(1)
    assert bench.bus.last.stored.tolist() == [1]
    assert not bench.memory.contiguity
    bench.store.close()
    store = reopened(tmp_path)
    assert frozen(recall(store, tmp_path / "none")) == frozen(bench.memory)
    store.close()


messages = st.lists(
    st.tuples(
        st.sampled_from([D1, D1, D2, VALVE]),
        st.sampled_from([1, 1, 1, 1, 2]),
        st.integers(1, 30),
        st.sampled_from([None, None, None, 1, 4, 12]),
        st.sampled_from(["broker", "broker", "broker", "http", "poison", "retained"]),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(messages, st.sampled_from([0.1, 3.0, 9.0, 30.0, 700.0])), min_size=1, max_size=10), st.data())
def test_a_restart_from_any_checkpoint_or_none_knows_the_same(
    tmp_path_factory: pytest.TempPathFactory,
    turns: list[tuple[list[tuple[int, int, int, int | None, str]], float]],
    data: st.DataObject,
) -> None:
    folder = tmp_path_factory.mktemp("following")
    bench = ways(folder)
    identity = {D1: "acme/d1", D2: "acme/d2", VALVE: "acme/v"}
    for brought, after_s in turns:
        retained: list[int] = []
        payloads: list[tuple[int, bytes]] = []
        for number, boot, seq, first, way in brought:
            more: dict[str, object] = {"boot": boot, "first": first, **({"tamper": 1} if way == "poison" else {})}
            if way == "http":
                bench.say(identity[number], bench.reading(seq, boot=boot))
            else:
                retained += [len(payloads)] if way == "retained" else []
                payloads.append(bench.from_broker(number, seq, **more))
        if payloads:
            bench.broker.bring(*payloads, retained=retained)
        cycle = bench.turn(after_s)
        if cycle:
            write_checkpoint(folder / f"at-{cycle}", cycle, bench.memory.freeze(), bench.memory.registry_number)
    bench.store.close()
    store = reopened(folder)
    places = [folder / "none", *sorted(folder.glob("at-*"))]
    for place in (places[0], data.draw(st.sampled_from(places))):
        recalled = recall(store, place)
        assert frozen(recalled) == frozen(bench.memory)
    store.close()


def test_a_journal_and_a_checkpoint_of_before_can_still_be_read() -> None:
    older = msgspec.msgpack.encode({"now": 1, "packed": b"\0\0\0\0", "extra": (), "events": (), "counts": ()})
    assert decode_inputs(older) == Inputs(now=1, packed=b"\0\0\0\0", extra=(), events=(), counts=())
    body = msgspec.to_builtins(Memory.empty().freeze()())
    assert body.pop("following") is not None
    assert Memory.thaw(msgspec.convert(body, Frozen), lambda _: b"", 0).contiguity.lost == 0


def test_frames_are_numbered_by_time_and_nobody_misses_the_time_between(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    for _ in range(3):
        bench.bus.bring((ON_BUS, encode_frame(FrameState.NO_REPLY, bench.now, b"", stands_at(ON_BUS))))
        bench.turn(20)
    assert told(bench) == []
    assert DETECTOR.modbus is not None
