"""The door: a local socket by which people, HTTP readings and followers reach the engine.

D1  What changes anything is answered after the commit that holds it (G1).
D2  The same instruction id, the same push key, the same registry number change nothing a second time; they are
    answered as the first time.
D3  One connection has at most `MOST_UNDER_WAY` instructions under way, beyond that it is not read; and as many pushes,
    beyond that they are answered Busy, so that readings never stand before a person's word (G4).
The socket lies in the data folder, which only the owner may enter; the API checks people before it asks.
"""

import asyncio
import contextlib
import stat
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path

import msgspec
import structlog

from engine import messages as m
from engine.changes import Changes
from engine.cycle import Asked, Cycle
from engine.feed import Feed
from engine.owners import of_device
from engine.pushes import RETRY_AFTER_S, PushLink, answer_key, answered_before
from engine.records import decode_decisions
from engine.store import CommitFailed
from engine.views import listed, rules_in_force
from ingest.mqtt_directory import Directory
from rules.decisions import Answered

_log = structlog.get_logger()
_encode = msgspec.msgpack.Encoder().encode
_requests = msgspec.msgpack.Decoder(m.Request)

#: Requests of one connection under way at once.
MOST_UNDER_WAY = 256


class Door:
    """Serves one engine's socket. `directory` says whose token is whose, and is replaced with the registry; `gauges`
    tells what the links and the process know of themselves."""

    def __init__(
        self,
        cycle: Cycle,
        pushes: PushLink,
        feed: Feed,
        path: Path,
        directory: Directory,
        gauges: Callable[[], dict[str, float]],
    ) -> None:
        self.cycle = cycle
        self.pushes = pushes
        self.feed = feed
        self.gauges = gauges
        self._path = path
        self._server: asyncio.Server | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self.changes = Changes(cycle)
        self.pushing: dict[str, list[tuple[int, Callable[[m.Answer], None]]]] = {}
        self.asked: dict[str, list[Callable[[Answered], None]]] = {}
        self.directory = directory

    async def open(self) -> None:
        """Listen. A socket file left by a killed engine is replaced; the store's lock already tells that it is dead."""
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(self._path.stat().st_mode):
                self._path.unlink()
        self._server = await asyncio.start_unix_server(self._called, path=str(self._path), limit=m.MOST_MESSAGE_BYTES)
        self._path.chmod(0o600)

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        for caller in tuple(self._callers):
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        self._path.unlink(missing_ok=True)

    def pushed(self, key: str, answer: m.Pushed | m.Busy | m.Failed) -> None:
        """Everybody who offered the same readings under the same key hears the same (D2)."""
        for request, tell in self.pushing.pop(key, ()):
            tell(msgspec.structs.replace(answer, request=request))

    async def _called(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._callers.add(task)
        caller = _Caller(self, writer)
        try:
            while True:
                size = int.from_bytes(await reader.readexactly(4), "little")
                if size > m.MOST_MESSAGE_BYTES:
                    break
                await caller.hear(_requests.decode(await reader.readexactly(size)))
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        except msgspec.MsgspecError as wrong:
            _log.warning("door: a request that is not ours", why=str(wrong))
        finally:
            caller.leave()
            self._callers.discard(task)
            writer.close()


class _Caller:
    """One connection through the door."""

    def __init__(self, door: Door, writer: asyncio.StreamWriter) -> None:
        self._door = door
        self._writer = writer
        self._room = asyncio.Semaphore(MOST_UNDER_WAY)
        self._pushes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._streams: list[_Stream] = []

    async def hear(self, request: m.Request) -> None:
        """Answer now, or start what answers later."""
        door = self._door
        match request:
            case m.Push():
                if self._pushes >= MOST_UNDER_WAY:
                    why = "too many pushes of this connection are under way"
                    self.say(m.Busy(request=request.request, retry_after_s=RETRY_AFTER_S, reason=why))
                else:
                    self._pushes += 1
                    self._push(request)
            case m.Instruct():
                await self._room.acquire()
                self._instruct(request)
            case m.ReplaceRegistry() | m.ChangeRegistry() | m.ReplaceRules():
                await self._room.acquire()
                self._start(self._replace(request))
            case m.Follow():
                stream = _Stream(request.request, self._writer)
                self._streams.append(stream)
                self._start(self._follow(stream, request.cycle, request.n))
            case m.Passed():
                self.say(self._passed(request))
            case m.Authenticate():
                self.say(self._authenticate(request))
            case m.FindDevice():
                self.say(self._find(request))
            case m.ListAlarms() | m.ListWanted() | m.ListIncidents() | m.ListPermits() | m.ListHeld():
                self.say(listed(door.cycle.memory, door.cycle.store.last_cycle, request))
            case m.GetRules():
                self.say(rules_in_force(door.cycle.memory, door.cycle.store.last_cycle, request.request))
            case m.GetStatus():
                self.say(self._status(request))
        await self._writer.drain()

    def say(self, answer: m.Answer) -> None:
        if not self._writer.is_closing():
            _write(self._writer, answer)

    def leave(self) -> None:
        for task in self._tasks:
            task.cancel()
        for stream in self._streams:
            self._door.feed.leave(stream)

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _later(self, answer: m.Answer) -> None:
        self._room.release()
        self.say(answer)

    def _answer_push(self, answer: m.Answer) -> None:
        self._pushes -= 1
        self.say(answer)

    def _push(self, push: m.Push) -> None:
        door, memory = self._door, self._door.cycle.memory
        slot = memory.fleet.slot_by_identity.get(push.identity, -1)
        mine = push.identity in door.directory.speaks_for(push.principal)
        if slot < 0 or not mine:
            why = f"{push.principal!r} may not publish for {push.identity!r}"
            self._answer_push(m.Failed(request=push.request, reason=why))
            return
        if push.token_sha256 and not door.directory.still_good(push.principal, push.token_sha256, door.cycle.now()):
            self._answer_push(m.Authenticated(request=push.request, identity=""))
            return
        if not push.key:
            door.pushes.offer(push, int(memory.fleet.device_no[slot]), self._answer_push)
            return
        key = answer_key(push)
        before = door.cycle.store.answer(key)
        if before is not None:
            self._answer_push(answered_before(before, push.request))
        elif key in door.pushing:
            door.pushing[key].append((push.request, self._answer_push))
        else:
            door.pushing[key] = [(push.request, self._answer_push)]
            door.pushes.offer(push, int(memory.fleet.device_no[slot]), partial(door.pushed, key), key)

    def _instruct(self, request: m.Instruct) -> None:
        """Done once per id, also when the same id comes again while the first is still under way (D2)."""
        door, instruction = self._door, request.instruction

        def answer(answered: Answered) -> None:
            self._later(
                m.Instructed(
                    request=request.request,
                    accepted=answered.accepted,
                    reason=answered.reason,
                    subject=answered.subject,
                )
            )

        before = door.cycle.store.answer(f"instruction:{instruction.id}")
        if before is not None:
            known = decode_decisions(before)[0]
            assert isinstance(known, Answered)
            answer(known)
        elif instruction.id in door.asked:
            door.asked[instruction.id].append(answer)
        else:
            door.asked[instruction.id] = [answer]
            now = door.cycle.now()
            stamped = msgspec.structs.replace(instruction, at=now)
            door.cycle.pending.asked.append(Asked(stamped, self._answer_all))
            door.cycle.wake()

    def _answer_all(self, answered: Answered) -> None:
        for answer in self._door.asked.pop(answered.id, ()):
            answer(answered)

    async def _replace(self, request: m.ReplaceRegistry | m.ChangeRegistry | m.ReplaceRules) -> None:
        cycle: int | None
        try:
            if isinstance(request, m.ReplaceRegistry):
                cycle = await self._door.changes.replace_registry(request.number, request.body)
            elif isinstance(request, m.ChangeRegistry):
                cycle = await self._door.changes.change_registry(request.number, request.base, request.body)
            else:
                cycle = await self._door.changes.replace_rules(request.by, request.body)
        except ValueError as wrong:
            self._later(m.Failed(request=request.request, reason=str(wrong)))
            return
        if cycle is None:
            self._later(m.Stands(request=request.request, number=self._door.cycle.memory.registry_number))
        else:
            self._later(m.Done(request=request.request, cycle=cycle))

    async def _follow(self, stream: "_Stream", cycle: int, n: int) -> None:
        place: tuple[int, int] | None = (cycle, n)
        while place is not None:
            place = self._door.feed.catch_up(stream, *place)
            await self._writer.drain()

    def _passed(self, request: m.Passed) -> m.Done | m.Failed:
        try:
            self._door.cycle.store.passed(request.follower, request.cycle)
        except (ValueError, CommitFailed) as refused:
            return m.Failed(request=request.request, reason=str(refused))
        return m.Done(request=request.request, cycle=request.cycle)

    def _authenticate(self, request: m.Authenticate) -> m.Authenticated:
        """HTTP names no user: the token may be the device's own, or that of the gateway it is registered behind."""
        door, fleet = self._door, self._door.cycle.memory.fleet
        slot = fleet.slot_by_identity.get(request.identity, -1)
        device = fleet.devices[slot] if slot >= 0 else None
        now = door.cycle.now()
        for identity in (request.identity, device.gateway if device else ""):
            if identity and door.directory.proves(identity, request.token.encode(), now):
                mine = door.directory.speaks_for(identity)
                return m.Authenticated(request=request.request, identity=identity, may_publish_for=mine)
        return m.Authenticated(request=request.request, identity="")

    def _find(self, request: m.FindDevice) -> m.DeviceFound:
        fleet = self._door.cycle.memory.fleet
        slot = fleet.slot_by_identity.get(request.identity, -1)
        device, model = (fleet.devices[slot], fleet.model_by_slot[slot]) if slot >= 0 else (None, None)
        if device is None or model is None:
            return m.DeviceFound(request=request.request, device_no=0)
        return m.DeviceFound(
            request=request.request,
            device_no=device.device_no,
            identity=device.identity,
            kind=model.kind,
            model=model.key,
            site=device.site,
            simulated=bool(fleet.simulated[slot]),
            commandable=slot in fleet.valves,
            owner=of_device(fleet, device.device_no),
        )

    def _status(self, request: m.GetStatus) -> m.Status:
        cycle = self._door.cycle
        return m.Status(
            request=request.request,
            engine=cycle.store.engine,
            cycle=cycle.store.last_cycle,
            now=cycle.store.last_now,
            devices=int(cycle.memory.fleet.present.sum()),
            registry_number=cycle.memory.registry_number,
            counts=tuple(cycle.store.counts.values()),
            followers=dict(cycle.store.followers),
            gauges=self._door.gauges(),
        )


class _Stream:
    """A feed follower on a caller's connection."""

    def __init__(self, request: int, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._writer = writer

    def send(self, answer: m.FeedEvent | m.FeedGone) -> None:
        if not self._writer.is_closing():
            _write(self._writer, answer)

    def unread_bytes(self) -> int:
        return self._writer.transport.get_write_buffer_size()

    def cut(self) -> None:
        self._writer.transport.abort()


def _write(writer: asyncio.StreamWriter, answer: m.Answer) -> None:
    body = _encode(answer)
    writer.write(len(body).to_bytes(4, "little") + body)
