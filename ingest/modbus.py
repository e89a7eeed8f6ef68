"""Modbus as a link: every gateway of the registry whose address is a bus is polled, and its valves are commanded.

Readings come as frames (devices/codecs/frame.py); what is not stored is read again, so nothing is acknowledged.
What holds is stated where it is kept: modbus_wire (W), modbus_line (K), modbus_schedule (S), modbus_health (H),
modbus_attempts (A), modbus_actuation (C), modbus_inbox (B), modbus_bus (G, F, E).
"""

import asyncio
from collections.abc import Callable
from random import Random

import structlog

from devices.commands import Command
from devices.fleet import Fleet
from ingest.links import Arrivals, Sending, Settled
from ingest.modbus_attempts import Attempt
from ingest.modbus_bus import Bus
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_inbox import SOURCE, Inbox
from ingest.modbus_line import DOWN_AFTER_S
from ingest.modbus_stations import BusPlan, lay_out

_log = structlog.get_logger()

#: What is read within this time of the last take is taken together: a thousand units each second would else be a
#: thousand cycles of one reading, at 1 ms each. After a pause nothing waits. Product choice: a reading is as old as its
#: poll interval anyway, and that is at least five times as long.
GATHER_US = 10_000


class ModbusLink:
    """All buses of an engine. Implements ingest.links.Link; all calls on the engine's event loop."""

    name = SOURCE

    def __init__(
        self,
        wake: Callable[[], None],
        now: Callable[[], int],
        utc: Callable[[], int],
        steady: Callable[[], int],
        random: Random,
        down_after_s: float = DOWN_AFTER_S,
    ) -> None:
        """All times in microseconds. wake: called when something is to be taken, once until the next take. now: the
        log's time (Cycle.now); readings are numbered with it. utc: since 1970, for the expiry of commands. steady: a
        clock that only passes. random: spreads first polls and back-offs. down_after_s: when a bus that cannot be
        reached is told down."""
        self._clocks = Clocks(_rising(now), utc, steady)
        self._random = random
        self._down_after_s = down_after_s
        self._inbox = Inbox(self._gather)
        self._wake = wake
        self._taken_us = -GATHER_US
        self._counts = BusCounts()
        self._buses: dict[int, Bus] = {}
        self._bus_of: dict[int, Bus] = {}
        self._unusable: tuple[str, ...] = ()
        self._ending: dict[asyncio.Task[None], BusPlan] = {}
        self._started = False
        self._plans: dict[int, BusPlan] = {}

    # ---- life ----

    def replace(self, fleet: Fleet) -> None:
        """A new registry holds from now on. Buses that are new begin, those that are gone end, and of the others only
        what changed behind them."""
        found = lay_out(fleet)
        for words in found.unusable:
            if words not in self._unusable:
                _log.error("a device cannot be polled as it is registered", why=words)
        self._unusable, self._plans = found.unusable, found.buses
        if self._started:
            self._apply()

    async def start(self) -> None:
        """Begin to poll; `replace` may have been called before."""
        self._started = True
        self._apply()

    async def close(self) -> None:
        """Stop polling, carry out the commands that wait, end the pulses that run, close every link; within
        modbus_bus.FINISH_WITHIN_S."""
        self._started = False
        for bus in self._buses.values():
            self._end(bus, stops=True)
        self._buses, self._bus_of = {}, {}
        if self._ending:
            await asyncio.wait(self._ending)

    def _apply(self) -> None:
        for gateway_no, bus in list(self._buses.items()):
            plan = self._plans.get(gateway_no)
            if plan is None or plan.address.link != bus.plan.address.link:
                self._end(self._buses.pop(gateway_no), stops=False)
        for gateway_no, plan in self._plans.items():
            if gateway_no in self._buses:
                self._buses[gateway_no].adopt(plan)
            else:
                bus = Bus(plan, self._inbox, self._clocks, self._random, self._counts, self._down_after_s)
                self._buses[gateway_no] = bus
                bus.start(self._before(plan))
        self._bus_of = {
            member.device_no: bus
            for bus in self._buses.values()
            for station in bus.plan.stations.values()
            for member in station.members
        }

    def _before(self, plan: BusPlan) -> list[asyncio.Task[None]]:
        """The ends that a new bus has to wait for: of those that had its link or its gateway."""
        return [
            task
            for task, old in self._ending.items()
            if old.gateway_no == plan.gateway_no or old.address.link == plan.address.link
        ]

    def _end(self, bus: Bus, *, stops: bool) -> None:
        bus.leave(stops=stops)
        task = asyncio.create_task(bus.finish(), name=f"end of modbus {bus.plan.gateway}")
        self._ending[task] = bus.plan
        task.add_done_callback(lambda ended: self._ending.pop(ended, None))

    # ---- the link ----

    def take(self, most: int) -> Arrivals | None:
        arrivals = self._inbox.take(most)
        if arrivals is not None:
            self._taken_us = self._clocks.steady()
        return arrivals

    def _gather(self) -> None:
        """Wake the cycle: at once, or when GATHER_US have passed since the last take."""
        wait_us = self._taken_us + GATHER_US - self._clocks.steady()
        if wait_us <= 0:
            self._wake()
        else:
            asyncio.get_running_loop().call_later(wait_us / 1e6, self._wake)

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        """What was withheld is read again anyway; only later (G4)."""
        for index in settled.withheld:
            device_no = arrivals.device_no[index]
            if device_no in self._bus_of:
                self._bus_of[device_no].withheld(device_no)

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        """QUEUED: it leaves after the request in flight. UNREACHABLE: no valve of ours, no procedure for this verb, or
        a bus that is away."""
        bus = self._bus_of.get(device_no)
        valve = bus.plan.valves.get(device_no) if bus is not None else None
        procedure = valve.procedures.get(command.verb) if valve is not None else None
        if valve is not None and procedure is None:
            _log.warning("a bus cannot carry this command: the register map has no procedure", verb=command.verb)
        if bus is None or valve is None or procedure is None:
            return Sending.UNREACHABLE
        self._counts.commands += 1
        until_us = self._clocks.steady() + expires_us - self._clocks.utc()
        if not bus.send(Attempt(command.id, valve, procedure, until_us)):
            return Sending.UNREACHABLE
        return Sending.QUEUED

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics, `modbus_` before each; those that only grow end in `_total`."""
        buses = self._buses.values()
        return {
            "modbus_buses": len(buses),
            "modbus_buses_up": sum(bus.is_up for bus in buses),
            "modbus_units": sum(bus.units for bus in buses),
            "modbus_units_silent": sum(bus.units_silent for bus in buses),
            "modbus_devices_unusable": len(self._unusable),
            "modbus_frames_waiting": len(self._inbox),
            **self._counts.figures(),
        }


def _rising(now: Callable[[], int]) -> Callable[[], int]:
    """Numbers of readings must rise strictly, of every device and whatever the clock does."""
    last = 0

    def rising() -> int:
        nonlocal last
        last = max(now(), last + 1)
        return last

    return rising
