"""The engine process, built in one straight line and taken down in reverse.

Read it from top to bottom and you know what an engine is made of: store, memory, links, cycle, door, checkpoints.
"""

import asyncio
import gc
import resource
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack

import structlog

from davy.rule_packs import asked_for
from davy.settings import Settings
from davy.ways_in import WaysIn
from devices.fleet import Fleet
from devices.sites import RegistryChange
from engine.bookmark import Bookmark
from engine.checkpoint import Keeper, recall
from engine.cycle import Change, Cycle
from engine.door import Door
from engine.feed import Feed
from engine.journal import JournalReader
from engine.memory import BUILT_IN
from engine.owners import Owners
from engine.store import Store, document
from ingest.mqtt_endpoint import monotonic_us, utc_us
from rules.documents.document import RulePack, load_pack
from rules.documents.doubtful import doubtful
from rules.documents.left_out import left_out
from rules.evaluation.compiled import remembers_too_much
from rules.evaluation.kernels import compile_new
from rules.events import RulesChanged

_log = structlog.get_logger()

#: Garbage collections of the youngest objects happen after so many allocations: a cycle of 8,192 messages makes
#: far more than Python's default of 700 in lists that are about to be freed anyway.
GC_THRESHOLDS = (100_000, 50, 1_000)


async def run_engine(settings: Settings, stop: asyncio.Event, *, restored: bool = False) -> None:
    """Protect until `stop`. `restored`: somebody says that the store was put back from a copy.

    Raises engine.cycle.Ended when a commit fails, StoreRefused or OSError when the store cannot be opened, ValueError
    for a rule pack that is wrong."""
    async with AsyncExitStack() as down:
        store = Store(settings.engine_store, cap_bytes=settings.store_cap_bytes, reserve_pct=settings.store_reserve_pct)
        down.callback(store.close)
        memory = recall(store, settings.checkpoints)
        cycle = Cycle(store, memory, (), utc_us, monotonic_us)
        bookmark = Bookmark(store, restored)
        if bookmark.doubt:
            cycle.restored = True
            _log.warning("the store was put back from a copy: what it remembers waits to be heard", why=bookmark.doubt)
        warn_of_rules(_rules_in_force(cycle, settings), memory.fleet)
        if too_much := remembers_too_much(memory.state.compiled):
            _log.warning(
                "the rules in force would not be taken today; they serve until others are brought in", why=too_much
            )

        ways_in = WaysIn(settings, cycle)
        cycle.links = ways_in.links

        journal = JournalReader(settings.engine_store)
        down.callback(journal.close)
        owners = Owners(lambda: memory.state).of
        feed = Feed(store.engine, journal, lambda device_no: memory.fleet.identity(device_no), owners)
        cycle.on_committed.append(feed.publish)
        gauges = _gauges(cycle, ways_in, feed)
        door = Door(cycle, ways_in.pushes, feed, settings.door, ways_in.directory, gauges)

        def registry_changed(fleet: Fleet, changes: Sequence[RegistryChange] | None) -> None:
            ways_in.replace(fleet, changes)
            door.directory = ways_in.directory
            if changes is None:
                gc.freeze()  # a large registry stays: no later collection walks through it

        cycle.on_fleet.append(registry_changed)

        keeper = Keeper(store, memory, settings.checkpoints, settings.checkpoint_s)
        await ways_in.start(down)
        await door.open()
        down.push_async_callback(door.close)
        _settle_memory()
        _log.info("engine is protecting", devices=len(memory.fleet), cycle=store.last_cycle, mqtt=settings.mqtt_port)
        await _until(stop, cycle, keeper, bookmark)
        # Only here, after a clean stop: when a commit failed, the memory is ahead of the log and must not be kept.
        await keeper.checkpoint()
        await bookmark.keep()


async def _until(stop: asyncio.Event, cycle: Cycle, keeper: Keeper, bookmark: Bookmark) -> None:
    """Run the loop, the checkpoints and the bookmark until told to stop, or until one of them fails."""
    tasks = [
        asyncio.create_task(cycle.run(), name="cycle"),
        asyncio.create_task(keeper.run(), name="checkpoints"),
        asyncio.create_task(bookmark.run(), name="bookmark"),
        asyncio.create_task(stop.wait(), name="stop"),
    ]
    done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        if not task.cancelled() and (failed := task.exception()) is not None:
            raise failed


def warn_of_rules(rules: RulePack, fleet: Fleet) -> None:
    """Log what these rules do not do that people may think they do, with these devices."""
    if note := left_out(rules):
        _log.warning("the rules in force leave something out", note=note)
    for doubt in doubtful(rules, fleet.models):
        _log.warning("a rule in force may not do what it seems to do", rule=doubt)


def _rules_in_force(cycle: Cycle, settings: Settings) -> RulePack:
    """The rules that the settings name; else those in force; else the built-in ones, also in place of older built-in
    ones. Named rules that cannot be used do not stop an engine that has others in force: it says so and protects.
    Returns those that the first cycle begins with."""
    current = cycle.store.current("rules")
    of_settings = settings.rules is not None or settings.rule_packs is not None
    if not of_settings and current is not None and current.number != BUILT_IN:
        return cycle.memory.state.compiled.pack
    try:
        asked = asked_for(settings)
        pack = load_pack(asked.body, asked.name)
        compile_new(pack, cycle.memory.fleet)
    except (OSError, ValueError) as wrong:
        if current is None:
            raise
        _log.critical("the rules named in the settings cannot be used; those in force stay", why=str(wrong))
        return cycle.memory.state.compiled.pack
    doc = document("rules", asked.body, 0 if asked.named else BUILT_IN)
    if current is None or current.sha256 != doc.sha256:
        event = RulesChanged(at=cycle.now(), sha256=doc.sha256, by=asked.name)
        cycle.pending.changes.append(Change(event, doc, None, lambda _: None))
    return pack


def _gauges(cycle: Cycle, ways_in: WaysIn, feed: Feed) -> Callable[[], dict[str, float]]:
    def gauges() -> dict[str, float]:
        figures, store = cycle.figures, cycle.store
        return {
            "cycles_total": figures.cycles,
            "readings_total": figures.readings,
            "cycle_seconds_total": figures.cycle_seconds,
            "commit_seconds_total": figures.commit_seconds,
            "longest_cycle_seconds": figures.longest_cycle_seconds,
            "withheld_total": figures.withheld,
            "store_bytes": store.used_bytes,
            "store_cap_bytes": store.cap_bytes,
            "store_in_reserve": float(store.in_reserve),
            "checkpoint_cycle": store.checkpointed,
            "replay_mismatches": cycle.memory.mismatches,
            "feed_followers": feed.followers,
            "resident_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            **ways_in.gauges(),
            **cycle.memory.contiguity.gauges(),
        }

    return gauges


def _settle_memory() -> None:
    """What was loaded stays: take it out of the garbage collector's sight, and let it run seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
