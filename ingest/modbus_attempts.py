"""Commands that wait for their bus, and the releases that a pulse owes. Pure: times are arguments, in microseconds of a
clock that only passes.

A1  An attempt whose life is over is not written (G8), and said to have failed.
A2  At most one attempt for each valve waits: a newer one takes its place, and the older has failed. So the queue is
    bounded by the valves.
A3  A one-shot's release is owed from the moment in which any of its writes may have left, until the device has
    confirmed the release. Nothing else ends that: no time-out, no lost connection, no change of the registry.
A4  While a pulse runs no other attempt for its valve begins. It runs until its release was tried once; a release that
    fails must not keep a newer CLOSE from being tried.
"""

from dataclasses import dataclass

from devices.registers import Procedure
from ingest.modbus_valves import Valve

#: A release that failed is tried again after this, then twice as long each time. Product choice.
_FIRST_AGAIN_US, _MOST_AGAIN_US = 200_000, 30_000_000


@dataclass(frozen=True, slots=True)
class Attempt:
    """One command on its way. It may be written until `until_us`."""

    command: str
    valve: Valve
    procedure: Procedure
    until_us: int


@dataclass(slots=True)
class Release:
    """What ends a pulse. at_us: when it is due, or due again. step: how many of its writes the device has confirmed."""

    valve: Valve
    procedure: Procedure
    at_us: int
    step: int = 0
    failures: int = 0

    def again(self, now_us: int) -> None:
        """It failed now."""
        self.at_us = now_us + min(_FIRST_AGAIN_US * 2 ** min(self.failures, 20), _MOST_AGAIN_US)
        self.failures += 1


class Waiting:
    """The attempts and releases of one bus."""

    def __init__(self) -> None:
        self._attempts: dict[int, Attempt] = {}
        self.releases: dict[int, Release] = {}

    def __len__(self) -> int:
        return len(self._attempts)

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
        for device_no in self._attempts:
            owed = self.releases.get(device_no)
            if owed is None or owed.failures:
                return self._attempts.pop(device_no)
        return None

    def drop(self, keep: set[int]) -> list[Attempt]:
        """Take out the attempts for valves that are not in `keep`."""
        gone = [attempt for device_no, attempt in self._attempts.items() if device_no not in keep]
        for attempt in gone:
            del self._attempts[attempt.valve.device_no]
        return gone

    def owe(self, valve: Valve, procedure: Procedure, at_us: int) -> None:
        """A pulse of this valve may run; release it then (A3)."""
        if procedure.release:
            self.releases[valve.device_no] = Release(valve, procedure, at_us)

    def due(self, now_us: int) -> Release | None:
        """The release that is due longest."""
        first = min(self.releases.values(), key=lambda release: release.at_us, default=None)
        return first if first is not None and first.at_us <= now_us else None

    def next_us(self) -> int | None:
        """When something changes by itself: a release falls due, or an attempt's life is over."""
        times = [release.at_us for release in self.releases.values()]
        times += [attempt.until_us for attempt in self._attempts.values()]
        return min(times, default=None)
