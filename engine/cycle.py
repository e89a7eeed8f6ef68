"""The cycle: take what arrived, decide, commit once, then acknowledge and act.

C1  Nothing leaves before the commit that holds it: no acknowledgement, no command, no answer, no event (G1).
C2  The one exception: when the commit itself fails, pending CLOSEs are sent, nothing is acknowledged, and the process
    ends (`Ended`). The next start verifies the store before it accepts (store S5).
C3  A cycle waits for nothing: it runs when something arrived or a timer is due, with whatever is there.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter

import msgspec
import structlog

from devices.commands import Command, Verb
from devices.fleet import Fleet
from devices.readings import pack
from engine.intake import Intake, read, take
from engine.memory import Memory
from engine.records import Inputs, encode_decisions
from engine.store import CommitFailed, Document, Store
from engine.times import rfc3339
from ingest.links import Link
from rules.decisions import (
    Answered,
    AttemptFailed,
    AttemptRequested,
    AttemptSent,
    Decision,
    Event,
    Instruction,
    Paused,
    RegistryChanged,
    Resumed,
    RulesChanged,
)

_log = structlog.get_logger()

#: Messages of one cycle. Batches grow under load up to here; a larger one would only delay its own first alarm.
MOST_MESSAGES = 8_192
#: An idle engine commits this often, so that a restart knows how long it was away (Resumed).
HEARTBEAT_US = 5_000_000
#: How long timers wait before the disk is looked at again when it is full.
WAIT_FOR_ROOM_S = 1.0


class Ended(Exception):
    """The engine must stop now: a cycle could not be made durable. CLOSEs that were due have been sent."""


@dataclass(frozen=True, slots=True)
class Change:
    """A registry or rule change on its way in. `fleet` was built off the loop; `done` is told the cycle."""

    event: RegistryChanged | RulesChanged
    document: Document
    fleet: Fleet | None
    done: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Asked:
    """An instruction on its way in; `done` is told what became of it, after the commit."""

    instruction: Instruction
    done: Callable[[Answered], None]


@dataclass(slots=True)
class Pending:
    """What the next cycle takes in besides the links' arrivals."""

    changes: list[Change] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.changes or self.asked or self.events)


@dataclass(slots=True)
class Figures:
    """What the cycle measures of itself, for /metrics and the benchmarks. Seconds are totals since the start."""

    cycles: int = 0
    readings: int = 0
    cycle_seconds: float = 0.0
    commit_seconds: float = 0.0
    longest_cycle_seconds: float = 0.0
    withheld: int = 0


Committed = Callable[[int, Sequence[Decision]], None]


