"""What every device of a home has besides its sensors: an identity, a clock, a count, and a memory for readings."""

from random import Random

from simulators.outbox import Outbox
from simulators.registry import Plan
from simulators.telemetry import Measured, Reading, Sender, reading

#: A reading older than this is sent as backfill. A device sends within a second of measuring; the rest is slack.
FRESH_MS = 5_000

MICROSECONDS = 1_000_000


class Device:
    """The boot number is the second of power-on, so it grows over every restart, of the device and of the simulator,
    with nothing kept on disk; the sequence counts from 1 within a boot.

    `clock_offset_us`: how wrong the device's clock is. `duplicate_share`, `disordered`: faults of its radio link.
    """

    def __init__(self, sender: Sender, plan: Plan, rng: Random, now_us: int) -> None:
        self.sender = sender
        self.plan = plan
        self.outbox = Outbox(FRESH_MS)
        self.clock_offset_us = 0
        self.duplicate_share = 0.0
        self.disordered = False
        self._rng = rng
        self._boot = now_us // MICROSECONDS
        self._seq = 0

    @property
    def identity(self) -> str:
        return self.plan.device.identity

    def clock_us(self, now_us: int) -> int:
        """What the device takes for the time at true time `now_us`."""
        return now_us + self.clock_offset_us

    def record(self, measured: Measured, now_us: int) -> None:
        self._seq += 1
        self.outbox.add(reading(measured, self.clock_us(now_us) // 1000, self._boot, self._seq))

    def next_message(self, now_us: int) -> tuple[Reading, ...]:
        disorder = self._rng if self.disordered else None
        return self.outbox.next_message(self.clock_us(now_us) // 1000, disorder)

    def sends_twice(self) -> bool:
        return self.duplicate_share > 0.0 and self._rng.random() < self.duplicate_share

    def restart(self, now_us: int) -> None:
        """Power is back: a new boot, a new count, an empty memory."""
        self.outbox.lose()
        self._boot = max(self._boot + 1, now_us // MICROSECONDS)
        self._seq = 0
