"""One batch of the journal into PostgreSQL: one transaction, in which the cursor moves.

F1  Rows, decisions, counts and cursor are of one commit. A crash at any point leaves the database before the batch or
    after it, and the cursor tells which (G2).
F2  The cursor is locked first: two followers of one engine cannot both write a batch.
F3  readings = stored + duplicate + poison, in the cursor's own counters.
F4  Nothing one row, one extra field or one decision contains can stop the rest: what the database refuses goes to
    quarantine with the database's reason.
F5  What the engine decided goes into the record of its tenant (G12) in the same transaction: once, as the rows are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, LiteralString

import msgspec

from devices.readings import Rows
from storage import latest, rollup_marks, valve_closings
from storage.audit import record_many
from storage.batch import Batch, Decided, Extra, RulesPut, SetAside
from storage.database import Connection
from storage.decided import write_decisions
from storage.decided_audit import said_of
from storage.latest import Newest
from storage.modes import Mode
from storage.partitions import Partitions
from storage.rule_packs import found_in_force, rules_are_known, write_rules
from storage.store_rows import RowStore, Stored, sift
from storage.text import clean
from storage.times import as_datetime

FOLLOWER = "storage"

_QUARANTINE: LiteralString = """
INSERT INTO quarantine (origin, engine, cycle, n, received, source, device_no, reason, raw)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"""
_EXTRA: LiteralString = """
INSERT INTO reading_extra (device_no, ts, boot, seq, extra) SELECT device_no, ts, boot, seq, extra::jsonb
FROM pg_temp.davy_extra ON CONFLICT DO NOTHING"""
_DAY: LiteralString = """
INSERT INTO reading_day (day, stored) VALUES (date '1970-01-01' + %s, %s)
ON CONFLICT (day) DO UPDATE SET stored = reading_day.stored + excluded.stored"""
_SOURCE: LiteralString = """
INSERT INTO source_count (engine, source, received, stored, duplicate, quarantined) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (engine, source) DO UPDATE SET received = source_count.received + excluded.received,
stored = source_count.stored + excluded.stored, duplicate = source_count.duplicate + excluded.duplicate,
quarantined = source_count.quarantined + excluded.quarantined"""
_MOVE: LiteralString = """
UPDATE follower_cursor SET cycle = %s, readings = readings + %s, stored = stored + %s, duplicate = duplicate + %s,
poison = poison + %s, quarantined = quarantined + %s, latest_from = %s, cycle_now = %s
WHERE engine = %s AND follower = %s"""

_msgpack = msgspec.msgpack.Encoder()


class CursorMoved(RuntimeError):
    """Somebody else moved this follower's cursor: begin again from where it stands now. Transient."""


@dataclass(frozen=True, slots=True)
class Written:
    """What one commit made of a batch."""

    stored: int
    duplicate: int
    poison: int
    quarantined: int


