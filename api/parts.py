"""What routes share, made once per application; and how a route gets it."""

import asyncio
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


@dataclass(slots=True)
class Parts:
    """`pool` is None without a database."""

    config: ApiConfig
    door: Door
    feed: Feed
    tokens: Tokens
    counts: HttpCounts
    pool: Pool | None
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
        with suppress(DatabaseAway, DatabaseRefused, TimeoutError):
            async with asyncio.timeout(_PING_WITHIN_S), from_pool(self.pool) as connection:
                await server_version(connection)
            return True
        return False

    @asynccontextmanager
    async def database(self) -> AsyncIterator[Connection]:
        """A connection for reading. Raises Problem (503) while the database is away."""
        if self.pool is None:
            raise Problem(DATABASE_AWAY, "This installation runs without a database")
        try:
            async with from_pool(self.pool) as connection:
                yield connection
        except (DatabaseAway, DatabaseRefused) as away:
            detail = "Alarms, acknowledgements and closing valves go on; history has to wait. Ask again."
            raise Problem(DATABASE_AWAY, detail, retry_after_s=RETRY_AFTER_S) from away
        except psycopg.DataError as wrong:  # such as NUL in a text: the database cannot even look for it
            raise Problem(BAD_PARAMETER, "A value in the request is one that no row can have") from wrong


def parts_of(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


Shared = Annotated[Parts, Depends(parts_of)]
