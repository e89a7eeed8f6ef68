"""The cycle: take what arrived, decide, commit once, then acknowledge and act.

C1  Nothing leaves before the commit that holds it: no acknowledgement, no command, no answer, no event (G1).
C2  The one exception: when the commit itself fails, pending CLOSEs are sent (and fans run), nothing is acknowledged,
    and the process ends (`Ended`). The next start verifies the store before it accepts (store S5). What makes nothing
    safer stays: a permit to open a valve of which no log knows never leaves.
C3  Changes of registry and rules are taken before readings, and readings after events; a replay does the same. That the
    store was put back from a copy comes before all of them: changes and instructions wait for the next cycle then.
C4  A cycle waits for nothing: it runs when something arrived or a timer is due, with whatever is there.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import msgspec
import structlog

from devices.commands import Command, Verb
from devices.fleet import Fleet
from devices.readings import pack
from devices.sites import RegistryChange, decode_change
from engine.intake import Intake, read
from engine.memory import Memory
from engine.pending import Asked as Asked
from engine.pending import Change as Change
from engine.pending import Pending
from engine.records import Inputs, encode_decisions
from engine.store import CommitFailed, Store
from engine.taken import take
from engine.times import LogTime, rfc3339
from ingest.links import Link, Sending
from rules.decisions import Answered, AttemptRequested, Decision
from rules.events import (
    AttemptFailed,
    AttemptSent,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    RegistryChanged,
    Restored,
    Resumed,
    SessionLost,
)

_log = structlog.get_logger()

#: Messages of one cycle. Batches grow under load up to here; a larger one would only delay its own first alarm.
MOST_MESSAGES = 8_192
#: An idle engine commits this often, so that a restart knows how long it was away (Resumed).
HEARTBEAT_US = 5_000_000
#: An engine turns at least every HEARTBEAT_US; when this has passed between two turns, it was away.
AWAY_US = 3 * HEARTBEAT_US
#: Epochs on the wire begin with the minutes from 1970 to the store's first cycle, so that a valve obeys an engine that
#: began anew: it ignores an epoch lower than it has seen. In a store that was put back they go on from where they would
#: begin now, for the same reason. Source: product choice: nobody closes a valve every minute.
_EPOCH_US = 60_000_000
#: How long timers wait before the disk is looked at again when it is full.
WAIT_FOR_ROOM_S = 1.0


#: What a link says of itself. It changes no valve, so with a full disk it waits.
_OF_A_LINK = (LinkDown, LinkUp, SessionLost)
#: What may leave although its commit failed (C2): idempotent, and on the safe side.
_SAFE = frozenset({Verb.CLOSE, Verb.FAN_ON})


class Ended(Exception):
    """The engine must stop now: a cycle could not be made durable. CLOSEs that were due have been sent."""


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

    def __init__(
        self,
        store: Store,
        memory: Memory,
        links: Sequence[Link],
        clock: Callable[[], int],
        steady: Callable[[], int] | None = None,
    ) -> None:
        """`clock`: microseconds since 1970 UTC; it may leap. `steady`: microseconds that only pass (else `clock`)."""
        self.store = store
        self.memory = memory
        self.links = links
        self.figures = Figures()
        self.pending = Pending()
        self.on_committed: list[Committed] = []
        self.on_fleet: list[Callable[[Fleet, Sequence[RegistryChange] | None], None]] = []
        #: The store was put back from a copy: said before anything else.
        self.restored = False
        self._clock = clock
        self._time = LogTime(store.last_now, clock, steady or clock)
        self._last_turn = 0
        self._turns = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scheduled = False
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Run until cancelled, or until Ended is raised because a commit failed."""
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        if self.store.last_now:
            now = self.now()
            if self.restored:
                least = (now - self.store.began) // _EPOCH_US
                self.pending.events.append(Restored(at=now, least_epoch=least))
            self.pending.events.append(Resumed(at=now, down_us=now - self.store.last_now))
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
        """The log's time: the clock's, but it neither stands still nor goes back."""
        return self._time.now()

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
        """Wake at the next deadline of the rules, when there may be numbers to miss, and at the heartbeat."""
        if self._timer is not None:
            self._timer.cancel()
        if self._loop is not None:
            heartbeat = self.store.last_now + HEARTBEAT_US
            due = min(self.memory.state.next_deadline, self.memory.next_look, heartbeat)
            least_s = WAIT_FOR_ROOM_S if self.store.no_room else 0.0
            delay_s = max(least_s, (due - self.now()) / 1e6)
            self._timer = self._loop.call_later(delay_s, self.wake)

    def once(self) -> int:
        """One cycle. Returns its number, or 0 when there was nothing worth a commit. Raises Ended."""
        started = perf_counter()
        now = self._noticed(self.now())
        pending = self._take_pending()
        decisions = self._changed(pending, now)
        taken = take(self.links, MOST_MESSAGES, turn=self._turns)
        self._turns += 1
        in_reserve = self.store.in_reserve
        no_room = in_reserve and self.store.no_room
        intake = read(taken, self.memory, now, self.store.last_cycle + 1, in_reserve=in_reserve, no_room=no_room)
        if in_reserve and self._can_wait(intake, pending, now):
            self.pending = pending.before(self.pending)
            self._keep_for_later(intake)
            self._after(0, intake, Pending(), [])
            return 0
        self._note_reserve(pending, in_reserve, now)
        events = self._events(intake, pending)
        told = self.memory.look(events, now)
        events += told or ()
        heartbeat = now >= self.store.last_now + HEARTBEAT_US
        worth = bool(decisions or intake.counts or events or heartbeat or told is not None)
        if worth or now >= self.memory.state.next_deadline:  # whatever is committed is judged, as a replay does
            decisions += self.memory.judge(intake.batch, events, now)
        cycle = 0
        if worth or decisions:
            cycle = self._commit(intake, pending, events, decisions, now)
        self._after(cycle, intake, pending, decisions)
        self._measure(started, intake)
        if in_reserve:
            self.store.relieve()
        if taken:
            self.wake()  # more may have arrived meanwhile, or was left behind by the bound
        return cycle

    def _noticed(self, now: int) -> int:
        """When far more time has passed since the last turn than an idle engine lets pass (the process was stopped, the
        machine slept, its clock leapt), say so: what came due meanwhile happens once, and nobody was silent."""
        if self._last_turn and now - self._last_turn > AWAY_US:
            self.pending.events.append(Resumed(at=now, down_us=now - self._last_turn))
        self._last_turn = now
        return now

    def _take_pending(self) -> Pending:
        """What this cycle takes in. In a store that was put back nothing follows from what it remembers before that is
        put aside (Restored): a change of registry or rules would ask for closings anew, and a person who was quick
        approve a permit that is dead."""
        pending, self.pending = self.pending, Pending()
        if any(isinstance(event, Restored) for event in pending.events):
            self.pending = Pending(pending.changes, pending.asked)
            pending = Pending(events=pending.events)
        return pending

    def _changed(self, pending: Pending, now: int) -> list[Decision]:
        """Changes come first: what a device says that has just left the registry is a stranger's, live as on replay."""
        decisions: list[Decision] = []
        for change in pending.changes:
            body = change.document.body
            made = (change.fleet, change.compiled, change.book)
            decisions += self.memory.change(change.event, now, _always(body), *made)
        return decisions

    def _events(self, intake: Intake, pending: Pending) -> tuple[Event, ...]:
        """In the order in which they are judged and journaled."""
        instructions = (asked.instruction for asked in pending.asked)
        return (*(change.event for change in pending.changes), *pending.events, *instructions, *intake.events)

    def _can_wait(self, intake: Intake, pending: Pending, now: int) -> bool:
        """The disk is full and nothing is at stake: no commit is tried that would end the engine for nothing."""
        if not self.store.no_room:
            return False
        state = self.memory.state
        said = any(not isinstance(event, _OF_A_LINK) for event in intake.events)
        something = len(intake.batch.rows) or said or intake.quarantined or intake.counts
        asked = pending.changes or pending.asked or self.pending
        at_stake = state.wanted_by_slot or (now >= state.next_deadline and bool(state.since.any()))
        return not (something or asked or at_stake)

    def _keep_for_later(self, intake: Intake) -> None:
        """What links said of themselves, each the last of its kind: a link that comes and goes must not fill memory."""
        for event in intake.events:
            if isinstance(event, _OF_A_LINK):
                kept = self.pending.events
                same = [e for e in kept if type(e) is type(event) and e.device_no == event.device_no]
                self.pending.events = [*(e for e in kept if e not in same), event]

    def _note_reserve(self, pending: Pending, in_reserve: bool, now: int) -> None:
        """While readings are withheld nobody is silent for that; journaled, because timers depend on it."""
        paused = bool(self.memory.state.paused_since)
        if in_reserve and not paused:
            pending.events.append(Paused(at=now))
        elif paused and not in_reserve:
            pending.events.append(Listening(at=now))

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
            marks=intake.marks,
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
            safe = [one for one in decisions if isinstance(one, AttemptRequested) and one.verb in _SAFE]
            sent = self._dispatch(safe)
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
        of_registry = [change for change in pending.changes if isinstance(change.event, RegistryChanged)]
        if of_registry:
            changes = _deltas(of_registry)
            for fleet_taken in self.on_fleet:
                fleet_taken(self.memory.fleet, changes)
        for change in pending.changes:
            change.done(cycle)
        if decisions:
            for committed in self.on_committed:
                committed(cycle, decisions)

    def _dispatch(self, decisions: Sequence[Decision]) -> int:
        """Send every attempt that was decided; what became of it is an input of the next cycle."""
        sent = 0
        # Devices compare with the world's clock, which the log's time may be ahead of.
        ahead_us = self.now() - self._clock()
        for one in decisions:
            if not isinstance(one, AttemptRequested):
                continue
            command = Command(
                id=one.command,
                verb=one.verb,
                epoch=wire_epoch(self.store, one.epoch),
                issued=rfc3339(one.at - ahead_us),
                expires=rfc3339(one.expires - ahead_us),
                reason=one.reason,
            )
            became = self._send(one.device_no, command, one.expires - ahead_us)
            sent += became is not Sending.UNREACHABLE
            if became is Sending.SENT:
                self.pending.events.append(AttemptSent(at=self.now(), command=one.command))
            elif became is Sending.UNREACHABLE:
                why = "the valve is not connected"
                self.pending.events.append(AttemptFailed(at=self.now(), command=one.command, reason=why))
        if self.pending:
            self.wake()
        return sent

    def _send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        """By the last link that can reach the valve: those that know who is there stand behind those that must ask (a
        broker says only afterwards whether anybody was)."""
        for link in reversed(self.links):
            became = link.send(device_no, command, expires_us)
            if became is not Sending.UNREACHABLE:
                return became
        return Sending.UNREACHABLE

    def _measure(self, started: float, intake: Intake) -> None:
        took = perf_counter() - started
        self.figures.cycles += 1
        self.figures.readings += len(intake.batch.rows)
        self.figures.cycle_seconds += took
        self.figures.longest_cycle_seconds = max(self.figures.longest_cycle_seconds, took)


def wire_epoch(store: Store, epoch: int) -> int:
    """What a command says for an epoch of the log."""
    return epoch + store.began // _EPOCH_US


def _deltas(changes: Sequence[Change]) -> tuple[RegistryChange, ...] | None:
    """What was changed of the registry; None when it came whole."""
    if any(isinstance(one.event, RegistryChanged) and not one.event.change for one in changes):
        return None
    return tuple(decode_change(one.document.body) for one in changes)


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
                answers.append((key, msgspec.msgpack.encode(settled.totals(first, many))))
    return answers
