"""Figures of the whole rule engine on one core: a cycle, the search for silence, history, memory; and the ratio to a
plain Python loop over the same rules in the same run. Times are processor time of the one thread there is, but for
history from a database (rule_database.py)."""

import asyncio
import gc
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from davy.bench.figure import Figure, Run
from davy.bench.plain_rules import PlainRules
from davy.bench.rule_database import stored_replays
from davy.bench.rule_history import START_US, history, homes
from devices.fleet import Fleet, build_fleet
from devices.models import load_catalogue
from devices.quantities import NOTHING_MEASURED, quality_shift
from devices.readings import Batch, Rows, blank
from devices.sites import Device, Registry, Site
from engine.cycle import MOST_MESSAGES
from rules.decisions import Priority
from rules.documents.document import Rule, RulePack, Title, load_pack
from rules.documents.merged import DEFAULT_PACKS, built_in_packs
from rules.history.backtest import Request, backtest
from rules.life.deadlines import BLOCK, SLICE
from rules.stepping.state import State
from rules.stepping.step import step

#: The figures of docs/FIGURES.md: product choices.
DEVICES, RULES, READINGS = 1_000_000, 100, 8_000
MOST_CYCLE_MS, MOST_SLICE_MS = 10.0, 1.0
LEAST_METHANE, LEAST_WHOLE = 5e6, 1e6
MOST_BYTES, MOST_BYTES_8H = 1_024.0, 3_072.0
MOST_FLOOD_MS = 250.0
#: What is measured, at least: readings of history, readings of the plain loop.
HISTORY, PLAIN = 4_000_000, 40_000
HOMES = 20_000
CYCLES = 100
#: Packs whose windows are eight hours long.
EIGHT_HOURS = frozenset({"exposure_cn", "exposure_osha", "exposure_niosh"})
PLAIN_LOOP = "a plain Python loop over the same rules"


def million() -> Fleet:
    devices = tuple(Device(n, "davysim", f"d{n}", "sim_detector_home", "s") for n in range(1, DEVICES + 1))
    return build_fleet(Registry(models=load_catalogue(), sites=(Site("s"),), devices=devices))


def thresholds() -> RulePack:
    """100 rules of a limit each, over five quantities; every third has a hold."""
    rules = []
    for number in range(RULES):
        name, limit = (("combustible_lel", 10.0), ("co_ppm", 30.0), ("temperature_c", 50.0), ("humidity_pct", 90.0))[
            number % 4
        ]
        rules.append(
            Rule(
                id=f"limit-{number}",
                title=Title(zh="限值", en="limit"),
                priority=Priority.LOW,
                source="product choice",
                quantity=name,
                at_or_above=limit + number / 20,
                clear_below=limit + number / 20 - 2,
                hold_s=30.0 if number % 3 == 0 else 0.0,
            )
        )
    return RulePack("thresholds", "1", tuple(rules))


def _cycle_rows(rng: np.random.Generator, now: int) -> Batch:
    """Readings of distinct devices; one of them has gas above some limits."""
    rows, quality = blank(READINGS), NOTHING_MEASURED
    slots = rng.choice(DEVICES, READINGS, replace=False).astype(np.int32)
    rows["device_no"], rows["ts"], rows["received"] = slots + 1, now - 50_000, now
    for name, value in (("combustible_lel", 1.0), ("co_ppm", 3.0), ("temperature_c", 20.0), ("humidity_pct", 50.0)):
        rows[name] = rng.random(READINGS) * value
        quality &= ~(0xF << quality_shift(name))
    rows["quality"] = quality
    rows["combustible_lel"][0] = 12.0
    return Batch(rows, slots)


def cycle(fleet: Fleet, runs: int) -> Figure:
    pack, found = thresholds(), []
    for run in range(runs):
        state, rng = State.initial(fleet, pack, START_US), np.random.default_rng(run)
        batches = [_cycle_rows(rng, START_US + 100_000 * (n + 1)) for n in range(CYCLES)]
        took = [_step_ms(state, one, int(one.rows["received"][0])) for one in batches]
        plain_ms = READINGS / _plain(fleet, pack, [one.rows for one in batches], READINGS) * 1e3
        notes = {"p99 ms": float(np.quantile(took, 0.99)), "alarms": float(len(state.open))}
        found.append(Run(float(np.median(took)), ceiling=plain_ms, notes=notes))
    name = f"cycle of {READINGS:,} readings, {RULES} limits, {DEVICES:,} devices"
    return Figure(name, "ms", tuple(found), at_most=MOST_CYCLE_MS, ceiling_of=PLAIN_LOOP)


def sweep(fleet: Fleet, runs: int) -> Figure:
    """Everybody was heard within one report interval: blocks are looked through as their time comes, in steps of
    nothing else."""
    pack, found, empty = load_pack(built_in_packs(["offline"]), "offline"), [], Batch(blank(0), np.empty(0, np.int32))
    for run in range(runs):
        state, rng = State.initial(fleet, pack, START_US), np.random.default_rng(run)
        took: list[float] = []
        until = START_US + 3 * int(fleet.interval_us[0])
        now = START_US
        while now < until:  # the blocks were all heard at one time, so they are all due at one time
            state.heard[:] = now - (rng.random(DEVICES) * int(fleet.interval_us[0])).astype(np.int64)
            now = max(now + 1, state.next_deadline)
            while state.next_deadline <= now:
                took.append(_step_ms(state, empty, now))
        assert not state.open, "somebody was silent"
        passes = len(took) / (DEVICES / (BLOCK * SLICE))
        notes = {"median ms": float(np.median(took)), "slices": float(len(took)), "s for all": sum(took) / passes / 1e3}
        found.append(Run(max(took), notes=notes))
    name = f"longest slice of a search for silence, {DEVICES:,} devices"
    return Figure(name, "ms", tuple(found), at_most=MOST_SLICE_MS)


