"""The polls of one bus: which station is read next, and what becomes of it.

D1  A poll of a unit to which something was written meanwhile is begun anew: no frame holds words from both sides of a
    write.
D2  While one unit needs its pause, others are read.
D3  A station whose unit is left alone (modbus_health H2), or whose link is (modbus_line K3), is not asked at its time;
    its silence is told all the same.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from random import Random

import numpy as np
import structlog
from numpy.typing import NDArray

from devices.codecs.frame import FrameState, encode_frame
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

_Words = list[NDArray[np.uint16]]


@dataclass(slots=True)
class Poll:
    """A station being read. words: of the reads so far."""

    station: Station
    words: _Words = field(default_factory=list)


@dataclass(slots=True)
class _Chase:
    """A valve that should be closing."""

    valve: Valve
    until_us: int
    looks: int = 0


class Polls:
    """Only the bus's own task and its link call it, on one event loop. `stir`: something changed, look again."""

    def __init__(
        self, line: Line, inbox: Inbox, clocks: Clocks, random: Random, counts: BusCounts, stir: Callable[[], None]
    ) -> None:
        self._line = line
        self._inbox = inbox
        self._clocks = clocks
        self._random = random
        self._counts = counts
        self._stir = stir
        self._gateway = ""
        self._schedule: Schedule[StationKey] = Schedule(counts.polls)
        self._begun: list[Poll] = []
        self._stations: dict[StationKey, Station] = {}
        self._valves: dict[int, Valve] = {}
        self._units: dict[int, UnitHealth] = {}
        self._health: dict[StationKey, StationHealth] = {}
        self._chases: dict[StationKey, _Chase] = {}

    # ---- what there is to poll ----

    def take_in(self, plan: BusPlan) -> None:
        """From now on these stations; those that did not change keep their times and what is known of them."""
        before, self._stations = self._stations, plan.stations
        self._gateway, self._valves = plan.gateway, plan.valves
        kept = {key for key, station in plan.stations.items() if before.get(key) is station}
        known = {key: self._health.pop(key) for key in before.keys() - kept}
        for key in known:
            self._schedule.drop(key)
            self._chases.pop(key, None)
        self._begun = [poll for poll in self._begun if poll.station.key in kept]
        self._add([station for key, station in plan.stations.items() if key not in kept])
        for key in known.keys() & plan.stations.keys():
            self._health[key].carry_over(known[key], _read_alike(before[key], plan.stations[key]))
        self._units = {key.unit: self._units.get(key.unit) or UnitHealth() for key in plan.stations}
        slowest = (station.within_s(read) for station in plan.stations.values() for read in station.plan.reads)
        self._line.longest_reply_s = max(slowest, default=self._line.longest_reply_s)

    def _add(self, stations: list[Station]) -> None:
        now_us = self._clocks.steady()
        for at, station in enumerate(stations):
            spread_us = min(station.interval_us, _SPREAD_US)
            first_us = now_us + int(spread_us * (at + self._random.random()) / len(stations))
            self._schedule.add(station.key, station.interval_us, first_us)
            self._health[station.key] = StationHealth(now_us)

    def forget_begun(self) -> None:
        """Leave everything that was begun; it is polled at its next time."""
        for poll in self._begun:
            self._schedule.free(poll.station.key)
        self._begun.clear()

    @property
    def units(self) -> int:
        return len(self._units)

    @property
    def units_silent(self) -> int:
        return sum(unit.failures > 0 for unit in self._units.values())

    # ---- which is next ----

    def next(self, now_us: int) -> Poll | None:
        """The poll to go on with; None when nothing is due."""
        while True:
            for poll in self._begun:
                if self._ready_us(poll.station.key) <= now_us:
                    return poll
            key = self._schedule.take(now_us)
            if key is None:
                return None
            self._begun.append(Poll(self._stations[key]))

    def times_us(self) -> Iterable[int | None]:
        """When there will be something to do."""
        yield self._schedule.next_us()
        for poll in self._begun:
            yield self._ready_us(poll.station.key)

    def begin_any(self, now_us: int) -> bool:
        """Let some station be read, to see whether the link is back: their usual times may be far apart. Units that
        answered when last asked go first. False when nothing can be asked now: the unit needs its pause (`times_us`
        says until when), or the frames of all stations wait to be taken (then `stir` tells)."""
        keys = list(self._stations)
        self._random.shuffle(keys)
        begun = {poll.station.key for poll in self._begun}
        for key in sorted(keys, key=lambda key: (self._units[key.unit].failures > 0, self._ready_us(key))):
            if key not in begun and not self._schedule.take_now(key, now_us):
                continue
            if key not in begun:
                self._begun.append(Poll(self._stations[key]))
            return self._ready_us(key) <= now_us
        return False

    def _ready_us(self, key: StationKey) -> int:
        return self._line.ready_us(key.unit, self._stations[key].gap_s)

    def ask_silent(self) -> None:
        """The link is back: whoever was silent is asked at once."""
        for key, health in self._health.items():
            if health.silent:
                self._schedule.hasten(key, self._clocks.steady())

    def withheld(self, key: StationKey) -> None:
        """A reading of it could not be stored: read it again, but later (G4); silence will be told again."""
        self._schedule.put_off(key)
        self._health[key].silent = False

    # ---- one request ----

    async def go_on(self, poll: Poll, now_us: int) -> None:
        """Make the next request of a poll, or find that it cannot be made."""
        station, unit = poll.station, self._units[poll.station.key.unit]
        held = unit.held_until_us > now_us and self._line.retry_us() is None
        if held or not self._line.may_ask(now_us):
            self._drop(poll)
            self._schedule.missed(station.key, now_us, counted=not held)
            self._not_heard(station, now_us)
            return
        try:
            await self._line.prepare(station.key.unit, station.gap_s)
        except LinkAway:
            return  # the link is left alone now, so the next turn finds that it cannot be made
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

    def _drop(self, poll: Poll) -> None:
        if poll in self._begun:
            self._begun.remove(poll)

    def _answered(self, station: Station, words: _Words) -> None:
        if self._stations.get(station.key) is not station:
            return  # the registry changed while it was read
        health, unit = self._health[station.key], self._units[station.key.unit]
        now_us = self._clocks.steady()
        self._counts.answered += 1
        again, had_failed = health.ever, unit.answered()
        if health.to_be_taken_back():
            event = "a unit on a bus is read again" if again else "a unit on a bus is read"
            _log.info(event, gateway=self._gateway, unit=station.key.unit, model=station.key.model)
        if health.answered(now_us) or had_failed:
            for valve in self._valves.values():
                if valve.place.unit == station.key.unit:
                    self._inbox.connected(valve.device_no)
        seq = self._clocks.log()
        frames: list[tuple[int, bytes]] = []
        observed: dict[int, bytes] = {}
        for member, body in station.frames(words):
            state = FrameState.FRESH
            if station.chart.heartbeat is not None:
                beat, within_s = station.heartbeat(body), station.chart.heartbeat.within_s
                state = health.state(member.device_no, beat, within_s, now_us)
            frames.append((member.device_no, encode_frame(state, seq, body, member.place)))
            if state is FrameState.FRESH:
                observed[member.device_no] = body
        self._chased(station, observed, now_us)
        self._inbox.frames(frames, partial(self._free, station.key))

    def _failed(self, station: Station, why: BusError, asked_us: int) -> None:
        unit = self._units.get(station.key.unit)
        if unit is None or self._stations.get(station.key) is not station:
            return
        now_us = self._clocks.steady()
        if isinstance(why, NoReply | WrongReply | LinkAway):
            unit.failed(asked_us, station.interval_us)
        if self._health[station.key].to_be_said(str(why), now_us):
            where = {"gateway": self._gateway, "unit": station.key.unit, "model": station.key.model}
            _log.warning("a unit on a bus is not read", **where, why=str(why))
        self._chased(station, {}, now_us)
        self._not_heard(station, now_us)

    def _not_heard(self, station: Station, now_us: int) -> None:
        """H1: once per outage each of its devices says that nobody was heard."""
        health = self._health.get(station.key)
        if health is None or not health.fell_silent(now_us, station.interval_us):
            self._free(station.key)
            return
        seq, silent = self._clocks.log(), FrameState.NO_REPLY
        frames = [(member.device_no, encode_frame(silent, seq, b"", member.place)) for member in station.members]
        self._inbox.frames(frames, partial(self._free, station.key))

    def _free(self, key: StationKey) -> None:
        self._schedule.free(key)
        self._stir()

    # ---- valves that were told to close ----

    def written(self, unit: int) -> None:
        """D1; and whoever was left alone is asked again, because something depends on it now."""
        for poll in self._begun:
            if poll.station.key.unit == unit:
                poll.words.clear()
        if unit in self._units:
            self._units[unit].held_until_us = 0

    def chase(self, key: StationKey, valve: Valve, until_us: int) -> None:
        """Read this valve next, before any poll that was begun, and then often."""
        if key not in self._stations:
            return
        self._chases[key] = _Chase(valve, until_us)
        now_us = self._clocks.steady()
        begun = next((poll for poll in self._begun if poll.station.key == key), None)
        if begun is not None:
            self._begun.remove(begun)
            self._begun.insert(0, begun)
        elif self._schedule.take_now(key, now_us):
            self._begun.insert(0, Poll(self._stations[key]))
        else:
            self._schedule.hasten(key, now_us)  # its last frame was not taken yet

    def _chased(self, station: Station, bodies: dict[int, bytes], now_us: int) -> None:
        """Look at a closing valve again soon, unless it is seen closed."""
        chase = self._chases.get(station.key)
        if chase is None:
            return
        body = bodies.get(chase.valve.device_no)  # None: it did not answer, or is dead
        after_us = _LOOK_AFTER_US[min(chase.looks, len(_LOOK_AFTER_US) - 1)]
        chase.looks += 1
        over = now_us >= chase.until_us or after_us >= station.interval_us
        if over or (body is not None and station.position(body) == "closed"):
            del self._chases[station.key]
            return
        self._schedule.hasten(station.key, now_us + after_us)


def _read_alike(before: Station, now: Station) -> list[int]:
    """The devices that are read from the same place by the same map as before."""
    if before.chart != now.chart:
        return []
    return [member.device_no for member in now.members if member in before.members]
