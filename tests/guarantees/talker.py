"""A device that keeps books: a plain MQTT 3.1.1 client on a socket that knows exactly what was acknowledged to it."""

import asyncio
import contextlib
import json
from collections.abc import Callable

from tests.guarantees.town import TOKEN


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _packet(head: int, body: bytes) -> bytes:
    size, length = b"", len(body)
    while True:
        size += bytes([(length & 0x7F) | (0x80 if length > 0x7F else 0)])
        length >>= 7
        if not length:
            return bytes([head]) + size + body


class Talker:
    """Publishes at QoS 1. `acknowledged` grows with every PUBACK; `heard` with every command."""

    def __init__(self, port: int, identity: str) -> None:
        self.identity = identity
        self.acknowledged: list[int] = []
        self.heard: list[dict[str, object]] = []
        self.on_command: Callable[[dict[str, object]], None] = lambda command: None
        self.changed = asyncio.Event()
        self._port = port
        self._packet_id = 0
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._listening: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        body = _text("MQTT") + b"\x04\xc2" + (60).to_bytes(2, "big")
        body += _text(self.identity.replace("/", "-")) + _text(self.identity) + _text(TOKEN)
        self._writer.write(_packet(0x10, body))
        assert await self._reader.readexactly(4) == b"\x20\x02\x00\x00"
        self._listening = asyncio.create_task(self._listen(self._reader))

    async def listen_for_commands(self) -> None:
        """SUBSCRIBE to the own command topic."""
        assert self._writer is not None
        topic = f"davy/v1/{self.identity}/command"
        self._writer.write(_packet(0x82, b"\x00\x01" + _text(topic) + b"\x01"))
        await self._writer.drain()

    def say(self, identity: str, reading: dict[str, object] | bytes, kind: str = "telemetry") -> int:
        """PUBLISH at QoS 1; returns the packet id that a PUBACK will carry."""
        assert self._writer is not None
        self._packet_id = self._packet_id % 65_535 + 1
        payload = reading if isinstance(reading, bytes) else json.dumps(reading).encode()
        body = _text(f"davy/v1/{identity}/{kind}") + self._packet_id.to_bytes(2, "big") + payload
        self._writer.write(_packet(0x32, body))
        return self._packet_id

    async def said(self, identity: str, reading: dict[str, object] | bytes, kind: str = "telemetry") -> None:
        """PUBLISH, and wait for the PUBACK."""
        packet_id = self.say(identity, reading, kind)
        await self.until(lambda: packet_id in self.acknowledged)

    async def offer(self, identity: str, reading: dict[str, object] | bytes) -> bool:
        """PUBLISH, and wait for the PUBACK or the end of the connection; whether it was acknowledged."""
        packet_id = self.say(identity, reading)
        await self.until(lambda: packet_id in self.acknowledged or self.gone, within_s=60)
        return packet_id in self.acknowledged

    async def until(self, true: Callable[[], bool], within_s: float = 10.0) -> None:
        """Wait until something heard makes it true. Raises TimeoutError."""
        async with asyncio.timeout(within_s):
            while not true():
                await self.changed.wait()
                self.changed.clear()

    @property
    def gone(self) -> bool:
        return self._listening is None or self._listening.done()

    async def close(self) -> None:
        if self._listening is not None:
            self._listening.cancel()
            await asyncio.gather(self._listening, return_exceptions=True)
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()

    async def _listen(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, OSError):
            while True:
                head = (await reader.readexactly(1))[0]
                size, shift = 0, 0
                while True:
                    digit = (await reader.readexactly(1))[0]
                    size |= (digit & 0x7F) << shift
                    shift += 7
                    if digit < 0x80:
                        break
                self._hear(head, await reader.readexactly(size))
                self.changed.set()
        self.changed.set()

    def _hear(self, head: int, body: bytes) -> None:
        assert self._writer is not None
        if head >> 4 == 4:
            self.acknowledged.append(int.from_bytes(body[:2], "big"))
        elif head >> 4 == 3:
            topic = int.from_bytes(body[:2], "big")
            packet_id, payload = body[2 + topic : 4 + topic], body[4 + topic :]
            self._writer.write(b"\x40\x02" + packet_id)
            command = json.loads(payload)
            self.heard.append(command)
            self.on_command(command)
