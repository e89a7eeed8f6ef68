"""A small MQTT client for what we do at other people's brokers besides reading: probes, benchmarks, tests. It says only
what it is told to, keeps every packet it hears, and acknowledges what it is sent."""

import asyncio
import contextlib
import ssl
from collections.abc import Callable
from typing import TypeVar

from ingest.mqtt_packets import Connack, Connect, Filter, Packet, Puback, Publish, Suback, Subscribe, build, parse
from ingest.mqtt_properties import NO_PROPERTIES, Properties
from ingest.mqtt_stream import frame
from ingest.mqtt_wire import MOST_VARIABLE, V5

PacketT = TypeVar("PacketT")

_MOST_ID = 0xFFFF
_READ_BYTES = 65_536


class BrokerClient:
    """`heard` holds the packets that came and were not asked for by `hear`; `on_packet` may be replaced by something
    that keeps less. All waiting ends with TimeoutError."""

    def __init__(self, version: int = V5, patience_s: float = 15.0) -> None:
        self.version = version
        self.heard: list[Packet] = []
        self.on_packet: Callable[[Packet], None] = self.heard.append
        self._patience_s = patience_s
        self._changed = asyncio.Event()
        self._last_id = 0
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(
        self,
        host: str,
        port: int,
        client_id: str,
        *,
        clean: bool = True,
        username: str | None = None,
        password: bytes | None = None,
        properties: Properties = NO_PROPERTIES,
        tls: ssl.SSLContext | None = None,
    ) -> Connack:
        """The broker's answer, whatever it is. Raises OSError, or ConnectionError when it closes without one."""
        async with asyncio.timeout(self._patience_s):
            reader, self._writer = await asyncio.open_connection(host, port, ssl=tls)
        self._listening = asyncio.create_task(self._listen(reader))
        self.say(Connect(client_id, self.version, clean, 60, username, password, properties=properties))
        return await self.hear(Connack)

    async def subscribe(self, *topics: str, qos: int = 1) -> Suback:
        self.say(Subscribe(self._next_id(), tuple(Filter(topic, qos) for topic in topics)))
        return await self.hear(Suback)

    def publish(
        self, topic: str, payload: bytes, qos: int = 1, *, retain: bool = False, properties: Properties = NO_PROPERTIES
    ) -> int:
        """Returns the packet identifier, 0 for QoS 0."""
        packet_id = self._next_id() if qos else 0
        self.say(Publish(topic, payload, qos, packet_id, False, retain, properties))
        return packet_id

    async def published(
        self, topic: str, payload: bytes, *, retain: bool = False, properties: Properties = NO_PROPERTIES
    ) -> Puback:
        """Publish at QoS 1 and wait for the broker's answer."""
        packet_id = self.publish(topic, payload, retain=retain, properties=properties)
        return await self.hear(Puback, lambda puback: puback.packet_id == packet_id)

    async def hear(self, kind: type[PacketT], which: Callable[[PacketT], bool] = lambda _: True) -> PacketT:
        """The next packet of a kind, taken out of `heard`. Raises ConnectionError when there will be none."""

        def found() -> PacketT | None:
            return next((packet for packet in self.heard if isinstance(packet, kind) and which(packet)), None)

        await self.until(lambda: found() is not None or self.gone)
        packet = found()
        if packet is None:
            raise ConnectionError(f"the broker closed the connection instead of a {kind.__name__}")
        self.heard.remove(packet)  # type: ignore[arg-type]
        return packet

    def payloads(self, topic: str) -> list[bytes]:
        """Of the messages heard on a topic."""
        return [packet.payload for packet in self.heard if isinstance(packet, Publish) and packet.topic == topic]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until something heard makes it true."""
        async with asyncio.timeout(self._patience_s):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    @property
    def gone(self) -> bool:
        return self._listening is None or self._listening.done()

    def say(self, packet: Packet) -> None:
        if self._writer is not None:
            self._writer.write(build(packet, self.version))

    async def close(self) -> None:
        """Without a goodbye, as a device that loses its network."""
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    def _next_id(self) -> int:
        self._last_id = self._last_id % _MOST_ID + 1
        return self._last_id

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        data = b""
        try:
            with contextlib.suppress(OSError):
                while more := await reader.read(_READ_BYTES):
                    data = self._split(data + more)
                    self._changed.set()
        finally:
            asyncio.get_running_loop().call_soon(self._changed.set)  # when this task is done

    def _split(self, data: bytes) -> bytes:
        """Take every whole packet; returns what is left."""
        at = 0
        while at < len(data):
            start, end = frame(data, at, MOST_VARIABLE, self.version)
            if start < 0 or end > len(data):
                break
            packet = parse(data[at], data[start:end], self.version)
            at = end
            self.on_packet(packet)
            if isinstance(packet, Publish) and packet.qos:
                self.say(Puback(packet.packet_id))
        return data[at:]
