"""One bus: a task that does one thing at a time, the most urgent first.

G   The order: a command; a pulse that is to end; the valve that was just told to close; a poll that was begun; the poll
    whose time came first. So a command leaves after the request in flight and before any poll, however many are due.
W   A poll of a unit to which something was written meanwhile is begun anew: no frame holds words from both sides of a
    write.
D   Nothing that stands behind one bus can touch another: each has its own task, link and times. What is wrong with
    our own code on one bus is logged, its link closed, and the bus goes on.
"""

import asyncio
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random

import numpy as np
import structlog
from numpy.typing import NDArray

from devices.codecs.frame import FrameState, encode_frame
from ingest.modbus_actuation import Actuation
from ingest.modbus_attempts import Attempt, Release, Waiting
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_errors import BusError, LinkAway, NoReply, WrongReply
from ingest.modbus_health import StationHealth, UnitHealth
from ingest.modbus_inbox import Inbox
from ingest.modbus_line import Line
from ingest.modbus_schedule import Schedule
from ingest.modbus_stations import BusPlan, Station, StationKey
from ingest.modbus_valves import Valve

_log = structlog.get_logger()

#: First polls are spread over so long, or over the interval where it is shorter. Product choice.
_SPREAD_US = 2_000_000
#: After a CLOSE the valve is looked at after so long, then so long again, until it is seen closed, the attempt's life
#: is over, or the usual interval is as short. Product choice.
_LOOK_AFTER_US = (100_000, 200_000, 500_000, 1_000_000)
#: How long after its pulses should have ended a bus that is to close waits for them.
_END_PULSES_WITHIN_S = 2.0


@dataclass(slots=True)
class _Poll:
    """A station being read. words: of the reads so far."""

    station: Station
    words: list[NDArray[np.uint16]] = field(default_factory=list)


@dataclass(slots=True)
class _Chase:
    """A valve that should be closing."""

    valve: Valve
    until_us: int
    looks: int = 0


