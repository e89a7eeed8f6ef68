"""A device's memory for readings: kept until acknowledged, sent again after a reconnect, never without bound.

O1  A reading keeps its (boot, seq), its time and its values however often it is sent: only `backfill` may be added.
O2  A reading leaves when it was acknowledged, or when the memory is full and it is the least worth keeping: the oldest
    without an alarm bit, else the oldest. What was forgotten is counted.
O3  What is fresh goes before what is old: after an outage the newest reading is the first to be sent, live, and the
    rest follows oldest first, marked backfill.
"""

from random import Random

import msgspec

from simulators.telemetry import Reading

#: Readings a device keeps: five and a half hours of a detector at one in 10 s. Product choice.
KEPT_READINGS = 2_000
#: Readings in one message of backfill; about 6 KiB of JSON.
BACKFILL_AT_ONCE = 50


class Outbox:
    """`fresh_ms`: how old a reading may be and still be sent as live."""

    def __init__(self, fresh_ms: int, kept: int = KEPT_READINGS) -> None:
        self.forgotten = 0
        self._fresh_ms = fresh_ms
        self._kept = kept
        self._readings: dict[tuple[int, int], Reading] = {}

    def __len__(self) -> int:
        return len(self._readings)

    def add(self, reading: Reading) -> None:
        if len(self._readings) >= self._kept:
            self._forget_one()
        self._readings[reading.boot, reading.seq] = reading

    def next_message(self, now_ms: int, disorder: Random | None = None) -> tuple[Reading, ...]:
        """The readings of the next message, empty when all is acknowledged. They stay here until `acknowledged`.

        `now_ms` is the device's own clock. `disorder` shuffles a message of backfill: a fault to simulate.
        """
        fresh: list[Reading] = []
        for reading in reversed(self._readings.values()):
            if now_ms - reading.ts > self._fresh_ms or len(fresh) == BACKFILL_AT_ONCE:
                break
            fresh.append(reading)
        if fresh:
            return tuple(reversed(fresh))
        old = [msgspec.structs.replace(reading, backfill=True) for reading in self._oldest(BACKFILL_AT_ONCE)]
        if disorder is not None:
            disorder.shuffle(old)
        return tuple(old)

    def acknowledged(self, readings: tuple[Reading, ...]) -> int:
        """They are safe elsewhere and may be forgotten here. How many of them were still kept."""
        return sum(self._readings.pop((reading.boot, reading.seq), None) is not None for reading in readings)

    def lose(self) -> None:
        """Power fails: what stood in volatile memory is gone, and counted."""
        self.forgotten += len(self._readings)
        self._readings.clear()

    def _oldest(self, most: int) -> list[Reading]:
        return [reading for reading, _ in zip(self._readings.values(), range(most), strict=False)]

    def _forget_one(self) -> None:
        plain = next((key for key, reading in self._readings.items() if not reading.alarmed), None)
        del self._readings[plain or next(iter(self._readings))]
        self.forgotten += 1
