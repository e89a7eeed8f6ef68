"""One reader of the engine's feed for every alarm stream of this process.

S1  A client that resumes after an event id gets every later decision exactly once and in order, or the event `reset`,
    which tells it to read the alarms anew; never a gap in silence.
S2  The engine serves one feed per API process, however many consoles watch.
S3  Nothing is kept per client but its place: a client that falls behind the `KEEP` newest events gets `reset`. The
    memory is bounded by KEEP, the streams by Limits.streams.
S4  While the engine is away a stream stays open and says so by a comment; it goes on where it was.
"""

import asyncio
import contextlib
from bisect import bisect_right
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import NamedTuple

from engine import messages as m
from engine.client import DoorClient, EngineAway

#: Events held for clients that resume. About 0.5 KiB each (source: product choice).
KEEP = 10_000
#: At the start the feed is read from so many cycles back, so that consoles resume over a restart of the API.
LOOK_BACK_CYCLES = 2_000
#: Behind every decision of a cycle.
AFTER_ALL = 2**31 - 1
#: Events written at one go: bounds a chunk to about 128 KiB.
CHUNK = 256
#: Waits between attempts to reach the engine. A local socket refuses at once, so short waits cost nothing.
FIRST_WAIT_S, LONGEST_WAIT_S = 0.05, 1.0

#: Before every event's number.
GONE = -1

HEARTBEAT = b": alive\n\n"
AWAY = b": engine away, trying again\n\n"
BACK = b": engine back\n\n"
RETRY = b"retry: 2000\n\n"  # milliseconds a browser waits before it reconnects


#: What one client sees of an event, given how everybody's is written: that, another, or nothing.
Show = Callable[[m.FeedEvent, bytes], bytes]


class Place(NamedTuple):
    cycle: int
    n: int


class EventId(NamedTuple):
    """`engine:cycle:n`, or `engine:cycle` for everything up to and including that cycle."""

    engine: str
    place: Place

    def __str__(self) -> str:
        return f"{self.engine}:{self.place.cycle}:{self.place.n}"


def parse_event_id(text: str) -> EventId:
    """Raises ValueError for anything else."""
    engine, *numbers = text.split(":")
    if not engine or len(text) > 128 or len(numbers) not in (1, 2) or not all(_is_number(part) for part in numbers):
        raise ValueError("an event id is engine:cycle:n, or engine:cycle as in `as_of`")
    cycle, n = int(numbers[0]), int(numbers[1]) if len(numbers) == 2 else AFTER_ALL
    if cycle >= 1 << 63 or n > AFTER_ALL:
        raise ValueError("an event id is engine:cycle:n with numbers the engine can have given")
    return EventId(engine, Place(cycle, n))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 19