class Writer:
    """Writes one engine's cycles over one connection. `await open()` it first; throw it away after any error."""

    def __init__(self, connection: Connection, engine: str, mode: Mode) -> None:
        self._connection = connection
        self._engine = engine
        self._rows = RowStore(connection, mode)
        self._partitions = Partitions(mode)
        self._newest = Newest()
        self.cycle = 0
        #: The engine's time of that cycle, microseconds UTC; None: not known.
        self.cycle_now: int | None = None

    async def open(self) -> None:
        """Find or make this engine's cursor; finish what a crash left undone (L2)."""
        await self._rows.prepare()
        await latest.prepare(self._connection)
        await self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS davy_extra (device_no integer, ts timestamptz, boot integer, seq bigint,"
            " extra text) ON COMMIT DELETE ROWS"
        )
        async with self._connection.transaction():
            await self._connection.execute(
                "INSERT INTO follower_cursor (engine, follower, cycle) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
                (self._engine, FOLLOWER),
            )
            self.cycle, latest_from, self.cycle_now = await self._lock_cursor()
            if latest_from is not None:
                await latest.read_back(self._connection, latest_from)
                await self._connection.execute(
                    "UPDATE follower_cursor SET latest_from = NULL WHERE engine = %s AND follower = %s",
                    (self._engine, FOLLOWER),
                )

    @property
    def has_unshown(self) -> bool:
        return len(self._newest.rows) > 0

    async def write(self, batch: Batch, now_us: int) -> Written:
        """The batch that follows `cycle`. Raises CursorMoved, or a psycopg error that is not about one row; then
        nothing is written."""
        newest = self._newest.with_rows(batch.rows)
        show = newest.due(now_us)
        async with self._connection.transaction():
            await self._expect_cursor()
            await self._partitions.for_rows(self._connection, batch.rows, now_us)
            stored = await self._rows.store(batch.rows)
            stored.refused += [(batch.refused[at : at + 1], _IMPOSSIBLE) for at in range(len(batch.refused))]
            await rollup_marks.mark(self._connection, batch.rows)
            await valve_closings.mark(self._connection, batch.rows)
            if show:
                await latest.show(self._connection, newest)
            refused = await self._write_rest(batch, stored)
            await self._set_aside(batch.set_aside, stored, refused, batch)
            await self._count(batch, stored, None if show else newest.from_us)
        self.cycle, self.cycle_now = batch.last, batch.now
        self._newest = Newest(refreshed_us=now_us) if show else newest
        self._partitions.committed(batch.rows)
        return Written(stored.stored, stored.duplicate, len(stored.refused), len(batch.set_aside))

    async def knows_rules(self) -> bool:
        """Whether the database knows which rules this engine had up to `cycle`; before any cycle there are none."""
        return self.cycle == 0 or await rules_are_known(self._connection, self._engine)

    async def found_rules(self, sha256: str, body: bytes, since_us: int | None) -> None:
        """These rules were in force after `cycle`, since `since_us` at the earliest (storage/rule_packs.py P2)."""
        await found_in_force(self._connection, self._engine, self.cycle, since_us, sha256, body)

    async def show_newest(self, now_us: int) -> None:
        """Bring `device_latest` up to date although no cycle came."""
        if not self._newest.due(now_us):
            return
        async with self._connection.transaction():
            await self._expect_cursor()
            await latest.show(self._connection, self._newest)
            await self._connection.execute(
                "UPDATE follower_cursor SET latest_from = NULL WHERE engine = %s AND follower = %s",
                (self._engine, FOLLOWER),
            )
        self._newest = Newest(refreshed_us=now_us)

    async def miss(self, oldest: int) -> int:
        """The journal begins at `oldest` only: write down how many cycles never came here, and go on. Returns them."""
        async with self._connection.transaction():
            await self._expect_cursor()
            missed = oldest - 1 - self.cycle
            await self._connection.execute(
                "UPDATE follower_cursor SET cycle = %s, cycle_now = NULL, cycles_missed = cycles_missed + %s"
                " WHERE engine = %s AND follower = %s",
                (oldest - 1, missed, self._engine, FOLLOWER),
            )
        self.cycle, self.cycle_now = oldest - 1, None
        return missed

    async def _lock_cursor(self) -> tuple[int, int | None, int | None]:
        """(cycle, latest_from, cycle_now), times in microseconds UTC."""
        cursor = await self._connection.execute(
            "SELECT cycle, davy_us(latest_from), cycle_now FROM follower_cursor WHERE engine = %s AND follower = %s"
            " FOR UPDATE",
            (self._engine, FOLLOWER),
        )
        row = await cursor.fetchone()
        if row is None:
            raise CursorMoved("the cursor is gone")
        return row[0], row[1], row[2]

    async def _expect_cursor(self) -> None:
        cycle, _, _ = await self._lock_cursor()
        if cycle != self.cycle:
            raise CursorMoved(f"the cursor stands at cycle {cycle}, not {self.cycle}: another follower is at work")

    async def _write_rest(self, batch: Batch, stored: Stored) -> list[tuple[int, str, bytes]]:
        """Extra fields, decisions and rules; returns (device number, reason, body) of those the database refused."""
        refused: list[tuple[int, str, bytes]] = []
        for items, reason in await sift(self._connection, batch.extras, self._write_extras):
            refused += [(extra.device_no, f"extra fields: {reason}", extra.body) for extra in items]
        write = partial(write_decisions, self._connection, self._engine)
        not_written: set[tuple[int, int]] = set()
        for decided, reason in await sift(self._connection, batch.decided, write):
            refused += [(0, f"decision {one.cycle}:{one.n}: {reason}", _body(one)) for one in decided]
            not_written |= {(one.cycle, one.n) for one in decided}
        put = partial(write_rules, self._connection, self._engine)
        for rules, reason in await sift(self._connection, batch.rules, put):
            refused += [(0, f"rules {one.cycle}:{one.n}: {reason}", _body(one)) for one in rules]
        written = [one for one in batch.decided if (one.cycle, one.n) not in not_written]
        await record_many(self._connection, await said_of(self._connection, self._engine, written, batch.rules))
        if stored.days:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(_DAY, sorted(stored.days.items()))
        return refused

    async def _write_extras(self, extras: Sequence[Extra]) -> None:
        async with (
            self._connection.cursor() as cursor,
            cursor.copy("COPY pg_temp.davy_extra (device_no, ts, boot, seq, extra) FROM STDIN") as stream,
        ):
            for x in extras:
                await stream.write_row(
                    (x.device_no, as_datetime(x.ts), x.boot, x.seq, x.body.decode("utf-8", "replace"))
                )
        await self._connection.execute(_EXTRA)
        await self._connection.execute("DELETE FROM pg_temp.davy_extra")

    async def _set_aside(
        self, items: Sequence[SetAside], stored: Stored, refused: Sequence[tuple[int, str, bytes]], batch: Batch
    ) -> None:
        lines: list[tuple[Any, ...]] = [
            (
                "engine",
                self._engine,
                one.cycle,
                one.n,
                as_datetime(one.item.received),
                clean(one.item.source),
                one.item.device_no,
                clean(one.item.reason),
                one.item.raw,
            )
            for one in items
        ]
        poison = [(_device_no(row), reason, row.tobytes()) for row, reason in stored.refused]
        now = as_datetime(batch.now)
        lines += [
            ("database", self._engine, batch.last, n, now, "database", device_no, clean(reason), raw)
            for n, (device_no, reason, raw) in enumerate([*poison, *refused])
        ]
        if lines:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(_QUARANTINE, lines)

    async def _count(self, batch: Batch, stored: Stored, latest_from: int | None) -> None:
        if batch.counts:
            async with self._connection.cursor() as cursor:
                await cursor.executemany(_SOURCE, [(self._engine, *msgspec.structs.astuple(c)) for c in batch.counts])
        readings = len(batch.rows) + len(batch.refused)
        await self._connection.execute(
            _MOVE,
            (
                batch.last,
                readings,
                stored.stored,
                stored.duplicate,
                len(stored.refused),
                len(batch.set_aside),
                None if latest_from is None else as_datetime(latest_from),
                batch.now,
                self._engine,
                FOLLOWER,
            ),
        )


_IMPOSSIBLE = "no device number, or an effective time before 1970 or more than a day after it was received"


def _device_no(row: Rows) -> int:
    return int(row["device_no"][0])


def _body(one: Decided | RulesPut) -> bytes:
    return _msgpack.encode(one.decision if isinstance(one, Decided) else one)
