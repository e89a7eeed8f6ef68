"""A small plant on two buses for the guarantee tests: a detector behind one gateway, the valve that it closes behind
another, each a simulated unit behind a socket that can really go away."""

import contextlib
import time
from collections.abc import AsyncIterator

import msgspec

from devices.models import DeviceModel, load_catalogue
from devices.sites import Device, Link, Registry, Site
from simulators.modbus.line import Line
from simulators.modbus.server import TcpPort
from simulators.modbus.truth import CLEAN, Truth
from simulators.modbus.unit import Point, Unit
from simulators.modbus.valve import BusValve

DETECTOR, VALVE = "davysim/d", "davysim/v"
#: Devices of this town report, and fall silent, four times as fast as their models say.
FASTER = 4.0
DETECTOR_NO, VALVE_NO = 3, 4
GATEWAY_OF_VALVE_NO = 2
LEAK = Truth(values={"combustible_lel": 60.0}, flags=frozenset({"low_alarm", "high_alarm"}))


class BusTown:
    """Make it with `bus_town`. `written`: when CLOSE was taken by the valve, in seconds of the monotonic clock."""

    def __init__(self, valve_model: str, confirm_within_s: float) -> None:
        models = {model.key: _faster(model) for model in load_catalogue()}
        actuator = models[valve_model].actuator
        assert actuator is not None
        models[valve_model] = msgspec.structs.replace(
            models[valve_model], actuator=msgspec.structs.replace(actuator, confirm_within_s=confirm_within_s)
        )
        self._models = tuple(models.values())
        self._valve_model = valve_model
        now_s = time.monotonic()
        self.valve = BusValve(models[valve_model], stroke_s=0.3)
        self.written: list[float] = []
        self.valve.on_command = lambda _: self.written.append(time.monotonic())
        self.detector = Unit(1, [Point(models["sim_modbus_detector"])], now_s)
        self.valve_unit = Unit(7, [Point(models[valve_model], valve=self.valve)], now_s)
        lines = Line(time.monotonic), Line(time.monotonic)
        lines[0].add(self.detector)
        lines[1].add(self.valve_unit)
        self.detector_port, self.valve_port = TcpPort(lines[0]), TcpPort(lines[1])

    @property
    def registry(self) -> Registry:
        def gateway(number: int, port: TcpPort) -> Device:
            address = f"modbus+tcp://127.0.0.1:{port.port}"
            return Device(number, "davysim", f"g{number}", "modbus_gateway", "plant", address=address)

        detector = Device(DETECTOR_NO, "davysim", "d", "sim_modbus_detector", "plant", "davysim/g1", "1")
        valve = Device(VALVE_NO, "davysim", "v", self._valve_model, "plant", "davysim/g2", "7")
        return Registry(
            models=self._models,
            sites=(Site("plant", simulated=True),),
            devices=(gateway(1, self.detector_port), gateway(2, self.valve_port), detector, valve),
            links=(Link(DETECTOR, VALVE),),
        )

    def leaks(self) -> None:
        self.detector.tell(LEAK)

    def is_clean(self) -> None:
        self.detector.tell(CLEAN)


def _faster(model: DeviceModel) -> DeviceModel:
    chart = model.modbus
    if chart is not None and chart.heartbeat is not None:
        beat = msgspec.structs.replace(chart.heartbeat, within_s=chart.heartbeat.within_s / FASTER)
        chart = msgspec.structs.replace(chart, heartbeat=beat)
    return msgspec.structs.replace(model, modbus=chart, report_interval_s=model.report_interval_s / FASTER)


@contextlib.asynccontextmanager
async def bus_town(
    valve_model: str = "sim_modbus_valve_latched", confirm_within_s: float = 10.0
) -> AsyncIterator[BusTown]:
    town = BusTown(valve_model, confirm_within_s)
    await town.detector_port.open()
    await town.valve_port.open()
    try:
        yield town
    finally:
        await town.detector_port.close()
        await town.valve_port.close()
