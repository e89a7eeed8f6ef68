"""A command on its way, a pulse and a poll, when the registry changes, when Davy stops, and after it was killed."""

import struct
from pathlib import Path

import msgspec
import pytest

from davy.part import STOP_WITHIN_S
from devices.codecs.frame import FrameState
from devices.fleet import Fleet
from devices.models import DeviceModel
from devices.register_check_writes import LONGEST_PULSE_MS
from devices.sites import Device
from ingest.links import Sending
from ingest.modbus_bus import FINISH_WITHIN_S
from tests.modbus.lane import close, detector, fleet, running, valve
from tests.modbus.outstation import SerialOutstation, TcpOutstation

ON, OFF = bytes.fromhex("050001ff00"), bytes.fromhex("0500010000")


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


@pytest.fixture
async def another():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


def url(outstation: TcpOutstation) -> str:
    return f"modbus+tcp://127.0.0.1:{outstation.port}"


def patient(model: DeviceModel) -> DeviceModel:
    """A reply may take 0.9 s."""
    assert model.modbus is not None
    return msgspec.structs.replace(model, modbus=msgspec.structs.replace(model.modbus, reply_within_ms=900))


def pulses(outstation: TcpOutstation, unit: int = 9) -> list[bool]:
    """What was written to its coil, in order."""
    return [asked.pdu == ON for asked in outstation.writes() if asked.unit == unit and asked.pdu in (ON, OFF)]


# ---- Davy stops ----


async def test_a_close_that_waits_for_the_request_in_flight_is_still_written_when_davy_stops(outstation):
    """So that it leaves when the commit failed and the engine ends."""
    devices = [(20, "9", valve()), (21, "1", detector(interval_s=0.1, reply_ms=900))]
    async with running(fleet(url(outstation), *devices)) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        outstation.delay_s = 0.05
        asked = len(outstation.asked)
        await taker.until(lambda: len(outstation.asked) > asked)
        assert close(link, 20) is Sending.QUEUED
    assert [(asked.function, asked.at) for asked in outstation.writes()] == [(16, 20), (6, 5)]


async def test_a_close_whose_life_is_over_is_not_written_when_davy_stops(outstation):
    outstation.delay_s = 0.2
    devices = [(20, "9", valve()), (21, "1", detector(interval_s=0.1, reply_ms=900))]
    async with running(fleet(url(outstation), *devices)) as (link, taker):
        await taker.until(lambda: len(outstation.asked) >= 2)
        assert close(link, 20, lives_s=0.01) is Sending.QUEUED
    assert outstation.writes() == []


async def test_a_pulse_that_begins_while_davy_stops_is_ended_before_it_has_stopped(outstation):
    model = valve(style="one_shot", pulse_ms=200)
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: pulses(outstation) == [False])
        close(link, 20)
    assert pulses(outstation) == [False, True, False]


def test_the_longest_pulse_ends_before_a_bus_is_given_up_and_that_before_the_engine_is_killed():
    assert LONGEST_PULSE_MS / 1000 + 2 <= FINISH_WITHIN_S < STOP_WITHIN_S - 2


# ---- the registry changes in the middle of a command ----


@pytest.mark.parametrize("style", ["one_shot", "latched"])
async def test_a_valve_that_moves_while_its_close_waits_for_a_pause_is_not_written_and_its_bus_goes_on(
    outstation, style
):
    """The pause makes sure that the attempt has begun, and has written nothing, when the registry changes."""
    slow = valve(style=style, gap_ms=300, interval_s=0.5)
    devices = (21, "8", detector())
    async with running(fleet(url(outstation), (20, "9", slow), devices)) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        seen, known = len(taker.frames(20)), list(pulses(outstation))
        await taker.until(lambda: len(taker.frames(20)) > seen)
        assert close(link, 20) is Sending.QUEUED
        await taker.until(lambda: link.gauges()["modbus_commands_total"] == 1)
        link.replace(fleet(url(outstation), (20, "10", slow), devices))
        await taker.until(lambda: taker.all("failed"))
        healthy = len(taker.frames(21))
        await taker.until(lambda: len(taker.frames(21)) >= healthy + 5)
        assert close(link, 20, "again") is Sending.QUEUED
        await taker.until(lambda: "again" in taker.all("acknowledged"))
        assert outstation.connections == 1
    assert taker.all("failed") == [("c1", "the valve's address or model has changed in the registry")]
    written = [asked.unit for asked in outstation.writes() if asked.pdu != OFF]
    assert set(written) == {10}
    assert pulses(outstation)[: len(known)] == known


