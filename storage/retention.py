"""What is let go, and when: raw readings, minutes, quarantine. Hours, alarms and commands are kept for ever.

K1  Only whole days go, by dropping their partitions or chunks; what went is counted in the same transaction, so that
    the ledger still balances (`reading_day.dropped`, `quarantine_dropped`).
K2  Nobody waits for it longer than _LOCK_WAIT_MS: a table whose lock is not had is tried again at the next turn, and
    stops no other.
K3  No clock, however wrong, makes it drop what came lately: besides being old by the clock, a day must be older than
    as many newer days that have readings as are to be kept. (What a step of the clock does is in
    storage/clock_watch.py.)
"""

from dataclasses import dataclass
from typing import LiteralString

import psycopg
from psycopg import sql

from storage.database import Connection
from storage.modes import Mode
from storage.partitions import LOCK, YOUNG_DAYS
from storage.times import DAY_US, as_datetime

#: Readers and the follower queue behind a drop that waits, so it does not wait long.
_LOCK_WAIT_MS = 100
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


@dataclass(frozen=True, slots=True)
class LetGo:
    """What one turn did. dropped: partitions or chunks. waiting: tables whose lock was not had. more: quarantine holds
    more that is old enough."""

    dropped: int
    waiting: tuple[str, ...]
    more: bool

    @property
    def finished(self) -> bool:
        return not self.waiting and not self.more


async def let_go(connection: Connection, mode: Mode, retention: Retention, now_us: int) -> LetGo:
    """One turn."""
    raw = await _kept_from_us(connection, retention.raw_days, now_us)
    minutes = await _kept_from_us(connection, retention.minutes_days, now_us)
    tables: tuple[tuple[LiteralString, int], ...] = (("reading", raw), ("reading_extra", raw), ("reading_1m", minutes))
    dropped = 0
    waiting: list[str] = []
    for table, before_us in tables:
        try:
            dropped += await _drop_counted(connection, mode, table, before_us)
        except psycopg.errors.LockNotAvailable:
            waiting.append(table)
    quarantined = await _quarantine(connection, retention.quarantine_days, now_us)
    return LetGo(dropped, tuple(waiting), quarantined == _MOST_QUARANTINE)


async def raw_from_us(connection: Connection) -> int:
    """Raw readings before this may be gone: the end of the last day that retention has dropped, UTC; 0 when none is."""
    cursor = await connection.execute("SELECT max(day) + 1 - date '1970-01-01' FROM reading_day WHERE dropped > 0")
    row = await cursor.fetchone()
    return int(row[0]) * DAY_US if row is not None and row[0] is not None else 0


async def _kept_from_us(connection: Connection, days: int, now_us: int) -> int:
    """The beginning of the first day that is kept (K3); today counts besides `days`."""
    cursor = await connection.execute(
        "SELECT day - date '1970-01-01' FROM reading_day ORDER BY day DESC OFFSET %s LIMIT 1", (days,)
    )
    row = await cursor.fetchone()
    return 0 if row is None else min(now_us // DAY_US - days, int(row[0])) * DAY_US


async def _drop_counted(connection: Connection, mode: Mode, table: LiteralString, before_us: int) -> int:
    async with connection.transaction():
        await connection.execute(f"SET LOCAL lock_timeout = {_LOCK_WAIT_MS}".encode())
        await connection.execute(LOCK)
        dropped = await _drop(connection, mode, table, before_us)
        if dropped and table == "reading":
            await connection.execute(
                "UPDATE reading_day SET dropped = stored WHERE day < (%s::timestamptz AT TIME ZONE 'UTC')::date",
                (as_datetime(before_us),),
            )
        return dropped


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


async def _quarantine(connection: Connection, days: int, now_us: int) -> int:
    """Let go of quarantine rows that are old by the clock and by the newest of them (K3). Returns how many went."""
    async with connection.transaction():
        cursor = await connection.execute("SELECT davy_us(max(received)) FROM quarantine")
        row = await cursor.fetchone()
        newest_us = now_us if row is None or row[0] is None else int(row[0])
        cursor = await connection.execute(
            "WITH gone AS (DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE received < %s"
            " ORDER BY id LIMIT %s) RETURNING origin), counted AS ("
            " INSERT INTO quarantine_dropped (origin, dropped) SELECT origin, count(*) FROM gone GROUP BY origin"
            " ON CONFLICT (origin) DO UPDATE SET dropped = quarantine_dropped.dropped + excluded.dropped)"
            " SELECT count(*) FROM gone",
            (as_datetime((min(now_us, newest_us) // DAY_US - days) * DAY_US), _MOST_QUARANTINE),
        )
        row = await cursor.fetchone()
        return 0 if row is None else int(row[0])
