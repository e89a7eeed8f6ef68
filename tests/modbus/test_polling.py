"""Polling on a real socket: what is read becomes frames, silence is told once, and what is hostile harms only itself.

The contract of recovery: after every reply that is late, wrong or missing the connection is closed; a reply is taken
only for the request it answers; the other units of the link are polled on; when the mischief ends, readings come again
by themselves.
"""

import struct

import msgspec
import pytest

from devices.codecs.frame import FrameState
from devices.register_map import Field, Notation, RegisterMap, Space
from devices.sites import Device
from ingest.links import Encoding
from tests.modbus.lane import detector, fleet, running
from tests.modbus.outstation import TRICKS, TcpOutstation

FRESH, STALE, NO_REPLY = FrameState


@pytest.fixture
async def outstation():
    made = TcpOutstation()
    await made.start()
    yield made
    await made.stop()


def gas(words: bytes) -> float:
    return float(struct.unpack(">f", words[:4])[0])


def hold(outstation: TcpOutstation, unit: int, value: float) -> None:
    first, second = struct.unpack(">HH", struct.pack(">f", value))
    outstation.banks[unit].holding |= {0: first, 1: second}


async def test_registers_become_frames_that_rise_in_number(outstation):
    hold(outstation, 7, 12.5)
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (2, "7", detector()))) as (_, taker):
        await taker.until(lambda: len(taker.frames(2)) >= 3)
    frames = taker.frames(2)
    assert all(state is FRESH and gas(words) == 12.5 for state, _, words in frames)
    numbers = [seq for _, seq, _ in frames]
    assert numbers == sorted(set(numbers))
    assert taker.takes[0].encoding is Encoding.FRAMES
    assert taker.all("up") == [1]


async def test_channels_of_one_unit_are_read_together_and_each_has_its_frame(outstation):
    chart = RegisterMap(
        field=(Field(name="gas", at=0, space=Space.HOLDING, stride=1, quantity="combustible_lel"),),
        notation=Notation.ZERO_BASED,
        channels=4,
        reply_within_ms=150,
    )
    panel = msgspec.structs.replace(detector("panel"), modbus=chart)
    outstation.banks[3].holding = {0: 10, 1: 20, 2: 30, 3: 40}
    devices = [(10 + channel, f"3/{channel}", panel) for channel in range(1, 5)]
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", *devices)) as (_, taker):
        await taker.until(lambda: taker.frames(14))
    assert [taker.frames(10 + channel)[0][2] for channel in range(1, 5)] == [bytes((0, 10 * n)) for n in range(1, 5)]
    assert len({len(asked.pdu) for asked in outstation.asked}) == 1
    assert outstation.asked[0].pdu == struct.pack(">BHH", 3, 0, 4)


async def test_mischief_of_one_unit_is_its_own_and_ends_by_itself(outstation):
    """A gateway for each trick, all at once. On each, unit 2 plays it, and units 1 and 3 are polled as ever."""
    tricks = {trick: TcpOutstation() for trick in TRICKS if not trick.startswith("late") and trick != "wrong echo"}
    others: list[Device] = []
    for at, (trick, station) in enumerate(tricks.items(), 1):
        await station.start()
        station.tricks[2] = trick
        for unit in (1, 2, 3):
            hold(station, unit, float(unit))
        url = f"modbus+tcp://127.0.0.1:{station.port}"
        others.append(Device(1_000 + at, "acme", f"gw{at}", "gateway", "boiler-room", address=url))
        others += (
            Device(10 * at + unit, "acme", f"x{at}-{unit}", "detector", "boiler-room", f"acme/gw{at}", str(unit))
            for unit in (1, 2, 3)
        )
    model = detector(interval_s=0.3, reply_ms=100)
    plain = f"modbus+tcp://127.0.0.1:{outstation.port}"
    async with running(fleet(plain, (5, "1", model), others=tuple(others))) as (_, taker):

        def good(at: int, unit: int) -> list[float]:
            return [gas(words) for state, _, words in taker.frames(10 * at + unit) if state is FRESH]

        numbers = range(1, len(tricks) + 1)
        await taker.until(lambda: all(NO_REPLY in taker.states(10 * at + 2) for at in numbers))
        for at, trick in enumerate(tricks, 1):
            assert taker.states(10 * at + 2) == [NO_REPLY], trick  # told once, and nothing was believed
        before = {(at, unit): len(good(at, unit)) for at in numbers for unit in (1, 3)}
        await taker.until(lambda: all(len(good(at, unit)) >= many + 3 for (at, unit), many in before.items()))
        for station in tricks.values():
            hold(station, 2, 55.0)
            station.tricks.clear()
        await taker.until(lambda: all(good(at, 2) for at in numbers), 20.0)
        for at, trick in enumerate(tricks, 1):
            assert [set(good(at, unit)) for unit in (1, 2, 3)] == [{1.0}, {55.0}, {3.0}], trick
            assert NO_REPLY not in taker.states(10 * at + 1) + taker.states(10 * at + 3), trick
    for station in tricks.values():
        await station.stop()


