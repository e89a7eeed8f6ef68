"""The real engine behind the same door as the double: the tests that speak HTTP only run against both."""

import asyncio
import gc
import socket
from pathlib import Path

from davy.settings import load_settings
from davy.wiring import run_engine
from devices.sites import Registry, encode_registry
from engine.client import DoorClient, EngineAway
from tests.api.homes import REGISTRY


class RealEngine:
    """An engine with a store of its own, in this process: stopped and started again it goes on where it was."""

    def __init__(self, data: Path, registry: Registry = REGISTRY) -> None:
        self._registry = registry
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.mqtt_port: int = free.getsockname()[1]
        environment = {
            "DAVY_CONFIG": "",
            "DAVY_DATA": str(data),
            "DAVY_MQTT_PORT": str(self.mqtt_port),
            "DAVY_STORE_CAP_BYTES": "64MiB",
        }
        self._settings = load_settings(environment, data)
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    @property
    def path(self) -> Path:
        return self._settings.door

    async def start(self) -> None:
        self._stop.clear()
        self._running = asyncio.create_task(run_engine(self._settings, self._stop))
        async with asyncio.timeout(20):
            await self._until_open(self._running)

    async def _until_open(self, running: "asyncio.Task[None]") -> None:
        while True:
            try:
                async with DoorClient(self.path) as door:
                    await door.replace_registry(1, encode_registry(self._registry))
                    return
            except EngineAway:
                if running.done():
                    running.result()
                await asyncio.sleep(0)

    async def stop(self) -> None:
        self._stop.set()
        if self._running is not None:
            await self._running
            self._running = None
        gc.unfreeze()
