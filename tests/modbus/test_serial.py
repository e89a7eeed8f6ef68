"""RTU on a pseudo-terminal, and RTU frames over TCP.

The contract of recovery: an adapter that is pulled out is told down, and polled again by itself once it is back, as
another device behind the same name. After a missing or wrong reply what still comes is discarded until the line is
quiet, so that a late reply, which has no number on a serial line, is never taken for the next one.
"""

import contextlib
import struct

import pytest

from devices.codecs.frame import FrameState
from tests.modbus.lane import close, detector, fleet, running, valve
from tests.modbus.outstation import TRICKS, SerialOutstation, TcpOutstation

FRESH, STALE, NO_REPLY = FrameState


@pytest.fixture
async def outstation(tmp_path):
    made = SerialOutstation(tmp_path / "ttyGas")
    made.plug_in()
    yield made
    with contextlib.suppress(OSError):
        made.unplug()


def url(outstation: SerialOutstation) -> str:
    return f"modbus+rtu:{outstation.path}?baud=115200"


def hold(outstation, unit: int, value: float) -> None:
    first, second = struct.unpack(">HH", struct.pack(">f", value))
    outstation.banks[unit].holding |= {0: first, 1: second}


def gas(words: bytes) -> float:
    return float(struct.unpack(">f", words[:4])[0])


async def test_units_on_a_serial_line_are_polled_and_a_valve_is_closed(outstation):
    hold(outstation, 1, 1.5)
    outstation.banks[9].inputs[6] = 1000

    def told(unit: int, _space: str, at: int, value: int) -> None:
        if (at, value) == (5, 1):
            outstation.banks[unit].inputs[6] = 0

    outstation.on_write = told
    async with running(fleet(url(outstation), (11, "1", detector()), (20, "9", valve()))) as (link, taker):
        await taker.until(lambda: taker.frames(11) and taker.frames(20))
        close(link, 20)
        await taker.until(lambda: taker.all("acknowledged"))
        await taker.until(lambda: taker.frames(20)[-1][2][:2] == b"\0\0")
    assert {gas(words) for _, _, words in taker.frames(11)} == {1.5}
    assert [asked.function for asked in outstation.writes()] == [16, 6]


async def test_a_port_that_cannot_be_set_as_registered_is_told_down_with_the_reason(outstation):
    """The kernel's pseudo-terminals have no parity."""
    where = f"{url(outstation)}&parity=even"
    async with running(fleet(where, (11, "1", detector()))) as (_, taker):
        await taker.until(lambda: taker.all("down"))
    assert "cannot be set" in taker.all("down")[0][1]
    assert taker.states(11) == [NO_REPLY]


async def test_an_adapter_that_was_pulled_out_and_put_back_recovers_alone(outstation):
    hold(outstation, 1, 1.5)
    async with running(fleet(url(outstation), (11, "1", detector()))) as (_, taker):
        await taker.until(lambda: FRESH in taker.states(11))
        outstation.unplug()
        await taker.until(lambda: taker.all("down"))
        assert taker.states(11)[-1] is NO_REPLY
        hold(outstation, 1, 2.5)
        outstation.plug_in()
        await taker.until(lambda: taker.states(11)[-1] is FRESH, 20.0)
    assert gas(taker.frames(11)[-1][2]) == 2.5
    assert taker.states(11).count(NO_REPLY) == 1
    assert [number for number, _ in taker.all("down")] == [1]
    assert taker.all("up") == [1, 1]


@pytest.mark.parametrize("trick", ["silence", "wrong unit", "garbage", "truncated", "flood", "exception 11"])
async def test_mischief_on_a_serial_line_ends_by_itself_and_is_never_a_reading(outstation, trick):
    assert trick in TRICKS
    for unit in (1, 2):
        hold(outstation, unit, float(unit))
    outstation.tricks[2] = trick
    devices = [(11, "1", detector(interval_s=0.3, reply_ms=60)), (12, "2", detector(interval_s=0.3, reply_ms=60))]
    async with running(fleet(url(outstation), *devices)) as (_, taker):
        await taker.until(lambda: NO_REPLY in taker.states(12))
        hold(outstation, 2, 55.0)
        outstation.tricks.clear()
        await taker.until(lambda: FRESH in taker.states(12) and FRESH in taker.states(11))
    assert {gas(words) for state, _, words in taker.frames(11) if state is FRESH} == {1.0}
    assert {gas(words) for state, _, words in taker.frames(12) if state is FRESH} == {55.0}


@pytest.mark.parametrize("kind", ["serial", "serial server"])
async def test_a_late_reply_is_discarded_where_frames_have_no_number(outstation, kind):
    """The reply to the first request leaves while the line is being listened to; it is a true frame of that unit."""
    server = TcpOutstation(rtu=True)
    await server.start()
    station = outstation if kind == "serial" else server
    hold(station, 1, 1.0)
    where = url(outstation) if kind == "serial" else f"modbus+rtu+tcp://127.0.0.1:{server.port}"
    station.tricks[1] = "late"
    try:
        async with running(fleet(where, (11, "1", detector(interval_s=0.15, reply_ms=60)))) as (_, taker):
            await taker.until(lambda: NO_REPLY in taker.states(11))
            hold(station, 1, 5.0)
            station.tricks[1] = "late after the time-out"
            await taker.until(lambda: len(station.asked) >= 4)
            station.tricks.clear()
            await taker.until(lambda: FRESH in taker.states(11))
        assert {gas(words) for state, _, words in taker.frames(11) if state is FRESH} <= {5.0}
    finally:
        await server.stop()


async def test_a_serial_server_speaks_rtu_over_tcp():
    server = TcpOutstation(rtu=True)
    await server.start()
    hold(server, 3, 3.5)
    try:
        async with running(fleet(f"modbus+rtu+tcp://127.0.0.1:{server.port}", (11, "3", detector()))) as (_, taker):
            await taker.until(lambda: len(taker.frames(11)) >= 2)
        assert {gas(words) for _, _, words in taker.frames(11)} == {3.5}
    finally:
        await server.stop()
