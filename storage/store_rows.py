"""Readings into `reading`, inside the caller's transaction.

R1  Every row ends in exactly one of three counts: stored, duplicate (its key was there), poison (the database refused
    it). They add up to the rows given, or nothing is written.
R2  Direct COPY first. Only when the key is violated do rows go through a staging table and ON CONFLICT DO NOTHING, and
    the rows counted out must be the rows counted in.
R3  A batch the database refuses is halved until the refused rows stand alone; the rest is stored. A row that finds no
    partition is not refused: the batch fails whole, and is written again by a writer that knows nothing by heart.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import LiteralString, Protocol, Self, TypeVar

import psycopg

from devices.readings import Rows
from storage.copy_rows import COLUMNS, copy_payload, rows_per_day
from storage.database import Connection, DatabaseRefused
from storage.modes import Mode

_COLUMN_LIST = ", ".join(COLUMNS)
COPY_READING = f"COPY reading ({_COLUMN_LIST}) FROM STDIN (FORMAT BINARY)"
_COPY_STAGING = f"COPY pg_temp.davy_staging ({_COLUMN_LIST}) FROM STDIN (FORMAT BINARY)"
_FROM_STAGING = (
    f"WITH stored AS (INSERT INTO reading ({_COLUMN_LIST}) SELECT {_COLUMN_LIST} FROM pg_temp.davy_staging"  # noqa: S608
    " ORDER BY device_no, ts, boot, seq ON CONFLICT (device_no, ts, boot, seq) DO NOTHING"
    " RETURNING (ts AT TIME ZONE 'UTC')::date - date '1970-01-01' AS day)"
    " SELECT day, count(*) FROM stored GROUP BY day"
)
#: TimescaleDB 2.17.2 stopped at the first conflict in a columnstore chunk and lost the rest
#: (timescale/timescaledb#7672), which the count of inserted rows alone would show as duplicates.
_MISSING: LiteralString = """
SELECT count(*) FROM pg_temp.davy_staging s WHERE NOT EXISTS (SELECT FROM reading r WHERE r.device_no = s.device_no
AND r.ts = s.ts AND r.boot = s.boot AND r.seq = s.seq)"""
#: Once a batch had duplicates, so many batches go through staging at once: each failed COPY leaves dead rows behind.
_STAGED_BATCHES = 16


class Sliceable(Protocol):
    """A numpy array of rows, or a tuple."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> Self: ...


ItemsT = TypeVar("ItemsT", bound=Sliceable)


@dataclass(slots=True)
class Stored:
    """What became of rows. days: rows stored per day since 1970 (effective time). refused: (one row, reason)."""

    stored: int = 0
    duplicate: int = 0
    days: dict[int, int] = field(default_factory=dict)
    refused: list[tuple[Rows, str]] = field(default_factory=list)

    def add(self, rows: int, days: dict[int, int]) -> None:
        """`days` of `rows` rows were new; the rest were duplicates."""
        self.stored += sum(days.values())
        self.duplicate += rows - sum(days.values())
        for day, more in days.items():
            self.days[day] = self.days.get(day, 0) + more


async def sift(
    connection: Connection, items: ItemsT, attempt: Callable[[ItemsT], Awaitable[None]]
) -> list[tuple[ItemsT, str]]:
    """Do `attempt` with all items under a savepoint; where the database refuses, with each half, down to one. Returns
    the items that were refused, each alone, with the database's reason. Any other failure passes through; so does a
    missing partition, which is no fault of a row: the caller begins again and finds out what partitions there are."""
    if not len(items):
        return []
    try:
        async with connection.transaction():
            await attempt(items)
        return []
    except (psycopg.DataError, psycopg.IntegrityError) as refused:
        if _lacks_partition(refused):
            raise
        if len(items) == 1:
            return [(items, " ".join(str(refused).split()))]
    middle = len(items) // 2
    return await sift(connection, items[:middle], attempt) + await sift(connection, items[middle:], attempt)


def _lacks_partition(refused: psycopg.Error) -> bool:
    """PostgreSQL says "no partition of relation found for row" as a check violation (23514) of no constraint."""
    return isinstance(refused, psycopg.errors.CheckViolation) and refused.diag.constraint_name is None


class RowStore:
    """Writes readings over one connection; `prepare` it once."""

    def __init__(self, connection: Connection, mode: Mode) -> None:
        self._connection = connection
        self._counts_twice = mode is not Mode.PLAIN
        self._staged_batches = 0

    async def prepare(self) -> None:
        await self._connection.execute(
            "CREATE TEMP TABLE IF NOT EXISTS davy_staging (LIKE reading) ON COMMIT DELETE ROWS"
        )

    async def store(self, rows: Rows) -> Stored:
        """Rows sorted by key, shape (n,), READING; their partitions exist. See R1 to R3."""
        stored = Stored()

        async def attempt(part: Rows) -> None:
            if self._staged_batches:
                days = await self._through_staging(part)
            else:
                try:
                    async with self._connection.transaction():
                        await copy(self._connection, COPY_READING, part)
                    days = rows_per_day(part)
                except psycopg.errors.UniqueViolation:
                    self._staged_batches = _STAGED_BATCHES
                    days = await self._through_staging(part)
            stored.add(len(part), days)

        stored.refused = await sift(self._connection, rows, attempt)
        self._staged_batches = max(0, self._staged_batches - 1)
        assert stored.stored + stored.duplicate + len(stored.refused) == len(rows)
        return stored

    async def _through_staging(self, rows: Rows) -> dict[int, int]:
        await copy(self._connection, _COPY_STAGING, rows)
        cursor = await self._connection.execute(_FROM_STAGING.encode())
        days = {int(day): int(n) for day, n in await cursor.fetchall()}
        if self._counts_twice:
            row = await (await self._connection.execute(_MISSING)).fetchone()
            if row != (0,):
                raise DatabaseRefused(f"ON CONFLICT DO NOTHING left out {row} new rows; update TimescaleDB")
        await self._connection.execute("DELETE FROM pg_temp.davy_staging")
        return days


async def copy(connection: Connection, statement: str | LiteralString, rows: Rows) -> None:
    """Send rows by binary COPY."""
    async with connection.cursor() as cursor, cursor.copy(statement.encode()) as stream:
        for piece in copy_payload(rows):
            await stream.write(piece)
