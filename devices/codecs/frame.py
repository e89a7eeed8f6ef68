"""A poll of one measuring point, on its way from a bus to the decoder: a header and the words of its model's fields.

The poller cuts each channel's words out of what it read, in the order of the model's frame (`devices/registers.py`), so
that all frames of one model have one length and are decoded together. A frame is our own; nobody can send one.
"""

import struct
from enum import IntEnum

#: state (u1), seq (i8, little-endian); then words as the bus gave them, two bytes each, high byte first. A coil or
#: discrete input is a word that is 0 or 1.
HEADER = struct.Struct("<Bq")


class FrameState(IntEnum):
    """FRESH: just read. STALE: just read, but the device's heartbeat stands still. NO_REPLY: nobody answered, and for
    as long as the device may be silent; there are no words."""

    FRESH = 0
    STALE = 1
    NO_REPLY = 2


def encode_frame(state: FrameState, seq: int, words: bytes) -> bytes:
    """`seq`: the log's time of the poll in microseconds, larger than that of any poll of the device before."""
    return HEADER.pack(state, seq) + words
