"""The other side of the door: how the API, the followers and the command line speak with the engine.

One connection, any number of requests at a time. Losing it fails every request under way with EngineAway (transient);
nothing is retried here, because only the caller knows whether a request may be sent twice (all of ours may: they carry
ids).
"""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import TypeVar

import msgspec

from engine import messages as m
from rules.instructions import Instruction

_encoder = msgspec.msgpack.Encoder()
_answers = msgspec.msgpack.Decoder(m.Answer)

#: How many feed events may wait for a slow reader before its stream is closed; it resumes by its last event id.
MOST_WAITING_EVENTS = 10_000

AnswerT = TypeVar("AnswerT", bound=m.Answer)


class EngineAway(ConnectionError):
    """The engine cannot be reached, or went away before it answered. Transient: ask again."""


class EngineRefused(ValueError):
    """The engine understood and refused; the text says place, reason and remedy. Permanent."""


class TokenRefused(EngineRefused):
    """The token that came with the readings is good no longer."""


class EngineBusy(Exception):
    """The store is in its reserve or too much is waiting. Transient: ask again after `retry_after_s`."""

    def __init__(self, retry_after_s: int, reason: str) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class DoorClient:
    """A connection to the engine's door. Use `async with DoorClient(path) as door`, or `connect` and `close`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Queue[m.Answer | None]] = {}
        self._reader: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> "DoorClient":
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Raises EngineAway when nobody listens."""
        try:
            reader, self._writer = await asyncio.open_unix_connection(str(self._path))
        except OSError as away:
            raise EngineAway(f"no engine at {self._path}: {away.strerror or away}") from away
        self._reader = asyncio.create_task(self._read(reader), name="door-client")

    async def close(self) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader
        if self._writer is not None:
            self._writer.close()
            with contextlib.suppress(OSError):
                await self._writer.wait_closed()
            self._writer = None

    @property
    def connected(self) -> bool:
        return self._writer is not None and self._reader is not None and not self._reader.done()

    async def push(
        self,
        *,
        principal: str,
        identity: str,
        payloads: tuple[bytes, ...],
        content_type: str,
        key: str = "",
        token_sha256: str = "",
    ) -> m.Pushed:
        """Readings in; returns after the commit. Raises EngineBusy, EngineRefused (TokenRefused), EngineAway."""
        answer = await self._ask(
            m.Push(
                request=next(self._numbers),
                principal=principal,
                identity=identity,
                payloads=payloads,
                content_type=content_type,
                key=key,
                token_sha256=token_sha256,
            ),
            m.Pushed,
            m.Authenticated,
        )
        if not isinstance(answer, m.Pushed):
            raise TokenRefused("this token is good no longer")
        return answer

    async def instruct(self, instruction: Instruction) -> m.Instructed:
        """A person's word in; returns after the commit, accepted or refused with its reason."""
        return await self._ask(m.Instruct(request=next(self._numbers), instruction=instruction), m.Instructed)

    async def alarms(self, alarm: str = "") -> m.Alarms:
        return await self._ask(m.ListAlarms(request=next(self._numbers), alarm=alarm), m.Alarms)

    async def wanted(self, wanted: str = "") -> m.WantedList:
        return await self._ask(m.ListWanted(request=next(self._numbers), wanted=wanted), m.WantedList)

    async def incidents(self, incident: str = "") -> m.Incidents:
        return await self._ask(m.ListIncidents(request=next(self._numbers), incident=incident), m.Incidents)

    async def permits(self, permit: str = "") -> m.Permits:
        return await self._ask(m.ListPermits(request=next(self._numbers), permit=permit), m.Permits)

    async def held(self, rule: str = "") -> m.HeldList:
        return await self._ask(m.ListHeld(request=next(self._numbers), rule=rule), m.HeldList)

    async def rules(self) -> m.RulesInForce:
        return await self._ask(m.GetRules(request=next(self._numbers)), m.RulesInForce)

    async def status(self) -> m.Status:
        return await self._ask(m.GetStatus(request=next(self._numbers)), m.Status)

    async def authenticate(self, identity: str, token: str) -> m.Authenticated:
        return await self._ask(
            m.Authenticate(request=next(self._numbers), identity=identity, token=token), m.Authenticated
        )

    async def find_device(self, identity: str) -> m.DeviceFound:
        return await self._ask(m.FindDevice(request=next(self._numbers), identity=identity), m.DeviceFound)

    async def passed(self, follower: str, cycle: int) -> m.Done:
        return await self._ask(m.Passed(request=next(self._numbers), follower=follower, cycle=cycle), m.Done)

    async def replace_registry(self, number: int, body: bytes) -> m.Done:
        return await self._ask(m.ReplaceRegistry(request=next(self._numbers), number=number, body=body), m.Done)

    async def change_registry(self, number: int, base: int, body: bytes) -> m.Done | m.Stands:
        """Returns Stands when the engine does not stand at `base`. Raises as replace_registry."""
        request = m.ChangeRegistry(request=next(self._numbers), number=number, base=base, body=body)
        return await self._ask(request, m.Done, m.Stands)

    async def replace_rules(self, by: str, body: bytes) -> m.Done:
        return await self._ask(m.ReplaceRules(request=next(self._numbers), by=by, body=body), m.Done)

    async def follow(self, cycle: int = -1, n: int = -1) -> AsyncGenerator[m.FeedEvent | m.FeedGone, None]:
        """Decisions after (cycle, n), then live ones. Ends by raising EngineAway; a FeedGone is the last item."""
        number = next(self._numbers)
        answers = await self._send(m.Follow(request=number, cycle=cycle, n=n))
        try:
            while True:
                answer = await answers.get()
                if isinstance(answer, m.FeedEvent):
                    yield answer
                elif isinstance(answer, m.FeedGone):
                    yield answer
                    return
                else:
                    raise EngineAway("the feed ended")
        finally:
            self._waiting.pop(number, None)

    async def _ask(self, request: m.Request, *kinds: type[AnswerT]) -> AnswerT:
        answers = await self._send(request)
        try:
            answer = await answers.get()
        finally:
            self._waiting.pop(request.request, None)
        if isinstance(answer, kinds):
            return answer
        if isinstance(answer, m.Busy):
            raise EngineBusy(answer.retry_after_s, answer.reason)
        if isinstance(answer, m.Failed):
            raise EngineRefused(answer.reason)
        raise EngineAway("the engine went away before it answered")

    async def _send(self, request: m.Request) -> "asyncio.Queue[m.Answer | None]":
        if self._writer is None or not self.connected:
            raise EngineAway(f"no engine at {self._path}")
        answers: asyncio.Queue[m.Answer | None] = asyncio.Queue(MOST_WAITING_EVENTS + 1)
        self._waiting[request.request] = answers
        body = _encoder.encode(request)
        try:
            self._writer.write(len(body).to_bytes(4, "little") + body)
            await self._writer.drain()
        except OSError as away:
            self._waiting.pop(request.request, None)
            raise EngineAway("the engine went away") from away
        return answers

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "little")
                answer = _answers.decode(await reader.readexactly(size))
                answers = self._waiting.get(answer.request)
                if answers is not None and answers.qsize() < MOST_WAITING_EVENTS:
                    answers.put_nowait(answer)
                elif answers is not None:
                    break  # a feed reader that far behind resumes by its last event id
        except (OSError, asyncio.IncompleteReadError, msgspec.MsgspecError):
            pass
        finally:
            for answers in self._waiting.values():
                answers.put_nowait(None)  # behind what came before: nothing that was received is lost
            self._waiting.clear()
            if self._writer is not None:
                self._writer.close()
