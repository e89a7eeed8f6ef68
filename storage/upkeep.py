"""The quiet work beside the follower: roll-ups, partitions ahead of time, retention. Its own connection, its own pace;
a database that is away is waited for."""

import asyncio
from collections.abc import Callable

import psycopg

from storage.clock_watch import ClockWatch
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import pause
from storage.modes import Mode
from storage.partitions import Partitions
from storage.retention import Retention, let_go, raw_from_us
from storage.rollups import Rollups

__all__ = ["Retention", "Upkeep", "keep_up"]

#: A minute's sums appear so long after it has settled, at most.
_TURN_S = 5.0
_RETENTION_EVERY_S = 3600.0


async def keep_up(
    url: str,
    stop: asyncio.Event,
    clock: Callable[[], int],
    steady: Callable[[], float],
    retention: Retention,
    tell: Callable[[str], None],
) -> None:
    """Until `stop`. clock: microseconds since 1970 UTC; steady: seconds, by a clock that nobody can set. `tell` hears
    what is in the way, or an empty text when nothing is."""
    watch = ClockWatch()
    while not stop.is_set():
        connection: Connection | None = None
        try:
            connection = await connect(url, name="upkeep")
            upkeep = Upkeep(connection, await ready(connection), retention, watch)
            while not stop.is_set():
                done = await upkeep.turn(clock(), steady())
                tell(upkeep.in_the_way)
                # More was due than one turn takes: go on at once, but let the follower in between.
                await pause(stop, 0.1 if done else _TURN_S)
        except (DatabaseAway, DatabaseRefused, psycopg.Error) as away:
            tell(f"{type(away).__name__}: {away}")
        finally:
            if connection is not None:
                await connection.close()
        await pause(stop, _TURN_S)


class Upkeep:
    """One turn after another, over one connection. `in_the_way`: why the last turn could not do all; empty when it
    could."""

    def __init__(self, connection: Connection, mode: Mode, retention: Retention, watch: ClockWatch) -> None:
        self._connection = connection
        self._mode = mode
        self._retention = retention
        self._watch = watch
        self._partitions = Partitions(mode)
        self._rollups = Rollups(connection, self._partitions)
        #: By the steady clock: a wall clock that is put back must not put this off.
        self._due_s = float("-inf")
        self.in_the_way = ""

    async def turn(self, now_us: int, steady_s: float) -> int:
        """Returns how many buckets were summed up; more may be due."""
        doubt = self._watch.doubt(now_us, steady_s)
        with translated():
            await self._partitions.ahead(self._connection, now_us)
            done = await self._rollups.turn(now_us, await raw_from_us(self._connection))
            if doubt:
                self.in_the_way, self._due_s = doubt, float("-inf")
            elif steady_s >= self._due_s:
                gone = await let_go(self._connection, self._mode, self._retention, now_us)
                self._due_s = steady_s + (_RETENTION_EVERY_S if gone.finished else 0.0)
                self.in_the_way = f"retention waits for {', '.join(gone.waiting)}, in use" if gone.waiting else ""
        return done
