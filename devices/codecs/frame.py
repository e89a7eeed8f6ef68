"""A poll of one measuring point, on its way from a bus to the decoder: a header and the words of its model's fields.

The poller cuts each channel's words out of what it read, in the order of the model's frame (`devices/registers.py`), so
that all frames of one model have one length and are decoded together. A frame is our own; nobody can send one.

W1  A frame says where and by what map it was read, and is decoded only while the registry says the same of its device.
    Frames wait in an inbox, and a registry change does not wait for them: without this, what the unit that a valve had
    until now said of itself would confirm the CLOSE of the unit that it has from now on.
"""

import struct
from dataclasses import replace
from enum import IntEnum
from hashlib import blake2b
from typing import Final

import msgspec

from devices.addresses import BusAddress, UnitAddress
from devices.register_map import RegisterMap

#: state (u1), seq (i8), place (u8), little-endian; then words as the bus gave them, two bytes each, high byte first. A
#: coil or discrete input is a word that is 0 or 1.
HEADER = struct.Struct("<BqQ")
#: The place of a frame that was made for one look at its words: an example, a probe. No device of a registry is there.
NOWHERE: Final = 0
#: Bytes of a digest. Two places by chance alike, one in 2^64: a registry has some 10^5 and changes some times a day.
_DIGEST = 8


class FrameState(IntEnum):
    """FRESH: just read. STALE: just read, but the device's heartbeat stands still. NO_REPLY: nobody answered, and for
    as long as the device may be silent; there are no words."""

    FRESH = 0
    STALE = 1
    NO_REPLY = 2


def encode_frame(state: FrameState, seq: int, words: bytes, place: int = NOWHERE) -> bytes:
    """`seq`: the log's time of the poll in microseconds, larger than that of any poll of the device before. `place`:
    of the device that was read (W1)."""
    return HEADER.pack(state, seq, place) + words


def map_digest(model: str, chart: RegisterMap) -> bytes:
    """What `place_of` needs of a model: its key and its whole map, less the examples, which mean nothing to a poll."""
    return _digest(model, msgspec.structs.replace(chart, example=()))


def place_of(bus: BusAddress, unit: UnitAddress, read_by: bytes) -> int:
    """A number for where a device is read and by what map (`map_digest`); never NOWHERE. The pause between requests
    is no part of it: changing it moves nobody."""
    return int.from_bytes(_digest(replace(bus, gap_ms=0.0), unit, read_by), "little") or 1


def _digest(*parts: object) -> bytes:
    return blake2b(msgspec.json.encode(parts), digest_size=_DIGEST).digest()