class Cycle:
    """One engine's loop. Everything runs on one event loop and one thread."""

    def __init__(self, store: Store, memory: Memory, links: Sequence[Link], clock: Callable[[], int]) -> None:
        """`clock`: microseconds since 1970 UTC. It may step back; the log's time never does."""
        self.store = store
        self.memory = memory
        self.links = links
        self.figures = Figures()
        self.pending = Pending()
        self.on_committed: list[Committed] = []
        self.on_fleet: list[Callable[[Fleet], None]] = []
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run until cancelled, or until Ended is raised because a commit failed."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        if self.store.last_now:
            down_us = max(0, self._clock() - self.store.last_now)
            self.pending.events.append(Resumed(at=self.now(), down_us=down_us))
        self.wake()
        try:
            await self._ended
        finally:
            if self._timer is not None:
                self._timer.cancel()
            self._loop = None

    def wake(self) -> None:
        """Something arrived: run a cycle as soon as what is ready on the loop has been read."""
        if not self._scheduled and self._loop is not None:
            self._scheduled = True
            self._loop.call_soon(self._turn)

    def now(self) -> int:
        """The log's time: the clock, but never before the last cycle."""
        return max(self._clock(), self.store.last_now)

    def _turn(self) -> None:
        self._scheduled = False
        if self._ended is None or self._ended.done():
            return
        try:
            self.once()
        except Exception as failed:  # noqa: BLE001 - the edge of the loop: whoever awaits run() gets it
            self._ended.set_exception(failed)
            return
        self._arm()

    def _arm(self) -> None:
        """Wake at the next deadline of the rules, and at the heartbeat."""
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            due = min(self.memory.state.next_deadline, self.store.last_now + HEARTBEAT_US)
            least_s = WAIT_FOR_ROOM_S if self.store.no_room else 0.0
            delay_s = max(least_s, (due - self._clock()) / 1e6)
            self._timer = self._loop.call_later(delay_s, self.wake)

    def once(self) -> int:
        """One cycle. Returns its number, or 0 when there was nothing worth a commit. Raises Ended."""
        started = perf_counter()
        now = self.now()
        taken = take(self.links, MOST_MESSAGES)
        in_reserve = self.store.in_reserve
        intake = read(taken, self.memory, now, self.store.last_cycle + 1, in_reserve=in_reserve)
        if in_reserve and self._can_wait(intake):
            self._after(0, intake, Pending(), [])
            return 0
        self._note_reserve(in_reserve, now)
        pending, self.pending = self.pending, Pending()
        events, decisions = self._decide(intake, pending, now)
        cycle = 0
        if decisions or intake.counts or events or now >= self.store.last_now + HEARTBEAT_US:
            cycle = self._commit(intake, pending, events, decisions, now)
        self._after(cycle, intake, pending, decisions)
        self._measure(started, intake)
        if in_reserve:
            self.store.relieve()
        if taken:
            self.wake()  # more may have arrived meanwhile, or was left behind by the bound
        return cycle

    def _can_wait(self, intake: Intake) -> bool:
        """The disk is full and nothing is at stake: no commit is tried that would end the engine for nothing."""
        something = len(intake.batch.rows) or intake.events or intake.quarantined
        asked = self.pending.changes or self.pending.asked
        return not (something or asked or self.memory.state.wanted_by_slot) and self.store.no_room

    def _note_reserve(self, in_reserve: bool, now: int) -> None:
        """While readings are withheld nobody is silent for that; journaled, because timers depend on it."""
        paused = bool(self.memory.state.paused_since)
        if in_reserve and not paused:
            self.pending.events.append(Paused(at=now))
        elif paused and not in_reserve:
            self.pending.events.append(Resumed(at=now, down_us=0))

    def _decide(self, intake: Intake, pending: Pending, now: int) -> tuple[tuple[Event, ...], list[Decision]]:
        events: list[Event] = [change.event for change in pending.changes]
        events += pending.events
        events += [asked.instruction for asked in pending.asked]
        events += intake.events
        decisions: list[Decision] = []
        for change in pending.changes:
            body = change.document.body
            decisions += self.memory.change(change.event, now, _always(body), change.fleet)
        if events or len(intake.batch.rows) or now >= self.memory.state.next_deadline:
            decisions += self.memory.judge(intake.batch, events, now)
        return tuple(events), decisions

    def _commit(
        self, intake: Intake, pending: Pending, events: tuple[Event, ...], decisions: list[Decision], now: int
    ) -> int:
        started = perf_counter()
        inputs = Inputs(
            now=now,
            packed=pack(intake.batch.rows),
            extra=intake.batch.extra,
            events=events,
            counts=intake.counts,
        )
        try:
            return self.store.commit(
                inputs,
                decisions,
                readings=len(intake.batch.rows),
                quarantined=intake.quarantined,
                documents=[change.document for change in pending.changes],
                answers=[*_instruction_answers(decisions), *_push_answers(intake)],
            )
        except CommitFailed as failed:
            sent = self._dispatch(decisions)
            _log.critical("commit failed: nothing is acknowledged, CLOSEs were sent", sent=sent, why=str(failed))
            raise Ended(str(failed)) from failed
        finally:
            self.figures.commit_seconds += perf_counter() - started

    def _after(self, cycle: int, intake: Intake, pending: Pending, decisions: list[Decision]) -> None:
        """Everything that waited for the commit; CLOSEs first."""
        self._dispatch(decisions)
        for one, settled in zip(intake.taken, intake.settled, strict=True):
            one.link.settle(one.arrivals, settled)
            self.figures.withheld += len(settled.withheld)
        answered = {one.id: one for one in decisions if isinstance(one, Answered)}
        for asked in pending.asked:
            silence = Answered(at=self.store.last_now, id=asked.instruction.id, accepted=False, reason="not understood")
            asked.done(answered.get(asked.instruction.id, silence))
        if pending.changes:
            for fleet_taken in self.on_fleet:
                fleet_taken(self.memory.fleet)
            for change in pending.changes:
                change.done(cycle)
        if decisions:
            for committed in self.on_committed:
                committed(cycle, decisions)

    def _dispatch(self, decisions: Sequence[Decision]) -> int:
        """Send every attempt that was decided; what became of it is an input of the next cycle."""
        sent = 0
        for one in decisions:
            if not isinstance(one, AttemptRequested):
                continue
            command = Command(
                id=one.command,
                verb=Verb.CLOSE,
                epoch=one.epoch,
                issued=rfc3339(one.at),
                expires=rfc3339(one.expires),
                reason=one.reason,
            )
            if any(link.send(one.device_no, command, one.expires) for link in self.links):
                sent += 1
                self.pending.events.append(AttemptSent(at=self.now(), command=one.command))
            else:
                why = "the valve is not connected"
                self.pending.events.append(AttemptFailed(at=self.now(), command=one.command, reason=why))
        if self.pending:
            self.wake()
        return sent

    def _measure(self, started: float, intake: Intake) -> None:
        took = perf_counter() - started
        self.figures.cycles += 1
        self.figures.readings += len(intake.batch.rows)
        self.figures.cycle_seconds += took
        self.figures.longest_cycle_seconds = max(self.figures.longest_cycle_seconds, took)


def _always(body: bytes) -> Callable[[str], bytes]:
    return lambda _: body


def _instruction_answers(decisions: Sequence[Decision]) -> list[tuple[str, bytes]]:
    return [(f"instruction:{one.id}", encode_decisions((one,))) for one in decisions if isinstance(one, Answered)]


def _push_answers(intake: Intake) -> list[tuple[str, bytes]]:
    """What each keyed push is answered, now and when it comes again; a withheld one has no answer yet."""
    answers: list[tuple[str, bytes]] = []
    for one, settled in zip(intake.taken, intake.settled, strict=True):
        for key, first, many in one.arrivals.answer_keys:
            if settled.withheld.isdisjoint(range(first, first + many)):
                answers.append((f"push:{key}", msgspec.msgpack.encode(settled.totals(first, many))))
    return answers
