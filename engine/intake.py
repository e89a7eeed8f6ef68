"""From what the links brought to one admitted batch, and to what each link is told after the commit.

I1  Every reading and every refused message is counted once: received = stored + duplicate + quarantined (G2).
I2  A message that breaks a decoder is put in quarantine by itself; the others of its cycle are not touched (decoding).
I3  In the store's reserve, a message without an alarm-relevant reading is withheld: not admitted, not counted, not
    acknowledged; its sender offers it again, or it is polled again (G4). What was said besides: spoken, P2.
I4  A refused message behind a broker is not withheld: it would wait in the broker's window for ever, before others'
    alarms. In the reserve none of its bytes are kept, and of many in a cycle only how many they were; so the numbers
    that it shows are not settled, and its device sends it again. On a full disk (`no_room`) it is withheld too.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.codecs.strict_json import quoted
from devices.readings import Batch
from engine.decoding import decode_messages
from engine.following import offered_numbers
from engine.memory import Memory
from engine.records import MOST_RAW_BYTES, Quarantined, SourceCount
from engine.spoken import reply_source, spoken
from engine.taken import Messages, Taken, joined
from ingest.contiguity import NOTHING_SETTLED, Settling
from ingest.followed import Mark
from ingest.links import Settled, Upto
from rules.events import LinkEvent

#: Refused messages of one link and cycle that are named one by one in the reserve: 2 KiB, less than a commit writes.
MOST_NAMED_IN_RESERVE = 16


@dataclass(frozen=True, slots=True)
class Intake:
    """One cycle's input, ready to be judged. `settled` is aligned with `taken`."""

    taken: tuple[Taken, ...]
    batch: Batch
    events: tuple[LinkEvent, ...]
    counts: tuple[SourceCount, ...]
    quarantined: tuple[Quarantined, ...]
    settled: tuple[Settled, ...]
    marks: tuple[Mark, ...]


def read(
    taken: tuple[Taken, ...], memory: Memory, now: int, cycle: int, *, in_reserve: bool, no_room: bool = False
) -> Intake:
    """Decode and admit. Advances the windows of `memory`; the caller commits or ends the process."""
    messages = joined(taken)
    decoded = decode_messages(taken, messages, memory.fleet)
    withheld = np.zeros(len(messages), np.bool_)
    if in_reserve:
        withheld = _not_alarm_relevant(decoded, messages.device_no, memory, len(messages))
        for first, many in _wholes(taken):
            withheld[first : first + many] = withheld[first : first + many].all()
        if not no_room:
            withheld &= ~_refused_behind_a_broker(taken, decoded, messages, memory)
        decoded = decoded.without(withheld)
    admitted = memory.admission.admit(decoded, messages.device_no, memory.fleet, now, cycle)
    whose_bytes_are_kept = replace(admitted, refused=()) if in_reserve else admitted  # I4
    offered = offered_numbers(taken, messages, decoded, whose_bytes_are_kept, memory.contiguity, memory.fleet)
    settling = NOTHING_SETTLED if offered is None else memory.contiguity.take_in(offered, now)
    stored = np.bincount(admitted.message, minlength=len(messages))
    duplicate = np.bincount(admitted.duplicate, minlength=len(messages))
    refused = np.bincount([one.message for one in admitted.refused], minlength=len(messages))
    events, quarantined = spoken(taken, memory, now, in_reserve=in_reserve)
    quarantined += _set_aside(taken, admitted.refused, messages, now, in_reserve=in_reserve)
    counts: list[SourceCount] = []
    settled: list[Settled] = []
    for one in taken:
        part = one.numbers
        settled.append(
            Settled(
                withheld=frozenset(np.flatnonzero(withheld[part]).tolist()) if in_reserve else frozenset(),
                stored=stored[part],
                duplicate=duplicate[part],
                quarantined=refused[part],
                in_reserve=in_reserve,
                upto=_upto(one, settling, memory),
            )
        )
        bad_replies = sum(item.source == reply_source(one.arrivals.source) for item in quarantined)
        counts += _counts(one.arrivals.source, settled[-1], bad_replies)
    return Intake(
        taken=taken,
        batch=admitted.batch,
        events=tuple(events),
        counts=tuple(counts),
        quarantined=tuple(quarantined),
        settled=tuple(settled),
        marks=memory.contiguity.marks(settling.marked, memory.fleet.device_no),
    )


