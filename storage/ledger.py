"""`davy ledger`: the proof of G2, from counters and rows together.

Per engine store: received = stored + duplicate + quarantined + pending, where stored, duplicate and quarantined are
seen in PostgreSQL, and pending is what the follower has not taken yet. Over all: the rows really counted in `reading`,
plus what retention has dropped, are the rows stored. Everything is read in one snapshot.
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date

from psycopg import IsolationLevel

from engine.records import SourceCount
from storage.database import Connection, translated
from storage.writer import FOLLOWER


@dataclass(frozen=True, slots=True)
class EngineCounts:
    """An engine store's own counters up to `cycle` (engine.journal.JournalReader.counts, or Status by the door)."""

    engine: str
    cycle: int
    counts: Sequence[SourceCount]


@dataclass(frozen=True, slots=True)
class SourceLine:
    """One intake link of one engine store. received = taken + duplicate + quarantined + pending: `taken` readings have
    reached the database; `duplicate` and `quarantined` were decided by the engine; `pending` are on the engine's disk
    only."""

    source: str
    received: int
    taken: int
    duplicate: int
    quarantined: int
    pending: int


@dataclass(frozen=True, slots=True)
class EngineLine:
    """One engine store. taken (over all sources) = stored + duplicate + poison, in the database. `cycle` is the
    engine's, `followed` the database's; `alive` False: this store was not asked, and counts as followed to its end."""

    engine: str
    cycle: int
    followed: int
    alive: bool
    sources: tuple[SourceLine, ...]
    stored: int
    duplicate: int
    poison: int
    cycles_missed: int


@dataclass(frozen=True, slots=True)
class Ledger:
    """rows_counted + rows_dropped = rows_stored; None: not counted. `faults` is empty exactly when all of it
    balances."""

    engines: tuple[EngineLine, ...]
    rows_stored: int
    rows_dropped: int
    rows_counted: int | None
    quarantined: int
    faults: tuple[str, ...]

    @property
    def balanced(self) -> bool:
        return not self.faults


@dataclass(frozen=True, slots=True)
class _Cursor:
    engine: str
    cycle: int
    readings: int
    stored: int
    duplicate: int
    poison: int
    quarantined: int
    cycles_missed: int


async def ledger(
    connection: Connection,
    read_engines: Callable[[], Awaitable[Sequence[EngineCounts]]],
    *,
    count_rows: bool = True,
) -> Ledger:
    """The ledger at one moment of the database. `read_engines` is called inside it, so that engines are asked after
    the database: what they have beyond it is pending. Counting rows reads the whole of `reading`. Raises DatabaseAway,
    DatabaseRefused, and what `read_engines` raises."""
    before = connection.isolation_level
    try:
        with translated():
            await connection.set_isolation_level(IsolationLevel.REPEATABLE_READ)
            async with connection.transaction():
                return await ledger_of_snapshot(connection, read_engines, count_rows=count_rows)
    finally:
        if not connection.closed:
            await connection.set_isolation_level(before)


async def ledger_of_snapshot(
    connection: Connection,
    read_engines: Callable[[], Awaitable[Sequence[EngineCounts]]],
    *,
    count_rows: bool = True,
) -> Ledger:
    """The same inside a transaction that sees one moment (REPEATABLE READ)."""
    with translated():
        await connection.execute("SET LOCAL statement_timeout = 0")
        cursors = await _cursors(connection)
        followed = await _followed(connection)
        engines = {engine.engine: engine for engine in await read_engines()}
        faults: list[str] = []
        lines = tuple(
            _engine_line(engine, cursors.get(engine), engines.get(engine), followed.get(engine, {}), faults)
            for engine in sorted({*cursors, *engines})
        )
        return await _with_rows(connection, lines, list(cursors.values()), faults, count_rows)


async def _cursors(connection: Connection) -> dict[str, _Cursor]:
    cursor = await connection.execute(
        "SELECT engine, cycle, readings, stored, duplicate, poison, quarantined, cycles_missed FROM follower_cursor"
        " WHERE follower = %s",
        (FOLLOWER,),
    )
    return {row[0]: _Cursor(*row) for row in await cursor.fetchall()}


async def _followed(connection: Connection) -> dict[str, dict[str, SourceCount]]:
    cursor = await connection.execute(
        "SELECT engine, source, received, stored, duplicate, quarantined FROM source_count"
    )
    followed: dict[str, dict[str, SourceCount]] = {}
    for engine, source, *counts in await cursor.fetchall():
        followed.setdefault(engine, {})[source] = SourceCount(source, *counts)
    return followed


