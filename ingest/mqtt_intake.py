"""What all connections have received and nobody has settled yet: the link's half of take and settle.

I1  A message stands in exactly one `Taken`; its acknowledgement leaves only when that one is settled (G1, L1).
I2  Per connection, acknowledgements leave in the order of the messages ([MQTT-4.6.0-2]): runs are kept in that order.
I3  `unsettled` of every sender and `bytes_waiting` count what was read and not settled, taken or not; both are bounded
    by not reading on (G4). An array counts for many (L3).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from ingest.links import ARRAY_COUNTS_FOR, MOST_ARRAYS, Arrivals, fitting, is_array
from ingest.mqtt_limits import EndpointCounts

#: A PUBACK without reason code: success in both versions (5.0, 3.4.2.1). The packet identifier follows.
_PUBACK = b"\x40\x02"
#: Property blocks remembered. At the bound: forgotten, and learnt again.
_MOST_BLOCKS = 64


class Sender(Protocol):
    """A connection, as the intake sees it."""

    unsettled: int
    unsettled_bytes: int

    def acknowledge(self, packets: bytes, promised: int) -> None:
        """Write PUBACKs: the answer to `promised` QoS 1 messages."""

    def withhold(self) -> None:
        """A message of this sender was not stored and gets no PUBACK; it has to be offered again."""


class Run:
    """Consecutive messages of one sender.

    first, count: they are the messages first .. first + count - 1 of their Taken; count 0: not a reading.
    ids: the two bytes of each packet identifier for QoS 1, empty for QoS 0.
    answer: for what is not a reading (a reply, a refused topic): the whole packet that answers it.
    size: bytes of the packets.
    weight: what it counts for in its sender's share; of several messages, and of what is no reading, each counts 1.
    """

    __slots__ = ("answer", "count", "first", "ids", "sender", "size", "weight")

    def __init__(
        self, sender: Sender, first: int, count: int, ids: list[bytes], size: int, answer: bytes = b"", weight: int = 0
    ) -> None:
        self.sender = sender
        self.first = first
        self.count = count
        self.ids = ids
        self.size = size
        self.answer = answer
        self.weight = weight or count or 1

    def split(self, at: int) -> tuple["Run", "Run"]:
        """The run before message `at` and the rest, which begins the next Taken. Its size stays with the rest, so that
        the sender is read on only when all of it is settled."""
        left = at - self.first
        ids = self.ids
        return (
            Run(self.sender, self.first, left, ids[:left], 0),
            Run(self.sender, 0, self.count - left, ids[left:], self.size),
        )


@dataclass(slots=True)
class Taken(Arrivals):
    """Arrivals and what is needed to settle them. `arrays`: which messages are arrays, rising."""

    runs: list[Run] = field(default_factory=list)
    arrays: list[int] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.device_no or self.runs or self.connected or self.acknowledged)


class Intake:
    """The messages of all connections, in the order they came."""

    def __init__(self, source: str, wake: Callable[[], None], counts: EndpointCounts) -> None:
        self._source = source
        self._wake = wake
        self._counts = counts
        self._woken = False
        self._announced: set[int] = set()
        self.pending = Taken(source)
        self.bytes_waiting = 0
        #: Property blocks of PUBLISH seen before, each with its length byte -> MIME type, empty for JSON: what the fast
        #: path knows of MQTT 5 properties.
        self.mimes: dict[bytes, str] = {}

    def learn(self, block: bytes, mime: str) -> None:
        """Remember a valid property block that says nothing but a MIME type. A fleet has a few; somebody who sends many
        makes the fast path forget, and no more."""
        if len(self.mimes) >= _MOST_BLOCKS:
            self.mimes.clear()
        self.mimes[block] = mime

    def reading(self, sender: Sender, device_no: int, payload: bytes, packet_id: bytes, size: int, mime: str) -> None:
        """One message that the fast path did not take. `packet_id` empty: QoS 0. `mime` empty: JSON."""
        taken = self.pending
        index = len(taken.device_no)
        taken.device_no.append(device_no)
        taken.payload.append(payload)
        if mime:
            taken.content_type[index] = mime
        weight = 1
        if is_array(payload, mime):
            taken.arrays.append(index)
            weight = ARRAY_COUNTS_FOR
        self.add(Run(sender, index, 1, [packet_id] if packet_id else [], size, weight=weight))

    def reply(self, sender: Sender, device_no: int, payload: bytes, answer: bytes, size: int) -> None:
        self.pending.replies.append((device_no, payload))
        self._counts.replies += 1
        self.answer(sender, answer, size)

    def answer(self, sender: Sender, answer: bytes, size: int) -> None:
        """An answer that takes its turn behind the acknowledgements of what came before (I2)."""
        self.add(Run(sender, 0, 0, [], size, answer))

    def add(self, run: Run) -> None:
        sender = run.sender
        sender.unsettled += run.weight
        sender.unsettled_bytes += run.size
        self.bytes_waiting += run.size
        self.pending.runs.append(run)

    def connected(self, device_no: int) -> None:
        """Once per take, however often a client subscribes."""
        if device_no not in self._announced:
            self._announced.add(device_no)
            self.pending.connected.append(device_no)

    def acknowledged(self, command: str) -> None:
        self.pending.acknowledged.append(command)

    def announce(self) -> None:
        """Wake the cycle, once until the next take."""
        if not self._woken and self.pending:
            self._woken = True
            self._wake()

    def take(self, most: int) -> Taken | None:
        """The oldest `most` messages and every event; wakes again when more is left."""
        pending = self.pending
        self._woken = False
        if not pending:
            return None
        if len(pending.arrays) > MOST_ARRAYS:
            most = min(most, pending.arrays[MOST_ARRAYS])
        fits = fitting(pending.payload, most)
        taken = pending if fits == len(pending.payload) else self._first(fits)
        if taken is pending:
            self.pending = Taken(self._source)
        self._announced.clear()
        self._counts.messages += len(taken.device_no)
        self._counts.message_bytes += sum(map(len, taken.payload))
        self.announce()
        return taken

    def _first(self, most: int) -> Taken:
        """Cut the first `most` messages off. Events and replies all go with them; the answers to replies that came
        later stay, and leave later than they might."""
        whole, mimes = self.pending, self.pending.content_type
        taken = Taken(self._source, whole.device_no[:most], whole.payload[:most])
        rest = Taken(self._source, whole.device_no[most:], whole.payload[most:])
        taken.replies, taken.connected, taken.acknowledged = whole.replies, whole.connected, whole.acknowledged
        taken.content_type = {index: mime for index, mime in mimes.items() if index < most}
        rest.content_type = {index - most: mime for index, mime in mimes.items() if index >= most}
        taken.arrays = [index for index in whole.arrays if index < most]
        rest.arrays = [index - most for index in whole.arrays if index >= most]
        taken.runs, rest.runs = _split_runs(whole.runs, most)
        self.pending = rest
        return taken

    def settle(self, taken: Taken, withheld: frozenset[int]) -> None:
        """Acknowledge what is not withheld: one write per sender."""
        touched: dict[Sender, list[bytes]] = {}
        promised: dict[Sender, int] = {}
        for run in taken.runs:
            sender = run.sender
            sender.unsettled -= run.weight
            sender.unsettled_bytes -= run.size
            self.bytes_waiting -= run.size
            ids = run.ids
            if withheld and run.count:
                ids = _not_withheld(run, withheld)
            if ids:
                packets, answered = _PUBACK + _PUBACK.join(ids), len(ids)
            elif run.answer:
                packets, answered = run.answer, 1
            else:
                continue
            if sender in touched:
                touched[sender].append(packets)
                promised[sender] += answered
            else:
                touched[sender] = [packets]
                promised[sender] = answered
        for sender, parts in touched.items():
            sender.acknowledge(parts[0] if len(parts) == 1 else b"".join(parts), promised[sender])


def _not_withheld(run: Run, withheld: frozenset[int]) -> list[bytes]:
    """The packet identifiers to acknowledge; tells the sender when one is withheld. A withheld QoS 0 message is gone,
    as QoS 0 allows; nobody was promised it."""
    if not run.ids:
        return []
    kept = [number for index, number in enumerate(run.ids, run.first) if index not in withheld]
    if len(kept) < len(run.ids):
        run.sender.withhold()
    return kept


def _split_runs(runs: list[Run], most: int) -> tuple[list[Run], list[Run]]:
    """Runs of the messages before `most`, and the others counted from there. Order is kept (I2)."""
    place = next((place for place, run in enumerate(runs) if run.count and run.first + run.count > most), len(runs))
    before, after = runs[:place], runs[place:]
    if after and after[0].first < most:
        left, right = after[0].split(most)
        before.append(left)
        after[0] = right
        later = after[1:]
    else:
        later = after
    for run in later:
        run.first -= most
    return before, after
