"""What the rule engine costs: `python -m tests.rules.measure`. Figures are printed, not asserted: machines differ.

A fleet of 100,000 devices (four detectors to one valve) under the default rules, one core. Medians over `RUNS` steps,
in processor time.
"""

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable

import numpy as np

from devices.fleet import build_fleet
from devices.quantities import NOTHING_MEASURED, Flag, ValvePosition, quality_shift
from devices.readings import Batch, blank
from devices.sites import Device, Link, Registry, Site
from rules.evaluation.kernels import compile_pack
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.world import MODELS, SECOND, T0, pack

DEVICES, READINGS, RUNS = 100_000, 1_000, 21


def fleet_of(devices: int) -> Registry:
    sites = tuple(Site(f"home-{n}") for n in range(devices // 5))
    everything = tuple(
        Device(n + 1, "davysim", f"{n}", "valve" if n % 5 == 4 else "detector", f"home-{n // 5}")
        for n in range(devices)
    )
    links = tuple(Link(f"davysim/{n}", f"davysim/{n - n % 5 + 4}") for n in range(devices) if n % 5 != 4)
    return Registry(models=MODELS, sites=sites, devices=everything, links=links)


def batch_of(slots: np.ndarray[tuple[int], np.dtype[np.int32]], at: int, lel: float, flags: int = 0) -> Batch:
    rows = blank(len(slots))
    rows["device_no"] = slots + 1
    rows["received"] = at
    rows["ts"] = at - 50_000
    valve = slots % 5 == 4
    rows["valve"] = np.where(valve, ValvePosition.OPEN, ValvePosition.UNKNOWN)
    for name, value in (("combustible_lel", lel), ("co_ppm", 1.0), ("battery_pct", 90.0)):
        rows[name] = np.where(valve, np.nan, value)
        good = NOTHING_MEASURED & ~(15 << quality_shift(name))
        rows["quality"] = np.where(valve, rows["quality"], rows["quality"] & good)
    rows["flags"] = np.where(valve, 0, flags)
    return Batch(rows, slots.astype(np.int32))


def timed(runs: int, each: Callable[[int], object]) -> str:
    took = []
    for run in range(runs):
        begun = time.process_time()
        each(run)
        took.append((time.process_time() - begun) * 1e3)
    return f"median {statistics.median(took):.3f} ms, worst {max(took):.3f} ms of {runs}"


def main() -> None:
    rng = np.random.default_rng(1)
    rules = pack()
    begun = time.process_time()
    fleet = build_fleet(fleet_of(DEVICES))
    print(f"fleet of {DEVICES:,} devices laid out in {time.process_time() - begun:.2f} s")  # noqa: T201
    tracemalloc.start()
    state = State.initial(fleet, rules, T0)
    print(f"rule state: {tracemalloc.get_traced_memory()[0] / 2**20:.1f} MiB")  # noqa: T201
    now = T0

    def advance(each: Callable[[int], Batch]) -> Callable[[int], object]:
        batches = [each(now + (run + 1) * 100_000) for run in range(RUNS)]

        def one(run: int) -> object:
            return step(state, batches[run], (), now + (run + 1) * 100_000)

        return one

    def report(what: str, each: Callable[[int], object]) -> None:
        nonlocal now
        print(f"{what}: {timed(RUNS, each)}")  # noqa: T201
        now += (RUNS + 1) * 100_000

    def some() -> np.ndarray[tuple[int], np.dtype[np.int32]]:
        return rng.choice(DEVICES, READINGS, replace=False).astype(np.int32)

    step(state, batch_of(np.arange(DEVICES, dtype=np.int32), now, 0.0), (), now)
    tracemalloc.stop()
    gc.collect()
    gc.freeze()  # as the engine process does after loading
    report("idle step", lambda run: step(state, Batch(blank(0), np.empty(0, np.int32)), (), now + run))
    report(f"{READINGS:,} quiet readings", advance(lambda at: batch_of(some(), at, 0.5)))
    few = rng.choice(DEVICES // 5, 20, replace=False).astype(np.int32) * 5
    report(
        f"{READINGS:,} readings of 20 devices, quiet",
        advance(lambda at: batch_of(np.repeat(few, READINGS // 20), at, 0.5)),
    )
    mixed = some()
    alarming = batch_of(mixed[:20], now, 60.0, Flag.HIGH_ALARM)
    begun = time.process_time()
    decided = step(state, alarming, (), now)
    print(f"20 alarms raised at once: {(time.process_time() - begun) * 1e3:.3f} ms, {len(decided)} decisions")  # noqa: T201
    report(f"{READINGS:,} readings, 20 devices in alarm", advance(lambda at: batch_of(mixed, at, 5.0)))
    report(f"{READINGS:,} readings, every device in a hold", advance(lambda at: batch_of(mixed, at, 25.0)))
    report("relevance of 1,000 readings", lambda run: state.matters(alarming.rows, alarming.slots))
    report("a look for silence over all", lambda run: look(state, now + run))
    report("snapshot (copies)", lambda run: snapshot(state))
    body = encode_snapshot(snapshot(state))
    print(f"snapshot as bytes: {len(body) / 2**20:.1f} MiB")  # noqa: T201
    print(f"thaw: {timed(3, lambda run: restore(decode_snapshot(body), fleet, rules))}")  # noqa: T201
    print(f"reshape: {timed(3, lambda run: reshape(state, fleet, compile_pack(rules, fleet), now))}")  # noqa: T201
    everyone = batch_of(np.arange(8_192, dtype=np.int32), now, 60.0, Flag.HIGH_ALARM)
    begun = time.process_time()
    decided = step(state, everyone, (), now + SECOND)
    print(  # noqa: T201
        f"8,192 readings, all in high alarm: {(time.process_time() - begun) * 1e3:.1f} ms, {len(decided):,} decisions"
    )


def look(state: State, now: int) -> None:
    state.deadlines.floors[:] = now
    state.deadlines.lowest = now
    step(state, Batch(blank(0), np.empty(0, np.int32)), (), now)


if __name__ == "__main__":
    main()
