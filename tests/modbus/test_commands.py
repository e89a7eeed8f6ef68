"""Valves on a bus: the next slot on the link is the command's, only what is declared is ever written, and a pulse
always ends."""

import asyncio
import dataclasses
import struct

import msgspec
import pytest

from devices.codecs.frame import HEADER, FrameState
from devices.commands import Command, Verb
from devices.models import DeviceKind
from devices.register_map import CommandProcedure, Term, Write
from devices.registers import WireWrite
from ingest.links import Sending
from ingest.modbus_wire import AllowList
from tests.modbus.lane import close, detector, fleet, running, steady_us, utc_us, valve
from tests.modbus.outstation import TcpOutstation

NO_REPLY = FrameState.NO_REPLY


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


def moving(outstation: TcpOutstation, unit: int = 9) -> None:
    """A valve that stands open, and closes at once when it is told to."""
    outstation.banks[unit].inputs[6] = 1000

    def told(to: int, space: str, at: int, value: int) -> None:
        if (space, at, value) in (("holding", 5, 1), ("coil", 1, 1)):
            outstation.banks[to].inputs[6] = 0

    outstation.on_write = told


def position(words: bytes) -> int:
    return int(struct.unpack_from(">H", words, 0)[0])


def url(outstation: TcpOutstation) -> str:
    return f"modbus+tcp://127.0.0.1:{outstation.port}"


