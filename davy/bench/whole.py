"""The whole of `davy up` as a thing to measure and to hurt: every process, the embedded PostgreSQL, a fresh folder."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from davy.bench.rig import free_port, usage
from davy.settings import Settings, load_settings
from engine.client import DoorClient, EngineAway

READY_WITHIN_S = 90.0
PARTS = ("engine", "storage", "api", "postgres")


@dataclass(frozen=True, slots=True)
class Whole:
    """A running `davy up`."""

    settings: Settings
    pid: int

    def pids(self) -> dict[str, list[int]]:
        """Processes by part, PostgreSQL with its children; a part that is just being restarted has none."""
        children = _children()
        found: dict[str, list[int]] = {part: [] for part in PARTS}
        for child in children.get(self.pid, []):
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            name = words[-2].decode() if len(words) > 1 and words[-2].decode() in PARTS else ""
            if name or b"postgres" in words[0]:
                found[name or "postgres"] += [child, *_below(children, child)]
        return found

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds by part."""
        return {part: sum(usage(pid).cpu_s for pid in pids) for part, pids in self.pids().items()}

    async def door(self) -> DoorClient:
        """A connection to the engine, once it answers and the follower has begun. Raises RuntimeError."""
        give_up = time.monotonic() + READY_WITHIN_S
        while time.monotonic() < give_up:
            door = DoorClient(self.settings.door)
            with contextlib.suppress(EngineAway):
                await door.connect()
                if (await door.status()).followers.get("storage", 0) > 0:
                    return door
            await door.close()
            await asyncio.sleep(0.2)
        raise RuntimeError(f"davy up was not ready: {self.log()[-500:]}")

    def log(self) -> str:
        return (self.settings.data.parent / "up.log").read_text()

    async def davy(self, *arguments: str) -> dict[str, object]:
        """Run a command with --json beside it. Raises RuntimeError with its words when it fails."""
        command = [sys.executable, "-m", "davy", *arguments, "--json"]
        done = await asyncio.to_thread(
            subprocess.run, command, env=os.environ | self.settings.environment(), capture_output=True, text=True
        )
        if done.returncode:
            raise RuntimeError(f"davy {' '.join(arguments)} ended with {done.returncode}: {done.stderr or done.stdout}")
        found: dict[str, object] = json.loads(done.stdout)
        return found


@contextlib.asynccontextmanager
async def whole(where: Path | None) -> AsyncIterator[Whole]:
    """Everything up inside, and gone after. `where`: the disk to use."""
    folder = open_folder(where)
    environ = {
        "DAVY_CONFIG": "",
        "DAVY_DATA": str(folder / "data"),
        "DAVY_MQTT_PORT": str(free_port()),
        "DAVY_HTTP_PORT": str(free_port()),
    }
    settings = load_settings(environ, folder)
    up = _start(settings, folder / "up.log")
    try:
        yield Whole(settings, up.pid)
    finally:
        up.send_signal(signal.SIGTERM)
        await asyncio.to_thread(up.wait, 60)
        shutil.rmtree(folder, ignore_errors=True)


def open_folder(where: Path | None) -> Path:
    """A folder of our own that other accounts may pass through: as root, PostgreSQL runs as one of them, and would
    else live outside of it and be left behind."""
    folder = Path(tempfile.mkdtemp(prefix="davy-bench-", dir=where))
    folder.chmod(0o711)
    return folder


def _start(settings: Settings, log: Path) -> "subprocess.Popen[bytes]":
    with log.open("w") as out:
        return subprocess.Popen(
            [sys.executable, "-m", "davy", "up"], env=os.environ | settings.environment(), stdout=out, stderr=out
        )


def _children() -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text("ascii").rpartition(")")[2].split()[1])
                found.setdefault(parent, []).append(int(entry.name))
    return found


def _below(children: dict[int, list[int]], pid: int) -> list[int]:
    found: list[int] = []
    for child in children.get(pid, []):
        found += [child, *_below(children, child)]
    return found