class Feed:
    """`run` reads; `stream` serves one client. Both on one event loop."""

    def __init__(self, path: Path, encode: Callable[[m.FeedEvent], bytes | None], answer_within_s: float) -> None:
        self._path = path
        self._encode = encode
        self._answer_within_s = answer_within_s
        self._engine = ""
        self._client: DoorClient | None = None
        self._stopped = False
        self._changed = asyncio.Event()
        # Events (place, bytes, event) in order. Their numbers count from `_first`; `_floor` is the place before the
        # first.
        self._events: list[tuple[Place, bytes, m.FeedEvent]] = []
        self._first = 0
        self._floor = Place(0, 0)
        self._last = Place(0, 0)
        # Where the engine was when we joined it: until the feed has caught up with it, what comes is history.
        self._joined = Place(0, 0)
        self.streams = 0

    @property
    def engine(self) -> str:
        """The engine's id; empty before it was first reached."""
        return self._engine

    @property
    def stopped(self) -> bool:
        return self._stopped

    @property
    def connected(self) -> bool:
        return self._client is not None

    def stop(self) -> None:
        """End every stream, so that the server can shut down."""
        self._stopped = True
        self._tell()

    async def run(self) -> None:
        """Read the feed until cancelled."""
        wait_s = FIRST_WAIT_S
        while True:
            try:
                async with DoorClient(self._path) as client:
                    await self._read(client)
            except EngineAway:
                wait_s = FIRST_WAIT_S if self._client is not None else min(wait_s * 2, LONGEST_WAIT_S)
            if self._client is not None:
                self._client = None
                self._tell()
            await asyncio.sleep(wait_s)

    async def _read(self, client: DoorClient) -> None:
        status = await self._status(client)
        if status.engine != self._engine or status.cycle < self._last.cycle:
            # The first engine, another one, or this one restored from a backup: nothing we hold continues it.
            back = status.cycle - LOOK_BACK_CYCLES
            self._start_anew(status.engine, Place(back, AFTER_ALL) if back > 0 else Place(0, -1))
        self._joined = Place(status.cycle, AFTER_ALL)
        self._client = client
        self._tell()
        while True:
            async with contextlib.aclosing(client.follow(*self._last)) as items:
                async for item in items:
                    if isinstance(item, m.FeedGone):
                        break
                    self._append(item)
            now = await self._status(client)
            self._joined = Place(now.cycle, AFTER_ALL)
            self._start_anew(now.engine, self._joined)

    def _start_anew(self, engine: str, place: Place) -> None:
        """Forget every event; clients who were waiting for one after `_floor` find their number gone (S1)."""
        self._first += len(self._events) + 1
        self._events.clear()
        self._engine, self._floor, self._last = engine, place, place
        self._tell()

    def _append(self, event: m.FeedEvent) -> None:
        place = Place(event.cycle, event.n)
        self._last = place
        encoded = self._encode(event)
        if encoded is None:
            return
        self._events.append((place, encoded, event))
        if len(self._events) > 2 * KEEP:  # in halves: a list drops its head in one move, not one move per event
            gone = len(self._events) - KEEP
            self._floor = self._events[gone - 1][0]
            del self._events[:gone]
            self._first += gone
        self._tell()

    def _tell(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()

    async def stream(
        self,
        after: EventId | None,
        heartbeat_s: float,
        show: Show = lambda _, encoded: encoded,
        may_go_on: Callable[[], bool] = lambda: True,
    ) -> AsyncGenerator[bytes, None]:
        """Server-sent events after `after` (None: from now on), for as long as the client listens. Ends by `stop`, and
        before the next event, or the next sign of life, once it may not go on."""
        yield RETRY
        # Who comes without a place while the engine is away cannot know what "now" will have been: that is a reset.
        at: int | None = None if after or self._client is None else self._end
        since = after.place if after else self._now
        told_away = False
        while not self._stopped and may_go_on():
            changed = self._changed
            if (self._client is None) != told_away:
                told_away = not told_away
                yield AWAY if told_away else BACK
            if at is None and self._client is not None:
                with contextlib.suppress(EngineAway):  # then `changed` will be set when it is back
                    at = await self._find(after, self._client)
            if at is not None and at < self._first:
                yield self._reset()
                at, since = self._end, self._now
            if at is not None:
                chunk = self._events[at - self._first : at - self._first + CHUNK]
                if chunk:
                    at += len(chunk)
                    # What an `as_of` covers, or was history when the client came, is not sent.
                    yield b"".join(show(event, sent) for place, sent, event in chunk if place > since)
                    continue
            try:
                await asyncio.wait_for(changed.wait(), heartbeat_s)
            except TimeoutError:
                yield HEARTBEAT

    @property
    def _end(self) -> int:
        """The number of the event that comes next."""
        return self._first + len(self._events)

    @property
    def _now(self) -> Place:
        return max(self._last, self._joined)

    async def _find(self, after: EventId | None, client: DoorClient) -> int:
        """The number of the first event to send; GONE when it cannot be had. Raises EngineAway while nobody knows."""
        if after is None:
            return GONE
        # Most cycles decide nothing, so an `as_of` is usually ahead of the feed. A place the engine has not reached,
        # though, comes from before a restore: waiting for it would hide every alarm until then.
        ahead = after.engine == self._engine and after.place.cycle > self._last.cycle
        if ahead and after.place.cycle > (await self._status(client)).cycle:
            return GONE
        if after.engine != self._engine or after.place < self._floor:
            return GONE
        return self._first + bisect_right(self._events, after.place, key=lambda event: event[0])

    async def _status(self, client: DoorClient) -> m.Status:
        try:
            async with asyncio.timeout(self._answer_within_s):
                return await client.status()
        except TimeoutError as slow:
            raise EngineAway(f"no answer within {self._answer_within_s} s") from slow

    def _reset(self) -> bytes:
        return (
            f'event: reset\ndata: {{"type":"reset","as_of":"{self._engine}:{self._now.cycle}",'
            '"reason":"events before this one are gone: read /v1/alarms anew"}\n\n'
        ).encode()
