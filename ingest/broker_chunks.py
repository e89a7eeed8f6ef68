"""What one partition has read and not settled: handed over in order, acknowledged in order.

K1  A message stands in exactly one chunk, a chunk in exactly one take; it is acknowledged only by its settling (G1).
K2  Per connection, acknowledgements are the **contiguous durable prefix** of what was received ([MQTT-4.6.0-2]): after
    a withheld message none leaves any more on that connection. The messages behind it are stored; they come again
    with it on the next connection, as duplicates.
K3  A chunk belongs to the connection it was read from, its **epoch**. When that is over, its acknowledgements are
    dropped: on another connection the same packet identifiers are another message's.
K4  `bytes` and `messages` count what was read and not settled, of ended connections too; both are bounded by not
    reading on (G4).
K5  Of one device one take holds what one connection to our own endpoint may have unsettled (links, L3): a share in
    which a message counts 1 and an array ARRAY_COUNTS_FOR. Judged one after the other where its alarms come and go,
    more would make a cycle take long for everybody. The rest stays here, before what came later.
"""

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from ingest.broker_topics import STRANGER
from ingest.links import ARRAY_COUNTS_FOR, MOST_PER_SENDER, Arrivals

_ARRAY_COUNTS_MORE = ARRAY_COUNTS_FOR - 1


class Epoch(Protocol):
    """A connection, as its messages see it."""

    @property
    def live(self) -> bool:
        """Still connected, and nothing on it was withheld: what is settled may be acknowledged."""

    def acknowledge(self, packet_ids: list[bytes]) -> None:
        """Write PUBACKs, in this order."""

    def withhold(self) -> None:
        """A message was not stored and gets no PUBACK; from now on nothing does (K2)."""


@dataclass(slots=True, kw_only=True)
class Chunk(Arrivals):
    """Messages that were read together: some readings, or one reply.

    packet_ids: the two bytes of each packet identifier, aligned with the readings (a reply has one); empty for QoS 0.
    size: bytes of the packets.
    arrays: indices of the messages that are arrays, rising.
    """

    epoch: Epoch
    packet_ids: list[bytes] = field(default_factory=list)
    size: int = 0
    arrays: list[int] = field(default_factory=list)

    def split(self, at: int) -> "tuple[Chunk, Chunk]":
        """The messages before `at`, and the rest; the size stays with the rest, so that the sender is read on only when
        all of it is settled."""
        return self._part(0, at, 0), self._part(at, len(self.payload), self.size)

    def _part(self, first: int, end: int, size: int) -> "Chunk":
        return Chunk(
            source=self.source,
            epoch=self.epoch,
            device_no=self.device_no[first:end],
            payload=self.payload[first:end],
            packet_ids=self.packet_ids[first:end],
            content_type={at - first: mime for at, mime in self.content_type.items() if first <= at < end},
            topics={at - first: topic for at, topic in self.topics.items() if first <= at < end},
            retained=[at - first for at in self.retained if first <= at < end],
            arrays=[at - first for at in self.arrays if first <= at < end],
            size=size,
        )

    def acknowledgeable(self, withheld: Sequence[int], first: int) -> tuple[list[bytes], bool]:
        """The packet identifiers before the first withheld message, and whether there is one. `withheld`: rising
        indices of a take in which this chunk's messages stand from `first` on. A withheld QoS 0 message has none, and
        is gone, as QoS 0 allows."""
        ids, broken = self.packet_ids, False
        for at in withheld[bisect_left(withheld, first) : bisect_left(withheld, first + len(self.payload))]:
            if ids[at - first]:
                ids, broken = ids[: at - first], True
                break
        return [packet_id for packet_id in ids if packet_id], broken


