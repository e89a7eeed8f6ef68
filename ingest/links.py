"""The contract between links and the cycle. A link brings messages in, and carries acknowledgements and commands out.

L1  A message is acknowledged only in `settle`, which the cycle calls after its commit (G1).
L2  A link never drops a message it has read: it hands it over, or stops reading its sender (G4).
L3  `take` gives at most `most` messages and (after the first) `MOST_BYTES` of payload, oldest first, and of any one
    connection at most one read (64 KiB) and `MOST_PER_SENDER` messages, so that no flood can delay another's alarm.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from devices.commands import Command

#: Readings of one sender in one cycle. Bounds what a cycle costs when one device alternates at every reading.
MOST_PER_SENDER = 512
#: Payload bytes of one take. 8,192 messages of 150 bytes fit; arrays of tiny readings are cut to what a cycle can
#: judge in some 0.3 s (about 100,000 readings), and the rest waits for the next one.
MOST_BYTES = 1_572_864


@dataclass(slots=True)
class Arrivals:
    """Messages of one link in the order they came; the lists are aligned by index.

    device_no: the device each message speaks for (identity and authority were checked by the link).
    content_type: for the few messages that are not JSON: index -> MIME type.
    replies: (device_no, payload) answers to commands.
    connected: devices that can be reached since the last take.
    acknowledged: command ids whose transport acknowledgement came.
    wholes: (first message, how many) that are stored together or withheld together.
    answer_keys: (idempotency key, first message, how many): what became of them is stored under the key, in the
        commit that holds them.
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

    def totals(self, first: int, many: int) -> tuple[int, int, int]:
        """(stored, duplicate, quarantined) over `many` messages from `first`."""
        part = slice(first, first + many)
        return int(self.stored[part].sum()), int(self.duplicate[part].sum()), int(self.quarantined[part].sum())


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

    def send(self, device_no: int, command: Command, expires_us: int) -> bool:
        """Write an attempt to its device now. False when the device cannot be reached by this link."""
