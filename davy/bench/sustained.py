"""The sustained figure: everything `davy up` starts, at a steady 100,000 readings a second for a minute, with the
database keeping up."""

import asyncio
import time
from pathlib import Path

from davy.bench.ceilings import sink_rate
from davy.bench.figure import Figure, Run
from davy.bench.load_figures import DEVICES
from davy.bench.rig import Load, homes, registry_of
from davy.bench.whole import READY_WITHIN_S, Whole, whole
from devices.sites import encode_registry

RATE = 100_000
#: Behind by less than this when the load ends, the database has kept up.
KEPT_UP_S = 5.0
_SHAPE = ("--connections", "64", "--devices", str(DEVICES))


async def sustained(runs: int, where: Path | None, seconds: float = 60.0) -> Figure:
    """64 connections, a steady rate. Floor 100,000/s; a run in which the database falls behind has failed."""
    made: list[Run] = []
    for _ in range(runs):
        ceiling = await sink_rate(*_SHAPE, "--in-flight", "200", "--seconds", "3")
        async with whole(where) as running:
            made.append(await _measure(running, seconds, ceiling))
    return Figure(
        f"sustained {seconds:.0f} s, database keeping up",
        "readings/s",
        tuple(made),
        at_least=RATE * 0.999,  # the generator's own pace is that exact
        ceiling_of="a sink that only acks, unpaced",
    )


async def _measure(running: Whole, seconds: float, ceiling: float) -> Run:
    door = await running.door()
    await door.replace_registry(1, encode_registry(registry_of(homes(*_SHAPE))))
    before = running.cpu_s()
    pace = ("--in-flight", "200", "--rate", str(RATE), "--seconds", str(seconds))
    found = await Load("pipeline", "--port", str(running.settings.mqtt_port), *_SHAPE, *pace).result()
    ended = time.monotonic()
    acked = int(str(found["acked"]))
    status = await door.status()
    behind_cycles = status.cycle - status.followers["storage"]
    while status.followers["storage"] < status.cycle and time.monotonic() - ended < READY_WITHIN_S:
        await asyncio.sleep(0.1)
        status = await door.status()
    behind_s = time.monotonic() - ended
    await door.close()
    if behind_s > KEPT_UP_S:
        raise RuntimeError(f"the database was {behind_s:.1f} s behind when the load ended")
    after = running.cpu_s()
    cpu_us = {part: (after[part] - before[part]) / acked * 1e6 for part in after}
    return Run(
        value=acked / float(str(found["elapsed_s"])),
        ceiling=ceiling,
        cpu_us=cpu_us | {"load": float(str(found["cpu_us_per_message"]))},
        notes={"database behind at the end, s": behind_s, "cycles behind": float(behind_cycles)},
    )
