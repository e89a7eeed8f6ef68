"""The API's connection to the engine's door: one for all requests, made anew when it is lost.

D1  No request waits for an engine that is away: it is told so at once (EngineAway), and the next request tries again.
D2  Every answer is awaited for at most `answer_within_s`.
D3  Who asked for a change knows what to think of a missing answer: EngineAway where it was not sent, so that nothing
    was taken; PerhapsTaken where it was. Nothing is retried here: the client decides, and its Idempotency-Key makes
    that safe.
D4  However many requests ask for the alarm list at a time, the engine makes one list after another; each request gets
    a list that was begun after it asked, so it sees what was acknowledged before.
"""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Generic, TypeVar

from api.problems import PerhapsTaken
from engine import messages as m
from engine.client import DoorClient, EngineAway

T = TypeVar("T")


class Coalesced(Generic[T]):
    """Requests for the same thing share one fetch that has not begun yet (D4)."""

    def __init__(self, fetch: Callable[[], Awaitable[T]]) -> None:
        self._fetch = fetch
        self._running: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def get(self) -> T:
        if self._next is None:
            self._next = asyncio.create_task(self._after(self._running))
            self._next.add_done_callback(_retrieved)
        return await asyncio.shield(self._next)

    async def _after(self, running: "asyncio.Task[T] | None") -> T:
        if running is not None:
            await asyncio.wait({running})
        self._running, self._next = self._next, None
        return await self._fetch()


def _retrieved(task: "asyncio.Task[T]") -> None:
    """Everybody who asked may have gone; then nobody else looks at the failure."""
    if not task.cancelled():
        task.exception()


class Door:
    """What routes ask the engine through."""

    def __init__(self, path: Path, answer_within_s: float) -> None:
        self._path = path
        self._answer_within_s = answer_within_s
        self._connecting = asyncio.Lock()
        self._client: DoorClient | None = None
        self._alarms = Coalesced(lambda: self.ask(lambda door: door.alarms()))

    async def change(self, request: Callable[[DoorClient], Awaitable[T]]) -> T:
        """The engine's answer to what changes something. Raises EngineAway where the request cannot have reached it,
        PerhapsTaken where its answer did not come; EngineBusy, EngineRefused."""
        sent = False

        async def send(client: DoorClient) -> T:
            nonlocal sent
            sent = True
            return await request(client)

        try:
            return await self.ask(send)
        except EngineAway as away:
            if sent:
                raise PerhapsTaken(str(away)) from away
            raise

    async def ask(self, question: Callable[[DoorClient], Awaitable[T]]) -> T:
        """The engine's answer to what changes nothing. Raises EngineAway (also when it takes too long), EngineBusy,
        EngineRefused."""
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await question(await self._connected())
        except TimeoutError as slow:
            raise EngineAway(f"no answer within {self._answer_within_s} s") from slow

    async def alarms(self) -> m.Alarms:
        """Every alarm that is not normal now (D4)."""
        return await self._alarms.get()

    async def alarm(self, alarm: str) -> m.AlarmView | None:
        """One alarm, None when it is normal or unknown."""
        found = await self.ask(lambda door: door.alarms(alarm))
        return next((view for view in found.alarms if view.alarm == alarm), None)

    async def wanted(self, wanted: str) -> m.WantedView | None:
        """One wanted position, None when the engine does not keep it (any more)."""
        found = await self.ask(lambda door: door.wanted(wanted))
        return next((view for view in found.wanted if view.wanted == wanted), None)

    async def incidents(self) -> m.Incidents:
        """Every incident that nobody has closed."""
        return await self.ask(lambda door: door.incidents())

    async def incident(self, incident: str) -> m.IncidentView | None:
        """One incident, None when it is closed or unknown."""
        found = await self.ask(lambda door: door.incidents(incident))
        return next((view for view in found.incidents if view.incident == incident), None)

    async def permits(self) -> m.Permits:
        """Every permit that lives."""
        return await self.ask(lambda door: door.permits())

    async def permit(self, permit: str) -> m.PermitView | None:
        """One permit, None when it has ended or is unknown."""
        found = await self.ask(lambda door: door.permits(permit))
        return next((view for view in found.permits if view.permit == permit), None)

    async def held(self, rule: str = "") -> m.HeldList:
        """Every shut-off that waits, of one rule or of all."""
        return await self.ask(lambda door: door.held(rule))

    async def rules(self) -> m.RulesInForce:
        """The rules that judge now."""
        return await self.ask(lambda door: door.rules())

    async def status(self) -> m.Status:
        return await self.ask(lambda door: door.status())

    async def close(self) -> None:
        if self._client is not None:
            await self._client.close()

    async def _connected(self) -> DoorClient:
        async with self._connecting:
            if self._client is None or not self._client.connected:
                if self._client is not None:
                    await self._client.close()
                client = DoorClient(self._path)
                await client.connect()
                self._client = client
            return self._client
