"""The contract between links and the cycle. A link brings messages in, and carries acknowledgements and commands out.

L1  A message is acknowledged only in `settle`, which the cycle calls after its commit (G1).
L2  A link never drops a message it has read: it hands it over, or stops reading its sender (G4).
L3  `take` gives at most `most` messages, `MOST_ARRAYS` arrays and (after the first) `MOST_BYTES` of payload, oldest
    first, so that no flood can delay another's alarm. Of any one connection it holds no more than that connection may
    have unsettled: a read (64 KiB) and the packet that crossed its end, and a share of `MOST_PER_SENDER` in which a
    message counts 1 and an array `ARRAY_COUNTS_FOR`.
L4  So one connection brings at most `MOST_READINGS_PER_SENDER` readings into a cycle: 255 single ones and two arrays.
    An identity has at most 3 connections (mqtt_limits), so 6,765 readings; a device behind a gateway may be spoken
    for by both, so twice that. What an ended connection left behind counts beside that, and new ones begin no faster
    than `handshakes_per_s`, all identities together. Pushes over HTTP have their own share (engine/pushes).
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from itertools import accumulate
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from devices.codecs.native import CBOR
from devices.codecs.telemetry import MOST_READINGS
from devices.commands import Command

#: One sender's share of unsettled messages, and what MQTT 5 clients are granted in flight. Product choice.
MOST_PER_SENDER = 512
#: What an array counts for in that share: half of it, so that at most two arrays of one connection are unsettled.
ARRAY_COUNTS_FOR = 256
#: L4: an array that meets 255 single readings and another array still fits the share (255 + 256 < 512).
MOST_READINGS_PER_SENDER = (ARRAY_COUNTS_FOR - 1) + 2 * MOST_READINGS
#: Arrays of one take: as many as would fill it if each counted for ARRAY_COUNTS_FOR of its 8,192 messages. With
#: 1,000 readings each a cycle has some 0.1 s to judge, in CBOR 0.5 s; the rest waits for the next one.
MOST_ARRAYS = 32
#: Payload bytes of one take: 8,192 messages of 150 bytes fit, and 6 of the largest packets.
MOST_BYTES = 1_572_864

_JSON_SPACE = b" \t\r\n"
#: Major type of RFC 8949, section 3.1.
_CBOR_ARRAY = 4


class Encoding(Enum):
    """What the payloads of a link are. NATIVE: the native protocol, JSON or CBOR by content type. FRAMES: what our own
    poller read from registers (devices/codecs/frame.py)."""

    NATIVE = "native"
    FRAMES = "frames"


class Sending(Enum):
    """What became of a command that a link was given. SENT: its bytes are on their way. QUEUED: they leave as soon as
    the bus is free; the link says so in `Arrivals.sent`, or in `Arrivals.failed`. UNREACHABLE: not by this link."""

    SENT = "sent"
    QUEUED = "queued"
    UNREACHABLE = "unreachable"


@dataclass(slots=True)
class Arrivals:
    """Messages of one link in the order they came; the lists are aligned by index.

    device_no: the device each message speaks for (identity and authority were checked by the link).
    content_type: for the few messages that are not JSON: index -> MIME type.
    replies: (device_no, payload) answers to commands.
    connected: devices that can be reached since the last take.
    acknowledged: command ids whose transport acknowledgement came, from the device itself. A link through a broker
        says nothing here: the broker's PUBACK is not the device's.
    wholes: (first message, how many) that are stored together or withheld together.
    answer_keys: (idempotency key, first message, how many): what became of them is stored under the key, in the
        commit that holds them.
    encoding: of all payloads.
    retained: messages that a broker had kept from before: what they say is old and nobody was heard, so they are stored
        as backfill and stale.
    asks_ack: whether this link carries application acknowledgements, so that numbered devices are followed (Upto).
    sent: ids of QUEUED commands whose bytes have left. Readings of the valve that were taken before they left are in
        an earlier take, so that none of them can confirm (G7).
    failed: (command id, reason) of commands that could not leave, or that the device refused.
    down: (device_no of a gateway or broker, reason): it cannot be reached since the last take. up: it can again.
        A device in both was down, and is up again.
    session_lost: (device_no of a broker, reason): it has forgotten our session; what it held for us may be gone.
    topics: of messages that no registered device may have sent, which have device_no 0, and of those that the link
        could not read: index -> the topic they came on, or what is wrong, for the reason of their quarantine.
    """

    source: str
    device_no: list[int] = field(default_factory=list)
    payload: list[bytes] = field(default_factory=list)
    content_type: dict[int, str] = field(default_factory=dict)
    replies: list[tuple[int, bytes]] = field(default_factory=list)
    connected: list[int] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    wholes: list[tuple[int, int]] = field(default_factory=list)
    answer_keys: list[tuple[str, int, int]] = field(default_factory=list)
    encoding: Encoding = Encoding.NATIVE
    retained: list[int] = field(default_factory=list)
    asks_ack: bool = False
    sent: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)
    down: list[tuple[int, str]] = field(default_factory=list)
    up: list[int] = field(default_factory=list)
    session_lost: list[tuple[int, str]] = field(default_factory=list)
    topics: dict[int, str] = field(default_factory=dict)


class Upto(NamedTuple):
    """An application acknowledgement: of this device and boot every number up to `seq` is on disk, in quarantine, or
    no longer held by the device."""

    device_no: int
    boot: int
    seq: int


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of a take, by message index; given to `settle` after the commit.

    in_reserve: the store is in its reserve now, whether or not something of this take was withheld.
    withheld: messages that were not stored because the store is in its reserve (G4). They must not be acknowledged;
        their senders have to offer them again later.
    stored, duplicate, quarantined: readings per message, shape (messages,), i8. (A quarantined message counts 1.)
    """

    withheld: frozenset[int]
    stored: NDArray[np.int64]
    duplicate: NDArray[np.int64]
    quarantined: NDArray[np.int64]
    in_reserve: bool = False
    #: Of a link that asks for it: what may be acknowledged to devices now.
    upto: tuple[Upto, ...] = ()

    def totals(self, first: int, many: int) -> tuple[int, int, int]:
        """(stored, duplicate, quarantined) over `many` messages from `first`."""
        part = slice(first, first + many)
        return int(self.stored[part].sum()), int(self.duplicate[part].sum()), int(self.quarantined[part].sum())


def is_array(payload: bytes, mime: str) -> bool:
    """Whether a payload may hold more than one reading, from its first byte. `mime`: empty for JSON."""
    if mime == CBOR:
        return payload[:1] != b"" and payload[0] >> 5 == _CBOR_ARRAY
    return payload.lstrip(_JSON_SPACE)[:1] == b"["


def fitting(payloads: Sequence[bytes], most: int) -> int:
    """How many of these messages one take may give (L3): at least one, when there is one."""
    if len(payloads) <= most and sum(map(len, payloads)) <= MOST_BYTES:
        return len(payloads)
    ends = list(accumulate(map(len, payloads[:most])))
    return max(1, bisect_right(ends, MOST_BYTES))


class Link(Protocol):
    """One way in and out. All methods are called on the engine's event loop and return at once."""

    name: str

    def take(self, most: int) -> Arrivals | None:
        """What has arrived and was not yet taken; None when nothing has."""

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        """The commit is done: acknowledge what is not withheld, and read on from paused senders."""

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        """Write an attempt to its device, now or as the next thing."""