def _upto(one: Taken, settling: Settling, memory: Memory) -> tuple[Upto, ...]:
    if not one.arrivals.asks_ack:
        return ()
    return settling.of(one.first, len(one.arrivals.payload), memory.fleet.device_no)


def _wholes(taken: tuple[Taken, ...]) -> list[tuple[int, int]]:
    return [(one.first + first, many) for one in taken for first, many in one.arrivals.wholes]


def _not_alarm_relevant(
    decoded: Decoded, device_no: NDArray[np.int32], memory: Memory, messages: int
) -> NDArray[np.bool_]:
    """True for each message that must wait, shape (messages,)."""
    relevant = np.zeros(messages, np.bool_)
    slots = memory.fleet.slots(device_no[decoded.message])
    known = slots >= 0
    rows = decoded.rows[known]
    matters = memory.state.matters(rows, slots[known])
    relevant[decoded.message[known][matters]] = True
    return ~relevant


def _refused_behind_a_broker(
    taken: tuple[Taken, ...], decoded: Decoded, messages: Messages, memory: Memory
) -> NDArray[np.bool_]:
    """True for each message that a broker brought and that is a stranger's or cannot be read, shape (messages,)."""
    refused = memory.fleet.slots(messages.device_no) < 0
    refused[[one.message for one in decoded.refused]] = True
    for one in taken:
        if not one.arrivals.asks_ack:
            refused[one.numbers] = False
    return refused


def _set_aside(
    taken: tuple[Taken, ...], refused: Sequence[Refused], messages: Messages, now: int, *, in_reserve: bool
) -> list[Quarantined]:
    starts = [one.first for one in taken]
    items: list[Quarantined] = []
    bare: dict[str, int] = {}
    for message, reason in refused:
        raw = messages.payloads[message]
        one = taken[int(np.searchsorted(starts, message, "right")) - 1]
        topic = one.arrivals.topics.get(message - one.first)
        words = f"topic {quoted(topic)}: {reason}" if topic is not None else reason
        if in_reserve and one.arrivals.asks_ack:
            bare[one.arrivals.source] = bare.get(one.arrivals.source, 0) + 1
            if bare[one.arrivals.source] > MOST_NAMED_IN_RESERVE:
                continue
            words += f" (none of {len(raw)} bytes kept: the store is in its reserve)"
            raw = b""
        elif len(raw) > MOST_RAW_BYTES:
            words += f" (first {MOST_RAW_BYTES} of {len(raw)} bytes kept)"
        source = one.arrivals.source
        items.append(Quarantined(now, source, int(messages.device_no[message]), words, raw[:MOST_RAW_BYTES]))
    for source, many in bare.items():
        if many > MOST_NAMED_IN_RESERVE:
            words = f"{many - MOST_NAMED_IN_RESERVE} more refused messages, only counted: the store is in its reserve"
            items.append(Quarantined(now, source, 0, words, b""))
    return items


def _counts(source: str, settled: Settled, bad_replies: int) -> list[SourceCount]:
    stored, duplicate = int(settled.stored.sum()), int(settled.duplicate.sum())
    refused = int(settled.quarantined.sum())
    counts = []
    if stored or duplicate or refused:
        counts.append(SourceCount(source, stored + duplicate + refused, stored, duplicate, refused))
    if bad_replies:
        counts.append(SourceCount(reply_source(source), bad_replies, 0, 0, bad_replies))
    return counts
