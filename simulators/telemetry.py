"""One reading as a device sends it (native wire protocol, version 1). What a device does not measure is left out."""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from devices.models import DeviceKind
from devices.quantities import ValveCause, ValvePosition


class Sender(StrEnum):
    """The kinds of device in a home, as the statistics name them."""

    DETECTOR = DeviceKind.DETECTOR.value
    SHUT_OFF_VALVE = DeviceKind.SHUT_OFF_VALVE.value
    SELF_CLOSING_VALVE = DeviceKind.SELF_CLOSING_VALVE.value
    FAN = DeviceKind.FAN.value


class Measured(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What a device measured, under the canonical names of devices/quantities.py and in their units."""

    combustible_lel: float | None = None
    co_ppm: float | None = None
    pressure_kpa: float | None = None
    flow_m3h: float | None = None
    temperature_c: float | None = None
    humidity_pct: float | None = None
    battery_pct: float | None = None
    rssi_dbm: float | None = None
    valve: str | None = None
    valve_cause: str | None = None
    low_alarm: bool = False
    high_alarm: bool = False
    co_alarm: bool = False
    fault: bool = False
    warm_up: bool = False

    @property
    def alarmed(self) -> bool:
        return self.low_alarm or self.high_alarm or self.co_alarm


class Reading(Measured, frozen=True, omit_defaults=True, kw_only=True):
    """`ts`: milliseconds since 1970 UTC by the device's own clock. (boot, seq): its identity, the same whenever it is
    sent again. `backfill`: sent late, from the device's memory."""

    # Required fields may stand after optional ones because all are keyword-only.
    ts: int
    boot: int
    seq: int
    backfill: bool = False


def reading(measured: Measured, ts_ms: int, boot: int, seq: int) -> Reading:
    fields = {name: getattr(measured, name) for name in Measured.__struct_fields__}
    return Reading(ts=ts_ms, boot=boot, seq=seq, **fields)


def encode(readings: Sequence[Reading]) -> bytes:
    """One reading as an object, several as an array. Raises ValueError for none: an empty array is no reading."""
    if not readings:
        raise ValueError("no readings to encode")
    return msgspec.json.encode(readings[0] if len(readings) == 1 else readings)


def position_word(position: ValvePosition) -> str:
    return position.name.lower()


def cause_word(cause: ValveCause) -> str | None:
    """None while there is nothing to tell: an open valve has no cause."""
    return None if cause is ValveCause.UNKNOWN else cause.name.lower()
