"""The boiler room in virtual time: what happens in it follows from its physics and from what is written on its bus."""

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from random import Random

import msgspec
import pytest
from pymodbus import FramerType
from pymodbus.client import AsyncModbusSerialClient, AsyncModbusTcpClient

from devices.addresses import parse_bus_address, parse_unit_address
from devices.models import load_catalogue
from devices.registers import procedure
from simulators.boiler_room import TICK_S, BoilerRoom, Told
from simulators.boiler_room_plan import (
    FOLDER,
    BoilerRoomPlan,
    bus_source,
    encode_source,
    find_plan,
    load_plan,
    models_of,
)
from simulators.boiler_room_run import OnSerial, OnTcp, served
from simulators.events import What
from simulators.modbus.line import Line
from simulators.modbus.server import TcpPort
from simulators.modbus.unit import Unit
from simulators.scenario import Leak
from storage.registry_source import parse_source
from tests.simulators.test_modbus_encoding import read

FOUND = find_plan("boiler-room")
assert FOUND is not None
PLAN: BoilerRoomPlan = FOUND
MODELS = {model.key: model for model in load_catalogue()}


class Live:
    """A room and its clock."""

    def __init__(self, plan: BoilerRoomPlan = PLAN, seed: int = 1) -> None:
        self.now_s = 0.0
        self.line = Line(lambda: self.now_s)
        self.room = BoilerRoom(plan, self.line, Random(seed), 0.0)
        self.told: list[tuple[float, Told]] = []

    def until(self, until_s: float) -> "Live":
        while self.now_s < until_s:
            self.now_s += TICK_S
            self.told += [(self.now_s, told) for told in self.room.advance(self.now_s)]
        return self

    def close(self) -> None:
        """Write every valve's procedure on the bus, as the platform would."""
        for one in self.room.valves:
            chart = MODELS[one.plan.model].modbus
            assert chart is not None
            steps = procedure(chart, "close")
            assert steps is not None
            unit = self.line.units[one.plan.unit]
            for step in steps.write:
                write(unit, step.function, step.at, step.values, self.now_s)
            self.until(self.now_s + steps.pulse_s + TICK_S)
            for step in steps.release:
                write(unit, step.function, step.at, step.values, self.now_s)

    def first(self, what: What, text: str) -> float:
        return next(at_s for at_s, told in self.told if told.what is what and text in told.text)


