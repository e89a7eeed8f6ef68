"""From what the links brought to one admitted batch, and to what each link is told after the commit.

I1  Every reading and every refused message is counted once: received = stored + duplicate + quarantined (G2).
I2  A message that breaks a decoder is put in quarantine by itself; the others of its cycle are not touched.
I3  In the store's reserve, a message without an alarm-relevant reading is withheld: not admitted, not counted, not
    acknowledged; its sender offers it again (G4). Replies are heard then only of valves whose closing is wanted, and no
    bytes of a bad one are kept: they cannot be offered again, and must not fill what is kept for alarms.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.codecs.native import decode
from devices.codecs.reply import decode_reply
from devices.readings import Batch
from engine.memory import Memory
from engine.records import Quarantined, SourceCount
from ingest.links import Arrivals, Link, Settled
from rules.decisions import AttemptAcknowledged, Connected, LinkEvent, Replied

_log = structlog.get_logger()

#: Raw bytes of one quarantined message that are kept; the reason says how long it was.
MOST_RAW_BYTES = 65_536
#: A reply has two short fields.
MOST_RAW_REPLY_BYTES = 1_024


@dataclass(frozen=True, slots=True)
class Taken:
    """What one link brought, and where its messages stand among all of the cycle."""

    link: Link
    arrivals: Arrivals
    first: int


@dataclass(frozen=True, slots=True)
class Intake:
    """One cycle's input, ready to be judged. `settled` is aligned with `taken`."""

    taken: tuple[Taken, ...]
    batch: Batch
    events: tuple[LinkEvent, ...]
    counts: tuple[SourceCount, ...]
    quarantined: tuple[Quarantined, ...]
    settled: tuple[Settled, ...]


def take(links: Sequence[Link], most: int) -> tuple[Taken, ...]:
    """At most `most` messages from the links, in their order."""
    taken: list[Taken] = []
    first = 0
    for link in links:
        arrivals = link.take(most - first) if first < most else None
        if arrivals is not None:
            taken.append(Taken(link, arrivals, first))
            first += len(arrivals.payload)
    return tuple(taken)


def read(taken: tuple[Taken, ...], memory: Memory, now: int, cycle: int, *, in_reserve: bool) -> Intake:
    """Decode and admit. Advances the admission windows of `memory`; the caller commits or ends the process."""
    payloads, device_no, content_type = _joined(taken)
    decoded = _decode(payloads, content_type)
    withheld = np.zeros(len(payloads), np.bool_)
    if in_reserve:
        withheld = _not_alarm_relevant(decoded, device_no, memory, len(payloads))
        for first, many in _wholes(taken):
            withheld[first : first + many] = withheld[first : first + many].all()
        decoded = _without(decoded, withheld)
    admitted = memory.admission.admit(decoded, device_no, memory.fleet, now, cycle)
    stored = np.bincount(admitted.message, minlength=len(payloads))
    duplicate = np.bincount(admitted.duplicate, minlength=len(payloads))
    refused = np.bincount([one.message for one in admitted.refused], minlength=len(payloads))
    counts: list[SourceCount] = []
    settled: list[Settled] = []
    events, quarantined = _spoken(taken, memory, now, in_reserve=in_reserve)
    quarantined += _set_aside(taken, admitted.refused, payloads, device_no, now)
    for one in taken:
        part = slice(one.first, one.first + len(one.arrivals.payload))
        settled.append(
            Settled(
                withheld=frozenset(np.flatnonzero(withheld[part]).tolist()) if in_reserve else frozenset(),
                stored=stored[part],
                duplicate=duplicate[part],
                quarantined=refused[part],
                in_reserve=in_reserve,
            )
        )
        bad_replies = sum(item.source == _reply_source(one.arrivals.source) for item in quarantined)
        counts += _counts(one.arrivals.source, settled[-1], bad_replies)
    return Intake(
        taken=taken,
        batch=admitted.batch,
        events=tuple(events),
        counts=tuple(counts),
        quarantined=tuple(quarantined),
        settled=tuple(settled),
    )


def _joined(taken: tuple[Taken, ...]) -> tuple[list[bytes], NDArray[np.int32], dict[int, str]]:
    if len(taken) == 1:
        only = taken[0].arrivals
        return only.payload, np.array(only.device_no, np.int32), only.content_type
    payloads: list[bytes] = []
    device_no: list[int] = []
    content_type: dict[int, str] = {}
    for one in taken:
        payloads += one.arrivals.payload
        device_no += one.arrivals.device_no
        content_type |= {one.first + at: kind for at, kind in one.arrivals.content_type.items()}
    return payloads, np.array(device_no, np.int32), content_type


