"""What is let go, and when: raw readings, minutes, quarantine. Hours, alarms and commands are kept for ever.

K1  Only whole days go, by dropping their partitions or chunks; what went is counted in the same transaction, so that
    the ledger still balances (`reading_day.dropped`, `quarantine_dropped`).
K2  Nobody waits for it: a drop that does not get its lock at once is tried again at the next turn.
"""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from storage.database import Connection
from storage.modes import Mode
from storage.partitions import LOCK, YOUNG_DAYS
from storage.times import DAY_US, as_datetime

_LOCK_WAIT_MS = 500
#: Quarantine rows let go in one turn, so that a turn stays short.
_MOST_QUARANTINE = 10_000


@dataclass(frozen=True, slots=True)
class Retention:
    """Days that are kept. Raises ValueError for a number that would drop what is still being written."""

    raw_days: int = 30
    minutes_days: int = 400
    quarantine_days: int = 400

    def __post_init__(self) -> None:
        for name, days in (("raw", self.raw_days), ("1m", self.minutes_days), ("quarantine", self.quarantine_days)):
            if days <= YOUNG_DAYS:
                raise ValueError(f"retention of {name} must be more than {YOUNG_DAYS} days, not {days}")

    def raw_from_us(self, now_us: int) -> int:
        """Raw readings from here on are kept; the beginning of a day, UTC."""
        return (now_us // DAY_US - self.raw_days) * DAY_US


async def let_go(connection: Connection, mode: Mode, retention: Retention, now_us: int) -> int:
    """One turn. Returns how many partitions or chunks were dropped."""
    raw = retention.raw_from_us(now_us)
    minutes = (now_us // DAY_US - retention.minutes_days) * DAY_US
    dropped = 0
    try:
        dropped += await _drop_raw(connection, mode, raw)
        async with connection.transaction():
            await _patience(connection)
            dropped += await _drop(connection, mode, "reading_1m", minutes)
    except psycopg.errors.LockNotAvailable:
        return dropped
    async with connection.transaction():
        await connection.execute(
            "WITH gone AS (DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received < %s"
            " ORDER BY id LIMIT %s) RETURNING origin)"
            " INSERT INTO quarantine_dropped (origin, dropped) SELECT origin, count(*) FROM gone GROUP BY origin"
            " ON CONFLICT (origin) DO UPDATE SET dropped = quarantine_dropped.dropped + excluded.dropped",
            (as_datetime((now_us // DAY_US - retention.quarantine_days) * DAY_US), _MOST_QUARANTINE),
        )
    return dropped


async def _drop_raw(connection: Connection, mode: Mode, before_us: int) -> int:
    async with connection.transaction():
        await _patience(connection)
        await connection.execute(LOCK)
        dropped = await _drop(connection, mode, "reading", before_us)
        await _drop(connection, mode, "reading_extra", before_us)
        if dropped:
            await connection.execute(
                "UPDATE reading_day SET dropped = stored WHERE day < (%s::timestamptz AT TIME ZONE 'UTC')::date",
                (as_datetime(before_us),),
            )
        return dropped


async def _patience(connection: Connection) -> None:
    await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}".encode())


async def _drop(connection: Connection, mode: Mode, table: LiteralString, before_us: int) -> int:
    """Partitions or chunks of `table` that end at or before `before_us`."""
    if mode is not Mode.PLAIN:
        cursor = await connection.execute("SELECT drop_chunks(%s, older_than => %s)", (table, as_datetime(before_us)))
        return len(await cursor.fetchall())
    cursor = await connection.execute(
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = %s::regclass"
        " AND (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \\(''(.+)''\\)'))[1]::timestamptz <= %s",
        (table, as_datetime(before_us)),
    )
    names = [str(name) for (name,) in await cursor.fetchall()]
    for name in names:
        await connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    return len(names)
