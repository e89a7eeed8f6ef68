"""One bus: a task that does one thing at a time, the most urgent first.

G   The order: a command; a pulse that is to end; the valve that was just told to close; a poll that was begun; the poll
    whose time came first. So a command leaves after the request in flight and before any poll, however many are due.
F   Nothing that stands behind one bus can touch another: each has its own task, link and times. What is wrong with
    our own code on one bus is logged, its link closed, and the bus goes on.
E   A bus ends within FINISH_WITHIN_S, and tells no reading from the moment in which it is to end. First it ends its
    pulses. Attempts that wait are carried out before a stop of Davy, because a CLOSE that was decided leaves even when
    the commit failed; a bus whose link or gateway left the registry gives them up. What is left is told as failed. A
    pulse that could not be ended is said, and is ended when its valve is known and reached again (A5).
"""

import asyncio
from collections.abc import Collection, Iterable
from dataclasses import replace
from random import Random

import structlog

from ingest.modbus_actuation import BUS_ENDED, CHANGED, Actuation
from ingest.modbus_attempts import Attempt, Release, Waiting
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_inbox import Inbox
from ingest.modbus_line import Line
from ingest.modbus_polls import Polls
from ingest.modbus_stations import BusPlan, Station, StationKey

_log = structlog.get_logger()

#: How long after its pulses should have ended a bus that is to close waits for them. Product choice.
_END_PULSES_WITHIN_S = 2.0
#: E: below the time in which an engine must have stopped (10 s, davy/part.py), and above the longest pulse (5 s,
#: devices/register_check_writes.py). Product choice.
FINISH_WITHIN_S = 7.5
#: So long before that, pulses that still run are ended early rather than left.
_LAST_RELEASES_S = 1.0
#: A bus that has nothing to do looks again after this.
_IDLE_US = 60_000_000
#: For the release of a valve that has left the registry meanwhile.
_RELEASE_WITHIN_S = 1.0