async def test_two_valves_that_exchange_their_units_while_a_close_waits_are_both_left_alone(outstation):
    outstation.delay_s = 0.1
    devices = [(20, "9"), (21, "8")]
    model, other = patient(valve(interval_s=5)), (22, "1", detector(reply_ms=900))
    async with running(fleet(url(outstation), *((*one, model) for one in devices), other)) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        asked = len(outstation.asked)
        await taker.until(lambda: len(outstation.asked) > asked)
        assert close(link, 20) is Sending.QUEUED
        link.replace(fleet(url(outstation), (20, "8", model), (21, "9", model), other))
        await taker.until(lambda: taker.all("failed"))
        assert outstation.writes() == []
        close(link, 20, "again")
        await taker.until(lambda: "again" in taker.all("acknowledged"))
    assert {asked.unit for asked in outstation.writes()} == {8}


async def test_a_pulse_of_a_valve_that_moves_is_ended_where_it_runs(outstation):
    model = valve(style="one_shot", pulse_ms=400)
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        close(link, 20, "here")
        await taker.until(lambda: "here" in taker.all("acknowledged"))
        link.replace(fleet(url(outstation), (20, "8", model)))
        close(link, 20, "there")
        await taker.until(lambda: "there" in taker.all("acknowledged"))
        assert outstation.banks[9].coils == {1: 1}
        await taker.until(lambda: link.gauges()["modbus_releases_total"] == 2)
    assert outstation.banks[9].coils == {1: 0}
    assert outstation.banks[8].coils == {1: 0}
    assert pulses(outstation, 8)[-2:] == [True, False]


# ---- the link itself changes ----


async def test_a_gateway_whose_pauses_change_keeps_its_connection_and_a_pulse_its_length(outstation):
    model = valve(style="one_shot", pulse_ms=300, interval_s=0.1)
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        close(link, 20, "first")
        await taker.until(lambda: "first" in taker.all("acknowledged"))
        link.replace(fleet(url(outstation) + "?gap_ms=5", (20, "9", model)))
        close(link, 20, "second")
        await taker.until(lambda: "second" in taker.all("acknowledged"))
        await taker.until(lambda: link.gauges()["modbus_releases_total"] == 2)
        known = len(taker.frames(20))
        await taker.until(lambda: len(taker.frames(20)) > known)
    assert outstation.connections == 1
    on = pulses(outstation)
    assert on[on.index(True) :] == [True, False, True, False]


async def test_what_an_old_link_still_read_is_not_told_once_the_gateway_has_another(outstation, another):
    """It is older than what is written to the valve by the new one."""
    outstation.banks[9].inputs[6], another.banks[9].inputs[6] = 0, 1000
    model = patient(valve(interval_s=0.1))
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        outstation.delay_s = 0.2
        asked = len(outstation.asked)
        # The last request of a poll is in flight.
        await taker.until(lambda: any(one.function == 3 for one in outstation.asked[asked:]))
        link.replace(fleet(url(another), (20, "9", model)))
        known = len(taker.takes)
        close(link, 20)
        await taker.until(lambda: taker.all("acknowledged"))
        seen = len(taker.frames(20))
        await taker.until(lambda: len(taker.frames(20)) > seen)
    after = [payload for taken in taker.takes[known:] for payload in taken.payload]
    assert after
    assert {struct.unpack(">H", payload[-4:-2])[0] for payload in after} == {1000}
    assert outstation.writes() == []


