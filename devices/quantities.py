"""What a device can measure, in the units used everywhere in Davy.

Adding a quantity is one line in `QUANTITIES` and one migration. The order is part of the journal's format: append,
never reorder. `lowest` and `highest` bound what is physically possible, not what a sensor can show: a value outside
them is stored as NaN with quality `OUT_OF_RANGE` and is *unknown* to every rule (G9), never normal.
"""

from dataclasses import dataclass
from enum import IntEnum, IntFlag


@dataclass(frozen=True, slots=True)
class Quantity:
    """One measured quantity. `unit` is a UCUM code, save %LEL, which UCUM lacks and which the device model's
    LEL basis (4.4 or 5.0 %vol for methane) makes exact."""

    name: str
    unit: str
    lowest: float
    highest: float


QUANTITIES: tuple[Quantity, ...] = (
    # Sensors drift a little below zero; pure gas is 2000 %LEL on the 5.0 %vol basis, 2273 on the 4.4 basis.
    Quantity("combustible_lel", "%LEL", -5.0, 2300.0),
    Quantity("co_ppm", "[ppm]", -20.0, 1_000_000.0),
    Quantity("pressure_kpa", "kPa", -101.4, 10_000.0),
    Quantity("flow_m3h", "m3/h", -10_000.0, 100_000.0),
    Quantity("temperature_c", "Cel", -90.0, 1_000.0),
    Quantity("humidity_pct", "%", 0.0, 100.0),
    Quantity("battery_pct", "%", 0.0, 100.0),
    Quantity("rssi_dbm", "dB[mW]", -200.0, 50.0),
)
QUANTITY_NAMES: tuple[str, ...] = tuple(quantity.name for quantity in QUANTITIES)
#: The quantities whose loss of meaning is a fault of the safety function and raises an alarm.
GAS_QUANTITIES: tuple[str, ...] = ("combustible_lel", "co_ppm")


class Quality(IntEnum):
    """Why a value may or may not be believed; four bits per quantity in the `quality` column."""

    GOOD = 0
    NOT_MEASURED = 1
    OUT_OF_RANGE = 2
    SENSOR_FAULT = 3
    WARM_UP = 4
    INHIBITED = 5
    STALE = 6
    SENTINEL = 7


QUALITY_BITS = 4
#: The quality word of a reading in which nothing was measured: NOT_MEASURED in every nibble.
NOTHING_MEASURED = sum(Quality.NOT_MEASURED << (QUALITY_BITS * i) for i in range(len(QUANTITIES)))


def quality_shift(name: str) -> int:
    """How far the quality nibble of quantity `name` is shifted left. Raises ValueError for an unknown name."""
    return QUANTITY_NAMES.index(name) * QUALITY_BITS


class ValvePosition(IntEnum):
    """The observed position of a valve. UNKNOWN is what a device that reports no valve leaves behind."""

    UNKNOWN = 0
    OPEN = 1
    OPENING = 2
    CLOSED = 3
    CLOSING = 4
    FAULT = 5
    NONE = 6


class ValveCause(IntEnum):
    """Why a valve closed, as the device says (CJ/T 447 functions and the usual extras)."""

    UNKNOWN = 0
    ALARM = 1
    OVER_PRESSURE = 2
    UNDER_PRESSURE = 3
    OVER_FLOW = 4
    SUPPLY_LOSS = 5
    MANUAL = 6
    REMOTE = 7
    POWER_LOSS = 8
    SELF_TEST = 9


class Flag(IntFlag):
    """What a device says of itself (wire names are the lower-case names), and, from SIMULATED on, what we add."""

    LOW_ALARM = 1 << 0
    HIGH_ALARM = 1 << 1
    CO_ALARM = 1 << 2
    FAULT = 1 << 3
    WARM_UP = 1 << 4
    INHIBIT = 1 << 5
    END_OF_LIFE = 1 << 6
    TAMPER = 1 << 7
    MAINS_LOSS = 1 << 8
    SELF_TEST = 1 << 9
    BACKFILL = 1 << 10
    SIMULATED = 1 << 11
    LATE = 1 << 12
    SUSPECT_CLOCK = 1 << 13
    #: Neither sequence nor time was sent: delivered at least once, counted apart.
    NO_IDENTITY = 1 << 14
    #: `seq` is a hash of the reading, not a number: it tells duplicates, and orders nothing.
    HASHED = 1 << 15
    #: Nobody was heard: the reply was of a dead device (its heartbeat stands still), there was none, or a broker had
    #: kept the message from before.
    STALE = 1 << 16


#: The flags a device may send, in wire order; the rest are ours to set.
DEVICE_FLAGS: tuple[Flag, ...] = tuple(flag for flag in Flag if flag <= Flag.BACKFILL)
#: The device's own judgement that there is gas. Never delayed, never budgeted, never suppressed by warm-up.
ALARM_FLAGS = Flag.LOW_ALARM | Flag.HIGH_ALARM | Flag.CO_ALARM
