"""Engines under test: the real process, to be killed, and the real wiring inside the test, to be looked into."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from davy.settings import Settings, load_settings
from davy.wiring import run_engine
from devices.sites import Registry, encode_registry
from engine.client import DoorClient, EngineAway


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_for(data: Path, port: int, **more: str) -> Settings:
    environ = {"DAVY_CONFIG": "", "DAVY_DATA": str(data), "DAVY_MQTT_PORT": str(port), **more}
    return load_settings(environ, data.parent)


async def door_of(settings: Settings, within_s: float = 20.0) -> DoorClient:
    """A connection to the engine's door, as soon as it is open."""
    async with asyncio.timeout(within_s):
        while True:
            door = DoorClient(settings.door)
            try:
                await door.connect()
            except EngineAway:
                await asyncio.sleep(0.02)
            else:
                return door


class EngineProcess:
    """`davy engine` as a process of its own."""

    def __init__(self, data: Path, **more: str) -> None:
        self.port = free_port()
        data.mkdir(exist_ok=True)
        self.settings = settings_for(data, self.port, **more)
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "davy", "engine"],
            env=os.environ | self.settings.environment(),
            stderr=subprocess.DEVNULL,
        )

    async def started(self, registry: Registry | None = None) -> None:
        self.start()
        door = await door_of(self.settings)
        if registry is not None:
            await door.replace_registry(1, encode_registry(registry))
        await door.close()

    def kill(self) -> None:
        self.end(signal.SIGKILL)

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        assert self._process is not None
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(how)
        return self._process.wait(20)

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    async def died(self, within_s: float = 20.0) -> int:
        assert self._process is not None
        async with asyncio.timeout(within_s):
            while self._process.poll() is None:
                await asyncio.sleep(0.02)
        return self._process.returncode


@contextlib.asynccontextmanager
async def engine_inside(data: Path, registry: Registry, **more: str) -> AsyncIterator[tuple[Settings, DoorClient]]:
    """The whole engine on the test's own loop, stopped at the end. What it raises reaches the test."""
    data.mkdir(exist_ok=True)
    settings = settings_for(data, free_port(), **more)
    stop = asyncio.Event()
    running = asyncio.create_task(run_engine(settings, stop))
    opening = asyncio.create_task(door_of(settings))
    await asyncio.wait([running, opening], return_when=asyncio.FIRST_COMPLETED)
    if running.done():
        opening.cancel()
        await running
    door = await opening
    try:
        await door.replace_registry(1, encode_registry(registry))
        yield settings, door
    finally:
        await door.close()
        stop.set()
        await running
