"""What routes share, made once per application; and how a route gets it."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Annotated

import psycopg
from fastapi import Depends, Request

from api.config import ApiConfig
from api.door import Door
from api.feed import Feed
from api.http_counts import HttpCounts
from api.problems import BAD_PARAMETER, DATABASE_AWAY, RETRY_AFTER_S, Problem
from api.tokens import Tokens
from engine.client import EngineAway
from storage.database import Connection, DatabaseAway, DatabaseRefused, Pool, from_pool, server_version

#: A health question waits so long for the database, less than the usual probe waits for its answer.
_PING_WITHIN_S = 1.0
#: After the database was found away, so long nobody waits for it: an alarm's page is not to take seconds each time.
_AWAY_FOR_S = 1.0
_DETAIL = "Alarms, acknowledgements and closing valves go on; history has to wait. Ask again."


@dataclass(slots=True)
class Parts:
    """`pool` is None without a database."""

    config: ApiConfig
    door: Door
    feed: Feed
    tokens: Tokens
    counts: HttpCounts
    pool: Pool | None
    away_until_s: float = 0.0
    counting_rows: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def engine(self) -> str:
        """The engine's id, the first part of an event id. Raises EngineAway."""
        return self.feed.engine or (await self.door.status()).engine

    async def engine_up(self) -> bool:
        with suppress(EngineAway):
            await self.door.status()
            return True
        return False

    async def database_up(self) -> bool | None:
        """None: there is none."""
        if self.pool is None:
            return None
        if time.monotonic() < self.away_until_s:
            return False
        with suppress(DatabaseAway, DatabaseRefused, TimeoutError):
            async with asyncio.timeout(_PING_WITHIN_S), from_pool(self.pool) as connection:
                await server_version(connection)
            return True
        self.away_until_s = time.monotonic() + _AWAY_FOR_S
        return False

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A connection for reading. Raises Problem (503) while the database is away."""
        if self.pool is None:
            raise Problem(DATABASE_AWAY, "This installation runs without a database")
        if time.monotonic() < self.away_until_s:
            raise Problem(DATABASE_AWAY, _DETAIL, retry_after_s=RETRY_AFTER_S)
        try:
            async with from_pool(self.pool) as connection:
                yield connection
        except (DatabaseAway, DatabaseRefused) as away:
            self.away_until_s = time.monotonic() + _AWAY_FOR_S
            raise Problem(DATABASE_AWAY, _DETAIL, retry_after_s=RETRY_AFTER_S) from away
        except psycopg.DataError as wrong:  # such as NUL in a text: the database cannot even look for it
            raise Problem(BAD_PARAMETER, "A value in the request is one that no row can have") from wrong


def parts_of(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Shared = Annotated[Parts, Depends(parts_of)]
