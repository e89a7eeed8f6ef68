"""A Modbus server made for mischief: raw bytes on a real socket or a pseudo-terminal. It shares no code with Davy.

`tricks[unit]` says how the unit misbehaves, from TRICKS; no entry: it answers as the standard says.
"""

import asyncio
import contextlib
import os
import struct
import tty
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

TRICKS = (
    "silence",  # nothing, ever
    "late",  # nothing now; the whole reply just before the answer to the next request, of whatever unit
    "late after the time-out",  # 70 ms after the request, as TCP: on the connection that asked
    "wrong unit",
    "wrong function",
    "wrong number",  # of the transaction
    "wrong count",  # one register fewer than asked
    "wrong echo",
    "truncated",  # the first half, and no more
    "garbage",
    "flood",  # bytes without end
    "two replies",
    "hang up",  # and do nothing
    "hang up after",  # it was done
    "hang up mid-reply",
    "trickle",  # a byte now and then, never all
    "exception 2",
    "exception 6",
    "exception 11",
)


@dataclass
class Asked:
    """A request as it came."""

    unit: int
    pdu: bytes
    connection: int

    @property
    def function(self) -> int:
        return self.pdu[0]

    @property
    def is_write(self) -> bool:
        return self.pdu[0] in (5, 6, 15, 16)

    @property
    def at(self) -> int:
        return int(struct.unpack_from(">H", self.pdu, 1)[0])


@dataclass
class Bank:
    """What one unit holds: address -> word or bit."""

    holding: dict[int, int] = field(default_factory=dict)
    inputs: dict[int, int] = field(default_factory=dict)
    coils: dict[int, int] = field(default_factory=dict)
    discrete: dict[int, int] = field(default_factory=dict)


