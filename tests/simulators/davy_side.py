"""Davy, for these tests: the real MQTT endpoint, and a cycle that notes what came and settles it."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec
import numpy as np

from devices.commands import Command, Reply, Verb
from devices.models import load_catalogue
from devices.sites import Credential, Device, Registry, token_sha256
from ingest.links import Settled
from ingest.mqtt_directory import Directory
from ingest.mqtt_endpoint import MqttEndpoint
from simulators.registry import HomesSource

#: No condition in these tests takes longer on a busy machine; it bounds a failing test, it times nothing.
WITHIN_S = 20.0


class Heard(msgspec.Struct, frozen=True):
    """One reading as it came, with the identity it came from. `order`: of its message."""

    identity: str
    order: int
    ts: int
    boot: int
    seq: int
    combustible_lel: float | None = None
    co_ppm: float | None = None
    valve: str | None = None
    valve_cause: str | None = None
    low_alarm: bool = False
    high_alarm: bool = False
    fault: bool = False
    warm_up: bool = False
    backfill: bool = False


def registry_of(homes: HomesSource) -> Registry:
    devices = tuple(
        Device(number, row.vendor, row.serial, row.model, row.site, row.gateway)
        for number, row in enumerate(homes.devices, start=1)
    )
    credentials = tuple(Credential(row.identity, token_sha256(row.token)) for row in homes.tokens)
    return Registry(load_catalogue(), homes.sites, devices, homes.links, credentials)


class DavySide:
    """`heard`: every reading in the order it came. `acknowledging` False: what comes is noted and never settled, as by
    a Davy that dies before its commit. `closing`: answer a detector's high alarm with CLOSE."""

    def __init__(self, homes: HomesSource, closing: bool = False) -> None:
        self.heard: list[Heard] = []
        self.replies: list[tuple[str, Reply]] = []
        self.reachable: set[str] = set()
        self.port = 0
        self.acknowledging = True
        self._registry = registry_of(homes)
        self._identity = {device.device_no: device.identity for device in self._registry.devices}
        self._number = {identity: number for number, identity in self._identity.items()}
        self._valves = {link.detector: link.valve for link in homes.links if "/scv-" not in link.valve}
        self._closing = closing
        self._sent = 0
        self._asked: set[str] = set()
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()
        self._endpoint = MqttEndpoint(Directory.of(self._registry), self._arrived.set)

    @property
    def connections(self) -> float:
        return self._endpoint.gauges()["mqtt_clients"]

    @property
    def signed_in(self) -> float:
        return self._endpoint.gauges()["mqtt_signed_in_total"]

    def of(self, identity: str) -> list[Heard]:
        return [reading for reading in self.heard if reading.identity == identity]

    def close_valve(self, identity: str, expires_in_s: float = 30.0, epoch: int = 1, id: str = "") -> str:
        """Send a CLOSE; its id. Fails the test when the valve cannot be reached."""
        self._sent += 1
        now_us = time.time_ns() // 1000
        expires_us = now_us + round(expires_in_s * 1e6)
        command = Command(
            id or f"close-{self._sent}", Verb.CLOSE, epoch, _rfc3339(now_us), _rfc3339(expires_us), "test"
        )
        # The endpoint refuses an expired command; what the device thinks of the time is the device's.
        assert self._endpoint.send(self._number[identity], command, now_us + 30_000_000), f"{identity} is away"
        return command.id

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until something that came over the wire makes `condition` true."""
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                self._changed.clear()
                # Connections come and go without a message: look again a few times a second.
                try:
                    await asyncio.wait_for(self._changed.wait(), 0.05)
                except TimeoutError:
                    continue

    async def serve(self, port: int, tls: ssl.SSLContext | None) -> None:
        self.port = await self._endpoint.start("127.0.0.1", port, tls)

    async def cycle(self) -> None:
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while (arrivals := self._endpoint.take(8192)) is not None:
                for i, payload in enumerate(arrivals.payload):
                    self._note(self._identity[arrivals.device_no[i]], payload)
                for number, payload in arrivals.replies:
                    self.replies.append((self._identity[number], msgspec.json.decode(payload, type=Reply)))
                self.reachable |= {self._identity[number] for number in arrivals.connected}
                count = len(arrivals.payload)
                nothing = np.zeros(count, np.int64)
                if self.acknowledging:
                    self._endpoint.settle(arrivals, Settled(frozenset(), np.ones(count, np.int64), nothing, nothing))
                self._changed.set()

    async def end(self) -> None:
        await self._endpoint.close()

    def _note(self, identity: str, payload: bytes) -> None:
        order = self.heard[-1].order + 1 if self.heard else 0
        decoded = msgspec.json.decode(payload)
        for fields in decoded if isinstance(decoded, list) else [decoded]:
            reading = msgspec.convert({**fields, "identity": identity, "order": order}, Heard)
            self.heard.append(reading)
            if self._closing and reading.high_alarm and identity in self._valves and identity not in self._asked:
                self._asked.add(identity)
                self.close_valve(self._valves[identity])


@asynccontextmanager
async def davy(
    homes: HomesSource, closing: bool = False, port: int = 0, tls: ssl.SSLContext | None = None
) -> AsyncIterator[DavySide]:
    side = DavySide(homes, closing)
    await side.serve(port, tls)
    cycle = asyncio.create_task(side.cycle())
    try:
        yield side
    finally:
        cycle.cancel()
        await side.end()


def _rfc3339(us: int) -> str:
    seconds, rest = divmod(us, 1_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:06}Z"
