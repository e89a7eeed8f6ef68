"""A link that hangs up, comes back with nonsense, or passes on what another asked for: what the poller makes of it.

The contract of recovery: a bus that waits costs nothing, whatever it waits for; a gateway that is there, with wrong
replies only, is asked at the units' own times and no oftener, and its valves can be told to close; where frames have
no number, nothing is asked before what may still be under way has passed.
"""

import asyncio
import struct
from random import Random

import msgspec
import pytest
import structlog

from devices.codecs.frame import FrameState
from devices.fleet import Fleet
from devices.models import DeviceModel
from devices.register_map import Field, Notation, RegisterMap, Space
from devices.sites import Device
from ingest.links import Sending
from ingest.modbus import ModbusLink
from tests.modbus.lane import Taker, close, detector, fleet, running, steady_us, utc_us, valve
from tests.modbus.outstation import TcpOutstation, rtu

FRESH, STALE, NO_REPLY = FrameState


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


class Counted:
    """A clock that counts how often it is looked at: a bus looks at it in every turn."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self) -> int:
        self.looks += 1
        return steady_us()


async def polling(first: Fleet, steady: Counted) -> tuple[ModbusLink, Taker]:
    taker = Taker()
    link = ModbusLink(taker.wake, utc_us, utc_us, steady, Random(1), down_after_s=0.5)
    taker.link = link
    link.replace(first)
    await link.start()
    return link, taker


async def test_a_bus_that_waits_for_the_pause_of_a_unit_that_hung_up_does_nothing_meanwhile(outstation):
    steady = Counted()
    model = detector(interval_s=0.2, gap_ms=400)
    link, taker = await polling(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (20, "9", model)), steady)
    try:
        await taker.until(lambda: taker.frames(20))
        for _ in range(3):
            heard = taker.states(20).count(FRESH)
            outstation.tricks[9] = "hang up"
            asked = len(outstation.asked)
            await taker.until(lambda asked=asked: len(outstation.asked) > asked)
            outstation.tricks.clear()
            await taker.until(lambda heard=heard: taker.states(20).count(FRESH) > heard)
        # 0.1 s of a bus that asks its clock in a row are some 100,000 looks.
        assert steady.looks < 2_000
    finally:
        await link.close()


@pytest.mark.parametrize("trick", ["wrong count", "wrong unit", "hang up"])
async def test_a_gateway_that_comes_back_with_nonsense_is_no_storm_and_its_valve_can_be_told_to_close(
    outstation, trick
):
    """The healthy bus beside it is the clock: a storm opens hundreds of connections while it is read ten times."""
    healthy = TcpOutstation()
    await healthy.start()
    url = f"modbus+tcp://127.0.0.1:{healthy.port}"
    others = (
        Device(50, "acme", "g2", "gateway", "boiler-room", address=url),
        Device(51, "acme", "well", "detector", "boiler-room", "acme/g2", "1"),
    )
    here = f"modbus+tcp://127.0.0.1:{outstation.port}"
    devices = ((20, "9", valve(interval_s=10.0)), (21, "8", detector()))
    try:
        async with running(fleet(here, *devices, others=others)) as (link, taker):
            await taker.until(lambda: taker.frames(20) and taker.frames(21) and taker.frames(51))
            await outstation.stop()
            await taker.until(lambda: taker.all("down"))
            assert close(link, 20, "c0") is Sending.UNREACHABLE
            outstation.tricks |= {8: trick, 9: trick}
            asked = len(outstation.asked)
            await outstation.start()
            await taker.until(lambda: len(outstation.asked) > asked + 1)
            opened, heard = link.gauges()["modbus_connections_opened_total"], len(taker.frames(51))
            await taker.until(lambda: len(taker.frames(51)) >= heard + 10)
            assert link.gauges()["modbus_connections_opened_total"] - opened <= 20
            assert close(link, 20, "c1") is Sending.QUEUED
            await taker.until(outstation.writes)
            await taker.until(lambda: "c1" in taker.all("sent") or taker.all("failed"))
    finally:
        await healthy.stop()


def gas_and_heat(server: TcpOutstation) -> DeviceModel:
    """60 %LEL and 1.5 degrees of unit 9, which answers after 0.2 s: two reads of one length."""
    words = struct.unpack(">4H", struct.pack(">2f", 60.0, 1.5))
    server.banks[9].holding = dict(zip((0, 1, 100, 101), words, strict=True))
    server.delay_s = 0.2
    fields = (
        Field(name="gas", at=0, space=Space.HOLDING, type="f32", quantity="combustible_lel"),
        Field(name="heat", at=100, space=Space.HOLDING, type="f32", quantity="temperature_c"),
    )
    chart = RegisterMap(field=fields, notation=Notation.ZERO_BASED, reply_within_ms=300)
    return msgspec.structs.replace(detector(interval_s=0.2), modbus=chart)


def told(taker: Taker) -> set[tuple[float, float]]:
    return {struct.unpack(">2f", words) for state, _, words in taker.frames(20) if state is FRESH}


@pytest.mark.parametrize("passed_on", ["at once", "after a while"])
async def test_the_reply_to_a_request_that_was_hung_up_on_is_not_taken_for_anothers(passed_on):
    """A serial server hangs up on a request; the unit's reply goes to whoever is connected next: 1.5 degrees, and it
    has the length of the 60 %LEL that are asked for next."""
    server = TcpOutstation(rtu=True)
    await server.start()
    model = gas_and_heat(server)
    serve, owed = server.serve, []
    after_s = 0.02 if passed_on == "at once" else 0.15

    async def served(unit, pdu, connection, send, close, framed):
        at = struct.unpack_from(">H", pdu, 1)[0]
        if at == 100 and connection == 1 and len(server.asked) >= 3:
            owed.append(framed(unit, server.answer(unit, pdu), 0))
            close()
            return
        await serve(unit, pdu, connection, send, close, framed)

    def connected(send) -> None:
        if owed:
            asyncio.get_running_loop().call_later(after_s, send, owed.pop())

    server.serve, server.on_connect = served, connected
    try:
        async with running(fleet(f"modbus+rtu+tcp://127.0.0.1:{server.port}", (20, "9", model))) as (_, taker):
            await taker.until(lambda: server.connections > 1)
            heard = len(taker.frames(20))
            await taker.until(lambda: len(taker.frames(20)) >= heard + 3)
        assert not owed
        assert told(taker) == {(60.0, 1.5)}
    finally:
        await server.stop()


async def test_what_was_asked_before_the_start_is_over_before_a_serial_server_is_asked_anything():
    """Who asked before was killed, and the reply comes to us: a true frame of the same unit and length."""
    server = TcpOutstation(rtu=True)
    await server.start()
    model = gas_and_heat(server)
    stale = rtu(9, bytes((3, 4)) + struct.pack(">f", 0.5))
    server.on_connect = lambda send: asyncio.get_running_loop().call_later(0.05, send, stale)
    try:
        url = f"modbus+rtu+tcp://127.0.0.1:{server.port}"
        async with running(fleet(url, (20, "9", model))) as (_, taker):
            await taker.until(lambda: len(taker.frames(20)) >= 2)
        assert told(taker) == {(60.0, 1.5)}
    finally:
        await server.stop()


@pytest.mark.parametrize(
    ("before", "after", "believed"),
    [("", "", True), ("0000", "", True), ("", "00", False), ("0903020bb9", "", False), ("", "again", False)],
)
async def test_a_reply_on_a_serial_line_with_anothers_beside_it_is_not_believed(before, after, believed):
    server = TcpOutstation(rtu=True)
    await server.start()

    async def served(unit, pdu, connection, send, close, framed):
        reply = framed(unit, server.answer(unit, pdu), 0)
        send(bytes.fromhex(before) + reply + (reply if after == "again" else bytes.fromhex(after)))

    server.serve = served
    try:
        url = f"modbus+rtu+tcp://127.0.0.1:{server.port}"
        async with running(fleet(url, (20, "9", detector(reply_ms=50)))) as (link, taker):
            await taker.until(lambda: taker.frames(20))
            assert taker.states(20)[0] is (FRESH if believed else NO_REPLY)
            assert (link.gauges()["modbus_wrong_reply_total"] == 0) is believed
    finally:
        await server.stop()


async def test_a_link_that_is_down_says_what_came_last():
    server = TcpOutstation()
    await server.start()
    server.tricks[9] = "wrong unit"
    try:
        url = f"modbus+tcp://127.0.0.1:{server.port}"
        async with running(fleet(url, (20, "9", detector()))) as (_, taker):
            await taker.until(lambda: taker.all("down"))
        assert taker.all("down")[0][1] == "a wrong reply: a reply of unit 10, where 9 was asked"
    finally:
        await server.stop()


async def test_the_log_says_when_a_unit_is_read_and_read_again_and_calls_neither_a_warning(outstation):
    outstation.tricks[9] = "exception 6"
    with structlog.testing.capture_logs() as logged:
        async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (20, "9", detector()))) as (_, taker):
            await taker.until(lambda: NO_REPLY in taker.states(20))
            outstation.tricks.clear()
            await taker.until(lambda: FRESH in taker.states(20))
            outstation.tricks[9] = "exception 2"
            await taker.until(lambda: taker.states(20)[-1] is NO_REPLY)
            outstation.tricks.clear()
            await taker.until(lambda: taker.states(20)[-1] is FRESH)
    said = [(line["event"], line["log_level"], line.get("why", "")) for line in logged if "unit" in line]
    assert said == [
        ("a unit on a bus is not read", "warning", "the device answers exception 6 (device busy)"),
        ("a unit on a bus is read", "info", ""),
    ]  # what came within a minute of the last warning was no news