class Outstation:
    """The units behind one link. `asked`: all requests, in order. `on_write`: told (unit, space, address, value)."""

    def __init__(self) -> None:
        self.banks: dict[int, Bank] = defaultdict(Bank)
        self.tricks: dict[int, str] = {}
        self.asked: list[Asked] = []
        self.on_write: Callable[[int, str, int, int], None] = lambda *_: None
        self.delay_s = 0.0
        self.owed = b""
        self.connections = 0

    def writes(self) -> list[Asked]:
        return [asked for asked in self.asked if asked.is_write]

    def answer(self, unit: int, pdu: bytes) -> bytes:
        bank, function = self.banks[unit], pdu[0]
        if function in (1, 2, 3, 4):
            first, count = struct.unpack(">HH", pdu[1:5])
            held = {1: bank.coils, 2: bank.discrete, 3: bank.holding, 4: bank.inputs}[function]
            values = [held.get(first + at, 0) for at in range(count)]
            if function in (3, 4):
                return bytes((function, 2 * count)) + struct.pack(f">{count}H", *values)
            body = bytearray((count + 7) // 8)
            for at, value in enumerate(values):
                body[at // 8] |= (value & 1) << (at % 8)
            return bytes((function, len(body))) + bytes(body)
        at, value = struct.unpack(">HH", pdu[1:5])
        if function in (5, 6):
            self._write(
                unit, "coil" if function == 5 else "holding", at, int(value == 0xFF00) if function == 5 else value
            )
            return pdu
        for offset in range(value):
            if function == 16:
                self._write(unit, "holding", at + offset, struct.unpack_from(">H", pdu, 6 + 2 * offset)[0])
            else:
                self._write(unit, "coil", at + offset, pdu[6 + offset // 8] >> (offset % 8) & 1)
        return pdu[:5]

    def _write(self, unit: int, space: str, at: int, value: int) -> None:
        bank = self.banks[unit]
        (bank.coils if space == "coil" else bank.holding)[at] = value
        self.on_write(unit, space, at, value)

    async def serve(
        self,
        unit: int,
        pdu: bytes,
        connection: int,
        send: Callable[[bytes], None],
        close: Callable[[], None],
        framed: Callable[[int, bytes, int], bytes],
    ) -> None:
        """One request. `framed(unit, pdu, off)`: a reply with its envelope, its transaction number off by `off`."""
        self.asked.append(Asked(unit, pdu, connection))
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        owed, self.owed = self.owed, b""
        trick = self.tricks.get(unit, "")
        if trick == "silence":
            return
        if trick == "late":
            self.owed = framed(unit, self.answer(unit, pdu), 0)
            return
        if trick == "late after the time-out":
            reply = framed(unit, self.answer(unit, pdu), 0)
            asyncio.get_running_loop().call_later(0.07, send, reply)
            return
        if owed:
            with contextlib.suppress(OSError):
                send(owed)
        answer = self.answer(unit, pdu) if trick != "hang up" else b""
        if trick.startswith("exception"):
            send(framed(unit, bytes((pdu[0] | 0x80, int(trick.split()[1]))), 0))
        elif trick == "wrong unit":
            send(framed(unit + 1, answer, 0))
        elif trick == "wrong function":
            send(framed(unit, bytes((7 - pdu[0],)) + answer[1:], 0))
        elif trick == "wrong number":
            send(framed(unit, answer, 1))
        elif trick == "wrong count":
            send(framed(unit, bytes((answer[0], answer[1] - 2)) + answer[2:-2], 0))
        elif trick == "wrong echo":
            send(framed(unit, answer[:-1] + bytes((answer[-1] ^ 1,)), 0))
        elif trick == "truncated":
            whole = framed(unit, answer, 0)
            send(whole[: len(whole) // 2])
        elif trick == "garbage":
            send(bytes(range(17, 17 + 40)))
        elif trick == "flood":
            send(b"\x55" * 65_536)
        elif trick == "two replies":
            send(framed(unit, answer, 0) * 2)
        elif trick in ("hang up", "hang up after"):
            close()
        elif trick == "hang up mid-reply":
            send(framed(unit, answer, 0)[:5])
            close()
        elif trick == "trickle":
            for byte in framed(unit, answer, 0)[:-1]:
                send(bytes((byte,)))
                await asyncio.sleep(0.05)
        else:
            send(framed(unit, answer, 0))


class TcpOutstation(Outstation):
    """Behind Modbus TCP, or (`rtu`) RTU frames over TCP. `flooding`: pour bytes over everybody who connects."""

    def __init__(self, *, rtu: bool = False) -> None:
        super().__init__()
        self.rtu = rtu
        self.port = 0
        self.flooding = False
        #: Told of everybody who connects, with what sends bytes to them.
        self.on_connect: Callable[[Callable[[bytes], None]], object] = lambda _: None
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def start(self, port: int = 0) -> None:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", port or self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Go away: nobody listens, and who was connected is cut off."""
        if self._server is not None:
            self._server.close()
            for writer in tuple(self._writers):
                writer.transport.abort()
            for task in self._tasks - {asyncio.current_task(), None}:
                task.cancel()
            self._server = None

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        self._writers.add(writer)
        self._tasks.add(asyncio.current_task())
        self.on_connect(writer.write)
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            while self.flooding:
                writer.write(b"\x55" * 65_536)
                await writer.drain()
            while True:
                await (self._one_rtu if self.rtu else self._one)(reader, writer, number)
        self._writers.discard(writer)
        self._tasks.discard(asyncio.current_task())
        writer.transport.abort()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        tid, _, length, unit = struct.unpack(">HHHB", await reader.readexactly(7))
        pdu = await reader.readexactly(length - 1)

        def framed(to: int, answer: bytes, off: int) -> bytes:
            return struct.pack(">HHHB", (tid + off) & 0xFFFF, 0, len(answer) + 1, to) + answer

        await self.serve(unit, pdu, connection, writer.write, writer.close, framed)

    async def _one_rtu(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, connection: int) -> None:
        unit, pdu = await read_rtu(reader)
        await self.serve(unit, pdu, connection, writer.write, writer.close, rtu)


class SerialOutstation(Outstation):
    """Behind a pseudo-terminal whose end for Davy is found at `path`, a symbolic link, as udev makes them."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self._master = -1
        self._tasks: set[asyncio.Task[None]] = set()
        self._reader = asyncio.StreamReader()
        self._task: asyncio.Task[None] | None = None

    def plug_in(self) -> None:
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(slave))
        os.close(slave)
        os.set_blocking(self._master, False)
        self.connections += 1
        self._reader = asyncio.StreamReader()
        asyncio.get_running_loop().add_reader(self._master, self._read)
        self._task = asyncio.create_task(self._serve())

    def unplug(self) -> None:
        """The adapter is pulled out: its device file is gone, and who has it open reads an error."""
        if self._master < 0:
            return
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)
        self._master = -1
        self.path.unlink()
        if self._task is not None:
            self._task.cancel()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # EIO: nobody has the other end open now
            data = os.read(self._master, 4096)
            self._reader.feed_data(data)

    async def _serve(self) -> None:
        while True:
            unit, pdu = await read_rtu(self._reader)
            await self.serve(unit, pdu, self.connections, self._send, self.unplug, rtu)

    def _send(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):
            os.write(self._master, data)


async def read_rtu(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """One request frame: unit and protocol data unit. The checksum is looked at."""
    head = await reader.readexactly(2)
    body = await reader.readexactly(4)
    if head[1] in (15, 16):
        many = await reader.readexactly(1)
        body += many + await reader.readexactly(many[0])
    crc = await reader.readexactly(2)
    assert crc == crc16(head + body), "a request with a wrong checksum"
    return head[0], head[1:] + body


def rtu(unit: int, pdu: bytes, _off: int = 0) -> bytes:
    frame = bytes((unit,)) + pdu
    return frame + crc16(frame)


def crc16(data: bytes) -> bytes:
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return struct.pack("<H", crc)
