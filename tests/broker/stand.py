"""A link to a real broker, a cycle made by hand, and devices that are plain MQTT clients."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ingest.broker_limits import BrokerLimits
from ingest.broker_plan import Broker, Partition
from ingest.broker_sessions import KnownSessions
from ingest.links import Arrivals, Settled, Upto
from ingest.mqtt_directory import Directory
from ingest.mqtt_endpoint import utc_us
from ingest.mqtt_packets import Connack, Connect, Filter, Packet, Puback, Publish, Suback, Subscribe, build, parse
from ingest.mqtt_properties import NO_PROPERTIES, Properties
from ingest.mqtt_stream import frame
from ingest.mqtt_subscriber import BrokerLink
from ingest.mqtt_wire import V5
from tests.mqtt.town import DETECTOR, GATEWAY, IDENTITY, VALVE, registry

__all__ = ["DETECTOR", "GATEWAY", "IDENTITY", "VALVE", "Device", "Stand", "broker_at", "open_stand", "topic"]

PATIENCE_S = 15.0


def topic(device_no: int, kind: str = "telemetry") -> str:
    return f"davy/v1/{IDENTITY[device_no]}/{kind}"


def broker_at(port: int, **more: object) -> Broker:
    told: dict[str, object] = {
        "name": "city",
        "gateway": IDENTITY[GATEWAY],
        "host": "127.0.0.1",
        "port": port,
        "partitions": (Partition("davy-1", ("acme/+",)),),
    }
    return Broker(**(told | more))  # type: ignore[arg-type]


@dataclass
class Seen:
    readings: list[tuple[int, bytes]] = field(default_factory=list)
    retained: list[bytes] = field(default_factory=list)
    content_types: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    connected: list[int] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    sent: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    down: list[tuple[int, str]] = field(default_factory=list)
    up: list[int] = field(default_factory=list)
    session_lost: list[tuple[int, str]] = field(default_factory=list)


class Stand:
    """The link and its cycle. While `running` is clear nothing is taken; while `settling` is clear what is taken is
    kept in `unsettled`."""

    def __init__(self, broker: Broker, folder: Path, limits: BrokerLimits | None = None) -> None:
        self.seen = Seen()
        self.running, self.settling = asyncio.Event(), asyncio.Event()
        self.running.set()
        self.settling.set()
        self.unsettled: list[Arrivals] = []
        self.withhold: Callable[[Arrivals], frozenset[int]] = lambda _: frozenset()
        self.upto: Callable[[Arrivals], tuple[Upto, ...]] = lambda _: ()
        self.in_reserve = False
        self._arrived, self._changed = asyncio.Event(), asyncio.Event()
        self.link = BrokerLink(
            broker,
            Directory.of(registry()),
            self._arrived.set,
            KnownSessions(folder / "sessions.json"),
            utc_us,
            random.Random(1),
            limits,
        )
        self._task = asyncio.create_task(self._cycle())

    async def close(self) -> None:
        await self.link.close()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _cycle(self) -> None:
        while True:
            await self._arrived.wait()
            await self.running.wait()
            self._arrived.clear()
            taken = self.link.take(8192)
            if taken is not None:
                self._note(taken)
                self.unsettled.append(taken)
                if self.settling.is_set():
                    self.settle()

    def settle(self) -> None:
        taken, self.unsettled = self.unsettled, []
        for one in taken:
            zeros = np.zeros(len(one.payload), np.int64)
            settled = Settled(self.withhold(one), zeros, zeros, zeros, self.in_reserve, self.upto(one))
            self.link.settle(one, settled)

    def _note(self, taken: Arrivals) -> None:
        seen = self.seen
        seen.readings += zip(taken.device_no, taken.payload, strict=True)
        seen.retained += [taken.payload[at] for at in taken.retained]
        seen.content_types += [taken.content_type.get(n, "") for n in range(len(taken.payload))]
        seen.topics += taken.topics.values()
        for name in ("replies", "connected", "acknowledged", "sent", "failed", "down", "up", "session_lost"):
            getattr(seen, name).extend(getattr(taken, name))
        self._changed.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something taken makes the condition true."""
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._changed.wait(), 0.05)

    async def connected(self) -> None:
        partitions = len(self.link.broker.partitions)
        await self.until(lambda: self.link.gauges()["broker_city_partitions_up"] == partitions)

    def count(self, name: str) -> float:
        return self.link.gauges()[f"broker_city_{name}_total"]


@contextlib.asynccontextmanager
async def open_stand(broker: Broker, folder: Path, limits: BrokerLimits | None = None) -> AsyncIterator[Stand]:
    stand = Stand(broker, folder, limits)
    await stand.link.start()
    try:
        yield stand
    finally:
        await stand.close()


class Device:
    """A client that speaks packets: what a test does not say, it does not do. `said` holds every packet received."""

    def __init__(self, version: int = V5) -> None:
        self.version = version
        self.said: list[Packet] = []
        self._changed = asyncio.Event()
        self._ids = 0

    async def connect(
        self,
        port: int,
        client_id: str,
        *,
        clean: bool = True,
        username: str | None = None,
        password: bytes | None = None,
        properties: Properties = NO_PROPERTIES,
        **tls: object,
    ) -> Connack:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", port, **tls)  # type: ignore[arg-type]
        self._task = asyncio.create_task(self._listen())
        self.say(Connect(client_id, self.version, clean, 60, username, password, properties=properties))
        return await self.hear(Connack)

    async def subscribe(self, *topics: str, qos: int = 1) -> Suback:
        self.say(Subscribe(self._id(), tuple(Filter(one, qos) for one in topics)))
        return await self.hear(Suback)

    def publish(
        self, to: str, payload: bytes, qos: int = 1, *, retain: bool = False, properties: Properties = NO_PROPERTIES
    ) -> None:
        self.say(Publish(to, payload, qos, self._id() if qos else 0, False, retain, properties))

    async def published(self, to: str, payload: bytes, **more: object) -> Puback:
        """Publish and wait for the broker's answer."""
        self.publish(to, payload, **more)  # type: ignore[arg-type]
        mine = self._ids
        await self.until(lambda: any(isinstance(one, Puback) and one.packet_id == mine for one in self.said))
        return next(one for one in self.said if isinstance(one, Puback) and one.packet_id == mine)

    def heard(self, to: str) -> list[bytes]:
        return [one.payload for one in self.said if isinstance(one, Publish) and one.topic == to]

    async def hear(self, kind: type) -> "Packet":  # type: ignore[type-arg]
        await self.until(lambda: any(isinstance(one, kind) for one in self.said))
        found = next(one for one in self.said if isinstance(one, kind))
        self.said.remove(found)
        return found

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def gone(self) -> bool:
        return self._task.done()

    def say(self, packet: Packet) -> None:
        self._writer.write(build(packet, self.version))

    async def close(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    def _id(self) -> int:
        self._ids = self._ids % 65_535 + 1
        return self._ids

    async def _listen(self) -> None:
        data = b""
        with contextlib.suppress(OSError):
            while more := await self._reader.read(65_536):
                data += more
                at = 0
                while at < len(data):
                    start, end = frame(data, at, 1 << 28, self.version)
                    if start < 0 or end > len(data):
                        break
                    packet = parse(data[at], data[start:end], self.version)
                    self.said.append(packet)
                    if isinstance(packet, Publish) and packet.qos:
                        self.say(Puback(packet.packet_id))
                    at = end
                data = data[at:]
                self._changed.set()
        self._changed.set()
