"""G3, G6, G7 and G9 for devices on a bus, with real sockets that really go away: a valve on a bus is closed as surely
as one that connects to us, and what a bus invents never reads as clean air."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from devices.sites import encode_registry
from engine.client import DoorClient
from engine.cycle import Ended
from engine.messages import AlarmView, WantedView
from rules.decisions import AlarmState, Outcome, Step
from rules.instructions import CloseValve
from simulators.modbus.faults import UnitFaults
from tests.guarantees.bus_town import DETECTOR_NO, GATEWAY_OF_VALVE_NO, VALVE_NO, BusTown, bus_town
from tests.guarantees.disks import Disk, watched_disk
from tests.guarantees.engines import EngineProcess, door_of, engine_inside

WITHIN_S = 25.0
VALVES = ("sim_modbus_valve_latched", "sim_modbus_valve_one_shot")


async def alarm_open(door: DoorClient, rule: str, device_no: int) -> AlarmView:
    async with asyncio.timeout(WITHIN_S):
        while True:
            for alarm in (await door.alarms()).alarms:
                if alarm.rule == rule and alarm.device_no == device_no:
                    return alarm
            await asyncio.sleep(0.05)


async def wanted_when(door: DoorClient, holds: Callable[[WantedView], bool]) -> WantedView:
    async with asyncio.timeout(WITHIN_S):
        while True:
            for wanted in (await door.wanted()).wanted:
                if holds(wanted):
                    return wanted
            await asyncio.sleep(0.05)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not holds():
            await asyncio.sleep(0.05)


async def heard(door: DoorClient, polls: int) -> None:
    """Every unit has been read so often since now."""

    async def answered() -> float:
        return (await door.status()).gauges["modbus_polls_answered_total"]

    before = await answered()
    async with asyncio.timeout(WITHIN_S):
        while await answered() < before + polls:
            await asyncio.sleep(0.05)


@pytest.mark.parametrize("model", VALVES)
async def test_g6_g7_a_leak_closes_a_valve_on_a_bus_and_only_its_position_confirms(tmp_path: Path, model: str) -> None:
    async with (
        bus_town(model, confirm_within_s=1.0) as town,
        engine_inside(tmp_path / "data", town.registry) as (_, door),
    ):
        town.valve.jammed = True
        await heard(door, 3)
        town.leaks()
        wanted = await wanted_when(door, lambda one: Step.ACKNOWLEDGED in {step.step for step in one.steps})
        assert wanted.outcome is None, "the echo of a write confirms nothing"
        alarm = await alarm_open(door, "valve-not-closed", VALVE_NO)
        assert alarm.state is AlarmState.UNACKNOWLEDGED
        await until(lambda: len(town.written) >= 2)  # attempts go on
        town.valve.jammed = False
        confirmed = await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED)
        assert town.valve.position == "closed"
        assert confirmed.wanted == wanted.wanted


async def test_g6_a_bus_that_is_away_when_the_gas_comes_is_told_as_soon_as_it_is_back(tmp_path: Path) -> None:
    async with bus_town() as town, engine_inside(tmp_path / "data", town.registry) as (_, door):
        await heard(door, 3)
        await town.valve_port.close()
        town.leaks()
        await wanted_when(door, lambda one: Step.FAILED in {step.step for step in one.steps})
        down = await alarm_open(door, "link-down", GATEWAY_OF_VALVE_NO)
        assert down.note, "people are told why"
        assert town.written == []
        await town.valve_port.open()
        await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED)
        assert town.valve.position == "closed"
        async with asyncio.timeout(WITHIN_S):
            while (await alarm_open(door, "link-down", GATEWAY_OF_VALVE_NO)).state is AlarmState.UNACKNOWLEDGED:
                await asyncio.sleep(0.05)


async def test_g6_a_gateway_that_hangs_in_the_middle_of_a_close_is_tried_until_the_valve_is_seen_closed(
    tmp_path: Path,
) -> None:
    async with bus_town() as town, engine_inside(tmp_path / "data", town.registry) as (_, door):
        await heard(door, 3)
        town.valve_unit.faults = UnitFaults(no_reply=True)
        town.leaks()
        wanted = await wanted_when(door, lambda one: Step.FAILED in {step.step for step in one.steps})
        assert wanted.outcome is None
        town.valve_unit.faults.clear()
        await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED)


async def test_g3_g6_an_engine_killed_while_the_bus_is_away_closes_the_valve_when_both_are_back(tmp_path: Path) -> None:
    async with bus_town("sim_modbus_valve_one_shot") as town:
        engine = EngineProcess(tmp_path / "data")
        try:
            await engine.started(town.registry)
            door = await door_of(engine.settings)
            await heard(door, 3)
            await town.valve_port.close()
            town.leaks()
            await wanted_when(door, lambda one: one.outcome is None)
            await door.close()
            engine.kill()
            town.is_clean()
            engine.start()
            await town.valve_port.open()
            door = await door_of(engine.settings)
            await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED)
            await door.close()
            assert town.valve.position == "closed"
        finally:
            engine.kill()


async def test_g3_g6_an_engine_killed_during_a_pulse_ends_it_when_it_is_back(tmp_path: Path) -> None:
    async with bus_town("sim_modbus_valve_one_shot") as town:
        engine = EngineProcess(tmp_path / "data")
        try:
            await engine.started(town.registry)
            door = await door_of(engine.settings)
            await heard(door, 3)
            town.valve.on_command = lambda _: engine.kill()
            town.leaks()
            await until(lambda: bool(town.valve.pulses))
            await door.close()
            town.valve.on_command = lambda _: None
            assert town.valve.pulses[0].ended_s is None, "nobody is there to end it"
            engine.start()
            await until(lambda: town.valve.pulses[0].ended_s is not None)
            door = await door_of(engine.settings)
            await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED)
            await door.close()
        finally:
            engine.kill()


async def test_g6_a_person_closes_a_valve_on_a_bus_and_nothing_else_on_it_can_be_commanded(tmp_path: Path) -> None:
    async with bus_town() as town, engine_inside(tmp_path / "data", town.registry) as (_, door):
        await heard(door, 3)
        refused = await door.instruct(CloseValve(at=0, id="1", by="duty", device_no=DETECTOR_NO, reason="drill"))
        assert not refused.accepted
        assert (await door.instruct(CloseValve(at=0, id="2", by="duty", device_no=VALVE_NO, reason="drill"))).accepted
        await wanted_when(door, lambda one: one.outcome is Outcome.CONFIRMED and one.by == "duty")
        assert town.valve.position == "closed"


def _zeros(town: BusTown) -> None:
    """What some gateways answer for registers that nobody has."""
    for table in town.detector.registers.tables.values():
        table.update(dict.fromkeys(table, 0))
    town.detector.faults = UnitFaults(held=True, dead_heartbeat=True)


BLINDED: dict[str, Callable[[BusTown], None]] = {
    "no reply": lambda town: setattr(town.detector, "faults", UnitFaults(no_reply=True)),
    "exceptions": lambda town: setattr(town.detector, "faults", UnitFaults(exception=4)),
    "another unit's replies": lambda town: setattr(town.detector, "faults", UnitFaults(wrong_unit=True)),
    "cut replies": lambda town: setattr(town.detector, "faults", UnitFaults(truncated=7, hang_up=True)),
    "zeros for every register": _zeros,
    "a dead heartbeat": lambda town: setattr(town.detector, "faults", UnitFaults(dead_heartbeat=True)),
}


@pytest.mark.parametrize("model", VALVES)
async def test_g1_a_close_on_a_busy_bus_is_written_even_when_the_commit_that_decided_it_fails(
    tmp_path: Path, model: str
) -> None:
    """The one exception to "dispatch after commit": the engine ends, and the CLOSE leaves before it has."""
    async with bus_town(model) as town:
        with watched_disk() as disk:
            with pytest.raises(Ended):
                await _leak_that_no_disk_takes(tmp_path / "data", town, disk)
            disk.full = False
        assert town.written
        assert not town.valve.pulses or town.valve.pulses[-1].ended_s is not None


async def _leak_that_no_disk_takes(data: Path, town: BusTown, disk: Disk) -> None:
    async with engine_inside(data, town.registry) as (_, door):
        await heard(door, 3)
        town.valve_unit.faults = UnitFaults(delay_s=0.2)
        await heard(door, 1)
        disk.fills_at = b"ch4-high"
        town.leaks()
        await until(lambda: disk.full)


@pytest.mark.parametrize("blinded", BLINDED)
async def test_g9_a_detector_that_a_bus_has_blinded_never_reads_as_clean_air(tmp_path: Path, blinded: str) -> None:
    async with bus_town() as town, engine_inside(tmp_path / "data", town.registry) as (_, door):
        await heard(door, 3)
        town.leaks()
        high = await alarm_open(door, "ch4-high", DETECTOR_NO)
        BLINDED[blinded](town)
        if blinded != "a dead heartbeat":
            town.is_clean()  # which nobody may learn from such replies
        await alarm_open(door, "silence", DETECTOR_NO)
        still = await alarm_open(door, "ch4-high", DETECTOR_NO)
        assert (still.alarm, still.state) == (high.alarm, AlarmState.UNACKNOWLEDGED)
        town.detector.faults.clear()
        town.is_clean()
        async with asyncio.timeout(WITHIN_S):
            while (await alarm_open(door, "ch4-high", DETECTOR_NO)).state is AlarmState.UNACKNOWLEDGED:
                await asyncio.sleep(0.05)


async def test_a_registry_change_moves_the_poller_without_a_restart(tmp_path: Path) -> None:
    async with bus_town() as town, engine_inside(tmp_path / "data", town.registry) as (_, door):
        await heard(door, 3)
        await town.detector_port.close()
        await alarm_open(door, "link-down", 1)
        town.detector_port.port = 0
        await town.detector_port.open()
        await door.replace_registry(2, encode_registry(town.registry))
        town.leaks()
        await alarm_open(door, "ch4-high", DETECTOR_NO)
