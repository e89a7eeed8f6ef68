"""What the links brought to one cycle, and where each link's messages stand among all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.links import Arrivals, Link


@dataclass(frozen=True, slots=True)
class Taken:
    """What one link brought. `first`: the number of its first message among all of the cycle."""

    link: Link
    arrivals: Arrivals
    first: int

    @property
    def numbers(self) -> slice:
        """Of its messages among all of the cycle."""
        return slice(self.first, self.first + len(self.arrivals.payload))


@dataclass(frozen=True, slots=True)
class Messages:
    """All messages of a cycle, aligned by number. device_no: (messages,), i4. content_type: by number, where it is not
    JSON."""

    payloads: list[bytes]
    device_no: NDArray[np.int32]
    content_type: dict[int, str]

    def __len__(self) -> int:
        return len(self.payloads)


def take(links: Sequence[Link], most: int, turn: int = 0) -> tuple[Taken, ...]:
    """At most `most` messages from the links. Another one is asked first in each `turn`, so that a link which always
    has that many leaves the others room in every other cycle; in the result they stand in the order of `links`."""
    begin = turn % len(links) if links else 0
    brought: dict[int, Arrivals] = {}
    room = most
    for at in (*range(begin, len(links)), *range(begin)):
        arrivals = links[at].take(room) if room > 0 else None
        if arrivals is not None:
            brought[at] = arrivals
            room -= len(arrivals.payload)
    taken: list[Taken] = []
    first = 0
    for at in sorted(brought):
        taken.append(Taken(links[at], brought[at], first))
        first += len(brought[at].payload)
    return tuple(taken)


def joined(taken: Sequence[Taken]) -> Messages:
    if len(taken) == 1:
        only = taken[0].arrivals
        return Messages(only.payload, np.array(only.device_no, np.int32), only.content_type)
    payloads: list[bytes] = []
    device_no: list[int] = []
    content_type: dict[int, str] = {}
    for one in taken:
        payloads += one.arrivals.payload
        device_no += one.arrivals.device_no
        content_type |= {one.first + at: kind for at, kind in one.arrivals.content_type.items()}
    return Messages(payloads, np.array(device_no, np.int32), content_type)


def numbered(taken: Sequence[Taken], which: Sequence[Sequence[int]], messages: int) -> NDArray[np.bool_]:
    """True for the messages that each link names by its own index; `which` is aligned with `taken`."""
    mask = np.zeros(messages, np.bool_)
    for one, indexes in zip(taken, which, strict=True):
        if indexes:
            mask[np.array(indexes) + one.first] = True
    return mask
