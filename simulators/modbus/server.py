"""Ports on which lines are served: TCP (plain Modbus, or RTU frames over it) and a pseudo-terminal."""

import asyncio
import contextlib
import os
import tty
from pathlib import Path
from typing import cast

from simulators.modbus.line import Framing, Line, Talk

#: Unasked bytes are not piled up for a client that does not read.
_MOST_UNSENT_BYTES = 65_536
_READ_BYTES = 4096
_PSEUDO_TERMINALS = "/dev/pts"


class TcpPort:
    """A line served on TCP. After `close`, `open` serves the same port again."""

    def __init__(self, line: Line, framing: Framing = Framing.MBAP, host: str = "127.0.0.1", port: int = 0) -> None:
        """`port` 0: one that is free, known after `open`."""
        self.line = line
        self.port = port
        self._framing = framing
        self._host = host
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._flood: asyncio.Task[None] | None = None

    async def open(self) -> int:
        """The port it listens on. Raises OSError."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._connection, self._host, self.port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._flood is not None:
            self._flood.cancel()
            self._flood = None
        if self._server is not None:
            self._server.close()
            self._server = None
        self.drop()

    def drop(self) -> None:
        """Cut every connection off, without a word."""
        for connection in tuple(self._connections):
            connection.cut()

    @property
    def connections(self) -> int:
        return len(self._connections)

    def flood(self, data: bytes, per_s: float = 100.0) -> None:
        """Send `data`, unasked, to every connection so many times a second; empty: stop it."""
        if self._flood is not None:
            self._flood.cancel()
            self._flood = None
        if data:
            self._flood = asyncio.get_running_loop().create_task(self._keep_flooding(data, per_s))

    async def _keep_flooding(self, data: bytes, per_s: float) -> None:
        while True:
            for connection in tuple(self._connections):
                connection.put_unasked(data)
            await asyncio.sleep(1.0 / per_s)

    def _connection(self) -> "_Connection":
        return _Connection(self.line, self._framing, self._connections)


class _Connection(asyncio.Protocol):
    def __init__(self, line: Line, framing: Framing, among: "set[_Connection]") -> None:
        self._line = line
        self._framing = framing
        self._among = among
        self._transport: asyncio.Transport | None = None
        self._talk: Talk | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's classes, though they do the same.
        self._transport = cast(asyncio.Transport, transport)
        self._talk = Talk(self._line, self._framing, self._transport.write, self._transport.close)
        self._among.add(self)

    def data_received(self, data: bytes) -> None:
        assert self._talk is not None, "data comes after the connection"
        self._talk.feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._among.discard(self)
        if self._talk is not None:
            self._talk.end()

    def cut(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def put_unasked(self, data: bytes) -> None:
        if self._transport is not None and self._transport.get_write_buffer_size() < _MOST_UNSENT_BYTES:
            self._transport.write(data)


class SerialPort:
    """A line served as RTU on a pseudo-terminal, reached by the symbolic link `path`, which this makes and removes."""

    def __init__(self, line: Line, path: Path) -> None:
        self.line = line
        self.path = path
        self._ours = -1
        self._theirs = -1
        self._talk: Talk | None = None

    def plug_in(self) -> None:
        """Raises OSError; FileExistsError for a path that is something other than a link that one of us left."""
        left_behind = self.path.is_symlink() and self.path.readlink().is_relative_to(_PSEUDO_TERMINALS)
        if os.path.lexists(self.path) and not left_behind:
            raise FileExistsError(f"{self.path} is there already, and no link to a pseudo-terminal")
        self._ours, self._theirs = os.openpty()
        # Raw: bytes pass as they are, and nothing is echoed. Our hold on the other end keeps the line up while nobody
        # has it open, as a cable does.
        tty.setraw(self._theirs)
        os.set_blocking(self._ours, False)
        self.path.unlink(missing_ok=True)
        self.path.symlink_to(os.ttyname(self._theirs))
        self._talk = Talk(self.line, Framing.RTU, self._put, self.pull_out)
        asyncio.get_running_loop().add_reader(self._ours, self._hear)

    def pull_out(self) -> None:
        """The adapter is pulled out: whoever has it open is hung up on, and the path is gone."""
        if self._ours < 0:
            return
        asyncio.get_running_loop().remove_reader(self._ours)
        if self._talk is not None:
            self._talk.end()
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1
        self.path.unlink(missing_ok=True)

    def _hear(self) -> None:
        assert self._talk is not None, "bytes come after it was plugged in"
        with contextlib.suppress(BlockingIOError):
            self._talk.feed(os.read(self._ours, _READ_BYTES))

    def _put(self, data: bytes) -> None:
        # A full line loses bytes, as a real one does whose other end does not read.
        with contextlib.suppress(BlockingIOError):
            os.write(self._ours, data)
