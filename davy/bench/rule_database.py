"""Figures of rules tried on stored history: what `davy rules backtest` does, from a PostgreSQL of its own, beside what
the database alone gives in the same run. Times are wall clock, for the server is a process of its own."""

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from davy.bench.figure import Figure, Run
from davy.bench.rule_history import START_US
from davy.bench.whole import open_folder
from davy.database import database
from davy.settings import load_settings
from devices.fleet import Fleet
from devices.readings import Rows
from rules.documents.document import RulePack
from rules.history.backtest import Request, backtest, quantities_of
from storage.copy_rows import sort_by_key
from storage.database import connect, ready
from storage.history import Asked, stored_readings
from storage.migrate import migrate
from storage.partitions import Partitions
from storage.store_rows import RowStore

FETCHED = "the same readings fetched, and nothing done with them"


async def stored_replays(
    fleet: Fleet, packs: Sequence[tuple[str, RulePack]], rows: Sequence[Rows], runs: int, where: Path | None
) -> list[Figure]:
    """One of each (name, pack) over `rows`, which are stored first. `where`: the disk to measure."""
    async with _empty_database(where) as url:
        await _store(url, rows)
        return [await asyncio.to_thread(_replay, url, fleet, name, pack, rows, runs) for name, pack in packs]


def _replay(url: str, fleet: Fleet, name: str, pack: RulePack, rows: Sequence[Rows], runs: int) -> Figure:
    found, many = [], sum(len(chunk) for chunk in rows)
    until = int(rows[-1]["received"][-1]) + 1
    asked = Asked(int(min(chunk["ts"].min() for chunk in rows)), until, quantities_of(pack))
    request = Request(fleet, pack, START_US, until)
    for _ in range(runs):
        fetched, fetch_s = 0, time.perf_counter()
        for chunk in stored_readings(url, asked):
            fetched += len(chunk)
        fetch_s = time.perf_counter() - fetch_s
        assert fetched == many, f"{fetched} of {many} readings came back"
        begun, cpu = time.perf_counter(), time.process_time()
        tested = backtest(request, stored_readings(url, asked))
        took, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert tested.readings == many, f"{tested.readings} of {many} readings were replayed"
        notes = {"alarms": float(len(tested.new.alarms)), "s": took}
        found.append(Run(many / took, ceiling=many / fetch_s, cpu_us={"backtest": cpu / many * 1e6}, notes=notes))
    return Figure(f"{name}, from PostgreSQL", "readings/s", tuple(found), ceiling_of=FETCHED)


@contextlib.asynccontextmanager
async def _empty_database(where: Path | None) -> AsyncIterator[str]:
    """The embedded PostgreSQL with Davy's tables in a folder of its own, gone after."""
    folder = open_folder(where)
    settings = load_settings({"DAVY_CONFIG": "", "DAVY_DATA": str(folder / "data")}, folder)
    try:
        async with database(settings, make=True) as url:
            await migrate(url)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _store(url: str, rows: Sequence[Rows]) -> None:
    """As the follower stores them: a chunk a transaction, by COPY."""
    connection = await connect(url, name="bench")
    try:
        mode = await ready(connection)
        store, partitions = RowStore(connection, mode), Partitions(mode)
        await store.prepare()
        for chunk in rows:
            ordered = sort_by_key(chunk)
            async with connection.transaction():
                await partitions.for_rows(connection, ordered, int(chunk["received"][-1]))
                stored = await store.store(ordered)
            assert stored.stored == len(chunk), f"{stored.stored} of {len(chunk)} readings were stored"
            partitions.committed(ordered)
        # What autovacuum does to a day that is over; else it would do it while we measure.
        await connection.execute("VACUUM (ANALYZE) reading")
    finally:
        await connection.close()
