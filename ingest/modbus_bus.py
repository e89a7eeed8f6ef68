"""One bus: a task that does one thing at a time, the most urgent first.

G   The order: a command; a pulse that is to end; the valve that was just told to close; a poll that was begun; the poll
    whose time came first. So a command leaves after the request in flight and before any poll, however many are due.
F   Nothing that stands behind one bus can touch another: each has its own task, link and times. What is wrong with
    our own code on one bus is logged, its link closed, and the bus goes on.
"""

import asyncio
from dataclasses import replace
from random import Random

import structlog

from ingest.modbus_actuation import Actuation
from ingest.modbus_attempts import Attempt, Release, Waiting
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_inbox import Inbox
from ingest.modbus_line import Line
from ingest.modbus_polls import Polls
from ingest.modbus_stations import BusPlan, StationKey

_log = structlog.get_logger()

#: How long after its pulses should have ended a bus that is to close waits for them. Product choice.
_END_PULSES_WITHIN_S = 2.0
#: A bus that has nothing to do looks again after this.
_IDLE_US = 60_000_000
#: For the release of a valve that has left the registry meanwhile.
_RELEASE_WITHIN_S = 1.0


class Bus:
    """Made with its plan; `start`, then `adopt` when the registry changes, and `finish`."""

    def __init__(
        self, plan: BusPlan, inbox: Inbox, clocks: Clocks, random: Random, counts: BusCounts, down_after_s: float
    ) -> None:
        self.plan = plan
        self._inbox = inbox
        self._clocks = clocks
        self._stir = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        told = (self._went_down, self._came_up, self._is_back)
        self._line = Line(plan.address, plan.gap_s, clocks, random, counts, *told, down_after_s)
        self._waiting = Waiting()
        self._hand = Actuation(self._line, self._waiting, inbox, clocks, counts, plan.gateway)
        self._polls = Polls(self._line, inbox, clocks, random, counts, self._stir.set)
        self._of_device: dict[int, StationKey] = {}
        self._take_in()

    # ---- what the link asks of it ----

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"modbus {self.plan.gateway}")

    def adopt(self, plan: BusPlan) -> None:
        """The registry changed behind this link: unchanged stations keep their times, the link its connection."""
        before = self.plan.stations
        same = {key: before[key] if before.get(key) == station else station for key, station in plan.stations.items()}
        self.plan = replace(plan, stations=same)
        self._line.gap_s = plan.gap_s
        self._take_in()
        for attempt in self._waiting.drop(set(plan.valves)):
            self._hand.give_up(attempt, "the valve is no longer on this bus")
        self._stir.set()

    def send(self, attempt: Attempt) -> bool:
        """Queue an attempt; False when the link is away (and is tried again at once)."""
        if self._closing or self._line.away:
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

    async def finish(self) -> None:
        """End its pulses, then close."""
        self._closing = True
        self._stir.set()
        if self._task is None:
            return
        longest_s = max((one.procedure.pulse_s for one in self._waiting.releases.values()), default=0.0)
        _, running = await asyncio.wait([self._task], timeout=longest_s + _END_PULSES_WITHIN_S)
        if running:
            for one in self._waiting.releases.values():
                _log.error("a pulse could not be ended before the stop", valve=one.valve.identity)
            self._task.cancel()
            await asyncio.wait([self._task])
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

    async def _run(self) -> None:
        while not (self._closing and not self._waiting.releases):
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
        attempt = None if self._closing else self._waiting.next()
        if attempt is not None:
            await self._carry_out(attempt)
        elif (release := self._waiting.due(now_us)) is not None:
            await self._release(release, now_us)
        elif self._closing or not self.plan.stations:
            await self._rest(now_us)
        elif (poll := self._polls.next(now_us)) is not None:
            await self._polls.go_on(poll, now_us)
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
        touched = await self._hand.carry_out(attempt, self.plan.stations[key])
        if touched:
            self._polls.written(attempt.valve.place.unit)
            if attempt.procedure.verb == "close":
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

    # ---- the plan, and what is said ----

    def _take_in(self) -> None:
        plan = self.plan
        self._of_device = {one.device_no: key for key, station in plan.stations.items() for one in station.members}
        self._polls.take_in(plan)
        self._hand.allow(list(plan.valves.values()))

    def _went_down(self, reason: str) -> None:
        _log.error("a bus cannot be reached", gateway=self.plan.gateway, why=reason)
        self._inbox.down(self.plan.gateway_no, reason)

    def _came_up(self) -> None:
        _log.info("a bus is reached", gateway=self.plan.gateway)
        self._inbox.up(self.plan.gateway_no)

    def _is_back(self) -> None:
        """Whoever was silent is asked at once, and commands may be tried again."""
        self._polls.ask_silent()
        for device_no in self.plan.valves:
            self._inbox.connected(device_no)
