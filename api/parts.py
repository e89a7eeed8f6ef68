"""What routes share, made once per application; and how a route gets it."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request

from access.ownership import Owner
from access.principals import Principal
from api.alarm_load import AlarmLoad
from api.backtest_jobs import Backtests
from api.config import ApiConfig
from api.database import Database
from api.door import Door
from api.external import External
from api.feed import Feed
from api.file_jobs import FileJobs
from api.http_counts import HttpCounts
from api.known import Known
from api.live import Live
from api.passwords import Passwords
from api.push_places import PushPlaces
from api.rates import Rates
from api.readiness import Lookout
from api.tenancy import as_party, fence_of, in_whose_name
from api.throttle import Throttle
from api.tokens import Tokens
from storage.database import Connection
from storage.owners import device_owner
from storage.tenants import As, Standing, Tenant


def _itself(who: Principal) -> Principal:
    return who


@dataclass(frozen=True, slots=True)
class Judges:
    """As whom a request is judged by the application, and as whom by the fences behind it: the same, but in a test that
    takes the first away to see that the others hold."""

    judged: Callable[[Principal], Principal] = _itself
    fenced: Callable[[Principal], Principal] = _itself


AS_THEY_ARE = Judges()


@dataclass(slots=True)
class Parts:
    """requests: how often each device may ask; people: each person and key; strangers: each network without an
    account; complaints: each address without one. known: who may sign in. external: the provider that signs people
    in."""

    config: ApiConfig
    door: Door
    feed: Feed
    tokens: Tokens
    requests: Rates
    counts: HttpCounts
    places: PushPlaces
    stored: Database
    lookout: Lookout
    backtests: Backtests
    explaining: asyncio.Semaphore
    load: AlarmLoad
    known: Known
    passwords: Passwords
    throttle: Throttle
    people: Rates
    strangers: Rates
    unmaskings: Rates
    files: FileJobs
    complaints: Rates
    external: External | None = None
    judges: Judges = AS_THEY_ARE
    #: A workbook of a city takes a core for half a minute: one at a time.
    printing: asyncio.Lock = field(default_factory=asyncio.Lock)
    counting_rows: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def engine(self) -> str:
        """The engine's id, the first part of an event id. Raises EngineAway."""
        return self.feed.engine or (await self.door.status()).engine

    def still(self, who: Principal) -> bool:
        """Whether what `who` signed in by goes on, as it did: neither ended, nor with other rights."""
        return self.known.directory.still(who, self.config.now_us())

    def live(self, who: Principal) -> Live:
        """The engine's lists, as `who`'s parties see them."""

        async def installed(identity: str) -> bool:
            async with self.database(who) as connection:
                return await device_owner(connection, identity) is not None

        return Live(self.door, fence_of(self.judges.fenced(who)), installed)

    def database(
        self, who: Principal | As, owner: Owner | None = None, *, writing: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """A transaction in the name of `who` (api/tenancy.py), read-only unless `writing`. `owner`: whose the thing is
        that is asked for, where that is known. Raises Problem: 503 while the database is away or busy."""
        named = who if isinstance(who, Tenant | Standing) else in_whose_name(self.judges.fenced(who), owner)
        return self.stored.asking(named, writing=writing)

    def party(
        self, who: Principal, enterprise: str, *, writing: bool = False
    ) -> AbstractAsyncContextManager[Connection]:
        """The same about a party's own affairs: in the name of this one of `who`'s parties."""
        return self.stored.asking(as_party(self.judges.fenced(who), enterprise), writing=writing)


def parts_of(request: Request) -> Parts:
    parts = request.app.state.parts
    assert isinstance(parts, Parts)
    return parts


async def _parts_of(request: Request) -> Parts:
    """FastAPI runs a dependency that is no coroutine in a thread."""
    return parts_of(request)


Shared = Annotated[Parts, Depends(_parts_of)]