def _engine_line(
    engine: str,
    cursor: _Cursor | None,
    said: EngineCounts | None,
    followed: dict[str, SourceCount],
    faults: list[str],
) -> EngineLine:
    cursor = cursor or _Cursor(engine, 0, 0, 0, 0, 0, 0, 0)
    counts = {count.source: count for count in said.counts} if said else followed
    caught_up = said is None or cursor.cycle >= said.cycle
    lines = [
        _source_line(engine, source, counts.get(source), followed.get(source), caught_up, faults)
        for source in sorted({*counts, *followed})
    ]
    taken = sum(line.taken for line in lines)
    if taken != cursor.readings:
        faults.append(f"engine {engine}: its sources stored {taken}, but the journal held {cursor.readings} readings")
    if cursor.readings != cursor.stored + cursor.duplicate + cursor.poison:
        faults.append(
            f"engine {engine}: {cursor.readings} readings taken, but stored {cursor.stored} + duplicate "
            f"{cursor.duplicate} + poison {cursor.poison}"
        )
    if cursor.cycles_missed:
        faults.append(f"engine {engine}: {cursor.cycles_missed} cycles were trimmed before they came here")
    if said is not None and cursor.cycle > said.cycle:
        faults.append(f"engine {engine}: its store ends at cycle {said.cycle}, the database is at {cursor.cycle}")
    return EngineLine(
        engine,
        said.cycle if said else cursor.cycle,
        cursor.cycle,
        said is not None,
        tuple(lines),
        cursor.stored,
        cursor.duplicate,
        cursor.poison,
        cursor.cycles_missed,
    )


def _source_line(
    engine: str,
    source: str,
    said: SourceCount | None,
    followed: SourceCount | None,
    caught_up: bool,
    faults: list[str],
) -> SourceLine:
    whole = said or SourceCount(source, 0, 0, 0, 0)
    part = followed or SourceCount(source, 0, 0, 0, 0)
    at = f"engine {engine}, source {source}"
    if whole.received != whole.stored + whole.duplicate + whole.quarantined:
        faults.append(f"{at}: received {whole.received} is not stored + duplicate + quarantined of the engine")
    pending = whole.received - part.received
    if pending < 0 or (pending > 0 and caught_up):
        faults.append(f"{at}: the engine counts {whole.received} received, the database {part.received}")
    return SourceLine(source, whole.received, part.stored, part.duplicate, part.quarantined, pending)


async def _with_rows(
    connection: Connection, lines: tuple[EngineLine, ...], cursors: list[_Cursor], faults: list[str], count_rows: bool
) -> Ledger:
    row = await (
        await connection.execute("SELECT coalesce(sum(stored), 0), coalesce(sum(dropped), 0) FROM reading_day")
    ).fetchone()
    assert row is not None
    stored, dropped = int(row[0]), int(row[1])
    if stored != sum(cursor.stored for cursor in cursors):
        faults.append(f"{stored} rows stored by day, {sum(c.stored for c in cursors)} by engine")
    counted = await _count(connection, faults) if count_rows else None
    quarantined = await _quarantined(connection, cursors, faults)
    return Ledger(lines, stored, dropped, counted, quarantined, tuple(faults))


async def _count(connection: Connection, faults: list[str]) -> int:
    cursor = await connection.execute("SELECT (ts AT TIME ZONE 'UTC')::date, count(*) FROM reading GROUP BY 1")
    rows: dict[date, int] = dict(await cursor.fetchall())
    cursor = await connection.execute("SELECT day, stored - dropped FROM reading_day")
    expected: dict[date, int] = {day: int(n) for day, n in await cursor.fetchall()}
    for day in sorted({*rows, *expected}):
        if rows.get(day, 0) != expected.get(day, 0):
            faults.append(f"{day}: {rows.get(day, 0)} rows counted, {expected.get(day, 0)} stored and not dropped")
    return sum(rows.values())


async def _quarantined(connection: Connection, cursors: list[_Cursor], faults: list[str]) -> int:
    cursor = await connection.execute(
        "SELECT origin, sum(n)::bigint FROM (SELECT origin, count(*) AS n FROM quarantine GROUP BY origin UNION ALL"
        " SELECT origin, dropped FROM quarantine_dropped) AS all_of_them GROUP BY origin"
    )
    kept = {origin: int(n) for origin, n in await cursor.fetchall()}
    told = sum(cursor.quarantined for cursor in cursors)
    if kept.get("engine", 0) != told:
        faults.append(f"{kept.get('engine', 0)} rows in quarantine, {told} were put there")
    poison = sum(cursor.poison for cursor in cursors)
    # Extra fields and decisions that the database refused stand there too, and are no readings.
    if kept.get("database", 0) < poison:
        faults.append(f"{kept.get('database', 0)} refused rows in quarantine, {poison} were refused")
    return told + poison