def replays(runs: int, where: Path | None) -> list[Figure]:
    """History from columns in memory, and the same from a database on the disk of `where`, with two packs."""
    fleet = homes(HOMES)
    rows = history(fleet, HISTORY, 1)
    methane = load_pack(built_in_packs(["methane", "valves"]), "methane")
    whole = load_pack(built_in_packs(DEFAULT_PACKS), "default packs")
    names = ("history, methane pack", f"history, whole default pack ({len(whole.rules)} rules)")
    found = [
        _replay(names[0], fleet, methane, rows, runs, LEAST_METHANE),
        _replay(names[1], fleet, whole, rows, runs, LEAST_WHOLE),
    ]
    return found + asyncio.run(
        stored_replays(fleet, list(zip(names, (methane, whole), strict=True)), rows, runs, where)
    )


def _replay(name: str, fleet: Fleet, pack: RulePack, rows: Sequence[Rows], runs: int, at_least: float) -> Figure:
    found, many = [], sum(len(chunk) for chunk in rows)
    last = int(rows[-1]["received"][-1])
    request = Request(fleet, pack, START_US, last + 1)
    for _ in range(runs):
        plain = _plain(fleet, pack, rows, PLAIN)
        begun = time.thread_time()
        tested = backtest(request, rows)
        took = time.thread_time() - begun
        notes = {"alarms": float(len(tested.new.alarms)), "s": took}
        found.append(Run(many / took, ceiling=plain, cpu_us={"rules": took / many * 1e6}, notes=notes))
    return Figure(name, "readings/s", tuple(found), at_least=at_least, ceiling_of=PLAIN_LOOP)


def flood(runs: int) -> Figure:
    """As many readings as a cycle takes, all of one device: judged one after the other, so nobody else is heard
    meanwhile. Its gas rises and falls a little, and does not reach a limit."""
    fleet, pack, found = homes(1_000), load_pack(built_in_packs(DEFAULT_PACKS), "default packs"), []
    number, now = np.arange(MOST_MESSAGES), START_US + 60_000_000
    rows, quality = blank(len(number)), NOTHING_MEASURED
    rows["device_no"], rows["received"], rows["ts"] = fleet.device_no[0], now, now - 1_000 * (len(number) - number)
    for name, value in (("combustible_lel", 1.0 + number % 3), ("co_ppm", 3.0), ("temperature_c", 20.0)):
        rows[name] = value
        quality &= ~(0xF << quality_shift(name))
    rows["quality"] = quality
    batch = Batch(rows, fleet.slots(rows["device_no"]))
    for _ in range(runs):
        state = State.initial(fleet, pack, START_US)
        step(state, Batch(blank(0), np.empty(0, np.int32)), (), now)  # whoever fell silent by then is no part of it
        plain_ms = len(rows) / _plain(fleet, pack, [rows], len(rows)) * 1e3
        found.append(Run(_step_ms(state, batch, now), ceiling=plain_ms))
    name = f"{len(rows):,} readings of one device at once, whole default pack"
    return Figure(name, "ms", tuple(found), at_most=MOST_FLOOD_MS, ceiling_of=PLAIN_LOOP)


def memory() -> list[Figure]:
    fleet = homes(HOMES)
    short = [name for name in DEFAULT_PACKS if name not in EIGHT_HOURS]
    return [
        _memory("rule state without windows of 8 h", fleet, short, MOST_BYTES),
        _memory("rule state with them", fleet, list(DEFAULT_PACKS), MOST_BYTES_8H),
    ]


def _memory(name: str, fleet: Fleet, packs: list[str], at_most: float) -> Figure:
    pack = load_pack(built_in_packs(packs), "packs")
    state = State.initial(fleet, pack, START_US)
    value = _bytes(state) / len(fleet)
    notes = {"rules": float(len(pack.rules)), "holding": float(len(state.since.rules))}
    return Figure(name, "bytes per device", (Run(value, notes=notes),), at_most=at_most)


def _bytes(state: State) -> int:
    """Of everything that there is of every device."""
    arrays = [value for value in vars(state).values() if isinstance(value, np.ndarray)]
    arrays += [state.since.values, state.due.values, *state.windows.arrays().values()]
    return sum(array.nbytes for array in arrays)


def _plain(fleet: Fleet, pack: RulePack, rows: Sequence[Rows], many: int) -> float:
    """Readings per second of the plain loop, over the first of them."""
    plain, left = PlainRules(fleet, pack), many
    begun = time.thread_time()
    for chunk in rows:
        some = chunk[:left]
        plain.run(some, fleet.slots(some["device_no"]).tolist())
        left -= len(some)
        if not left:
            break
    return many / (time.thread_time() - begun)


def _step_ms(state: State, batch: Batch, now: int) -> float:
    begun = time.thread_time()
    step(state, batch, (), now)
    return (time.thread_time() - begun) * 1e3


def rule_figures(runs: int, where: Path | None = None) -> list[Figure]:
    """All of them. `where`: the disk of the database; None: the temporary folder's."""
    fleet = million()
    gc.collect()
    gc.freeze()  # as the engine process does after loading
    found = [cycle(fleet, runs), sweep(fleet, runs)]
    gc.unfreeze()
    del fleet
    return [*found, flood(runs), *replays(runs, where), *memory()]
