"""What the follower tells the engine through the door: how far it has come, and the registry.

E1  `passed` is told only after the commit, so the engine never trims what is not durable here.
E2  Of the registry documents newer than the engine's, only the newest is offered: each is whole. The engine's own
    number is the truth about what it has, so one with a fresh store is given the newest document again.
E3  A refused document is written down with its faults and not offered again; the newest of the others is.
"""

import asyncio
from typing import Protocol

from engine.client import EngineAway, EngineBusy, EngineRefused
from engine.messages import Done, Status
from storage.database import Connection, translated
from storage.text import clean
from storage.writer import FOLLOWER


class Door(Protocol):
    """The part of engine.client.DoorClient that is needed here."""

    @property
    def connected(self) -> bool: ...
    async def connect(self) -> None: ...
    async def close(self) -> None: ...
    async def status(self) -> Status: ...
    async def passed(self, follower: str, cycle: int) -> Done: ...
    async def replace_registry(self, number: int, body: bytes) -> Done: ...


class EngineSide:
    """One conversation at a time; `begin` takes it up anew after the engine was away."""

    def __init__(self, door: Door) -> None:
        self._door = door
        self._passed = -1
        self._number: int | None = None

    async def begin(self) -> None:
        """Open the door (anew). The engine behind it may be another one each time, with another store. Raises
        EngineAway."""
        self._passed, self._number = -1, None
        await self._door.close()
        await self._door.connect()

    async def turn(self, connection: Connection | None, engine: str, cycle: int | None) -> None:
        """Say that `cycle` is durable (None: nothing may be said about it), and offer what is new in the registry
        (`connection` None: the database is away). Raises EngineAway, DatabaseAway, DatabaseRefused; ask again later."""
        try:
            if self._number is None:
                status = await self._door.status()
                if status.engine != engine:
                    raise EngineAway(f"the door belongs to engine {status.engine}, the journal to {engine}")
                self._number = status.registry_number
            if cycle is not None and cycle != self._passed:
                await self._door.passed(FOLLOWER, cycle)
                self._passed = cycle
            if connection is not None:
                await self._offer_registry(connection, engine, self._number)
        except (EngineBusy, EngineRefused) as refused:
            raise EngineAway(str(refused)) from refused

    async def _offer_registry(self, connection: Connection, engine: str, known: int) -> None:
        while (found := await _newest(connection, known)) is not None:
            number, body = found
            try:
                await self._door.replace_registry(number, body)
            except EngineRefused as refused:
                with translated():
                    await connection.execute(
                        "UPDATE registry_outbox SET refused = %s WHERE number = %s",
                        (clean(str(refused)), number),
                    )
                continue
            self._number = known = number
        with translated():
            await connection.execute(
                "UPDATE follower_cursor SET registry_number = %s WHERE engine = %s AND follower = %s"
                " AND registry_number <> %s",
                (self._number, engine, FOLLOWER, self._number),
            )


async def _newest(connection: Connection, known: int) -> tuple[int, bytes] | None:
    """The newest document above `known` that was not refused."""
    with translated():
        cursor = await connection.execute(
            "SELECT number, body FROM registry_outbox WHERE number > %s AND refused = '' ORDER BY number DESC LIMIT 1",
            (known,),
        )
        row = await cursor.fetchone()
    return None if row is None else (int(row[0]), bytes(row[1]))


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
