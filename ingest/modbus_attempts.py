"""Commands that wait for their bus, and the releases that a pulse owes. Pure: times are arguments, in microseconds of a
clock that only passes.

A1  An attempt whose life is over is not written (G8), and said to have failed.
A2  At most one attempt for each valve waits: a newer one takes its place, and the older has failed. So the queue is
    bounded by the valves. An attempt whose valve is no longer what it was in the registry has failed too.
A3  A one-shot's release is owed from the moment in which any of its writes may have left, until the device has
    confirmed the release: no time-out, no lost connection and no change of the registry ends that. It is owed to a
    place, not to a device number, so that a valve that moves leaves its debt where the pulse runs. Only the end of the
    whole bus does (modbus_bus E); then A5 holds when the valve is reached again.
A4  While a pulse runs no other attempt at its place begins. It runs until its release was tried once; a release that
    fails must not keep a newer CLOSE from being tried.
A5  Of a valve that has just become known nobody knows whether a pulse still runs: an engine that was killed left its
    output on, and then the next pulse would be none. So its release is written once it has answered, and before its
    first pulse at the latest. Writing it twice does no harm. It ends when the device has confirmed or refused it.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from devices.registers import Procedure, WireWrite
from ingest.modbus_valves import Valve

#: A release that failed is tried again after this, then twice as long each time. Product choice.
_FIRST_AGAIN_US, _MOST_AGAIN_US = 200_000, 30_000_000

#: Where a pulse runs: the unit, and what ends it.
Place = tuple[int, tuple[WireWrite, ...]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One command on its way. It may be written until `until_us`."""

    command: str
    valve: Valve
    procedure: Procedure
    until_us: int


@dataclass(slots=True)
class Release:
    """What ends a pulse. at_us: when it is due, or due again. step: how many of its writes the device has confirmed.
    in_doubt: nobody knows whether there is a pulse (A5)."""

    valve: Valve
    procedure: Procedure
    at_us: int
    step: int = 0
    failures: int = 0
    in_doubt: bool = False

    def again(self, now_us: int) -> None:
        """It failed now."""
        self.at_us = now_us + min(_FIRST_AGAIN_US * 2 ** min(self.failures, 20), _MOST_AGAIN_US)
        self.failures += 1

    @property
    def keeps_waiting(self) -> bool:
        """A4: whether it is the end of a pulse that runs."""
        return not self.failures and not self.in_doubt


class Waiting:
    """The attempts and releases of one bus."""

    def __init__(self) -> None:
        self._valves: Mapping[int, Valve] = {}
        self._attempts: dict[int, Attempt] = {}
        self._releases: dict[Place, Release] = {}
        #: A5: those that were not reached yet, by device.
        self._doubts: dict[int, Valve] = {}

    def __len__(self) -> int:
        """Attempts and releases."""
        return len(self._attempts) + len(self._releases)

    @property
    def attempts(self) -> list[Attempt]:
        return list(self._attempts.values())

    @property
    def releases(self) -> list[Release]:
        return list(self._releases.values())

    def take_in(self, valves: Mapping[int, Valve]) -> list[Attempt]:
        """From now on these valves, by device. Takes out and returns the attempts for those that changed or left."""
        before, self._valves = self._valves, valves
        changed = {device_no for device_no, valve in valves.items() if before.get(device_no) != valve}
        self._doubts = {
            device_no: valve for device_no, valve in valves.items() if device_no in changed or device_no in self._doubts
        }
        gone = [attempt for attempt in self._attempts.values() if valves.get(attempt.valve.device_no) != attempt.valve]
        for attempt in gone:
            del self._attempts[attempt.valve.device_no]
        return gone

    def is_current(self, valve: Valve) -> bool:
        """Whether the registry still says the same of it."""
        return self._valves.get(valve.device_no) == valve

    # ---- attempts ----

    def add(self, attempt: Attempt) -> Attempt | None:
        """Returns the attempt whose place it took (A2)."""
        older = self._attempts.pop(attempt.valve.device_no, None)
        self._attempts[attempt.valve.device_no] = attempt
        return older

    def expired(self, now_us: int) -> list[Attempt]:
        """Take out whose life is over (A1)."""
        over = [attempt for attempt in self._attempts.values() if now_us >= attempt.until_us]
        for attempt in over:
            del self._attempts[attempt.valve.device_no]
        return over

    def next(self) -> Attempt | None:
        """Take out the oldest attempt that may begin (A4)."""
        running = [release for release in self._releases.values() if release.keeps_waiting]
        for device_no, attempt in self._attempts.items():
            if not any(one.valve.place == attempt.valve.place for one in running):
                return self._attempts.pop(device_no)
        return None

    # ---- releases ----

    def owe(self, valve: Valve, procedure: Procedure, at_us: int) -> None:
        """A pulse of this valve may run; release it then (A3)."""
        if procedure.release:
            self._releases[_place(valve, procedure)] = Release(valve, procedure, at_us)

    def owed(self, valve: Valve, procedure: Procedure) -> Release | None:
        """The release that is owed where this procedure writes."""
        return self._releases.get(_place(valve, procedure))

    def reached(self, device_no: int, now_us: int) -> None:
        """This device has answered: what is in doubt of it falls due (A5)."""
        valve = self._doubts.pop(device_no, None)
        if valve is None:
            return
        for procedure in valve.procedures.values():
            if procedure.release and _place(valve, procedure) not in self._releases:
                self._releases[_place(valve, procedure)] = Release(valve, procedure, now_us, in_doubt=True)

    def done(self, release: Release) -> None:
        """The device has confirmed it, or what is in doubt was refused."""
        place = _place(release.valve, release.procedure)
        if self._releases.get(place) is release:
            del self._releases[place]

    def due(self, now_us: int) -> Release | None:
        """The release that is due longest."""
        first = min(self._releases.values(), key=lambda release: release.at_us, default=None)
        return first if first is not None and first.at_us <= now_us else None

    def end_pulses(self, now_us: int) -> None:
        """Every release is due now."""
        for release in self._releases.values():
            release.at_us = min(release.at_us, now_us)

    def next_us(self) -> int | None:
        """When something changes by itself: a release falls due, or an attempt's life is over."""
        times = [release.at_us for release in self._releases.values()]
        times += [attempt.until_us for attempt in self._attempts.values()]
        return min(times, default=None)


def _place(valve: Valve, procedure: Procedure) -> Place:
    return valve.place.unit, procedure.release
