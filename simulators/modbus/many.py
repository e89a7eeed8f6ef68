"""`python -m simulators.modbus.many`: many like units on many ports, for benches. One JSON object per line both ways.

Standard output, first line: {"ports": [...], "detectors": [unit, ...], "valves": [unit, ...], "model": key,
    "valve_model": key}; every port has the same units.
Standard input, one object per line; times are time.monotonic_ns() // 1000 of this machine, comparable between
processes:
    {"do": "over", "port": P, "unit": U[, "value": V]}    the detector goes over its threshold, alarm bits and all
    {"do": "clean", "port": P, "unit": U}                 and back to clean air
    {"do": "open", "port": P, "unit": U}                  a hand opens the valve
    {"do": "fault", "port": P, "unit": U, "faults": {...}} attributes of UnitFaults (noise in base64); {} makes all well
    {"do": "stats"}
    {"do": "end"}                                         as the end of standard input does
Standard output, then, as it happens:
    {"did": "over" | "clean" | "open" | "fault", "port": P, "unit": U, "at_us": T}   the registers hold it from T on
    {"saw": "close", "port": P, "unit": U, "at_us": T}    the last write of a CLOSE was taken
    {"did": "stats", "at_us": T, "requests": N, "cpu_s": S, "connections": N}
    {"error": "..."}                                      a line that was not understood
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from devices.models import DeviceModel, load_catalogue, load_model
from devices.quantities import ALARM_FLAGS, Flag
from simulators.modbus.choosing import CannotSay
from simulators.modbus.demands import flags_of, measured
from simulators.modbus.faults import UnitFaults
from simulators.modbus.line import Line
from simulators.modbus.server import TcpPort
from simulators.modbus.truth import CLEAN, Truth
from simulators.modbus.unit import Point, Unit
from simulators.modbus.valve import BusValve

#: What a detector shows that is over its threshold: far above any set-point, and within every range.
OVER = {"combustible_lel": 60.0, "co_ppm": 400.0}
_ALARMS = tuple(str(flag.name).lower() for flag in Flag if flag & ALARM_FLAGS)


class Order(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One line of standard input."""

    do: Literal["over", "clean", "open", "fault", "stats", "end"]
    port: int = 0
    unit: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    value: float | None = None
    faults: dict[str, object] = {}


def over_threshold(model: DeviceModel, value: float | None = None) -> Truth:
    """What a detector of this model says of gas: `value`, or OVER, for what it measures, and every alarm it has."""
    chart = model.modbus
    assert chart is not None, "only models with a map are served"
    tops = {quantity: model.ranges.get(quantity, (0.0, OVER[quantity]))[1] for quantity in OVER}
    values = {
        quantity: value if value is not None else min(OVER[quantity], tops[quantity])
        for quantity in measured(chart)
        if quantity in OVER
    }
    return Truth(values=values, flags=frozenset(flags_of(chart) & {*_ALARMS}))


