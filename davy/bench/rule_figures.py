"""Figures of the rule engine alone: memory and time of a step with 100,000 devices."""

import time
import tracemalloc

import numpy as np

from davy.bench.figure import Figure, Run
from devices.fleet import Fleet, build_fleet
from devices.models import load_catalogue
from devices.quantities import QUANTITY_NAMES, quality_shift
from devices.readings import Batch, blank
from devices.sites import Device, Registry, Site
from rules.documents.document import default_pack, load_pack
from rules.stepping.state import State
from rules.stepping.step import step

DEVICES = 100_000
BATCH = 1_000
MOST_STATE_MIB = 100.0
MOST_STEP_MS = 2.0
PROMISED = "what is promised (at most 1)"
START_US = 1_800_000_000_000_000


def _fleet() -> Fleet:
    devices = tuple(Device(n, "davysim", f"d{n}", "sim_detector_home", "s") for n in range(1, DEVICES + 1))
    return build_fleet(Registry(models=load_catalogue(), sites=(Site("s", simulated=True),), devices=devices))


def _batch(rng: np.random.Generator, now: int) -> Batch:
    """1,000 readings of different devices; 1 in 100 has gas above the high limit."""
    rows = blank(BATCH)
    slots = rng.choice(DEVICES, BATCH, replace=False).astype(np.int32)
    rows["device_no"] = slots + 1
    rows["ts"] = rows["received"] = now
    rows["combustible_lel"] = np.where(rng.random(BATCH) < 0.01, 60.0, rng.random(BATCH))
    for name in QUANTITY_NAMES[:2]:
        rows["quality"] &= ~(0xF << quality_shift(name))
    rows["co_ppm"] = rng.random(BATCH)
    return Batch(rows, slots)


def rule_steps(runs: int) -> tuple[Figure, Figure]:
    """(memory of the rule state, time of a cycle's step of 1,000 readings)."""
    fleet, pack = _fleet(), load_pack(default_pack(), "built-in rules")
    memory: list[Run] = []
    times: list[Run] = []
    for run in range(runs):
        tracemalloc.start()
        state = State.initial(fleet, pack, START_US)
        held = tracemalloc.get_traced_memory()[0]
        tracemalloc.stop()
        memory.append(Run(held / 2**20, ceiling=MOST_STATE_MIB, notes={"rules": float(len(pack.rules))}))
        rng = np.random.default_rng(run)
        batches = [_batch(rng, START_US + 1_000 * n) for n in range(200)]
        took: list[float] = []
        for n, batch in enumerate(batches):
            began = time.perf_counter()
            step(state, batch, (), START_US + 1_000 * n)
            took.append((time.perf_counter() - began) * 1e3)
        took.sort()
        middle_ms = took[len(took) // 2]
        notes = {"p99 ms": took[int(len(took) * 0.99)]}
        times.append(Run(middle_ms, ceiling=MOST_STEP_MS, cpu_us={"rules": middle_ms * 1e3 / BATCH}, notes=notes))
    return (
        Figure("rule state, 100,000 devices", "MiB", tuple(memory), at_most=MOST_STATE_MIB, ceiling_of=PROMISED),
        Figure(
            "step of 1,000 readings, 100,000 devices", "ms", tuple(times), at_most=MOST_STEP_MS, ceiling_of=PROMISED
        ),
    )