def _decode(payloads: list[bytes], content_type: dict[int, str]) -> Decoded:
    try:
        return decode(payloads, content_type)
    except Exception:  # noqa: BLE001 - a defect of ours must not let one message stop the intake of all (I2)
        _log.exception("decoder failed; the messages of this cycle are tried one by one", messages=len(payloads))
    parts: list[Decoded] = []
    for at, payload in enumerate(payloads):
        kind = {0: content_type[at]} if at in content_type else {}
        try:
            part = decode([payload], kind)
        except Exception as broken:  # noqa: BLE001 - this one message is the defect's, and goes to quarantine
            part = replace(decode([], {}), refused=(Refused(0, f"decoder failed: {type(broken).__name__}: {broken}"),))
        parts.append(_moved(part, at))
    rows = np.cumsum([0] + [len(part.rows) for part in parts])
    return Decoded(
        rows=np.concatenate([part.rows for part in parts]),
        message=np.concatenate([part.message for part in parts]),
        hashed=np.concatenate([part.hashed for part in parts]),
        extra=tuple(
            (int(start) + row, body) for part, start in zip(parts, rows, strict=False) for row, body in part.extra
        ),
        refused=tuple(one for part in parts for one in part.refused),
    )


def _moved(part: Decoded, by: int) -> Decoded:
    return replace(
        part,
        message=(part.message + by).astype(np.int32),
        refused=tuple(Refused(one.message + by, one.reason) for one in part.refused),
    )


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


def _without(decoded: Decoded, withheld: NDArray[np.bool_]) -> Decoded:
    keep = ~withheld[decoded.message]
    new_row = np.cumsum(keep) - 1
    return Decoded(
        rows=decoded.rows[keep],
        message=decoded.message[keep],
        hashed=decoded.hashed[keep],
        extra=tuple((int(new_row[row]), body) for row, body in decoded.extra if keep[row]),
        refused=tuple(one for one in decoded.refused if not withheld[one.message]),
    )


def _reply_source(source: str) -> str:
    return f"{source}:reply"


def _spoken(
    taken: tuple[Taken, ...], memory: Memory, now: int, *, in_reserve: bool
) -> tuple[list[LinkEvent], list[Quarantined]]:
    """What links and devices said besides readings; a reply that cannot be understood is set aside."""
    events: list[LinkEvent] = []
    quarantined: list[Quarantined] = []
    for one in taken:
        events += [
            Connected(at=now, device_no=no) for no in one.arrivals.connected if not in_reserve or _wanted(memory, no)
        ]
        events += [AttemptAcknowledged(at=now, command=command) for command in one.arrivals.acknowledged]
        for no, payload in one.arrivals.replies:
            if in_reserve and not _wanted(memory, no):
                continue
            reply = decode_reply(payload)
            if isinstance(reply, str):
                source = _reply_source(one.arrivals.source)
                raw = b"" if in_reserve else payload[:MOST_RAW_REPLY_BYTES]
                quarantined.append(Quarantined(now, source, no, reply, raw))
            else:
                events.append(Replied(at=now, command=reply.id, device_no=no, valve=reply.position))
    return events, quarantined


def _wanted(memory: Memory, device_no: int) -> bool:
    """The closing of this valve is wanted."""
    slots = memory.fleet.slots(np.array([device_no], np.int32))
    return int(slots[0]) in memory.state.wanted_by_slot


def _set_aside(
    taken: tuple[Taken, ...],
    refused: Sequence[Refused],
    payloads: list[bytes],
    device_no: NDArray[np.int32],
    now: int,
) -> list[Quarantined]:
    starts = [one.first for one in taken]
    items: list[Quarantined] = []
    for message, reason in refused:
        raw = payloads[message]
        source = taken[int(np.searchsorted(starts, message, "right")) - 1].arrivals.source
        words = reason if len(raw) <= MOST_RAW_BYTES else f"{reason} (first {MOST_RAW_BYTES} of {len(raw)} bytes kept)"
        items.append(Quarantined(now, source, int(device_no[message]), words, raw[:MOST_RAW_BYTES]))
    return items


def _counts(source: str, settled: Settled, bad_replies: int) -> list[SourceCount]:
    stored, duplicate = int(settled.stored.sum()), int(settled.duplicate.sum())
    refused = int(settled.quarantined.sum())
    counts = []
    if stored or duplicate or refused:
        counts.append(SourceCount(source, stored + duplicate + refused, stored, duplicate, refused))
    if bad_replies:
        counts.append(SourceCount(_reply_source(source), bad_replies, 0, 0, bad_replies))
    return counts