async def test_attempts_that_a_gateway_takes_with_it_are_told_as_failed(outstation):
    outstation.delay_s = 0.1
    devices = [(20, "9", valve(interval_s=5)), (21, "1", detector(interval_s=0.1, reply_ms=900))]
    async with running(fleet(url(outstation), *devices)) as (link, taker):
        await taker.until(lambda: len(outstation.asked) >= 2)
        assert close(link, 20) is Sending.QUEUED
        link.replace(fleet(""))
        await taker.until(lambda: taker.all("failed"))
    assert taker.all("failed") == [("c1", "its bus ended before it was carried out")]
    assert outstation.writes() == []


async def test_a_pulse_that_the_old_address_could_not_end_is_ended_at_the_new_one(outstation, another):
    model = valve(style="one_shot", pulse_ms=200, interval_s=0.2)
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        close(link, 20)
        await taker.until(lambda: taker.all("acknowledged"))
        another.banks = outstation.banks  # the same valves, by another way
        await outstation.stop()
        assert outstation.banks[9].coils == {1: 1}
        link.replace(fleet(url(another), (20, "9", model)))
        await taker.until(lambda: another.banks[9].coils == {1: 0})


async def test_two_gateways_that_exchange_their_links_never_ask_on_one_at_once(tmp_path: Path):
    """On a serial line two would hear each other's replies, and be heard both at once."""
    lines = [SerialOutstation(tmp_path / name) for name in ("a", "b")]
    here, there = (f"modbus+rtu:{line.path}?baud=115200" for line in lines)
    model = detector(interval_s=0.05, reply_ms=900)

    def town(first: str, second: str) -> Fleet:
        twin = Device(2, "acme", "g2", "gateway", "boiler-room", address=second)
        behind = Device(12, "acme", "d12", "detector", "boiler-room", "acme/g2", "1")
        return fleet(first, (11, "1", model), others=(twin, behind))

    for line in lines:
        line.plug_in()
        line.delay_s = 0.03
    try:
        async with running(town(here, there)) as (link, taker):
            for now in ((there, here), (here, there), (there, here)):
                known = len(taker.frames(11)), len(taker.frames(12))
                await taker.until(lambda: len(taker.frames(11)) > known[0] + 1 and len(taker.frames(12)) > known[1] + 1)  # noqa: B023  waited for here
                link.replace(town(*now))
            known = len(taker.frames(11)), len(taker.frames(12))
            await taker.until(lambda: len(taker.frames(11)) > known[0] + 1 and len(taker.frames(12)) > known[1] + 1)
            figures = link.gauges()
        assert figures["modbus_wrong_reply_total"] == figures["modbus_no_reply_total"] == 0
        assert figures["modbus_connections_opened_total"] == 8
        assert set(taker.states(11) + taker.states(12)) == {FrameState.FRESH}
    finally:
        for line in lines:
            line.unplug()


# ---- after a kill ----


async def test_a_pulse_that_a_killed_davy_left_on_is_ended_when_the_valve_is_first_reached(outstation):
    outstation.banks[9].coils[1] = 1
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot")))) as (link, taker):
        await taker.until(lambda: outstation.banks[9].coils == {1: 0})
        known = len(taker.frames(20))
        await taker.until(lambda: len(taker.frames(20)) >= known + 3)
        assert link.gauges()["modbus_releases_total"] == 0
    assert pulses(outstation) == [False]  # once


async def test_a_valve_that_was_not_reached_before_its_first_close_gets_a_pulse_and_not_a_level(outstation):
    outstation.banks[9].coils[1] = 1
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot", interval_s=60)))) as (link, taker):
        assert close(link, 20) is Sending.QUEUED
        await taker.until(lambda: link.gauges()["modbus_releases_total"] == 1)
    assert pulses(outstation) == [False, True, False]


async def test_a_valve_that_refuses_the_end_of_a_pulse_that_never_was_is_asked_once_and_still_closed(outstation):
    outstation.tricks[9] = "exception 2"
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot")))) as (link, taker):
        assert close(link, 20, "refused") is Sending.QUEUED
        await taker.until(lambda: taker.all("failed"))
        assert pulses(outstation)[:2] == [False, True]
        outstation.tricks.clear()
        await taker.until(lambda: outstation.banks[9].coils == {1: 0})
        close(link, 20, "taken")
        await taker.until(lambda: "taken" in taker.all("acknowledged"))
