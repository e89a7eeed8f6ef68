"""How a command is carried out on a bus: writes in order, each with its echo, pauses, proofs, and the end of a pulse.

C1  Nothing is written after the attempt's life is over (G8); what was begun is ended (modbus_attempts A3).
C2  Nothing is written that is not of a valve's procedure: the allow-list is asked for every write. That, and whether
    the registry still says the same of the valve, is asked right before the bytes are handed over, with nothing
    awaited in between: the registry may change whenever something is awaited. What is owed is always allowed.
C3  `sent` is told when the bytes of the last write have left, `acknowledged` when its echo was right and every proof
    held. Neither means that the valve is closed: that is seen, by readings (G7).
C4  Of every attempt that was begun it is told what became of it, whatever ends it.
"""

import asyncio
from collections.abc import Callable, Iterable

import structlog

from devices.registers import WireWrite
from ingest.modbus_attempts import Attempt, Release, Waiting
from ingest.modbus_counts import BusCounts, Clocks
from ingest.modbus_errors import BusError, LinkAway, Refused
from ingest.modbus_inbox import Inbox
from ingest.modbus_line import Line
from ingest.modbus_stations import Station
from ingest.modbus_valves import Proof, Valve, proof
from ingest.modbus_wire import AllowList

_log = structlog.get_logger()

#: Why an attempt failed that the registry or the end of its bus ended.
CHANGED = "the valve's address or model has changed in the registry"
BUS_ENDED = "its bus ended before it was carried out"


class _GaveUp(Exception):
    """The attempt ends here, for this reason."""


class Actuation:
    """One bus's hand. Only the bus's own task calls it."""

    def __init__(
        self, line: Line, waiting: Waiting, inbox: Inbox, clocks: Clocks, counts: BusCounts, gateway: str
    ) -> None:
        self.allowed = AllowList()
        self._line = line
        self._waiting = waiting
        self._inbox = inbox
        self._clocks = clocks
        self._counts = counts
        self._gateway = gateway

    def allow(self, valves: Iterable[Valve]) -> None:
        """From now on these may be written, and what is still owed to others (C2)."""
        owed = [(one.valve.place.unit, write) for one in self._waiting.releases for write in one.procedure.release]
        self.allowed = AllowList([*owed, *(write for valve in valves for write in valve.writes())])

    async def carry_out(self, attempt: Attempt, station: Station) -> bool:
        """Returns whether something may have reached the device."""
        valve, procedure, touched = attempt.valve, attempt.procedure, False
        try:
            touched = await self._end_last_pulse(attempt, station)
            for at, write in enumerate(procedure.write):
                await self._line.prepare(valve.place.unit, station.gap_s)
                now_us = self._clocks.steady()
                self._check(attempt, write)
                if now_us >= attempt.until_us:
                    raise _GaveUp("expired before it could be written" if at == 0 else "expired between two writes")
                touched = True
                self._waiting.owe(valve, procedure, now_us + round(procedure.pulse_s * 1_000_000))
                last = at == len(procedure.write) - 1
                await self._write(valve, station, write, self._left(attempt) if last else _nothing)
                if not await self._proven(valve, station, write):
                    raise _GaveUp("the device did not do what was written: the check after the write does not hold")
            if not self._waiting.is_current(valve):
                raise _GaveUp(CHANGED)  # what confirmed it is no longer this valve
        except (BusError, _GaveUp, PermissionError) as why:
            self.give_up(attempt, str(why))
        except asyncio.CancelledError:
            self.give_up(attempt, BUS_ENDED)
            raise
        except Exception as why:
            self.give_up(attempt, f"by our own mistake: {why!r}")
            raise
        else:
            self._inbox.acknowledged(valve.device_no, attempt.command)
        return touched

    def _check(self, attempt: Attempt, write: WireWrite) -> None:
        """C2. Raises PermissionError, _GaveUp."""
        if not self._waiting.is_current(attempt.valve):
            raise _GaveUp(CHANGED)
        for one in (write, *attempt.procedure.release):
            self.allowed.check(attempt.valve.place.unit, one)

    async def _end_last_pulse(self, attempt: Attempt, station: Station) -> bool:
        """A pulse of which the end could not be written yet, or of which nobody knows, would make this one none. When
        its end fails again the CLOSE is tried all the same (A4). Returns whether anything was tried."""
        self._waiting.reached(attempt.valve.device_no, self._clocks.steady())
        last = self._waiting.owed(attempt.valve, attempt.procedure)
        if last is None:
            return False
        why = await self.release(last, station.gap_s, station.reply_within_s + station.line_s(32))
        if isinstance(why, LinkAway):
            raise why
        return True

    def give_up(self, attempt: Attempt, reason: str) -> None:
        """It failed, before or after it was sent."""
        self._counts.commands_failed += 1
        self._counts.commands_expired += reason.startswith("expired")
        self._inbox.failed(attempt.valve.device_no, attempt.command, reason)
        _log.warning("a command on a bus failed", valve=attempt.valve.identity, gateway=self._gateway, why=reason)

    async def release(self, release: Release, gap_s: float, within_s: float) -> BusError | None:
        """End a pulse, or note when to try again and return why."""
        unit, name = release.valve.place.unit, release.valve.identity
        try:
            while release.step < len(release.procedure.release):
                write = release.procedure.release[release.step]
                await self._line.prepare(unit, gap_s)
                await self._line.write(unit, write, within_s, self.allowed, _nothing)
                release.step += 1
                await asyncio.sleep(write.pause_s)
        except BusError as why:
            release.again(self._clocks.steady())
            if release.in_doubt and isinstance(why, Refused):
                self._waiting.done(release)
                _log.warning("a valve refuses the end of a pulse that may never have been", valve=name, why=str(why))
                return why
            self._counts.releases_failed += 1
            if release.failures == 1:
                _log.error("a pulse could not be ended yet", valve=name, why=str(why))
            return why
        except Exception:
            release.again(self._clocks.steady())  # a mistake of ours must not take the bus with it, time and again
            self._counts.releases_failed += 1
            raise
        self._waiting.done(release)
        self._counts.releases += not release.in_doubt
        return None

    def _left(self, attempt: Attempt) -> Callable[[], None]:
        def left() -> None:
            self._counts.commands_sent += 1
            self._inbox.sent(attempt.valve.device_no, attempt.command)
            owed = self._waiting.owed(attempt.valve, attempt.procedure)
            if owed is not None:  # the pulse begins now
                owed.at_us = self._clocks.steady() + round(attempt.procedure.pulse_s * 1_000_000)

        return left

    async def _write(self, valve: Valve, station: Station, write: WireWrite, left: Callable[[], None]) -> None:
        within_s = station.reply_within_s + station.line_s(9 + 2 * len(write.values) + 8)
        await self._line.write(valve.place.unit, write, within_s, self.allowed, left)
        if write.pause_s:
            await asyncio.sleep(write.pause_s)

    async def _proven(self, valve: Valve, station: Station, write: WireWrite) -> bool:
        """Whether the `then` of a write holds. Raises BusError."""
        if not write.then:
            return True
        what: Proof = proof(station.chart, write.then, valve.place.channel, valve.place.base)
        words = []
        for read in what.reads:
            await self._line.prepare(valve.place.unit, station.gap_s)
            words.append(await self._line.read(valve.place.unit, read, station.within_s(read)))
        return what.holds(words)


def _nothing() -> None:
    return
