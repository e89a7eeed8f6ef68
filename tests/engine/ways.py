"""A link for tests: it hands over what a test put in, and keeps what it was told. And a town with every way in."""

import json
from collections import deque
from functools import cache
from pathlib import Path

from devices.commands import Command
from devices.fleet import Fleet, build_fleet
from devices.models import load_catalogue
from devices.sites import Device, Link, Registry, Site
from engine.cycle import Cycle
from engine.memory import Memory
from ingest.links import Arrivals, Encoding, Sending, Settled
from tests.engine.history import Bench

BROKER, BUS = 1, 2
#: Behind the broker: two detectors, and a valve. On the bus: two detectors, and a valve.
D1, D2, VALVE, ON_BUS, ON_BUS_2, BUS_VALVE = 10, 11, 12, 20, 21, 22


class TestLink:
    """Everything is public, and nothing happens by itself."""

    __test__ = False

    def __init__(self, name: str, encoding: Encoding = Encoding.NATIVE, *, asks_ack: bool = False) -> None:
        self.name, self.encoding, self.asks_ack = name, encoding, asks_ack
        self.waiting: deque[Arrivals] = deque()
        self.settled: list[tuple[Arrivals, Settled]] = []
        self.commands: list[tuple[int, Command]] = []
        self.sending = Sending.UNREACHABLE

    def bring(self, *messages: tuple[int, bytes], **more: object) -> Arrivals:
        """The next take. `more`: other fields of Arrivals."""
        numbers, payloads = [no for no, _ in messages], [payload for _, payload in messages]
        arrivals = Arrivals(
            self.name,
            numbers,
            payloads,
            encoding=self.encoding,
            asks_ack=self.asks_ack,
            **more,  # type: ignore[arg-type]
        )
        self.waiting.append(arrivals)
        return arrivals

    def take(self, most: int) -> Arrivals | None:
        if self.waiting and len(self.waiting[0].payload) <= most:
            return self.waiting.popleft()
        return None

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        self.settled.append((arrivals, settled))

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        if self.sending is not Sending.UNREACHABLE:
            self.commands.append((device_no, command))
        return self.sending

    @property
    def last(self) -> Settled:
        return self.settled[-1][1]


class Ways(Bench):
    """The engine with a broker, a bus and pushes as its links."""

    def __init__(self, folder: Path, memory: Memory | None = None) -> None:
        super().__init__(folder, memory)
        self.broker = TestLink("broker:b", asks_ack=True)
        self.bus = TestLink("modbus", Encoding.FRAMES)
        self.cycle = Cycle(
            self.store, self.memory, (self.pushes, self.bus, self.broker), lambda: self.now, lambda: self.now
        )

    def from_broker(self, device_no: int, seq: int, **more: object) -> tuple[int, bytes]:
        said = {"boot": 1, "seq": seq, "ts": self.now // 1000, "combustible_lel": 1.0, **more}
        return device_no, json.dumps({key: value for key, value in said.items() if value is not None}).encode()


def ways(folder: Path) -> Ways:
    made = Ways(folder)
    made.register(registry())
    made.turn()
    return made


def registry(number_on_bus: int = 2) -> Registry:
    on_bus = (
        Device(ON_BUS, "acme", "m1", "sim_modbus_detector", "plant", "acme/bus", "1"),
        Device(ON_BUS_2, "acme", "m2", "sim_modbus_detector", "plant", "acme/bus", "2"),
    )[:number_on_bus]
    return Registry(
        models=load_catalogue(),
        sites=(Site("plant", simulated=True),),
        devices=(
            Device(BROKER, "acme", "broker", "mqtt_broker", "plant"),
            Device(BUS, "acme", "bus", "modbus_gateway", "plant", address="modbus+tcp://127.0.0.1:502"),
            Device(D1, "acme", "d1", "sim_detector_home", "plant"),
            Device(D2, "acme", "d2", "sim_detector_home", "plant"),
            Device(VALVE, "acme", "v", "sim_valve_shut_off", "plant"),
            *on_bus,
            Device(BUS_VALVE, "acme", "bv", "sim_modbus_valve_latched", "plant", "acme/bus", "9"),
        ),
        links=(Link("acme/d1", "acme/v"), *(Link("acme/m1", "acme/bv") for _ in on_bus[:1])),
    )


@cache
def _town() -> Fleet:
    return build_fleet(registry())


def stands_at(device_no: int, fleet: Fleet | None = None) -> int:
    """What a poller writes into the device's frames; without a fleet, where `registry` has it."""
    known = fleet or _town()
    return int(known.place_by_slot[known.slot_of[device_no]])