async def test_close_is_written_step_by_step_and_seen_by_readings(outstation):
    moving(outstation)
    model = valve(interval_s=3.0, then=(Term(field="unlocked", one_of=(9,)),))
    async with running(fleet(url(outstation), (20, "9", model))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        assert close(link, 20) is Sending.QUEUED
        await taker.until(lambda: taker.all("acknowledged"))
        await taker.until(lambda: any(position(words) == 0 for _, _, words in taker.frames(20)))
    assert [(asked.function, asked.at) for asked in outstation.writes()] == [(16, 20), (6, 5)]
    assert outstation.banks[9].holding == {20: 7, 21: 9, 5: 1}
    assert taker.all("sent") == ["c1"]
    assert taker.all("acknowledged") == ["c1"]
    assert not taker.all("failed")


async def test_a_command_goes_before_a_hundred_polls_that_are_due(outstation):
    """Every answer takes 20 ms, so that a hundred units are always behind; the CLOSE leaves after the request in
    flight."""
    moving(outstation, 200)
    outstation.delay_s = 0.02
    devices = [(100 + unit, str(unit), detector(interval_s=0.1)) for unit in range(1, 101)]
    async with running(fleet(url(outstation), (20, "200", valve()), *devices)) as (link, taker):
        await taker.until(lambda: len(outstation.asked) >= 30)
        before = len(outstation.asked)
        assert close(link, 20) is Sending.QUEUED
        await taker.until(lambda: taker.all("acknowledged"))
    first = next(at for at, asked in enumerate(outstation.asked) if asked.is_write)
    assert first <= before + 1
    # Its other write follows at once, and then its own position is read.
    assert [asked.unit for asked in outstation.asked[first : first + 3]] == [200, 200, 200]


async def test_no_reading_from_before_the_write_is_in_the_take_that_says_sent(outstation):
    """A frame of the valve that waits to be taken goes first, by itself (G7)."""
    moving(outstation)
    async with running(fleet(url(outstation), (20, "9", valve(interval_s=0.05)))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        taker.paused = True
        await taker.until(lambda: link.gauges()["modbus_frames_waiting"] == 1)
        close(link, 20)
        await taker.until(lambda: link.gauges()["modbus_commands_sent_total"] == 1)
        taker.paused = False
        taker.turn()
        await taker.until(lambda: taker.all("acknowledged"))
        await taker.until(lambda: any(position(words) == 0 for _, _, words in taker.frames(20)))
    when_sent = next(at for at, taken in enumerate(taker.takes) if taken.sent)
    for at, taken in enumerate(taker.takes):
        for payload in taken.payload:
            assert at < when_sent or position(payload[HEADER.size :]) == 0
    assert taker.takes[when_sent - 1].payload


async def test_nothing_is_written_to_a_model_without_a_procedure_or_for_another_verb(outstation):
    devices = [(20, "9", valve("mute", style="none")), (21, "8", detector()), (22, "7", valve())]
    async with running(fleet(url(outstation), *devices)) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        assert close(link, 20) is Sending.UNREACHABLE
        assert close(link, 21) is Sending.UNREACHABLE
        assert close(link, 99) is Sending.UNREACHABLE
        for verb in (Verb.PERMIT_OPEN, Verb.FAN_ON):
            command = Command(id="x", verb=verb, epoch=1, issued="", expires="", reason="")
            assert link.send(22, command, utc_us() + 5_000_000) is Sending.UNREACHABLE
        await taker.until(lambda: len(taker.frames(21)) >= 4)
    assert outstation.writes() == []


def test_a_write_that_no_procedure_declares_is_stopped_at_the_wire():
    declared = WireWrite(6, 5, (1,), 0.0, ())
    allowed = AllowList([(9, declared)])
    allowed.check(9, declared)
    for unit, write in (
        (8, declared),
        (9, other(declared, at=6)),
        (9, other(declared, values=(2,))),
        (9, other(declared, function=16)),
    ):
        with pytest.raises(PermissionError):
            allowed.check(unit, write)


def other(write: WireWrite, **changes: object) -> WireWrite:
    return dataclasses.replace(write, **changes)  # type: ignore[arg-type]


async def test_an_attempt_that_expired_in_the_queue_is_never_written(outstation):
    outstation.delay_s = 0.2
    devices = [(100 + unit, str(unit), detector(interval_s=0.1, reply_ms=900)) for unit in range(1, 5)]
    async with running(fleet(url(outstation), (20, "9", valve()), *devices)) as (link, taker):
        await taker.until(lambda: len(outstation.asked) >= 2)
        assert close(link, 20, lives_s=0.02) is Sending.QUEUED
        await taker.until(lambda: taker.all("failed"))
    assert taker.all("failed") == [("c1", "expired before it could be written")]
    assert outstation.writes() == []
    assert taker.all("sent") == []


async def test_what_the_device_refuses_or_does_not_confirm_has_failed_with_its_reason(outstation):
    moving(outstation)
    never = valve("locked", then=(Term(field="unlocked", one_of=(1234,)),))
    async with running(fleet(url(outstation), (20, "9", valve(interval_s=0.2)), (21, "8", never))) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        close(link, 21, "locked")
        await taker.until(lambda: taker.all("failed"))
        for trick in ("exception 2", "wrong echo", "silence", "hang up"):
            outstation.tricks[9] = trick
            failed = len(taker.all("failed"))
            close(link, 20, trick)
            await taker.until(lambda: len(taker.all("failed")) > failed)  # noqa: B023  waited for here
        outstation.tricks.clear()
        await taker.until(lambda: close(link, 20, "good") is Sending.QUEUED)
        await taker.until(lambda: "good" in taker.all("acknowledged"))
    reasons = dict(taker.all("failed"))
    assert "does not hold" in reasons["locked"]
    assert "exception 2" in reasons["exception 2"]
    assert "echo" in reasons["wrong echo"]
    assert "no reply" in reasons["silence"]
    assert "closed" in reasons["hang up"] or "lost" in reasons["hang up"]
    assert not [asked for asked in outstation.writes() if asked.unit == 8 and asked.at == 5]


async def test_a_pulse_is_ended_by_its_release(outstation):
    moving(outstation)
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot")))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        close(link, 20)
        await taker.until(lambda: link.gauges()["modbus_releases_total"] == 1)
    on, off = bytes.fromhex("050001ff00"), bytes.fromhex("0500010000")
    # The first one ends a pulse that an engine before this one may have left.
    assert [asked.pdu for asked in outstation.writes()] == [off, on, off]
    assert outstation.banks[9].coils == {1: 0}


async def test_the_pulse_is_ended_even_when_the_connection_died_in_between(outstation):
    """The gateway takes the write, goes away before the echo, and comes back after a while."""
    moving(outstation)
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot")))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        loop, inner, stopping = asyncio.get_running_loop(), outstation.on_write, []

        def cut(unit: int, space: str, at: int, value: int) -> None:
            inner(unit, space, at, value)
            if value == 1:
                stopping.append(loop.create_task(outstation.stop()))

        outstation.on_write = cut
        outstation.tricks[9] = "hang up after"
        close(link, 20)
        await taker.until(lambda: taker.all("failed"))
        assert outstation.banks[9].coils == {1: 1}
        outstation.tricks.clear()
        await outstation.start()
        await taker.until(lambda: outstation.banks[9].coils == {1: 0})
        await taker.until(lambda: link.gauges()["modbus_releases_total"] == 1)


async def test_the_pulse_is_ended_when_the_valve_does_not_echo_and_when_davy_stops(outstation):
    outstation.tricks[9] = "silence"
    told: list[tuple[int, int]] = []
    async with running(fleet(url(outstation), (20, "9", valve(style="one_shot", pulse_ms=300)))) as (link, taker):
        await taker.until(lambda: NO_REPLY in taker.states(20))
        close(link, 20)
        await taker.until(lambda: taker.all("failed"))
        outstation.tricks.clear()
        outstation.on_write = lambda unit, _, at, value: told.append((at, value))
    # The link was closed while the pulse ran: it waited for the end of it.
    assert told == [(1, 0)]


async def test_another_close_of_the_same_valve_waits_for_the_pulse_to_end(outstation):
    moving(outstation)
    one_shot = valve(style="one_shot", pulse_ms=250)
    async with running(fleet(url(outstation), (20, "9", one_shot), (21, "8", one_shot))) as (link, taker):
        await taker.until(lambda: taker.frames(20) and taker.frames(21))
        close(link, 20, "first")
        await taker.until(lambda: "first" in taker.all("acknowledged"))
        close(link, 20, "second")
        close(link, 21, "other valve")
        await taker.until(lambda: "second" in taker.all("acknowledged"))
    written = [(asked.unit, asked.pdu[3] == 0xFF) for asked in outstation.writes()]
    assert [on for unit, on in written if unit == 9][:4] == [False, True, False, True]
    second = [at for at, one in enumerate(written) if one == (9, True)][1]
    assert written.index((8, True)) < second


async def test_a_newer_attempt_takes_the_place_of_one_that_waits(outstation):
    outstation.delay_s = 0.1
    async with running(fleet(url(outstation), (20, "9", valve()), (21, "1", detector(reply_ms=900)))) as (link, taker):
        await taker.until(lambda: len(outstation.asked) >= 1)
        close(link, 20, "older")
        close(link, 20, "newer")
        await taker.until(lambda: "newer" in taker.all("acknowledged"))
    assert taker.all("failed") == [("older", "a newer attempt took its place")]
    assert len(outstation.writes()) == 2


async def test_a_valve_behind_a_bus_that_is_away_is_unreachable_at_once_and_connected_when_it_is_back(outstation):
    moving(outstation)
    async with running(fleet(url(outstation), (20, "9", valve(interval_s=30)))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        assert 20 in taker.all("connected")
        await outstation.stop()
        close(link, 20, "tells")  # the connection is gone; opening it anew fails
        await taker.until(lambda: taker.all("failed"))
        assert close(link, 20) is Sending.UNREACHABLE
        before = len(taker.all("connected"))
        await outstation.start()
        await taker.until(lambda: len(taker.all("connected")) > before, 20.0)  # long before its next usual poll
        assert close(link, 20, "again") is Sending.QUEUED
        await taker.until(lambda: "again" in taker.all("acknowledged"))


async def test_a_closing_valve_is_looked_at_often_until_it_is_seen_closed(outstation):
    outstation.banks[9].inputs[6] = 1000
    async with running(fleet(url(outstation), (20, "9", valve(interval_s=60)))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        usual = len(taker.frames(20))
        started = steady_us()
        close(link, 20)
        await taker.until(lambda: len(taker.frames(20)) >= usual + 3)
        assert steady_us() - started < 60_000_000
        outstation.banks[9].inputs[6] = 0
        await taker.until(lambda: position(taker.frames(20)[-1][2]) == 0)


async def test_a_fan_on_a_bus_is_told_to_run_and_takes_no_close(outstation):
    like = valve("fan")
    assert like.modbus is not None
    on = CommandProcedure(verb="fan_on", style="latched", write=(Write(function=6, at=5, values=(1,)),))
    chart = msgspec.structs.replace(like.modbus, command=(on,), valve=())
    fan = msgspec.structs.replace(like, kind=DeviceKind.FAN, modbus=chart)
    async with running(fleet(url(outstation), (20, "9", fan))) as (link, taker):
        await taker.until(lambda: taker.frames(20))
        assert close(link, 20) is Sending.UNREACHABLE
        run = Command(id="f1", verb=Verb.FAN_ON, epoch=1, issued="", expires="", reason="test")
        assert link.send(20, run, utc_us() + 5_000_000) is Sending.QUEUED
        await taker.until(lambda: taker.all("acknowledged"))
    assert [(asked.function, asked.at) for asked in outstation.writes()] == [(6, 5)]
    assert taker.all("acknowledged") == ["f1"]
