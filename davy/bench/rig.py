"""An engine to measure: a process of its own on a fresh data folder, with a registry of simulated devices."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from davy.settings import Settings, load_settings
from devices.models import load_catalogue
from devices.sites import Credential, Device, Link, Registry, Site, encode_registry, packed, token_sha256
from engine.client import DoorClient, EngineAway
from simulators.registry import HomesSource

#: An engine with 100,000 devices reads its registry in a few seconds.
READY_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Usage:
    """A process at one moment: CPU seconds used, resident bytes, peak resident bytes."""

    cpu_s: float
    resident_bytes: int
    peak_bytes: int


def usage(pid: int) -> Usage:
    """Of a running process. Raises OSError when it is gone."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    ticks = int(fields[11]) + int(fields[12])
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text("ascii").splitlines())
    return Usage(
        cpu_s=ticks / os.sysconf("SC_CLK_TCK"),
        resident_bytes=int(status["VmRSS"].split()[0]) * 1024,
        peak_bytes=int(status["VmHWM"].split()[0]) * 1024,
    )


@dataclass(frozen=True, slots=True)
class Rig:
    """A running engine: its process, its settings, a way to ask it."""

    settings: Settings
    pid: int
    door: DoorClient

    def load(self, mode: str, *options: str) -> "Load":
        """Start the load generator, a process of its own."""
        return Load(mode, "--port", str(self.settings.mqtt_port), *options)


class Load:
    """`python -m simulators.load`, whose one line of JSON is the result."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "simulators.load", *arguments]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    async def result(self) -> dict[str, object]:
        """Wait for it. Raises RuntimeError with its own words when it failed."""
        out, told = await asyncio.to_thread(self.process.communicate)
        if self.process.returncode:
            raise RuntimeError(f"the load generator failed: {told.strip()}")
        found: dict[str, object] = json.loads(out)
        return found


def homes(*options: str) -> HomesSource:
    """The registry that a load with the same options will sign in to."""
    command = [sys.executable, "-m", "simulators.load", "homes", *options]
    made = subprocess.run(command, capture_output=True, check=True)
    return msgspec.json.decode(made.stdout, type=HomesSource)


def registry_of(source: HomesSource) -> Registry:
    """The source with numbers given in its order, as an import would."""
    return Registry(
        models=load_catalogue(),
        sites=tuple(Site(key=row.key, simulated=row.simulated) for row in source.sites),
        devices=tuple(
            Device(number, row.vendor, row.serial, row.model, row.site, row.gateway)
            for number, row in enumerate(source.devices, start=1)
        ),
        links=tuple(Link(row.detector, row.valve) for row in source.links),
        credentials=tuple(Credential(row.identity, token_sha256(row.token)) for row in source.tokens),
    )


@contextlib.asynccontextmanager
async def engine(
    known: HomesSource | Registry, where: Path | None = None, extra: Sequence[tuple[str, str]] = ()
) -> AsyncIterator[Rig]:
    """A fresh engine that knows these homes or this registry, gone with its data afterwards. `where`: the disk to
    measure."""
    folder = Path(tempfile.mkdtemp(prefix="davy-bench-", dir=where))
    environ = {"DAVY_CONFIG": "", "DAVY_DATA": str(folder), "DAVY_MQTT_PORT": str(free_port()), **dict(extra)}
    settings = load_settings(environ, folder)
    process = _start(settings, folder / "engine.log")
    try:
        async with await _door(settings, process) as door:
            registry = known if isinstance(known, Registry) else registry_of(known)
            await door.replace_registry(1, packed(encode_registry(registry)))
            yield Rig(settings, process.pid, door)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            await asyncio.to_thread(process.wait, 30)
        except subprocess.TimeoutExpired:
            process.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _start(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "davy", "engine"]
    with log.open("w") as out:
        return subprocess.Popen(command, env=os.environ | settings.environment(), stderr=out)


async def _door(settings: Settings, process: "subprocess.Popen[bytes]") -> DoorClient:
    give_up = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < give_up and process.poll() is None:
        door = DoorClient(settings.door)
        try:
            await door.connect()
        except EngineAway:
            await asyncio.sleep(0.02)
            continue
        await door.close()
        return DoorClient(settings.door)
    log = settings.data / "engine.log"
    raise RuntimeError(f"the engine did not start: {log.read_text()[-500:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
