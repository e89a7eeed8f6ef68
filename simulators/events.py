"""What really happens in the simulated world, told as it happens: the truth to hold beside what Davy says."""

from enum import StrEnum

import msgspec


class What(StrEnum):
    RUN_STARTED = "run_started"
    RUN_ENDED = "run_ended"
    LEAK_STARTED = "leak_started"
    LEAK_STOPPED = "leak_stopped"
    GAS_AT_DETECTOR = "gas_at_detector"
    DEVICE_ALARM = "device_alarm"
    DEVICE_CLEAR = "device_clear"
    COMMAND_TAKEN = "command_taken"
    VALVE_MOVED = "valve_moved"
    BEFELL = "befell"


class SimEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`at`: microseconds since 1970 UTC by the run's clock, not by a device's. `identity`: the device, or empty.
    `text`: one short phrase for people. `value`: in `unit`, where the event has one: what the detector shows (%LEL or
    ppm), the flow of a leak (m3/h)."""

    at: int
    what: What
    site: str = ""
    identity: str = ""
    text: str = ""
    value: float | None = None
    unit: str = ""
