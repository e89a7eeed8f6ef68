"""Simulated homes against the real MQTT endpoint, over real sockets."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random

import msgspec
import pytest

from devices.models import DeviceKind
from ingest.mqtt_tls import server_context
from simulators.detector import DetectorTraits
from simulators.events import SimEvent, What
from simulators.fleet import Fleet
from simulators.mqtt_link import Endpoint
from simulators.orders import Taken
from simulators.registry import HomesSource, ValveMix, demo_homes
from simulators.run import run, scenario_homes
from simulators.scenario import (
    Disorder,
    Duplicate,
    FreeValve,
    Leak,
    Outage,
    PowerCycle,
    Reconnect,
    RoomTraits,
    Scenario,
    SetClock,
    StickValve,
    find_scenario,
)
from simulators.valve import ShutOffTraits
from tests.simulators.davy_side import WITHIN_S, DavySide, davy

SHUT_OFF = ValveMix(shut_off=1, self_closing=0, both=0)
#: A home that lives fast, so that a test need not wait: it reports every 100 ms and its valve strokes in 100 ms.
FAST = Scenario(
    "fast",
    "",
    "",
    homes=1,
    speed=400.0,
    connect_within_s=0.0,
    valves=SHUT_OFF,
    room=RoomTraits(volume_m3=12.0, air_changes_per_hour=10.0),
    detector=DetectorTraits(report_s=0.1, report_in_gas_s=0.1, lel_t90_s=0.3, alarm_delay_s=0.0),
    shut_off=ShutOffTraits(stroke_s=0.1, report_s=0.1),
)
DETECTOR, VALVE = "davysim/det-00001", "davysim/sov-00001"


def clock() -> int:
    return time.time_ns() // 1000


@asynccontextmanager
async def living(
    scenario: Scenario, side: DavySide, homes: HomesSource, endpoint: Endpoint | None = None
) -> AsyncIterator[tuple[Fleet, list[SimEvent]]]:
    told: list[SimEvent] = []
    fleet = Fleet(scenario, homes, endpoint or Endpoint("127.0.0.1", side.port), clock, Random(1), told.append)
    task = asyncio.create_task(fleet.run())
    try:
        yield fleet, told
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_every_device_connects_with_its_own_token_and_reports() -> None:
    scenario = msgspec.structs.replace(FAST, homes=10, valves=ValveMix())
    homes = scenario_homes(scenario, seed=3)
    async with davy(homes) as side, living(scenario, side, homes):
        await side.until(lambda: {reading.identity for reading in side.heard} == {d.identity for d in homes.devices})
        assert side.connections == len(homes.devices)
        assert side.reachable == {d.identity for d in homes.devices if d.serial.startswith("sov")}


async def test_homes_speak_tls_and_obey_a_close_over_it() -> None:
    certificates = Path(__file__).parents[1] / "mqtt" / "certificates"
    homes = scenario_homes(FAST, seed=1)
    trusting = ssl.create_default_context(cafile=str(certificates / "authority.pem"))
    served = server_context(certificates / "server.pem", certificates / "server.pem")
    async with (
        davy(homes, tls=served) as side,
        living(FAST, side, homes, Endpoint("localhost", side.port, trusting)),
    ):
        await side.until(lambda: VALVE in side.reachable and side.of(DETECTOR))
        side.close_valve(VALVE)
        await side.until(lambda: any(reading.valve == "closed" for reading in side.of(VALVE)))


async def test_an_endpoint_that_never_answers_is_given_up_and_its_socket_closed() -> None:
    silent = socket.create_server(("127.0.0.1", 0))
    silent.setblocking(False)
    loop = asyncio.get_running_loop()
    homes = scenario_homes(FAST, seed=1)
    scenario = msgspec.structs.replace(FAST, event=(Outage(at_s=0.3, for_s=60.0),))
    endpoint = Endpoint("127.0.0.1", silent.getsockname()[1])
    async with davy(homes) as side, living(scenario, side, homes, endpoint):
        async with asyncio.timeout(WITHIN_S):
            taken, _ = await loop.sock_accept(silent)
            while await loop.sock_recv(taken, 4096):
                continue
    taken.close()
    silent.close()


async def test_a_wrong_token_is_refused_and_tried_again_with_back_off() -> None:
    homes = scenario_homes(FAST, seed=3)
    strangers = demo_homes(1, seed=4, mix=SHUT_OFF)
    async with davy(homes) as side, living(FAST, side, strangers) as (fleet, _):
        await side.until(lambda: fleet.stats().refused_connections >= 4)
        assert side.heard == []
        assert fleet.stats().connections == 0


async def test_a_leak_is_heard_the_close_obeyed_and_the_gas_falls() -> None:
    scenario = msgspec.structs.replace(FAST, event=(Leak(at_s=0.3, flow_m3h=6.0),))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes, closing=True) as side, living(scenario, side, homes) as (fleet, told):
        await side.until(lambda: any(reading.high_alarm for reading in side.of(DETECTOR)))
        await side.until(lambda: any(reading.valve == "closed" for reading in side.of(VALVE)))
        peak = max(reading.combustible_lel or 0.0 for reading in side.of(DETECTOR))
        await side.until(lambda: (side.of(DETECTOR)[-1].combustible_lel or 0.0) < peak / 2)
        assert fleet.stats().commands == {Taken.CLOSING: 1}
        await side.until(lambda: [reply.valve for _, reply in side.replies] == ["closing", "closed"])
        told_in_order = [event.what for event in told if event.what is not What.GAS_AT_DETECTOR]
        for earlier, later in (
            (What.LEAK_STARTED, What.DEVICE_ALARM),
            (What.DEVICE_ALARM, What.COMMAND_TAKEN),
            (What.COMMAND_TAKEN, What.LEAK_STOPPED),
        ):
            assert told_in_order.index(earlier) < told_in_order.index(later)


async def test_what_an_outage_kept_back_comes_afterwards_as_backfill_with_nothing_missing() -> None:
    scenario = msgspec.structs.replace(FAST, event=(Outage(at_s=0.5, for_s=6.0), Disorder(at_s=0.5, for_s=30.0)))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes):
        await side.until(lambda: len(side.of(DETECTOR)) > 2)
        await side.until(lambda: side.connections == 0)
        before = len(side.of(DETECTOR))
        await side.until(lambda: any(reading.backfill for reading in side.of(DETECTOR)))
        after = side.of(DETECTOR)[before:]
        assert not after[0].backfill, "the newest goes first, and live"
        await side.until(lambda: _complete(side, DETECTOR))
        assert len({reading.boot for reading in side.of(DETECTOR)}) == 1


async def test_readings_without_an_acknowledgement_come_again_with_the_same_identity_time_and_value() -> None:
    scenario = msgspec.structs.replace(FAST, event=(Reconnect(at_s=1.0),))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes) as (fleet, _):
        await side.until(lambda: side.connections == 2)
        side.acknowledging = False
        await side.until(lambda: side.signed_in >= 4)
        side.acknowledging = True
        await side.until(lambda: len(_repeated(side, DETECTOR)) > 0)
        for one, other in _repeated(side, DETECTOR):
            assert (one.ts, one.combustible_lel) == (other.ts, other.combustible_lel)
        await side.until(lambda: _complete(side, DETECTOR))
        assert fleet.stats().lost_connections == 2


async def test_a_duplicating_device_sends_what_was_acknowledged_a_second_time() -> None:
    scenario = msgspec.structs.replace(FAST, event=(Duplicate(at_s=0.2, for_s=30.0),))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes) as (fleet, _):
        await side.until(lambda: len(_repeated(side, DETECTOR)) > 2)
        stats = fleet.stats()
        assert stats.sent_again > 0
        assert sum(stats.acknowledged.values()) <= sum(stats.made.values())


async def test_a_storm_brings_everybody_back() -> None:
    scenario = msgspec.structs.replace(FAST, homes=40, event=(Reconnect(at_s=1.5),), valves=ValveMix())
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes):
        await side.until(lambda: side.signed_in >= 2 * len(homes.devices))
        await side.until(lambda: side.connections == len(homes.devices))


@pytest.mark.parametrize("hours", [8, -8])
async def test_a_wrong_clock_is_sent_as_the_device_sees_it(hours: int) -> None:
    scenario = msgspec.structs.replace(FAST, event=(SetClock(at_s=0.0, offset_s=hours * 3600.0),))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes):
        await side.until(lambda: len(side.of(DETECTOR)) > 3 and side.of(VALVE))
        off_s = side.of(DETECTOR)[-1].ts / 1000 - time.time()
        assert abs(off_s - hours * 3600) < 60
        assert abs(side.of(VALVE)[-1].ts / 1000 - time.time()) < 60
        assert not side.of(DETECTOR)[-1].backfill, "by its own clock it is fresh"


async def test_to_a_valve_whose_clock_is_ahead_every_close_has_expired() -> None:
    ahead = SetClock(at_s=0.0, offset_s=8 * 3600.0, kind=DeviceKind.SHUT_OFF_VALVE)
    scenario = msgspec.structs.replace(FAST, event=(ahead,))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes) as (fleet, _):
        await side.until(lambda: VALVE in side.reachable and side.of(VALVE))
        id = side.close_valve(VALVE)
        await side.until(lambda: [(reply.id, reply.valve) for _, reply in side.replies] == [(id, "open")])
        assert fleet.stats().commands == {Taken.EXPIRED: 1}


async def test_an_expired_a_stale_and_a_repeated_command_are_answered_and_not_run() -> None:
    homes = scenario_homes(FAST, seed=1)
    async with davy(homes) as side, living(FAST, side, homes) as (fleet, _):
        await side.until(lambda: VALVE in side.reachable)
        side.close_valve(VALVE, expires_in_s=-1.0, epoch=9)
        await side.until(lambda: len(side.replies) == 1)
        side.close_valve(VALVE, epoch=5, id="five")
        await side.until(lambda: len(side.replies) == 3)
        side.close_valve(VALVE, epoch=5, id="five")
        side.close_valve(VALVE, epoch=4)
        await side.until(lambda: len(side.replies) == 5)
        assert [reply.valve for _, reply in side.replies] == ["open", "closing", "closed", "closed", "closed"]
        assert fleet.stats().commands == {Taken.EXPIRED: 1, Taken.CLOSING: 1, Taken.REPEATED: 1, Taken.STALE: 1}


async def test_a_stuck_valve_says_open_until_it_is_freed_and_told_again() -> None:
    scenario = msgspec.structs.replace(FAST, event=(StickValve(at_s=0.0), FreeValve(at_s=1.0)))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes) as (_, told):
        await side.until(lambda: VALVE in side.reachable)
        side.close_valve(VALVE)
        await side.until(lambda: [reply.valve for _, reply in side.replies] == ["open"])
        await side.until(lambda: any("free valve" in event.text for event in told))
        side.close_valve(VALVE)
        await side.until(lambda: any(reading.valve == "closed" for reading in side.of(VALVE)))


async def test_after_a_power_cycle_the_boot_number_is_higher_and_the_sequence_starts_again() -> None:
    scenario = msgspec.structs.replace(FAST, event=(PowerCycle(at_s=0.5, off_s=0.2),))
    homes = scenario_homes(scenario, seed=1)
    async with davy(homes) as side, living(scenario, side, homes):
        await side.until(lambda: len({reading.boot for reading in side.of(DETECTOR)}) == 2)
        first, last = side.of(DETECTOR)[0], side.of(DETECTOR)[-1]
        assert last.boot > first.boot
        assert last.warm_up
        again = [reading.seq for reading in side.of(DETECTOR) if reading.boot == last.boot]
        assert again[0] == 1


async def test_a_davy_that_is_away_is_waited_for() -> None:
    homes = scenario_homes(FAST, seed=1)
    async with davy(homes) as gone:
        port = gone.port
    told: list[SimEvent] = []
    scenario = msgspec.structs.replace(FAST, duration_s=1.0)
    stats = await run(scenario, homes, "127.0.0.1", port, clock=clock, rng=Random(1), on_event=told.append)
    assert stats.failed_connections > 0
    assert stats.waiting == sum(stats.made.values()) > 0
    assert [told[0].what, told[-1].what] == [What.RUN_STARTED, What.RUN_ENDED]


async def test_homes_that_do_not_fit_the_scenario_are_refused() -> None:
    demo = find_scenario("leak-demo")
    with pytest.raises(ValueError, match="asks for 200 homes, the registry has 3"):
        await run(demo, demo_homes(3, 1), "127.0.0.1", 1, clock=clock, rng=Random(1), on_event=lambda event: None)


def _complete(side: DavySide, identity: str) -> bool:
    """Every sequence number up to the highest has been heard."""
    seqs = {reading.seq for reading in side.of(identity)}
    return seqs == set(range(1, max(seqs, default=0) + 1))


def _repeated(side: DavySide, identity: str) -> list[tuple[object, object]]:
    first: dict[tuple[int, int], object] = {}
    pairs: list[tuple[object, object]] = []
    for reading in side.of(identity):
        before = first.setdefault((reading.boot, reading.seq), reading)
        if before is not reading:
            pairs.append((before, reading))
    return pairs
