"""`davy bench broker-kills`: Mosquitto, the engine and both are killed (SIGKILL), again and again, under load.

The broker keeps nothing on disk, so each of its deaths forgets every session and all that waited in them. Afterwards:
what Davy acknowledged to a device is stored exactly once; what a careful device ever measured is stored; and what the
broker lost of the careless ones was told as missing (`ReadingsMissing`) in time.
"""

import asyncio
import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import msgspec

from davy.bench.broker_devices import BOOT, CountingDevice, Keeps
from davy.bench.mosquitto import Mosquitto, free_port
from davy.settings import Settings, load_settings
from devices.models import load_catalogue
from devices.sites import Device, Registry, Site, encode_registry
from engine.client import DoorClient, EngineAway
from engine.journal import JournalReader
from rules.events import ReadingsComplete, ReadingsMissing, SessionLost

_VENDOR, _GATEWAY = "davysim", "broker"
_WITHIN_S = 60.0
#: The promise: what the broker lost is told within this.
TOLD_WITHIN_S = 30.0
_PAUSE_S = (0.2, 1.2)
_BROKERS = """
[brokers.kills]
host = "127.0.0.1"
port = {port}
gateway = "davysim/broker"

[[brokers.kills.partitions]]
client_id = "davy-1"
devices = ["davysim/+"]
"""


class Verdict(msgspec.Struct, frozen=True):
    """acknowledged: readings that Davy acknowledged to their devices. missing: of these, not stored. double: stored
    more than once. made_up: stored and never sent. never_stored: measured by careful devices, not stored in the end.
    broker_lost: acknowledged by the broker, and never seen by Davy. untold: of these, not told as missing within 30 s.
    slowest_told_s: from a lost reading's leaving to its being told, the slowest. Of a device that does not say `first`
    both count from the last kill, for an engine that was away gives what is missing all its time again; and what is
    lost while it stands that readings of this device are missing needs no telling."""

    kills: dict[str, int]
    acknowledged: int
    stored: int
    missing: int
    double: int
    made_up: int
    never_stored: int
    broker_lost: int
    untold: int
    slowest_told_s: float
    sessions_lost: int
    balanced: bool

    @property
    def ok(self) -> bool:
        wrong = self.missing or self.double or self.made_up or self.never_stored or self.untold
        return self.balanced and not wrong


