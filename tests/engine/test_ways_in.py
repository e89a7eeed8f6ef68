"""Frames beside payloads, what is kept by a broker, and what links say of themselves, in one cycle and after it."""

from pathlib import Path

import msgspec
import pytest
from structlog.testing import capture_logs

from devices.codecs.frame import HEADER, FrameState, encode_frame
from devices.fleet import Fleet
from devices.models import DeviceModel, load_catalogue
from devices.quantities import QUANTITY_NAMES, Flag, Quality, quality_shift
from devices.register_examples import example_payload
from engine import decoding
from engine.journal import JournalReader
from engine.records import CycleRecord
from engine.store import Store
from ingest.links import Sending
from rules.decisions import AlarmRaised, Step, WantedEnded
from rules.events import AttemptFailed, AttemptSent, LinkDown, LinkUp, SessionLost
from rules.instructions import CloseValve
from tests.engine.ways import BROKER, BUS, BUS_VALVE, D1, D2, ON_BUS, ON_BUS_2, Ways, registry, stands_at, ways

DETECTOR = next(model for model in load_catalogue() if model.key == "sim_modbus_detector")


def frame(
    title: str, seq: int, device_no: int = ON_BUS, model: DeviceModel = DETECTOR, fleet: Fleet | None = None
) -> bytes:
    """The frame of one of the model's own examples, read where the device stands."""
    assert model.modbus is not None
    example = next(one for one in model.modbus.example if one.title.startswith(title))
    words = example_payload(model.modbus, example)[HEADER.size :]
    return encode_frame(FrameState.FRESH, seq, words, stands_at(device_no, fleet))


def records(bench: Ways) -> list[CycleRecord]:
    reader = JournalReader(bench.store.path)
    try:
        return reader.read(0, 1 << 30)
    finally:
        reader.close()


