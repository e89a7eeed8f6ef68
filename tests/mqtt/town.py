"""A small registry, an endpoint on a real socket, a loop that takes and settles, and a client that speaks raw bytes."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field

import numpy as np

from devices.models import Actuator, DeviceKind, DeviceModel
from devices.sites import Credential, Device, Registry, Site, token_sha256
from ingest.links import Arrivals, Settled
from ingest.mqtt_directory import Directory
from ingest.mqtt_endpoint import MqttEndpoint, monotonic_us, utc_us
from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_packets import Connack, Connect, Filter, Packet, Publish, Suback, Subscribe, build, parse
from ingest.mqtt_properties import NO_PROPERTIES, Properties
from ingest.mqtt_stream import frame
from ingest.mqtt_wire import V5

#: Nothing on loopback takes this long; a test that waits it out has failed.
PATIENCE_S = 10.0
DETECTOR, VALVE, GATEWAY, BEHIND, STRANGER = 1, 2, 3, 4, 5
IDENTITY = {DETECTOR: "acme/d1", VALVE: "acme/v1", GATEWAY: "acme/g1", BEHIND: "acme/b1", STRANGER: "other/x1"}


def token(identity: str) -> str:
    return f"token of {identity}"


def topic(device_no: int, kind: str = "telemetry") -> str:
    return f"davy/v1/{IDENTITY[device_no]}/{kind}"


def registry(*, without: tuple[int, ...] = (), tokens: dict[int, str] | None = None) -> Registry:
    kinds = {
        DETECTOR: DeviceKind.DETECTOR,
        VALVE: DeviceKind.SHUT_OFF_VALVE,
        GATEWAY: DeviceKind.GATEWAY,
        BEHIND: DeviceKind.SHUT_OFF_VALVE,
        STRANGER: DeviceKind.DETECTOR,
    }
    models = tuple(
        DeviceModel(
            key=kind.value,
            vendor="acme",
            name=kind.value,
            kind=kind,
            source="test",
            report_interval_s=30,
            actuator=Actuator() if kind is DeviceKind.SHUT_OFF_VALVE else None,
        )
        for kind in sorted(set(kinds.values()))
    )
    devices = []
    for number, identity in IDENTITY.items():
        vendor, serial = identity.split("/")
        gateway = IDENTITY[GATEWAY] if number == BEHIND else ""
        devices.append(Device(number, vendor, serial, kinds[number].value, "home", gateway))
    given = tokens or {}
    return Registry(
        models=models,
        sites=(Site("home"),),
        devices=tuple(device for device in devices if device.device_no not in without),
        credentials=tuple(
            Credential(identity, token_sha256(given.get(number, token(identity))))
            for number, identity in IDENTITY.items()
            if number not in without and number != BEHIND
        ),
    )


def settled(count: int, withheld: frozenset[int] = frozenset(), in_reserve: bool = False) -> Settled:
    zeros = np.zeros(count, np.int64)
    return Settled(withheld, zeros + 1, zeros, zeros, in_reserve)


class Clock:
    """Microseconds that pass only when told."""

    def __init__(self) -> None:
        self.now_us = 1_000_000

    def __call__(self) -> int:
        return self.now_us


@dataclass
class Seen:
    """What the loop has taken so far."""

    readings: list[tuple[int, bytes]] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    connected: list[int] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    takes: list[int] = field(default_factory=list)


class Town:
    """An endpoint with a cycle of its own: take, pretend nothing, settle. `hold` stops it from taking."""

    def __init__(
        self,
        limits: EndpointLimits | None = None,
        clock: Callable[[], int] = monotonic_us,
        utc: Callable[[], int] = utc_us,
        most: int = 8192,
    ) -> None:
        self.endpoint = MqttEndpoint(Directory.of(registry()), self._wake, limits, clock, utc)
        self.seen = Seen()
        self.most = most
        self.withhold: Callable[[Arrivals], frozenset[int]] = lambda _: frozenset()
        self.in_reserve = False
        self.running = asyncio.Event()
        self.running.set()
        self.port = 0
        self._arrived = asyncio.Event()
        self._changed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def _wake(self) -> None:
        self._arrived.set()

    async def start(self, context: ssl.SSLContext | None = None) -> None:
        self.port = await self.endpoint.start("127.0.0.1", 0, context)
        self._task = asyncio.create_task(self._cycle())

    async def stop(self) -> None:
        await self.endpoint.close()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _cycle(self) -> None:
        while True:
            await self._arrived.wait()
            await self.running.wait()
            self._arrived.clear()
            self.turn()

    def turn(self) -> None:
        taken = self.endpoint.take(self.most)
        if taken is not None:
            self.note(taken)
            self.endpoint.settle(taken, settled(len(taken.device_no), self.withhold(taken), self.in_reserve))

    def note(self, taken: Arrivals) -> None:
        seen = self.seen
        seen.readings += zip(taken.device_no, taken.payload, strict=True)
        seen.content_types += [taken.content_type.get(n, "") for n in range(len(taken.payload))]
        seen.replies += taken.replies
        seen.connected += taken.connected
        seen.acknowledged += taken.acknowledged
        seen.takes.append(len(taken.device_no))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something taken makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def turns(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens in the endpoint without a take, one turn of the loop after the other."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                await asyncio.sleep(0)

    def gauge(self, name: str) -> float:
        return self.endpoint.gauges()[f"mqtt_{name}"]

    def refused(self, why: str) -> float:
        return self.gauge(f"refused_{why}_total")


class RawClient:
    """A client that sends exactly the bytes it is told to and parses what comes back."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, version: int) -> None:
        self.reader, self.writer, self.version = reader, writer, version
        self._data = b""

    @classmethod
    async def open(cls, port: int, version: int = V5, tls: ssl.SSLContext | None = None) -> "RawClient":
        name = "localhost" if tls else None
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
        return cls(reader, writer, version)

    def send(self, *packets: Packet) -> None:
        self.writer.write(b"".join(build(packet, self.version) for packet in packets))

    def send_bytes(self, data: bytes) -> None:
        self.writer.write(data)

    async def receive(self) -> Packet | None:
        """The next packet; None at the end of the connection."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                if self._data:
                    start, end = frame(self._data, 0, 1 << 20, self.version)
                    if start >= 0 and end <= len(self._data):
                        packet = parse(self._data[0], self._data[start:end], self.version)
                        self._data = self._data[end:]
                        return packet
                try:
                    more = await self.reader.read(65536)
                except ConnectionError:
                    return None
                if not more:
                    return None
                self._data += more

    async def received(self, count: int) -> list[Packet | None]:
        return [await self.receive() for _ in range(count)]

    async def ended(self) -> list[Packet]:
        """Everything until the end of the connection."""
        packets = []
        while (packet := await self.receive()) is not None:
            packets.append(packet)
        return packets

    def close(self) -> None:
        self.writer.close()

    def abort(self) -> None:
        self.writer.transport.abort()


def connect_as(
    device_no: int,
    version: int = V5,
    client_id: str = "c1",
    clean: bool = True,
    properties: Properties = NO_PROPERTIES,
    keep_alive_s: int = 60,
) -> Connect:
    identity = IDENTITY[device_no]
    return Connect(
        client_id,
        version,
        clean,
        keep_alive_s,
        identity,
        token(identity).encode(),
        properties=properties,
    )


async def signed_in(
    town: Town,
    device_no: int,
    version: int = V5,
    client_id: str = "c1",
    clean: bool = True,
    properties: Properties = NO_PROPERTIES,
    keep_alive_s: int = 60,
) -> tuple[RawClient, Connack]:
    client = await RawClient.open(town.port, version)
    client.send(connect_as(device_no, version, client_id, clean, properties, keep_alive_s))
    answer = await client.receive()
    assert isinstance(answer, Connack)
    assert answer.reason == 0, answer
    return client, answer


async def listening(
    town: Town,
    device_no: int,
    version: int = V5,
    qos: int = 1,
    client_id: str = "c1",
    clean: bool = True,
    properties: Properties = NO_PROPERTIES,
) -> RawClient:
    """Signed in and subscribed to its own commands; the loop has heard that it can be reached."""
    before = town.seen.connected.count(device_no)
    client, _ = await signed_in(town, device_no, version, client_id, clean, properties)
    client.send(Subscribe(1, (Filter(topic(device_no, "command"), qos),)))
    answer = await client.receive()
    assert isinstance(answer, Suback)
    assert answer.reasons == (qos,)
    await town.until(lambda: town.seen.connected.count(device_no) > before)
    return client


def reading(packet_id: int, device_no: int = DETECTOR, payload: bytes = b'{"seq":1}', qos: int = 1) -> Publish:
    return Publish(topic(device_no), payload, qos, packet_id if qos else 0)


@contextlib.asynccontextmanager
async def open_town(
    limits: EndpointLimits | None = None,
    clock: Callable[[], int] = monotonic_us,
    utc: Callable[[], int] = utc_us,
    most: int = 8192,
) -> AsyncIterator[Town]:
    town = Town(limits, clock, utc, most)
    await town.start()
    try:
        yield town
    finally:
        await town.stop()
