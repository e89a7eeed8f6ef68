"""The journal's records: what one cycle took in and what it decided. The body of each is msgpack of these structs."""

import msgspec

from devices.readings import Rows, unpack
from ingest.followed import Mark
from rules.decisions import Decision
from rules.events import Event


class SourceCount(msgspec.Struct, frozen=True, array_like=True):
    """What one intake link brought in one cycle, or since the store was made.
    received = stored + duplicate + quarantined, exactly (G2)."""

    source: str
    received: int
    stored: int
    duplicate: int
    quarantined: int


class Inputs(msgspec.Struct, frozen=True):
    """Everything the decisions of a cycle are a function of. `now` is the cycle's time (microseconds UTC); `packed`
    the admitted readings as `devices.readings.pack` wrote them; `extra` their extra fields by row; `marks` what is
    remembered of devices' numbers where the readings do not show it."""

    now: int
    packed: bytes
    extra: tuple[tuple[int, bytes], ...]
    events: tuple[Event, ...]
    counts: tuple[SourceCount, ...]
    marks: tuple[Mark, ...] = ()


#: Raw bytes of one quarantined message that are kept; the reason says how long it was. Product choice: all of the
#: largest message that MQTT and HTTP take, for its sender is told that it is here and forgets it.
MOST_RAW_BYTES = 262_144


class Quarantined(msgspec.Struct, frozen=True):
    """Input that could not be a reading. `device_no` is 0 where none could be named. `reason` names place and cause."""

    received: int
    source: str
    device_no: int
    reason: str
    raw: bytes


class CycleRecord(msgspec.Struct, frozen=True):
    """One committed cycle, as a follower reads it. An event's id everywhere is `engine:cycle:n`, n its place in
    `decisions`."""

    cycle: int
    inputs: Inputs
    decisions: tuple[Decision, ...]
    quarantined: tuple[Quarantined, ...] = ()

    def rows(self) -> Rows:
        """The admitted readings, shape (n,), dtype READING."""
        return unpack(self.inputs.packed)


_encoder = msgspec.msgpack.Encoder()
_inputs = msgspec.msgpack.Decoder(Inputs)
_decisions = msgspec.msgpack.Decoder(tuple[Decision, ...])


def encode_inputs(inputs: Inputs) -> bytes:
    return _encoder.encode(inputs)


def decode_inputs(body: bytes) -> Inputs:
    return _inputs.decode(body)


def encode_decisions(decisions: tuple[Decision, ...]) -> bytes:
    return _encoder.encode(decisions)


def decode_decisions(body: bytes) -> tuple[Decision, ...]:
    return _decisions.decode(body)