def test_frames_and_payloads_of_one_cycle_keep_their_places(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.say("acme/d2", bench.reading(1, combustible_lel=9.0))
    bench.bus.bring((ON_BUS, frame("clean air", 5)), (ON_BUS_2, b"short"), (ON_BUS_2, frame("180 ppm", 6, ON_BUS_2)))
    bench.broker.bring(bench.from_broker(D1, 1), (D1, b"no"), bench.from_broker(D1, 2, note="x"))
    bench.turn(1)
    last = records(bench)[-1]
    rows = last.rows()
    assert rows["device_no"].tolist() == [D2, ON_BUS, ON_BUS_2, D1, D1]
    assert rows["seq"].tolist() == [1, 5, 6, 1, 2]
    assert rows["co_ppm"][1:3].tolist() == [3, 180]
    assert last.inputs.extra == ((4, b'{"note":"x"}'),)
    assert [(one.source, one.device_no) for one in last.quarantined] == [("modbus", ON_BUS_2), ("broker:b", D1)]
    assert bench.bus.last.stored.tolist() == [1, 0, 1]
    assert bench.bus.last.quarantined.tolist() == [0, 1, 0]
    assert bench.broker.last.quarantined.tolist() == [0, 1, 0]
    counts = {one.source: (one.received, one.stored, one.quarantined) for one in last.inputs.counts}
    assert counts == {"http": (1, 1, 0), "modbus": (3, 2, 1), "broker:b": (3, 2, 1)}


def test_a_frame_for_a_device_that_is_on_no_bus_is_set_aside(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.bus.bring((D1, frame("clean air", 5)), (999, frame("clean air", 5)))
    bench.turn(1)
    reasons = [one.reason for one in records(bench)[-1].quarantined]
    assert reasons == ["the device's model has no register map"] * 2


@pytest.mark.parametrize("broken", ["decode", "decode_frames"])
def test_what_breaks_a_decoder_is_set_aside_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    bench = ways(tmp_path)
    bad_frame = frame("180 ppm", 7, ON_BUS_2)
    real, poison = getattr(decoding, broken), {"decode": b'{"seq":3}', "decode_frames": bad_frame}[broken]

    def breaks(payloads: list[bytes], *more: object) -> object:
        if poison in payloads:
            raise ZeroDivisionError("a defect")
        return real(payloads, *more)

    monkeypatch.setattr(decoding, broken, breaks)
    bench.bus.bring((ON_BUS, frame("clean air", 5)), (ON_BUS_2, bad_frame), (ON_BUS, frame("clean", 8)))
    bench.broker.bring(bench.from_broker(D1, 1, note="kept"), (D1, b'{"seq":3}'), bench.from_broker(D1, 4))
    with capture_logs():  # a console would print the whole catalogue
        bench.turn(1)
    last = records(bench)[-1]
    assert len(last.rows()) == 5
    (aside,) = last.quarantined
    assert aside.reason == "decoder failed: ZeroDivisionError: a defect"
    assert aside.raw == poison
    assert [body for _, body in last.inputs.extra] == [b'{"note":"kept"}']


def test_what_a_broker_had_kept_is_backfill_and_commands_nothing(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(
        bench.from_broker(D1, 1, combustible_lel=80.0), bench.from_broker(D2, 1, combustible_lel=80.0), retained=[0]
    )
    bench.turn(1)
    flags = records(bench)[-1].rows()["flags"]
    assert [bool(flag & Flag.BACKFILL) for flag in flags] == [True, False]
    assert [bool(flag & Flag.STALE) for flag in flags] == [True, False], "a broker's memory is nobody who was heard"
    bench.turn(60)
    raised = {alarm.device_no for alarm in bench.memory.state.alarms() if alarm.quantity == "combustible_lel"}
    assert D1 not in raised


def test_no_value_that_a_broker_had_kept_reads_as_good(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring(
        bench.from_broker(D1, 1, combustible_lel=2.5, temperature_c=20.0),
        bench.from_broker(D1, 2, combustible_lel=2.5, co_ppm=9.0, warm_up=True),
        bench.from_broker(D2, 1, combustible_lel=2.5),
        retained=[0, 1],
    )
    bench.turn(1)
    rows = records(bench)[-1].rows()

    def said(row: int) -> dict[str, Quality]:
        found = {name: Quality(int(rows["quality"][row]) >> quality_shift(name) & 15) for name in QUANTITY_NAMES}
        return {name: quality for name, quality in found.items() if quality is not Quality.NOT_MEASURED}

    assert said(0) == {"combustible_lel": Quality.STALE, "temperature_c": Quality.STALE}
    assert said(1) == {"combustible_lel": Quality.WARM_UP, "co_ppm": Quality.WARM_UP}
    assert said(2) == {"combustible_lel": Quality.GOOD}
    assert rows["combustible_lel"].tolist() == [2.5, 2.5, 2.5], "what was said is kept"


def test_a_stranger_s_topic_stands_in_the_reason(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.broker.bring((0, b'{"seq":1}'), topics={0: "davy/v1/acme/\u202enobody/telemetry"})
    bench.turn(1)
    (aside,) = records(bench)[-1].quarantined
    assert aside.reason == r"topic 'davy/v1/acme/\u202enobody/telemetry': device 0 is not in the registry"


def test_what_links_say_is_journaled_without_a_single_reading(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    raised: list[AlarmRaised] = []
    bench.cycle.on_committed.append(lambda _, made: raised.extend(d for d in made if isinstance(d, AlarmRaised)))
    bench.bus.bring(down=[(BUS, "connection refused")])
    bench.broker.bring(session_lost=[(BROKER, "it was restarted")], down=[(BROKER, "gone")], up=[BROKER])
    assert bench.turn(1) > 0
    events = records(bench)[-1].inputs.events
    assert events == (
        LinkDown(at=bench.now, device_no=BUS, reason="connection refused"),
        LinkDown(at=bench.now, device_no=BROKER, reason="gone"),
        LinkUp(at=bench.now, device_no=BROKER),
        SessionLost(at=bench.now, device_no=BROKER, reason="it was restarted"),
    )
    assert {alarm.device_no for alarm in raised} == {BUS, BROKER}
    assert raised[0].note == "connection refused"


def test_a_position_confirms_only_in_the_take_after_the_command_left(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    valve = next(model for model in load_catalogue() if model.key == "sim_modbus_valve_latched")
    closed = next(one.title for one in valve.modbus.example if one.expect.get("valve") == "closed")  # type: ignore[union-attr]
    ended: list[WantedEnded] = []
    bench.cycle.on_committed.append(lambda _, made: ended.extend(d for d in made if isinstance(d, WantedEnded)))
    bench.bus.sending = Sending.QUEUED
    bench.instruct(lambda now: CloseValve(at=now, id="c", by="desk", device_no=BUS_VALVE, reason="test"))
    bench.turn()
    ((_, command),) = bench.bus.commands
    (wanted,) = bench.memory.state.wanted_by_slot.values()
    assert [step.step for step in wanted.steps] == [Step.REQUESTED]
    bench.bus.bring((BUS_VALVE, frame(closed, 1, BUS_VALVE, valve)))
    bench.turn(0.1)
    bench.bus.bring(sent=[command.id])
    bench.turn(0.1)
    assert AttemptSent(at=bench.now, command=command.id) in records(bench)[-1].inputs.events
    assert ended == []
    bench.bus.bring((BUS_VALVE, frame(closed, 2, BUS_VALVE, valve)))
    bench.turn(0.1)
    assert len(ended) == 1


def test_what_waits_from_before_a_valve_moved_does_not_confirm_the_close_of_where_it_is_now(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    valve = next(model for model in load_catalogue() if model.key == "sim_modbus_valve_latched")
    closed = next(one.title for one in valve.modbus.example if one.expect.get("valve") == "closed")  # type: ignore[union-attr]
    bench.bus.sending = Sending.QUEUED
    bench.instruct(lambda now: CloseValve(at=now, id="c", by="desk", device_no=BUS_VALVE, reason="test"))
    bench.turn()
    ((_, command),) = bench.bus.commands
    bench.bus.bring(sent=[command.id])
    bench.turn(0.1)
    known = registry()
    moved = [msgspec.structs.replace(one, address="8") if one.device_no == BUS_VALVE else one for one in known.devices]
    bench.register(msgspec.structs.replace(known, devices=tuple(moved)), number=2)
    silent = encode_frame(FrameState.NO_REPLY, 4, b"", stands_at(BUS_VALVE))
    bench.bus.bring((BUS_VALVE, silent), (BUS_VALVE, frame(closed, 5, BUS_VALVE, valve)), (ON_BUS, frame("clean", 6)))
    bench.turn(0.1)
    last = records(bench)[-1]
    assert [one.reason.split(":")[0] for one in last.quarantined] == ["read before the registry changed"] * 2
    assert last.rows()["device_no"].tolist() == [ON_BUS], "who did not move is read as before"
    (wanted,) = bench.memory.state.wanted_by_slot.values()
    assert [step.step for step in wanted.steps][-1] is Step.SENT


def test_a_queued_command_that_could_not_leave_has_failed(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.bus.sending = Sending.QUEUED
    bench.instruct(lambda now: CloseValve(at=now, id="c", by="desk", device_no=BUS_VALVE, reason="test"))
    bench.turn()
    ((_, command),) = bench.bus.commands
    bench.bus.bring(failed=[(command.id, "exception 2")])
    bench.turn(0.1)
    assert AttemptFailed(at=bench.now, command=command.id, reason="exception 2") in records(bench)[-1].inputs.events
    (wanted,) = bench.memory.state.wanted_by_slot.values()
    assert wanted.steps[1].step is Step.FAILED


class Reserved(Store):
    """A store in its reserve."""

    in_reserve = True  # type: ignore[assignment]


def test_in_the_reserve_a_poll_waits_and_what_matters_passes(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.store.__class__ = Reserved
    bench.bus.bring(
        (ON_BUS, frame("clean air", 5)),
        (ON_BUS_2, frame("180 ppm", 6, ON_BUS_2)),
        down=[(BUS, "gone")],
        sent=["x"],
        failed=[("y", "z")],
    )
    bench.turn(1)
    assert bench.bus.last.withheld == {0}
    assert bench.bus.last.stored.tolist() == [0, 1]
    said = [type(event) for event in records(bench)[-1].inputs.events]
    assert {LinkDown, AttemptSent, AttemptFailed} <= set(said)


class Full(Reserved):
    """A store on a full disk."""

    no_room = True  # type: ignore[assignment]


def test_on_a_full_disk_what_links_say_of_themselves_waits_and_does_not_pile_up(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    bench.store.__class__ = Full
    for _ in range(50):
        bench.bus.bring(down=[(BUS, "gone")])
        assert bench.turn(1) == 0
        bench.bus.bring(up=[BUS])
        assert bench.turn(1) == 0
    assert [type(event) for event in bench.cycle.pending.events] == [LinkDown, LinkUp]
    bench.store.__class__ = Store
    assert bench.turn(1) > 0
    assert LinkUp in {type(event) for event in records(bench)[-1].inputs.events}


def test_a_link_that_always_fills_the_cycle_leaves_the_others_every_other_one(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    full = [(D1, b'{"co_ppm":1}')] * 8_192
    for _ in range(6):
        bench.broker.bring(*full)
        bench.bus.bring((ON_BUS, frame("clean air", bench.now)))
    for _ in range(6):
        bench.turn(1)
    assert 2 <= len(bench.broker.settled) <= 4
    assert len(bench.bus.settled) >= 3


def test_the_links_messages_stand_in_their_order_whoever_is_asked_first(tmp_path: Path) -> None:
    bench = ways(tmp_path)
    orders: list[list[int]] = []
    for turn in range(3):
        bench.bus.bring((ON_BUS, frame("clean air", turn + 1)))
        bench.broker.bring(bench.from_broker(D1, turn + 1))
        bench.turn(1)
        orders.append(records(bench)[-1].rows()["device_no"].tolist())
    assert orders == [[ON_BUS, D1]] * 3
