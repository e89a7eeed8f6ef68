"""One telemetry reading as the native protocol says it: the fields, their types, and what "not sent" looks like.

The type is built from `QUANTITIES` and `DEVICE_FLAGS`, so that a new quantity is one line there and none here. Every
field that is not sent holds a value no sender can say (`ABSENT_*`); so a column of one batch shows by itself which
readings had the field. The fields are in `FIELDS` order everywhere.
"""

from typing import Annotated, Any, NamedTuple

import msgspec

from devices.quantities import DEVICE_FLAGS, QUANTITY_NAMES, ValveCause, ValvePosition
from devices.readings import NO_TIME

#: Readings in one payload (issue of the wire protocol, version 1).
MOST_READINGS = 1_000
#: Bytes of one payload: what the MQTT endpoint and the HTTP push take.
MOST_PAYLOAD_BYTES = 256 * 1024
#: Bytes of one reading inside it. Product choice: 100 times a usual reading, and it bounds what a hostile one costs.
MOST_READING_BYTES = 16 * 1024
#: Containers inside containers, the reading itself included.
MOST_DEPTH = 16
#: Keys, values and containers of one reading in CBOR, where one byte can be an item. Product choice: 20 x the fields.
MOST_ITEMS = 1_000
#: The same for all readings of one payload: each is looked at (0.5 us), and 1,000 readings of everything but `first`
#: have 49,000.
MOST_PAYLOAD_ITEMS = 50_000
#: Bytes of JSON kept of what a reading says beyond the canonical fields.
MOST_EXTRA_BYTES = 4_096

#: Milliseconds whose microseconds fit an i8.
MOST_TS_MS = (2**63 - 1) // 1_000
MOST_BOOT = 2**31 - 1
MOST_SEQ = 2**63 - 1

ABSENT_TIME = NO_TIME
ABSENT_INTEGER = -1
ABSENT_NUMBER = float("nan")
ABSENT_WORD = ""
#: Neither False (0) nor True (1), and still a byte.
ABSENT_FLAG: Any = 2

FLAG_NAMES: tuple[str, ...] = tuple(str(flag.name).lower() for flag in DEVICE_FLAGS)
VALVE_WORDS: dict[str, int] = {position.name.lower(): position.value for position in ValvePosition}
CAUSE_WORDS: dict[str, int] = {cause.name.lower(): cause.value for cause in ValveCause}

FIELDS: tuple[str, ...] = ("ts", "boot", "seq", "first", *QUANTITY_NAMES, "valve", "valve_cause", *FLAG_NAMES)
FIELD_SET = frozenset(FIELDS)

Milliseconds = Annotated[int, msgspec.Meta(ge=-MOST_TS_MS, le=MOST_TS_MS)]
Boot = Annotated[int, msgspec.Meta(ge=0, le=MOST_BOOT)]
Seq = Annotated[int, msgspec.Meta(ge=0, le=MOST_SEQ)]

#: gc=False: a reading holds no containers, so it cannot be part of a cycle, and batches of 8,192 stay invisible to
#: the garbage collector.
Telemetry: type[msgspec.Struct] = msgspec.defstruct(
    "Telemetry",
    [
        ("ts", Milliseconds | str, ABSENT_TIME),
        ("boot", Boot, ABSENT_INTEGER),
        ("seq", Seq, ABSENT_INTEGER),
        ("first", Seq, ABSENT_INTEGER),
        *((name, float, ABSENT_NUMBER) for name in QUANTITY_NAMES),
        ("valve", str, ABSENT_WORD),
        ("valve_cause", str, ABSENT_WORD),
        *((name, bool, ABSENT_FLAG) for name in FLAG_NAMES),
    ],
    gc=False,
)


class Said(NamedTuple):
    """A reading read strictly. `extra` is what has no column (unknown keys, unknown valve words). `impossible_time`:
    a time was sent that no clock can mean, so `telemetry` holds none, and the clock is suspect."""

    telemetry: msgspec.Struct
    extra: dict[str, object]
    impossible_time: bool = False


class PayloadRefused(ValueError):
    """These bytes are no reading and never will be (permanent). The text names place and cause, in plain ASCII and at
    most a few hundred characters whatever was sent."""