class Waiting:
    """The chunks of one partition, oldest first."""

    def __init__(self) -> None:
        self._chunks: deque[Chunk] = deque()
        self.bytes = 0
        self.messages = 0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def add(self, chunk: Chunk) -> None:
        self._chunks.append(chunk)
        self.bytes += chunk.size
        self.messages += len(chunk.payload) or 1

    def take(self, most: int, most_bytes: int, most_arrays: int) -> Iterator[Chunk]:
        """Whole chunks, and the beginning of one, within the bounds; the first message in any case."""
        given = False
        of_one: Counter[int] = Counter()
        while self._chunks:
            fits = self._fitting(self._chunks[0], most, most_bytes, most_arrays)
            fits = self._share(self._chunks[0], fits, of_one)
            if fits == 0 and (given or most == 0):
                return
            chunk = self._chunks.popleft()
            fits = max(fits, 1)
            if fits < len(chunk.payload):
                chunk, rest = chunk.split(fits)
                self._chunks.appendleft(rest)
            most -= fits
            most_bytes -= sum(map(len, chunk.payload))
            most_arrays -= len(chunk.arrays)
            given = True
            yield chunk

    @staticmethod
    def _share(chunk: Chunk, fits: int, of_one: Counter[int]) -> int:
        """How many of the `fits` first messages leave every device its share (K5); counted in `of_one`."""
        more = Counter(chunk.device_no[:fits])
        arrays = chunk.arrays[: bisect_left(chunk.arrays, fits)]
        for at in arrays:
            more[chunk.device_no[at]] += _ARRAY_COUNTS_MORE
        del more[STRANGER]
        if all(of_one[device_no] + weight <= MOST_PER_SENDER for device_no, weight in more.items()):
            of_one.update(more)
            return fits
        heavy = set(arrays)
        for at, device_no in enumerate(chunk.device_no[:fits]):
            weight = ARRAY_COUNTS_FOR if at in heavy else 1
            if device_no != STRANGER and of_one[device_no] + weight > MOST_PER_SENDER:
                return at
            of_one[device_no] += weight
        return fits

    @staticmethod
    def _fitting(chunk: Chunk, most: int, most_bytes: int, most_arrays: int) -> int:
        """How many of its messages fit (a reply counts as one)."""
        fits = min(most, len(chunk.payload) or 1)
        if len(chunk.arrays) > most_arrays:
            fits = min(fits, chunk.arrays[max(0, most_arrays)])
        # A packet is larger than its payload, so when all of them fit nothing needs to be summed.
        if chunk.size and chunk.size <= most_bytes:
            return fits
        used = 0
        for at, payload in enumerate(chunk.payload[:fits]):
            used += len(payload)
            if used > most_bytes:
                return at
        return fits

    def settle(self, chunk: Chunk) -> None:
        """The chunk was settled, whether or not it was acknowledged."""
        self.bytes -= chunk.size
        self.messages -= len(chunk.payload) or 1


@dataclass(slots=True)
class Taken(Arrivals):
    """Arrivals of a link, and the chunks they came in: (whose, chunk, its first message). lost_sessions: names of those
    of `session_lost`."""

    parts: list[tuple[Waiting, Chunk, int]] = field(default_factory=list)
    lost_sessions: list[str] = field(default_factory=list)

    def put(self, waiting: Waiting, chunk: Chunk) -> None:
        first = len(self.payload)
        self.parts.append((waiting, chunk, first))
        self.device_no += chunk.device_no
        self.payload += chunk.payload
        self.replies += chunk.replies
        if chunk.content_type:
            self.content_type |= {first + at: mime for at, mime in chunk.content_type.items()}
        if chunk.topics:
            self.topics |= {first + at: topic for at, topic in chunk.topics.items()}
        self.retained += [first + at for at in chunk.retained]

    def settle(self, withheld: frozenset[int]) -> tuple[int, int]:
        """Acknowledge what may be (K2, K3): one write per connection. Returns how many were, and how many could not
        be because their connection is over."""
        rising = sorted(withheld)
        owed: dict[Epoch, list[bytes]] = {}
        dropped = 0
        for waiting, chunk, first in self.parts:
            waiting.settle(chunk)
            ids, broken = chunk.acknowledgeable(rising, first)
            if not chunk.epoch.live:
                dropped += len(ids)
                continue
            if ids:
                owed.setdefault(chunk.epoch, []).extend(ids)
            if broken:
                chunk.epoch.withhold()
        for epoch, ids in owed.items():
            epoch.acknowledge(ids)
        return sum(map(len, owed.values())), dropped