def write(unit: Unit, function: int, at: int, values: tuple[int, ...], now_s: float) -> None:
    head = bytes((function,)) + at.to_bytes(2)
    if function in (5, 6):
        pdu = head + (values[0] * 0xFF00 if function == 5 else values[0]).to_bytes(2)
    elif function == 15:
        packed = sum(bit << n for n, bit in enumerate(values)).to_bytes((len(values) + 7) // 8, "little")
        pdu = head + len(values).to_bytes(2) + bytes((len(packed),)) + packed
    else:
        body = b"".join(value.to_bytes(2) for value in values)
        pdu = head + len(values).to_bytes(2) + bytes((len(body),)) + body
    assert unit.answer(pdu, now_s)[0] == function


def test_it_has_eight_detectors_of_three_makes_or_more_and_two_valves_of_both_kinds() -> None:
    assert len(PLAN.detector) == 8
    assert len({detector.model for detector in PLAN.detector}) >= 3
    charts = [MODELS[valve.model].modbus for valve in PLAN.valve]
    assert sorted(command.style for chart in charts if chart for command in chart.command) == ["latched", "one_shot"]


def test_co_of_the_blocked_flue_raises_alarms_and_close_puts_the_burner_out_and_clears_the_air() -> None:
    live = Live().until(60.0)
    assert live.first(What.BEFELL, "flue is blocked") == pytest.approx(10.0, abs=TICK_S)
    alarm_s = live.first(What.DEVICE_ALARM, "co alarm")
    assert 10.0 < alarm_s < 45.0
    assert live.room.burning
    high = live.room.air.co
    live.close()
    live.until(live.now_s + 5.0)
    assert not live.room.burning
    assert {one.valve.position for one in live.room.valves} == {"closed"}
    assert live.first(What.COMMAND_TAKEN, "CLOSE") < live.first(What.VALVE_MOVED, "closed")
    assert live.first(What.VALVE_MOVED, "closed") <= live.first(What.BEFELL, "burner goes out")
    live.until(live.now_s + 300.0)
    assert live.room.air.co < high / 3
    assert live.told[-1][1].what is not What.DEVICE_ALARM


def test_without_close_the_air_only_gets_worse() -> None:
    live = Live().until(60.0)
    before = live.room.air.co
    live.until(115.0)
    assert live.room.air.co > before
    assert live.room.burning


def test_the_detectors_see_the_same_air_each_in_its_own_time() -> None:
    live = Live().until(90.0)
    firsts = {
        told.identity: at_s for at_s, told in reversed(live.told) if told.what is What.DEVICE_ALARM and told.identity
    }
    assert set(firsts) == {f"davysim/{serial}" for serial in ("both-1", "both-2", "co-1", "co-3")}, (
        "a Polytron has no alarm bits"
    )
    assert len(set(firsts.values())) > 2


def test_what_the_registers_say_is_what_the_detector_shows() -> None:
    live = Live().until(50.0)
    for detector in live.room.detectors:
        unit = live.room.unit_of(detector.plan.identity)
        unit.refresh(live.now_s)
        got = read(unit, detector.point)
        assert got.refused == ()
        truth = detector.truth()
        for quantity, value in truth.values.items():
            assert float(got.rows[quantity][0]) == pytest.approx(value, abs=0.51 if quantity == "co_ppm" else 0.06)
        assert got.flags == set(truth.flags)


def test_a_leak_of_gas_is_seen_by_the_methane_detectors() -> None:
    live = Live(msgspec.structs.replace(PLAN, event=(Leak(at_s=1.0, flow_m3h=60.0),))).until(60.0)
    alarmed = {told.identity for _, told in live.told if told.what is What.DEVICE_ALARM}
    assert {"davysim/ch4-1", "davysim/panel-1", "davysim/both-1"} <= alarmed
    assert "davysim/co-1" not in alarmed


def test_the_same_seed_gives_the_same_story() -> None:
    assert Live(seed=3).until(60.0).told == Live(seed=3).until(60.0).told


@pytest.mark.parametrize("where", [OnTcp(port=5021), OnSerial(Path("/tmp/bus"))])
def test_the_registry_it_writes_is_one_that_the_import_takes(where: OnTcp | OnSerial) -> None:
    source = bus_source(PLAN, where.url)
    assert len(parse_source(encode_source(source))) == 1 + 11 + 16
    assert parse_bus_address(source.devices[0].address)
    assert [parse_unit_address(device.address).unit for device in source.devices[1:]]
    assert source.sites[0].simulated
    assert len(source.links) == 16


def test_every_model_it_names_is_in_the_catalogue() -> None:
    assert PLAN.gateway.model in MODELS
    assert {detector.model for detector in PLAN.detector} <= set(models_of(PLAN))


@pytest.mark.parametrize(
    ("was", "is_now", "reason"),
    [
        ("unit = 20", "unit = 300", "247"),
        ("co_t90_s = 45", "co_t90_x = 45", "co_t90_x"),
        ('do = "block_flue"', 'do = "blok_flue"', "blok_flue"),
    ],
)
def test_a_wrong_plan_is_refused_with_file_and_reason(tmp_path: Path, was: str, is_now: str, reason: str) -> None:
    path = tmp_path / "wrong.toml"
    path.write_text((FOLDER / "boiler-room.toml").read_text("utf-8").replace(was, is_now))
    with pytest.raises(ValueError, match=r"wrong\.toml") as refused:
        load_plan(path)
    assert reason in str(refused.value)


def test_a_model_that_is_not_in_the_catalogue_is_named() -> None:
    wrong = msgspec.structs.replace(PLAN.detector[0], model="nobody_nothing")
    with pytest.raises(ValueError, match="nobody_nothing"):
        models_of(msgspec.structs.replace(PLAN, detector=(wrong,)))


async def told_by(process: asyncio.subprocess.Process, what: What) -> dict[str, object]:
    assert process.stdout is not None
    async with asyncio.timeout(20):
        while True:
            event: dict[str, object] = json.loads(await process.stdout.readline())
            if event["what"] == what:
                return event


async def test_the_command_serves_it_on_a_pseudo_terminal_and_tells_what_is_written(tmp_path: Path) -> None:
    link = tmp_path / "bus"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "davy", "simulate", "boiler-room", "--json", "--rtu", str(link)),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "DAVY_DATA": str(tmp_path)},
    )
    assert f"modbus+rtu:{link}?" in str((await told_by(process, What.RUN_STARTED))["text"])
    client = AsyncModbusSerialClient(str(link), framer=FramerType.RTU, timeout=5)
    assert await client.connect()
    assert (await client.read_holding_registers(0, count=1, device_id=1)).registers == [0xDA01]
    assert not (await client.write_coils(0, [True, False], device_id=20)).isError()
    assert (await told_by(process, What.COMMAND_TAKEN))["identity"] == "davysim/main-valve"
    assert (await told_by(process, What.VALVE_MOVED))["text"] == "closing"
    assert (await told_by(process, What.VALVE_MOVED))["text"] == "closed"
    assert (await client.read_discrete_inputs(0, count=2, device_id=20)).bits[:2] == [True, False]
    client.close()
    process.send_signal(signal.SIGINT)
    await told_by(process, What.RUN_ENDED)
    assert await process.wait() == 0
    assert not link.is_symlink()


async def test_a_library_that_is_not_ours_reads_it_over_tcp() -> None:
    line = Line(time.monotonic)
    BoilerRoom(PLAN, line, Random(1), time.monotonic())
    async with served(line, OnTcp(port=0)) as port:
        assert isinstance(port, TcpPort)
        client = AsyncModbusTcpClient("127.0.0.1", port=port.port, timeout=5)
        assert await client.connect()
        for unit in (1, 2, 10):
            first = client.read_holding_registers(100 if unit == 10 else 0, count=1, device_id=unit)
            assert (await first).registers == [0xDA08 if unit == 10 else 0xDA01]
        client.close()