async def test_a_late_reply_is_never_taken_for_the_next_one(outstation):
    """It comes on the new connection, with its old number, just before the answer to whatever is asked next."""
    hold(outstation, 1, 1.0)
    hold(outstation, 2, 2.0)
    outstation.tricks[1] = "late"
    devices = [(11, "1", detector()), (12, "2", detector())]
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", *devices)) as (_, taker):
        await taker.until(lambda: NO_REPLY in taker.states(11))
        hold(outstation, 1, 5.0)
        outstation.tricks.clear()
        await taker.until(lambda: min(taker.states(unit).count(FRESH) for unit in (11, 12)) >= 3)
    assert {gas(words) for state, _, words in taker.frames(12) if state is FRESH} == {2.0}
    assert {gas(words) for state, _, words in taker.frames(11) if state is FRESH} == {5.0}
    of_one = [asked.connection for asked in outstation.asked if asked.unit == 1]
    assert len(set(of_one[:2])) == 2  # the connection was not used again


async def test_a_flood_from_the_moment_of_connecting_harms_no_other_bus(outstation):
    other = TcpOutstation()
    await other.start()
    other.flooding = True
    hold(outstation, 1, 1.0)
    second = (
        Device(50, "acme", "g2", "gateway", "boiler-room", address=f"modbus+tcp://127.0.0.1:{other.port}"),
        Device(51, "acme", "flooded", "detector", "boiler-room", "acme/g2", "1"),
    )
    here = fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (11, "1", detector()), others=second)
    try:
        async with running(here) as (_, taker):
            await taker.until(lambda: NO_REPLY in taker.states(51))
            before = len(taker.frames(11))
            await taker.until(lambda: len(taker.frames(11)) >= before + 5)
            other.flooding = False
            await other.stop()
            await other.start()
            await taker.until(lambda: FRESH in taker.states(51))
        assert set(taker.states(11)) == {FRESH}
    finally:
        await other.stop()


async def test_a_gateway_that_goes_away_is_told_down_and_comes_back_alone(outstation):
    hold(outstation, 1, 1.0)
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (11, "1", detector()))) as (link, taker):
        await taker.until(lambda: FRESH in taker.states(11))
        await outstation.stop()
        await taker.until(lambda: taker.all("down"))
        assert taker.states(11).count(NO_REPLY) == 1
        assert link.gauges()["modbus_buses_up"] == 0
        await outstation.start()
        before = len(taker.frames(11))
        await taker.until(lambda: len(taker.frames(11)) >= before + 2, 20.0)
    assert [gateway for gateway, _ in taker.all("down")] == [1]
    assert taker.all("up") == [1, 1]
    assert taker.states(11)[-1] is FRESH


async def test_a_dead_unit_does_not_hold_up_the_others(outstation):
    """One of twenty never answers and each time-out is longer than the interval; the others are on schedule."""
    devices = [(10 + unit, str(unit), detector(interval_s=0.25, reply_ms=350)) for unit in range(1, 21)]
    outstation.tricks[5] = "silence"
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", *devices)) as (_, taker):
        await taker.until(lambda: NO_REPLY in taker.states(15))
        before = len(taker.frames(11))
        await taker.until(lambda: all(len(taker.frames(10 + u)) >= before + 4 for u in range(1, 21) if u != 5))
        times_asked = sum(asked.unit == 5 for asked in outstation.asked)
    assert all(NO_REPLY not in taker.states(10 + unit) for unit in range(1, 21) if unit != 5)
    assert times_asked <= len(taker.frames(11))


