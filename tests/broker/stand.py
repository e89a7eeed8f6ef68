"""A link to a real broker, a cycle made by hand, and devices that are plain MQTT clients."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from davy.broker_client import BrokerClient
from ingest.broker_limits import BrokerLimits
from ingest.broker_plan import Broker, Partition
from ingest.broker_sessions import KnownSessions
from ingest.links import Arrivals, Settled, Upto
from ingest.mqtt_directory import Directory
from ingest.mqtt_endpoint import utc_us
from ingest.mqtt_packets import Connack
from ingest.mqtt_subscriber import BrokerLink
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

    def __init__(
        self, broker: Broker, folder: Path, limits: BrokerLimits | None = None, sessions: KnownSessions | None = None
    ) -> None:
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
            sessions or KnownSessions(folder / "sessions.json"),
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
async def open_stand(
    broker: Broker, folder: Path, limits: BrokerLimits | None = None, sessions: KnownSessions | None = None
) -> AsyncIterator[Stand]:
    stand = Stand(broker, folder, limits, sessions)
    await stand.link.start()
    try:
        yield stand
    finally:
        await stand.close()


class Device(BrokerClient):
    """A device, or anybody else, at a broker on this machine."""

    async def at(self, port: int, client_id: str, **more: object) -> Connack:
        return await self.connect("127.0.0.1", port, client_id, **more)  # type: ignore[arg-type]