class Bus:
    """Made with its plan; `start`, then `adopt` when the registry changes, and `finish`."""

    def __init__(self, plan: BusPlan, inbox: Inbox, clocks: Clocks, random: Random, counts: BusCounts) -> None:
        self.plan = plan
        self._inbox = inbox
        self._clocks = clocks
        self._random = random
        self._counts = counts
        self._stir = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._closing = False
        self._line = Line(
            plan.address, plan.gap_s, clocks, random, counts, self._went_down, self._came_up, self._is_back
        )
        self._waiting = Waiting()
        self._hand = Actuation(self._line, self._waiting, inbox, clocks, counts, plan.gateway)
        self._schedule: Schedule[StationKey] = Schedule(counts.polls)
        self._polls: list[_Poll] = []
        self._units: dict[int, UnitHealth] = {}
        self._health: dict[StationKey, StationHealth] = {}
        self._chases: dict[StationKey, _Chase] = {}
        self._of_device: dict[int, StationKey] = {}
        self._take_in(plan, {})

    # ---- what the link asks of it ----

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name=f"modbus {self.plan.gateway}")

    def adopt(self, plan: BusPlan) -> None:
        """The registry changed behind this link: unchanged stations keep their times, the link its connection."""
        before = self.plan.stations
        same = {key: before[key] if before.get(key) == station else station for key, station in plan.stations.items()}
        self.plan = replace(plan, stations=same)
        self._line.gap_s = plan.gap_s
        self._take_in(self.plan, before)
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
        """A reading of this device could not be stored: ask for the next one later (G4); silence will be told again."""
        key = self._of_device.get(device_no)
        if key is not None:
            self._schedule.put_off(key)
            self._health[key].silent = False

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
    def units_silent(self) -> int:
        return sum(unit.failures > 0 for unit in self._units.values())

    @property
    def units(self) -> int:
        return len(self._units)

    # ---- the task ----

    async def _run(self) -> None:
        while not (self._closing and not self._waiting.releases):
            try:
                await self._turn()
            except Exception:  # noqa: BLE001  the edge of the task: D
                _log.exception("a bus failed by our own mistake; its link is opened anew", gateway=self.plan.gateway)
                self._line.close()
                self._forget_polls()
                await asyncio.sleep(1.0)
        self._line.close()

    async def _turn(self) -> None:
        now_us = self._clocks.steady()
        for attempt in self._waiting.expired(now_us):
            self._hand.give_up(attempt, "expired before it could be written")
        if self.plan.stations:
            self._line.look(now_us)
        attempt_now = None if self._closing else self._waiting.next()
        if attempt_now is not None:
            await self._carry_out(attempt_now, now_us)
        elif (release := self._waiting.due(now_us)) is not None:
            await self._release(release, now_us)
        elif not self._closing and (poll := self._next_poll(now_us)) is not None:
            await self._go_on(poll, now_us)
        elif not self._closing and self._line.away and self._line.may_ask(now_us) and self.plan.stations:
            # The times of its stations may be far apart; a link that is away is tried by its own back-off.
            self._schedule.hasten(self._random.choice(list(self.plan.stations)), now_us)
            await asyncio.sleep(0)
        else:
            await self._rest(now_us)

    async def _rest(self, now_us: int) -> None:
        """Until the next thing falls due, or something stirs."""
        times = [self._waiting.next_us()]
        if self.plan.stations and not self._closing:
            times += [self._schedule.next_us(), self._line.down_us(), self._line.retry_us()]
            times += [self._line.ready_us(poll.station.key.unit, poll.station.gap_s) for poll in self._polls]
        until_us = min((at for at in times if at is not None), default=now_us + 60_000_000)
        timer = asyncio.get_running_loop().call_later(max(0, until_us - now_us) / 1_000_000, self._stir.set)
        try:
            await self._stir.wait()
        finally:
            timer.cancel()
            self._stir.clear()

    # ---- polls ----

    def _next_poll(self, now_us: int) -> _Poll | None:
        """The poll to go on with. A unit that needs its pause does not hold up the others."""
        while True:
            for poll in self._polls:
                if self._line.ready_us(poll.station.key.unit, poll.station.gap_s) <= now_us:
                    return poll
            key = self._schedule.take(now_us)
            if key is None:
                return None
            self._polls.append(_Poll(self.plan.stations[key]))

    async def _go_on(self, poll: _Poll, now_us: int) -> None:
        station, unit = poll.station, self._units[poll.station.key.unit]
        if not self._line.may_ask(now_us) or unit.held_until_us > now_us:
            self._polls.remove(poll)
            self._schedule.missed(station.key, now_us, counted=unit.held_until_us <= now_us)
            self._not_heard(station, now_us)
            return
        try:
            await self._line.prepare(station.key.unit, station.gap_s)
        except LinkAway:
            return  # the link leaves itself alone now; the poll is missed in the next turn
        asked_us = self._clocks.steady()
        if not poll.words:
            self._schedule.begun(station.key, asked_us)
        read = station.plan.reads[len(poll.words)]
        try:
            words = await self._line.read(station.key.unit, read, station.within_s(read))
        except BusError as why:
            self._drop(poll)
            self._failed(station, why, asked_us)
            return
        poll.words.append(words)
        if len(poll.words) == len(station.plan.reads):
            self._drop(poll)
            self._answered(station, poll.words)

    def _drop(self, poll: _Poll) -> None:
        if poll in self._polls:
            self._polls.remove(poll)

    def _forget_polls(self) -> None:
        for poll in self._polls:
            self._schedule.free(poll.station.key)
        self._polls.clear()

    def _answered(self, station: Station, words: list[NDArray[np.uint16]]) -> None:
        health = self._health.get(station.key)
        if health is None or self.plan.stations.get(station.key) is not station:
            self._schedule.free(station.key)
            return  # the registry changed while it was read
        now_us = self._clocks.steady()
        self._counts.answered += 1
        unit = self._units[station.key.unit]
        came_back = unit.answered()
        if health.answered(now_us) or came_back:
            self._say(station, unit, "answers again", now_us)
            for valve in self.plan.valves.values():
                if valve.place.unit == station.key.unit:
                    self._inbox.connected(valve.device_no)
        self._hand_over(station, health, words, now_us)

    def _hand_over(self, station: Station, health: StationHealth, words: list[NDArray[np.uint16]], now_us: int) -> None:
        seq = self._clocks.log()
        frames: list[tuple[int, bytes]] = []
        bodies = station.frames(words)
        for member, body in bodies:
            state = FrameState.FRESH
            if station.chart.heartbeat is not None:
                beat, within_s = station.heartbeat(body), station.chart.heartbeat.within_s
                state = health.state(member.device_no, beat, within_s, now_us)
            frames.append((member.device_no, encode_frame(state, seq, body)))
        self._chased(station, {member.device_no: body for member, body in bodies}, now_us)
        self._inbox.frames(frames, partial(self._free, station.key))

    def _failed(self, station: Station, why: BusError, asked_us: int) -> None:
        unit = self._units.get(station.key.unit)
        if unit is None:
            return
        now_us = self._clocks.steady()
        if isinstance(why, NoReply | WrongReply | LinkAway):
            unit.failed(asked_us, station.interval_us)
        self._say(station, unit, str(why), now_us)
        self._chased(station, {}, now_us)
        self._not_heard(station, now_us)

    def _not_heard(self, station: Station, now_us: int) -> None:
        """H1: once per outage each of its devices says that nobody was heard."""
        health = self._health.get(station.key)
        if health is None or not health.fell_silent(now_us, station.interval_us):
            self._free(station.key)
            return
        silence = encode_frame(FrameState.NO_REPLY, self._clocks.log(), b"")
        frames = [(member.device_no, silence) for member in station.members]
        self._inbox.frames(frames, partial(self._free, station.key))

    def _free(self, key: StationKey) -> None:
        self._schedule.free(key)
        self._stir.set()

    # ---- commands ----

    async def _carry_out(self, attempt: Attempt, now_us: int) -> None:
        if not self._line.may_ask(now_us):
            self._hand.give_up(attempt, f"the bus cannot be reached: {self._line.away}")
            return
        key = self._of_device[attempt.valve.device_no]
        touched = await self._hand.carry_out(attempt, self.plan.stations[key])
        self._stir.set()
        if not touched:
            return
        unit = attempt.valve.place.unit
        self._start_anew(unit)
        if unit in self._units:
            self._units[unit].held_until_us = 0
        if attempt.procedure.verb == "close" and key in self._health:
            self._chases[key] = _Chase(attempt.valve, attempt.until_us)
            self._look_now(key)

    def _look_now(self, key: StationKey) -> None:
        """Read it next, before any poll that was begun."""
        now_us = self._clocks.steady()
        begun = next((poll for poll in self._polls if poll.station.key == key), None)
        if begun is not None:
            self._polls.remove(begun)
            self._polls.insert(0, begun)
        elif self._schedule.take_now(key, now_us):
            self._polls.insert(0, _Poll(self.plan.stations[key]))
        else:
            self._schedule.hasten(key, now_us)  # its last frame was not taken yet

    async def _release(self, release: Release, now_us: int) -> None:
        if not self._line.may_ask(now_us):
            release.again(now_us)
            return
        station = self.plan.stations.get(self._of_device.get(release.valve.device_no, StationKey(-1, 0, "")))
        gap_s, within_s = (station.gap_s, station.reply_within_s + station.line_s(32)) if station else (0.0, 1.0)
        await self._hand.release(release, gap_s, within_s)
        self._start_anew(release.valve.place.unit)

    def _start_anew(self, unit: int) -> None:
        """W."""
        for poll in self._polls:
            if poll.station.key.unit == unit:
                poll.words.clear()

    def _chased(self, station: Station, bodies: dict[int, bytes], now_us: int) -> None:
        """Look at a closing valve again soon, unless it is seen closed."""
        chase = self._chases.get(station.key)
        if chase is None:
            return
        body = bodies.get(chase.valve.device_no)  # None: it did not answer
        after_us = _LOOK_AFTER_US[min(chase.looks, len(_LOOK_AFTER_US) - 1)]
        chase.looks += 1
        over = now_us >= chase.until_us or after_us >= station.interval_us
        if over or (body is not None and station.position(body) == "closed"):
            del self._chases[station.key]
            return
        self._schedule.hasten(station.key, now_us + after_us)

    # ---- the plan, and what is said ----

    def _take_in(self, plan: BusPlan, before: dict[StationKey, Station]) -> None:
        now_us = self._clocks.steady()
        kept = {key for key, station in plan.stations.items() if before.get(key) == station}
        for key in before.keys() - kept:
            self._schedule.drop(key)
            self._health.pop(key, None)
            self._chases.pop(key, None)
        self._polls = [poll for poll in self._polls if poll.station.key in kept]
        fresh = [station for key, station in plan.stations.items() if key not in kept]
        for at, station in enumerate(fresh):
            spread_us = min(station.interval_us, _SPREAD_US)
            first_us = now_us + int(spread_us * (at + self._random.random()) / len(fresh))
            self._schedule.add(station.key, station.interval_us, first_us)
            self._health[station.key] = StationHealth(now_us)
        units = {key.unit for key in plan.stations}
        self._units = {unit: self._units.get(unit) or UnitHealth() for unit in units}
        self._of_device = {one.device_no: key for key, station in plan.stations.items() for one in station.members}
        self._hand.allow(list(plan.valves.values()))

    def _went_down(self, reason: str) -> None:
        _log.error("a bus cannot be reached", gateway=self.plan.gateway, why=reason)
        self._inbox.down(self.plan.gateway_no, reason)

    def _came_up(self) -> None:
        _log.info("a bus is reached", gateway=self.plan.gateway)
        self._inbox.up(self.plan.gateway_no)

    def _is_back(self) -> None:
        """Whoever was silent is asked at once, and commands may be tried again."""
        for key, health in self._health.items():
            if health.silent:
                self._schedule.hasten(key, self._clocks.steady())
        for device_no in self.plan.valves:
            self._inbox.connected(device_no)

    def _say(self, station: Station, unit: UnitHealth, words: str, now_us: int) -> None:
        if unit.worth_saying(words, now_us):
            _log.warning("a unit on a bus", gateway=self.plan.gateway, unit=station.key.unit, says=words)
