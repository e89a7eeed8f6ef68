"""`davy bench kills`: processes of a running `davy up` are killed at random under load, again and again; afterwards
every acknowledged reading must be in the database exactly once."""

import asyncio
import contextlib
import json
import os
import random
import signal
from collections.abc import Sequence
from pathlib import Path

import msgspec

from davy.bench.rig import Load, homes
from davy.bench.whole import READY_WITHIN_S, Whole, whole
from davy.postgres_home import running_url
from simulators.load.prepared import FIRST_SEQ, detector_serial
from simulators.registry import VENDOR
from storage.database import connect
from storage.proof import Sequenced, sequences

CONNECTIONS = 8
DEVICES = 200
RATE = 5_000
#: Between two kills: long enough to be back in the middle of work, short enough to hit a recovery now and then.
PAUSE_S = (0.3, 2.5)
VICTIMS = ("engine", "engine", "storage", "postgres", "api")


class Verdict(msgspec.Struct, frozen=True):
    """`missing`: acknowledged and not stored. `double`: stored more than once. `made_up`: stored and never sent."""

    kills: dict[str, int]
    acknowledged: int
    stored: int
    missing: int
    double: int
    made_up: int
    balanced: bool

    @property
    def ok(self) -> bool:
        return self.balanced and not (self.missing or self.double or self.made_up)


async def kills(many: int, seed: int, where: Path | None) -> Verdict:
    """Kill `many` times. Raises RuntimeError when something does not come back."""
    rng = random.Random(seed)  # noqa: S311 - a run that can be repeated, not a secret
    shape = ("--connections", str(CONNECTIONS), "--devices", str(DEVICES))
    async with whole(where) as running:
        file, acked = running.settings.data.parent / "homes.json", running.settings.data.parent / "acked.json"
        file.write_bytes(msgspec.json.encode(homes(*shape)))
        await (await running.door()).close()
        await running.davy("registry", "import", str(file), "--yes")
        await _registered(running)
        seconds = many * sum(PAUSE_S) / 2 + 5
        load = Load(
            "pipeline",
            "--port",
            str(running.settings.mqtt_port),
            *shape,
            "--in-flight",
            "50",
            "--rate",
            str(RATE),
            "--seconds",
            str(seconds),
            "--patient",
            "--acked",
            str(acked),
        )
        done: dict[str, int] = dict.fromkeys(sorted(set(VICTIMS)), 0)
        for _ in range(many):
            await asyncio.sleep(rng.uniform(*PAUSE_S))
            victim = rng.choice(VICTIMS)
            done[victim] += _kill(running, victim)
        found = await load.result()
        await _followed(running)
        account = await running.davy("ledger")
        rows = await _rows(running, int(json.loads(acked.read_text())["boot"]))
        return _judge(done, json.loads(acked.read_text())["connections"], found, rows, not account["faults"])


def _kill(running: Whole, victim: str) -> int:
    pids = running.pids()[victim]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return bool(pids)


async def _registered(running: Whole) -> None:
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            door = await running.door()
            devices = (await door.status()).devices
            await door.close()
            if devices >= DEVICES:
                return
            await asyncio.sleep(0.1)


async def _followed(running: Whole) -> None:
    """Wait until the database has all that the engine has."""
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            door = await running.door()
            status = await door.status()
            await door.close()
            if status.followers["storage"] >= status.cycle:
                return
            await asyncio.sleep(0.2)


async def _rows(running: Whole, boot: int) -> Sequence[Sequenced]:
    url = running_url(running.settings)
    assert url is not None
    connection = await connect(url, name="bench")
    try:
        return await sequences(connection, boot)
    finally:
        await connection.close()


def _judge(
    done: dict[str, int],
    shares: list[dict[str, object]],
    found: dict[str, object],
    rows: Sequence[Sequenced],
    balanced: bool,
) -> Verdict:
    """Connection c sent message i as its device i mod D with seq FIRST_SEQ + i div D; the first `acked` were
    acknowledged. So every device must have an unbroken sequence at least that long."""
    by_identity = {row.identity: row for row in rows}
    missing = double = 0
    for share in shares:
        devices, acked = share["devices"], share["acked"]
        assert isinstance(devices, list)
        assert isinstance(acked, int)
        for place, number in enumerate(devices):
            must = -(-(acked - place) // len(devices))
            row = by_identity.get(f"{VENDOR}/{detector_serial(number)}")
            have = row.distinct if row is not None and row.first == FIRST_SEQ else 0
            unbroken = row is not None and row.last - row.first + 1 == row.distinct
            missing += max(0, must - have) if unbroken else must
            double += row.rows - row.distinct if row is not None else 0
    stored = sum(row.rows for row in rows)
    return Verdict(
        kills=done,
        acknowledged=int(str(found["acked"])),
        stored=stored,
        missing=missing,
        double=double,
        made_up=max(0, sum(row.distinct for row in rows) - int(str(found["sent"]))),
        balanced=balanced,
    )
