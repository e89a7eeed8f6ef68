"""The API's way to the database, in somebody's name, and never in the way of what needs none.

Q0  There is no connection but in the name of a tenant, the platform or the public (storage/tenants.py): what the
    application forgets to ask, row-level security has asked.
Q1  Nobody waits for a database that was found away within the last AWAY_FOR_S.
Q2  "Away" is what the connection says. A question that took too long, or finding every connection in use, is the
    asker's own 503: others go on asking.
"""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import psycopg
import structlog
from psycopg_pool import PoolTimeout

from api.problems import BAD_PARAMETER, DATABASE_AWAY, DATABASE_BUSY, NOT_FOUND, RETRY_AFTER_S, Problem
from api.request_key import take_with
from storage.database import (
    QUERY_TIMEOUT_MS,
    Connection,
    DatabaseAway,
    DatabaseRefused,
    Pool,
    from_pool,
    query_pool,
    server_version,
)
from storage.tenants import As, FenceRefused, Roles, become_nobody, in_the_name_of

_log = structlog.get_logger()

#: A health question waits so long for the database, less than the usual probe waits for its answer.
PING_WITHIN_S = 1.0
#: After the database was found away, so long nobody waits for it: an alarm's page is not to take seconds each time.
AWAY_FOR_S = 1.0
AWAY = "Alarms, acknowledgements and closing valves go on; history has to wait. Ask again."
_IN_USE = "Every connection to the database is in use. Ask again."
_TOO_LONG = f"The question took more than {QUERY_TIMEOUT_MS / 1_000:g} s. Ask for a shorter time, or less at a time."


class Database:
    """`url` None: this installation has none."""

    def __init__(self, url: str | None) -> None:
        self._pool = query_pool(url, name="api", configure=self._begin) if url else None
        self._roles: Roles | None = None
        self._in_use = 0
        self._away_until_s = 0.0

    async def open(self) -> None:
        """Returns at once; the database may be away."""
        if self._pool is not None:
            await self._pool.open(wait=False)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def up(self) -> bool | None:
        """Whether it answers; None where there is none. It is up while every connection is in use."""
        if self._pool is None:
            return None
        if time.monotonic() < self._away_until_s:
            return False
        try:
            async with asyncio.timeout(PING_WITHIN_S), self._connection(self._pool) as connection:
                await server_version(connection)
        except (DatabaseAway, DatabaseRefused, TimeoutError) as wrong:
            if self._all_in_use(self._pool) or _took_too_long(wrong):
                return True
            self._found_away()
            return False
        return True

    @contextlib.asynccontextmanager
    async def asking(self, who: As, *, writing: bool = False) -> AsyncIterator[Connection]:
        """A transaction in the name of `who`, read-only unless `writing`. Raises Problem: 503 while the database is
        away or busy (Q2), 404 where its fence refused."""
        if self._pool is None:
            raise Problem(DATABASE_AWAY, "This installation runs without a database")
        if time.monotonic() < self._away_until_s:
            raise Problem(DATABASE_AWAY, AWAY, retry_after_s=RETRY_AFTER_S)
        try:
            async with self._connection(self._pool) as connection:
                assert self._roles is not None  # every connection of the pool has gone through _begin
                async with in_the_name_of(connection, self._roles, who, writing=writing):
                    key = await take_with(connection) if writing else None
                    yield connection
                if key is not None:
                    key.taken = True
        except FenceRefused as refused:
            _log.error("security: the database refused what the API had allowed", of=str(who), reason=str(refused))
            raise Problem(NOT_FOUND, "there is no such thing") from refused
        except (DatabaseAway, DatabaseRefused) as wrong:
            raise self._problem(self._pool, wrong) from wrong
        except psycopg.DataError as wrong:  # such as NUL in a text: the database cannot even look for it
            raise Problem(BAD_PARAMETER, "A value in the request is one that no row can have") from wrong

    async def _begin(self, connection: Connection) -> None:
        """What the pool does with a new connection before anybody has it."""
        self._roles = await become_nobody(connection)

    @contextlib.asynccontextmanager
    async def _connection(self, pool: Pool) -> AsyncIterator[Connection]:
        async with from_pool(pool) as connection:
            self._in_use += 1
            try:
                yield connection
            finally:
                self._in_use -= 1

    def _problem(self, pool: Pool, wrong: DatabaseAway | DatabaseRefused) -> Problem:
        if _took_too_long(wrong):
            return Problem(DATABASE_BUSY, _TOO_LONG, retry_after_s=RETRY_AFTER_S)
        if isinstance(wrong.__cause__, PoolTimeout) and self._all_in_use(pool):
            return Problem(DATABASE_BUSY, _IN_USE, retry_after_s=RETRY_AFTER_S)
        self._found_away()
        return Problem(DATABASE_AWAY, AWAY, retry_after_s=RETRY_AFTER_S)

    def _all_in_use(self, pool: Pool) -> bool:
        return self._in_use >= pool.max_size

    def _found_away(self) -> None:
        self._away_until_s = time.monotonic() + AWAY_FOR_S


def _took_too_long(wrong: Exception) -> bool:
    """SQLSTATE 57014: statement_timeout, or somebody cancelled it. The database itself is well."""
    return isinstance(wrong.__cause__, psycopg.errors.QueryCanceled)