class Many:
    """The units of all ports. Build it on a running event loop."""

    def __init__(self, model: DeviceModel, valve_model: DeviceModel, options: argparse.Namespace) -> None:
        """Raises CannotSay or ValueError for models that cannot be served so."""
        self.model = model
        self.valve_model = valve_model
        first_valve = options.units - options.valves + 1
        self.detectors = list(range(1, first_valve))
        self.valves = list(range(first_valve, options.units + 1))
        self._stroke_s: float = options.stroke_s
        now_s = time.monotonic()
        self.ports: dict[int, TcpPort] = {}
        self._lines = [self._line(now_s) for _ in range(options.ports)]

    async def open(self, host: str) -> None:
        """Raises OSError."""
        for line in self._lines:
            port = TcpPort(line, host=host)
            number = await port.open()
            self.ports[number] = port
            for unit in line.units.values():
                for point in unit.points:
                    if point.valve is not None:
                        point.valve.on_command = _see(number, unit.number)

    async def close(self) -> None:
        for port in self.ports.values():
            await port.close()

    def obey(self, order: Order) -> None:
        """Raises KeyError for a port or unit that is not there, ValueError for an order it cannot follow."""
        if order.do == "stats":
            requests = sum(unit.asked for line in self._lines for unit in line.units.values())
            connections = sum(port.connections for port in self.ports.values())
            _say(did="stats", at_us=_now_us(), requests=requests, cpu_s=time.process_time(), connections=connections)
            return
        unit = self.ports[order.port].line.units[order.unit]
        valve = unit.points[0].valve
        if order.do == "fault":
            strange = sorted(order.faults.keys() - {*UnitFaults.__slots__})
            if strange:
                raise ValueError(f"no fault {strange[0]!r}")
            unit.faults = msgspec.convert(order.faults, UnitFaults)
        elif order.do == "open":
            if valve is None:
                raise ValueError(f"unit {order.unit} is no valve")
            valve.open_by_hand()
        else:
            unit.tell(over_threshold(self.model, order.value) if order.do == "over" else CLEAN)
        unit.refresh(time.monotonic())
        _say(did=order.do, port=order.port, unit=order.unit, at_us=_now_us())

    def _line(self, now_s: float) -> Line:
        line = Line(time.monotonic)
        for number in self.detectors:
            line.add(Unit(number, [Point(self.model)], now_s))
        for number in self.valves:
            valve = BusValve(self.valve_model, stroke_s=self._stroke_s)
            line.add(Unit(number, [Point(self.valve_model, valve=valve)], now_s))
        return line


def _see(port: int, unit: int) -> Callable[[str], None]:
    return lambda verb: _say(saw=verb, port=port, unit=unit, at_us=_now_us())


def _now_us() -> int:
    return time.monotonic_ns() // 1000


def _say(**said: object) -> None:
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


async def serve(options: argparse.Namespace) -> None:
    """Serve until standard input ends. Raises ValueError for a model that is not there, OSError for want of ports."""
    many = Many(_model(options.model), _model(options.valve_model), options)
    await many.open(options.host)
    try:
        _say(
            ports=sorted(many.ports),
            detectors=many.detectors,
            valves=many.valves,
            model=options.model,
            valve_model=options.valve_model,
        )
        await _follow_orders(many)
    finally:
        await many.close()


def _model(name: str) -> DeviceModel:
    """A model of the catalogue by its key, or one by its file. Raises ValueError."""
    if name.endswith(".toml"):
        return load_model(Path(name))
    models = {model.key: model for model in load_catalogue() if model.modbus is not None}
    if name not in models:
        raise ValueError(f"model {name!r} is no file, and not one of {', '.join(sorted(models))}")
    return models[name]


async def _follow_orders(many: Many) -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        try:
            order = msgspec.json.decode(line, type=Order)
            if order.do == "end":
                return
            many.obey(order)
        except (CannotSay, ValueError, KeyError) as wrong:
            _say(error=f"{type(wrong).__name__}: {wrong}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="simulators.modbus.many", description="Many simulated Modbus units.")
    parser.add_argument("--host", default="127.0.0.1", help="the address of this machine to serve on (127.0.0.1)")
    parser.add_argument(
        "--ports", type=int, default=20, help="how many ports, each a bus of its own; free ones are taken (20)"
    )
    parser.add_argument("--units", type=int, default=50, help="on each port, valves included (50)")
    parser.add_argument("--valves", type=int, default=1, help="of them; the last ones (1)")
    parser.add_argument("--model", default="sim_modbus_detector", help="of the detectors: key or .toml file")
    parser.add_argument("--valve-model", default="sim_modbus_valve_latched", help="of the valves: key or .toml file")
    parser.add_argument("--stroke-s", type=float, default=0.5, help="how long a valve takes from open to closed (0.5)")
    options = parser.parse_args(arguments)
    if options.ports < 1:
        parser.error("--ports is how many ports are served, at least 1")
    if not 0 <= options.valves <= options.units <= 247:
        parser.error("--units is at most 247, valves included")
    try:
        asyncio.run(serve(options))
    except (ValueError, OSError) as wrong:
        sys.stderr.write(f"simulators.modbus.many: {wrong}\n")
        return 1
    except KeyboardInterrupt:
        pass
    return 0


if __name__ == "__main__":
    sys.exit(main())
