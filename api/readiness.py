"""Is the platform ready? One look at engine and database serves everybody who asks within LOOK_LIVES_S: the question
is open to strangers, so it must cost no more the oftener it is asked."""

import asyncio
import contextlib
import time
from dataclasses import dataclass

from api.database import Database
from api.door import Door
from engine.client import EngineAway

#: How old a look may be: below the interval of the usual probe (product choice).
LOOK_LIVES_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """database: None where there is none."""

    engine: bool
    database: bool | None


class Lookout:
    def __init__(self, door: Door, database: Database) -> None:
        self._door = door
        self._database = database
        self._looking: asyncio.Task[Look] | None = None
        self._until_s = 0.0

    async def look(self) -> Look:
        """The look under way, or the last one while it is young enough."""
        looking = self._looking
        if looking is None or (looking.done() and time.monotonic() >= self._until_s):
            looking = self._looking = asyncio.create_task(self._look(), name="lookout")
        return await asyncio.shield(looking)

    async def _look(self) -> Look:
        try:
            engine, database = await asyncio.gather(self._engine_up(), self._database.up())
            return Look(engine, database)
        finally:
            self._until_s = time.monotonic() + LOOK_LIVES_S

    async def _engine_up(self) -> bool:
        with contextlib.suppress(EngineAway):
            await self._door.status()
            return True
        return False