async def test_a_heartbeat_that_stands_still_makes_the_reply_stale_until_it_moves(outstation):
    hold(outstation, 1, 9.0)
    beat = outstation.banks[1].holding
    beat[11] = 0
    model = detector("beating", interval_s=0.1, heartbeat_s=0.3)
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (11, "1", model))) as (_, taker):
        await taker.until(lambda: taker.frames(11))
        beat[11] = 0x0008
        await taker.until(lambda: FRESH in taker.states(11))
        await taker.until(lambda: taker.states(11)[-1] is STALE)
        beat[11] = 0xFFFF  # other bits of the word are no heartbeat
        stale = len(taker.frames(11))
        await taker.until(lambda: len(taker.frames(11)) >= stale + 3)
        assert set(taker.states(11)[stale + 1 :]) == {STALE}
        beat[11] = 0x0000
        await taker.until(lambda: taker.states(11)[-1] is FRESH)
    assert taker.states(11)[0] is STALE


async def test_a_dead_heartbeat_is_brought_to_life_by_no_change_of_the_registry_and_no_restart(outstation):
    hold(outstation, 1, 9.0)
    url = f"modbus+tcp://127.0.0.1:{outstation.port}"
    beat = outstation.banks[1].holding
    model = detector("beating", interval_s=0.1, heartbeat_s=0.3, channels=2)
    async with running(fleet(url, (11, "1", model))) as (link, taker):
        await taker.until(lambda: taker.frames(11))
        beat[11] = 0x0008
        await taker.until(lambda: FRESH in taker.states(11))
        await taker.until(lambda: taker.states(11)[-1] is STALE)
        stale = len(taker.frames(11))
        link.replace(fleet(url, (11, "1", model), (12, "1/2", model)))
        await taker.until(lambda: len(taker.frames(11)) >= stale + 3)
        assert set(taker.states(11)[stale:]) == {STALE}
        beat[11] = 0x0000
        await taker.until(lambda: taker.states(11)[-1] is FRESH)
    async with running(fleet(url, (11, "1", model))) as (_, taker):
        await taker.until(lambda: len(taker.frames(11)) >= 3)
        assert set(taker.states(11)) == {STALE}
        beat[11] = 0x0008
        await taker.until(lambda: taker.states(11)[-1] is FRESH)


async def test_a_living_heartbeat_is_not_forgotten_when_a_neighbour_is_registered(outstation):
    hold(outstation, 1, 9.0)
    url = f"modbus+tcp://127.0.0.1:{outstation.port}"
    model = detector("beating", interval_s=0.1, heartbeat_s=30, channels=2)
    async with running(fleet(url, (11, "1", model))) as (link, taker):
        await taker.until(lambda: taker.frames(11))
        outstation.banks[1].holding[11] = 0x0008
        await taker.until(lambda: FRESH in taker.states(11))
        fresh = taker.states(11).index(FRESH)
        link.replace(fleet(url, (11, "1", model), (12, "1/2", model)))
        await taker.until(lambda: taker.frames(12) and len(taker.frames(11)) >= fresh + 3)
    assert set(taker.states(11)[fresh:]) == {FRESH}
    assert set(taker.states(12)) == {STALE}


async def test_nothing_is_polled_again_before_it_was_taken_so_what_waits_is_bounded(outstation):
    devices = [(10 + unit, str(unit), detector(interval_s=0.05)) for unit in range(1, 6)]
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", *devices)) as (link, taker):
        await taker.until(lambda: all(taker.frames(10 + unit) for unit in range(1, 6)))
        taker.paused = True
        await taker.until(lambda: link.gauges()["modbus_frames_waiting"] == 5)
        asked = len(outstation.asked)
        taker.paused = False
        taker.turn()
        assert link.gauges()["modbus_frames_waiting"] == 0
        await taker.until(lambda: len(outstation.asked) > asked)


async def test_what_the_store_withheld_is_asked_again_and_more_slowly(outstation):
    async with running(fleet(f"modbus+tcp://127.0.0.1:{outstation.port}", (11, "1", detector()))) as (link, taker):
        taker.withhold = True
        await taker.until(lambda: len(taker.frames(11)) >= 4)
        due, answered = link.gauges()["modbus_polls_due_total"], link.gauges()["modbus_polls_answered_total"]
    assert due - answered <= 1  # the times left out are not counted as missed