class Bus:
    """Made with its plan; `start`, then `adopt` when the registry changes, and `leave` and `finish`."""

    def __init__(
        self, plan: BusPlan, inbox: Inbox, clocks: Clocks, random: Random, counts: BusCounts, down_after_s: float
    ) -> None:
        self.plan = plan
        self._inbox = inbox
        self._clocks = clocks
        self._stir = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = self._stops = self._carrying = False
        told = (self._went_down, self._came_up, self._is_back)
        self._line = Line(plan.address, plan.gap_s, clocks, random, counts, *told, down_after_s)
        self._waiting = Waiting()
        self._hand = Actuation(self._line, self._waiting, inbox, clocks, counts, plan.gateway)
        self._polls = Polls(self._line, inbox, clocks, random, counts, self._stir.set)
        self._of_device: dict[int, StationKey] = {}
        self._take_in()

    # ---- what the link asks of it ----

    def start(self, after: Collection[asyncio.Task[None]] = ()) -> None:
        """`after`: the ends of the buses that had this link, or this gateway, before. Two never share a link."""
        self._task = asyncio.create_task(self._run(tuple(after)), name=f"modbus {self.plan.gateway}")

    def adopt(self, plan: BusPlan) -> None:
        """The registry changed behind this link: unchanged stations keep their times, the link its connection."""
        before = self.plan.stations
        same = {key: before[key] if before.get(key) == station else station for key, station in plan.stations.items()}
        self.plan = replace(plan, stations=same)
        self._line.gap_s = plan.gap_s
        if plan.stations and not before:
            self._line.begin_anew()
        self._take_in()
        self._stir.set()

    def send(self, attempt: Attempt) -> bool:
        """Queue an attempt; False when the link cannot be opened (and is tried again at once)."""
        if self._closing or self._line.shut:
            self._line.hurry()
            self._stir.set()
            return False
        older = self._waiting.add(attempt)
        if older is not None:
            self._hand.give_up(older, "a newer attempt took its place")
        self._stir.set()
        return True

    def withheld(self, device_no: int) -> None:
        """A reading of this device could not be stored."""
        key = self._of_device.get(device_no)
        if key is not None:
            self._polls.withheld(key)

    def leave(self, *, stops: bool) -> None:
        """E begins. `stops`: Davy ends; otherwise the registry has taken this bus away."""
        self._closing, self._stops = True, stops
        self._polls.take_in(replace(self.plan, stations={}))
        if not stops:
            self._give_up(self._waiting.take_in({}), BUS_ENDED)
            self._hand.allow(())
        self._stir.set()

    async def finish(self) -> None:
        """After `leave`: returns when the bus is no more (E)."""
        if self._task is None:
            return
        within_s = FINISH_WITHIN_S
        if not (self._stops and (self._waiting.attempts or self._carrying)):
            longest_s = max((one.procedure.pulse_s for one in self._waiting.releases), default=0.0)
            within_s = min(within_s, longest_s + _END_PULSES_WITHIN_S)
        _, running = await asyncio.wait([self._task], timeout=within_s - _LAST_RELEASES_S)
        if running:
            self._waiting.end_pulses(self._clocks.steady())
            self._stir.set()
            await asyncio.wait([self._task], timeout=_LAST_RELEASES_S)
        self._task.cancel()
        await asyncio.wait([self._task])
        self._give_up(self._waiting.take_in({}), BUS_ENDED)
        for one in self._waiting.releases:
            _log.error("a pulse could not be ended before its bus ended", valve=one.valve.identity)
        self._line.close()

    @property
    def is_up(self) -> bool:
        return self._line.is_up

    @property
    def units(self) -> int:
        return self._polls.units

    @property
    def units_silent(self) -> int:
        return self._polls.units_silent

    # ---- the task ----

    async def _run(self, after: tuple[asyncio.Task[None], ...]) -> None:
        if after:
            await asyncio.wait(after)
        while not (self._closing and not len(self._waiting)):
            try:
                await self._turn()
            except Exception:  # noqa: BLE001  the edge of the task: F
                _log.exception("a bus failed by our own mistake; its link is opened anew", gateway=self.plan.gateway)
                self._line.close()
                self._polls.forget_begun()
                await asyncio.sleep(1.0)
        self._line.close()

    async def _turn(self) -> None:
        now_us = self._clocks.steady()
        for over in self._waiting.expired(now_us):
            self._hand.give_up(over, "expired before it could be written")
        if self.plan.stations:
            self._line.look(now_us)
        if (attempt := self._waiting.next()) is not None:
            await self._carry_out(attempt)
        elif (release := self._waiting.due(now_us)) is not None:
            await self._release(release, now_us)
        elif self._closing or not self.plan.stations:
            await self._rest(now_us)
        elif (poll := self._polls.next(now_us)) is not None:
            await self._polls.go_on(poll, now_us)
            if len(poll.words) == len(poll.station.plan.reads):
                self._reached(poll.station)
        elif not (self._line.is_to_be_tried(now_us) and self._polls.begin_any(now_us)):
            await self._rest(now_us)

    async def _rest(self, now_us: int) -> None:
        """Until the next thing falls due, or something stirs."""
        times = [self._waiting.next_us()]
        if self.plan.stations and not self._closing:
            times += [*self._polls.times_us(), self._line.down_us()]
            retry_us = self._line.retry_us()
            # One that has come is over when nobody can be asked: time or a taken frame ends that, not the link.
            times.append(retry_us if retry_us is not None and retry_us > now_us else None)
        until_us = min((at for at in times if at is not None), default=now_us + _IDLE_US)
        timer = asyncio.get_running_loop().call_later(max(0, until_us - now_us) / 1_000_000, self._stir.set)
        try:
            await self._stir.wait()
        finally:
            timer.cancel()
            self._stir.clear()

    async def _carry_out(self, attempt: Attempt) -> None:
        """It does not wait for the end of a back-off: a link that cannot be opened now fails it at once."""
        key = self._of_device[attempt.valve.device_no]
        self._carrying = True
        try:
            touched = await self._hand.carry_out(attempt, self.plan.stations[key])
        finally:
            self._carrying = False
        if touched:
            self._polls.written(attempt.valve.place.unit)
            if attempt.procedure.verb == "close" and self._of_device.get(attempt.valve.device_no) == key:
                self._polls.chase(key, attempt.valve, attempt.until_us)

    async def _release(self, release: Release, now_us: int) -> None:
        if not self._line.may_ask(now_us):
            release.again(now_us)
            return
        key = self._of_device.get(release.valve.device_no)
        station = self.plan.stations[key] if key is not None else None
        within_s = station.reply_within_s + station.line_s(32) if station else _RELEASE_WITHIN_S
        await self._hand.release(release, station.gap_s if station else 0.0, within_s)
        self._polls.written(release.valve.place.unit)

    def _reached(self, station: Station) -> None:
        """A5."""
        for member in station.members:
            self._waiting.reached(member.device_no, self._clocks.steady())

    # ---- the plan, and what is said ----

    def _take_in(self) -> None:
        plan = self.plan
        self._of_device = {one.device_no: key for key, station in plan.stations.items() for one in station.members}
        self._polls.take_in(plan)
        self._give_up(self._waiting.take_in(plan.valves), CHANGED)
        self._hand.allow(plan.valves.values())

    def _give_up(self, attempts: Iterable[Attempt], reason: str) -> None:
        for attempt in attempts:
            self._hand.give_up(attempt, reason)

    def _went_down(self, reason: str) -> None:
        if self._closing:
            return  # whoever has its place says how it is
        _log.error("a bus cannot be reached", gateway=self.plan.gateway, why=reason)
        self._inbox.down(self.plan.gateway_no, reason)

    def _came_up(self) -> None:
        if self._closing:
            return
        _log.info("a bus is reached", gateway=self.plan.gateway)
        self._inbox.up(self.plan.gateway_no)

    def _is_back(self) -> None:
        """Whoever was silent is asked at once, and commands may be tried again."""
        if self._closing:
            return
        self._polls.ask_silent()
        for device_no in self.plan.valves:
            self._inbox.connected(device_no)
