"""What the follower tells the engine through the door: how far it has come, and the registry.

E1  `passed` is told only after the commit, so the engine never trims what is not durable here.
E2  Changes of the registry are offered in the order of their numbers, each to an engine that stands where the change
    stands (its `base`): so none is skipped, and the engine's own number is the truth about what it has. An engine that
    stands elsewhere is given the registry whole, as of one moment of the tables, and goes on from there.
E3  What the engine refuses is written down with its faults and not offered again. The change after it stands on it, so
    the registry is then offered whole.
"""

import asyncio
from typing import Protocol

from devices.sites import encode_registry, packed
from engine.client import EngineAway, EngineBusy, EngineRefused
from engine.messages import Done, Stands, Status
from storage import outbox
from storage.database import Connection, translated
from storage.registry_whole import whole_registry
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
    async def change_registry(self, number: int, base: int, body: bytes) -> Done | Stands: ...


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
        while True:
            with translated():
                waiting = await outbox.waiting(connection, known)
            if not waiting:
                break
            self._number = known = await self._offer(connection, waiting, known)
        with translated():
            await connection.execute(
                "UPDATE follower_cursor SET registry_number = %s WHERE engine = %s AND follower = %s"
                " AND registry_number <> %s",
                (self._number, engine, FOLLOWER, self._number),
            )

    async def _offer(self, connection: Connection, waiting: list[outbox.Offered], known: int) -> int:
        """Returns where the engine stands then."""
        if len(waiting) > outbox.MOST_CHANGES:
            return await self._offer_whole(connection, known)
        for change in waiting:
            if not change.whole and change.base != known:
                return await self._offer_whole(connection, known)
            try:
                if change.whole:
                    await self._door.replace_registry(change.number, change.body)
                elif isinstance(await self._door.change_registry(change.number, known, change.body), Stands):
                    return await self._offer_whole(connection, known)
            except EngineRefused as refused:
                with translated():
                    await outbox.refuse(connection, change.number, clean(str(refused)))
                return known
            known = change.number
        return known

    async def _offer_whole(self, connection: Connection, known: int) -> int:
        with translated():
            async with connection.transaction():
                await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
                number = await outbox.newest(connection)
                registry = await whole_registry(connection)
        try:
            await self._door.replace_registry(number, packed(encode_registry(registry)))
        except EngineRefused as refused:
            with translated():
                await outbox.refuse(connection, number, clean(str(refused)), after=known)
            return known
        return number


async def pause(stop: asyncio.Event, seconds: float) -> None:
    """Wait so long, or until `stop`."""
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