class _Engine:
    """`davy engine` on a folder of its own, to be killed and started again."""

    def __init__(self, folder: Path, broker_port: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        file = folder / "brokers.toml"
        file.write_text(_BROKERS.format(port=broker_port))
        environ = {
            "DAVY_CONFIG": "",
            "DAVY_DATA": str(folder / "data"),
            "DAVY_MQTT_PORT": str(free_port()),
            "DAVY_BROKERS": str(file),
        }
        self.settings: Settings = load_settings(environ, folder)
        self.settings.data.mkdir(exist_ok=True)
        self._log = folder / "engine.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "davy", "engine"]
            environ = os.environ | self.settings.environment()
            self._process = subprocess.Popen(command, env=environ, stderr=log, stdout=log)

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._process.wait(20)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(20)

    async def door(self) -> DoorClient:
        """Raises RuntimeError when the engine does not answer."""
        give_up = time.monotonic() + _WITHIN_S
        while time.monotonic() < give_up:
            door = DoorClient(self.settings.door)
            with contextlib.suppress(EngineAway):
                await door.connect()
                return door
            await asyncio.sleep(0.05)
        raise RuntimeError("the engine does not answer")

    def last_words(self) -> str:
        return self._log.read_text(errors="replace")[-2_000:]


async def broker_kills(many: int, seed: int, where: Path | None, devices: int = 20, silent: int = 5) -> Verdict:
    """Kill each of broker, engine and both `many` times. `silent`: careless devices that do not say `first`, whose gaps
    take half a minute to be sure of. Raises RuntimeError when something does not come back."""
    rng = random.Random(seed)  # noqa: S311 - a run that can be repeated, not a secret
    folder = Path(tempfile.mkdtemp(prefix="davy-bench-", dir=where))
    mosquitto = Mosquitto(folder / "mosquitto")
    engine = _Engine(folder / "engine", mosquitto.port)
    kinds = [Keeps.UNTIL_STORED] * (devices // 2) + [Keeps.UNTIL_PUBACK_AND_SAYS_SO] * (devices - devices // 2)
    kinds += [Keeps.UNTIL_PUBACK] * silent
    all_devices = [CountingDevice(mosquitto.port, f"{_VENDOR}/d{n}", keeps) for n, keeps in enumerate(kinds)]
    try:
        mosquitto.start()
        engine.start()
        door = await engine.door()
        await door.replace_registry(1, encode_registry(_registry(len(all_devices))))
        await door.close()
        async with _running(all_devices):
            done = await _kill_all(rng, many, mosquitto, engine, all_devices)
            book = _Book(engine.settings.engine_store)
            calm_us = time.time_ns() // 1000
            await _all_told(book, all_devices)
        return _judge(done, engine, book, all_devices, calm_us)
    except RuntimeError as failed:
        raise RuntimeError(f"{failed}; the engine's last words: {engine.last_words()}") from failed
    finally:
        engine.stop()
        mosquitto.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _registry(devices: int) -> Registry:
    gateway = Device(1, _VENDOR, _GATEWAY, "sim_gateway", "town")
    detectors = [Device(n + 2, _VENDOR, f"d{n}", "sim_detector_home", "town") for n in range(devices)]
    return Registry(load_catalogue(), (Site("town", simulated=True),), (gateway, *detectors))


@contextlib.asynccontextmanager
async def _running(devices: Sequence[CountingDevice]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(device.run()) for device in devices]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _kill_all(
    rng: random.Random, many: int, mosquitto: Mosquitto, engine: _Engine, devices: Sequence[CountingDevice]
) -> dict[str, int]:
    order = ["broker", "engine", "both"] * many
    rng.shuffle(order)
    careful = [device for device in devices if device.keeps is Keeps.UNTIL_STORED]
    for victim in order:
        await _flowing(careful)
        await asyncio.sleep(rng.uniform(*_PAUSE_S))
        if victim != "broker":
            engine.kill()
        if victim != "engine":
            mosquitto.kill()
            await asyncio.sleep(rng.uniform(0.0, 0.3))
            mosquitto.start()
        if victim != "broker":
            engine.start()
    await _flowing(careful)
    return {victim: order.count(victim) for victim in ("broker", "engine", "both")}


async def _flowing(careful: Sequence[CountingDevice]) -> None:
    """Until every careful device has had an acknowledgement from Davy of something it sends from now on."""
    now_us = time.time_ns() // 1000
    await _until(lambda: all(device.published.get(device.stored_upto, 0) > now_us for device in careful), "no acks")


async def _until(condition: Callable[[], bool], why: str) -> None:
    give_up = time.monotonic() + _WITHIN_S
    while not condition():
        if time.monotonic() > give_up:
            raise RuntimeError(f"it did not come back within {_WITHIN_S:.0f} s: {why}")
        await asyncio.sleep(0.02)


async def _all_told(book: "_Book", devices: Sequence[CountingDevice]) -> None:
    """Measure no more; wait until the careful ones have let go of everything, and until what is lost was told, for as
    long as that may take."""
    careful = [device for device in devices if device.keeps is Keeps.UNTIL_STORED]
    for device in careful:
        device.measuring = False
    await _until(lambda: all(device.holds == 0 for device in careful), "careful devices still hold readings")
    give_up = time.monotonic() + TOLD_WITHIN_S + 5.0
    while time.monotonic() < give_up:
        await asyncio.sleep(0.5)
        book.read_on()
        if not any(book.when_told(device, seq) is None for device, seq in _lost(devices, book.stored)):
            return


class _Book:
    """What the engine's journal says, read on and on. Devices count from number 2 in their order."""

    def __init__(self, store: Path) -> None:
        self.rows = 0
        self.stored: set[tuple[int, int]] = set()
        self.sessions_lost = 0
        self._told: dict[str, list[ReadingsMissing | ReadingsComplete]] = {}
        self._store = store
        self._cycle = 0

    def read_on(self) -> None:
        """Up to the last cycle."""
        journal = JournalReader(self._store)
        while records := journal.read(self._cycle, 1 << 20):
            self._cycle = records[-1].cycle
            for record in records:
                rows = record.rows()
                self.rows += len(rows)
                self.stored.update(zip(rows["device_no"].tolist(), rows["seq"].tolist(), strict=True))
                for event in record.inputs.events:
                    if isinstance(event, ReadingsMissing | ReadingsComplete):
                        self._told.setdefault(f"{_VENDOR}/d{event.device_no - 2}", []).append(event)
                    self.sessions_lost += isinstance(event, SessionLost)
        journal.close()

    def when_told(self, device: CountingDevice, seq: int) -> int | None:
        """When this reading was told as missing, microseconds UTC."""
        left_us = device.published[seq]
        stands = False
        for event in self._told.get(device.identity, ()):
            if event.at < left_us:
                stands = isinstance(event, ReadingsMissing)
            elif stands and device.keeps is Keeps.UNTIL_PUBACK:
                return left_us
            elif isinstance(event, ReadingsMissing) and event.boot == BOOT and event.first <= seq:
                return event.at
        return left_us if stands and device.keeps is Keeps.UNTIL_PUBACK else None


def _lost(devices: Sequence[CountingDevice], stored: set[tuple[int, int]]) -> list[tuple[CountingDevice, int]]:
    """What the broker acknowledged, and Davy never saw. The newest of a device may be under way, and nobody can miss
    what nothing came after."""
    newest: dict[int, int] = {}
    for number, seq in stored:
        newest[number] = max(seq, newest.get(number, 0))
    return [
        (device, seq)
        for number, device in enumerate(devices, start=2)
        for seq in sorted(device.forgotten)
        if seq < newest.get(number, 0) and (number, seq) not in stored
    ]


def _judge(
    done: dict[str, int], engine: _Engine, book: _Book, devices: Sequence[CountingDevice], calm_us: int
) -> Verdict:
    engine.stop()  # what comes now is nobody's
    book.read_on()
    journal = JournalReader(engine.settings.engine_store)
    _, counts = journal.counts()
    journal.close()
    numbered = list(enumerate(devices, start=2))
    careful = [(number, device) for number, device in numbered if device.keeps is Keeps.UNTIL_STORED]
    acknowledged = {(number, seq) for number, device in careful for seq in range(1, device.stored_upto + 1)}
    sent = {(number, seq) for number, device in numbered for seq in device.published}
    lost = _lost(devices, book.stored)
    waits_s = []
    for device, seq in lost:
        when = book.when_told(device, seq)
        since_us = max(device.published[seq], calm_us if device.keeps is Keeps.UNTIL_PUBACK else 0)
        waits_s.append(max(0, when - since_us) / 1e6 if when is not None else float("inf"))
    return Verdict(
        kills=done,
        acknowledged=len(acknowledged),
        stored=book.rows,
        missing=len(acknowledged - book.stored),
        double=book.rows - len(book.stored),
        made_up=len(book.stored - sent),
        never_stored=sum((number, seq) not in book.stored for number, device in careful for seq in device.published),
        broker_lost=len(lost),
        untold=sum(wait_s > TOLD_WITHIN_S for wait_s in waits_s),
        slowest_told_s=round(max(waits_s, default=0.0), 1),
        sessions_lost=book.sessions_lost,
        balanced=sum(count.stored for count in counts) == book.rows
        and all(count.received == count.stored + count.duplicate + count.quarantined for count in counts),
    )
