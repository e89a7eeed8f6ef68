"""The quiet work beside the follower: roll-ups, partitions ahead of time, retention. Its own connection, its own pace;
a database that is away is waited for."""

import asyncio
from collections.abc import Callable

import psycopg

from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import pause
from storage.partitions import Partitions
from storage.retention import Retention, let_go
from storage.rollups import Rollups
from storage.times import HOUR_US

__all__ = ["Retention", "keep_up"]

#: A minute's sums appear so long after it has settled, at most.
_TURN_S = 5.0
_RETENTION_EVERY_US = HOUR_US


async def keep_up(
    url: str,
    stop: asyncio.Event,
    clock: Callable[[], int],
    retention: Retention,
    tell: Callable[[str], None],
) -> None:
    """Until `stop`. `tell` hears what is in the way, or an empty text when nothing is."""
    while not stop.is_set():
        connection: Connection | None = None
        try:
            connection = await connect(url, name="upkeep")
            await _turns(connection, stop, clock, retention, tell)
        except (DatabaseAway, DatabaseRefused, psycopg.Error) as away:
            tell(f"{type(away).__name__}: {away}")
        finally:
            if connection is not None:
                await connection.close()
        await pause(stop, _TURN_S)


async def _turns(
    connection: Connection,
    stop: asyncio.Event,
    clock: Callable[[], int],
    retention: Retention,
    tell: Callable[[str], None],
) -> None:
    mode = await ready(connection)
    partitions = Partitions(mode)
    rollups = Rollups(connection, partitions)
    retention_due = 0
    while not stop.is_set():
        now = clock()
        with translated():
            await partitions.ahead(connection, now)
            done = await rollups.turn(now, retention.raw_from_us(now))
            if now >= retention_due:
                await let_go(connection, mode, retention, now)
                retention_due = now + _RETENTION_EVERY_US
        tell("")
        # More was due than one turn takes: go on at once, but let the follower in between.
        await pause(stop, 0.1 if done else _TURN_S)
