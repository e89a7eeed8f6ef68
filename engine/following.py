"""What a cycle settles of each followed device's numbers (ingest/contiguity), gathered from its messages and rows."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded
from devices.codecs.shown_numbers import Shown, shown_numbers
from devices.fleet import Fleet
from devices.quantities import Flag
from devices.readings import Batch
from engine.records import MOST_RAW_BYTES
from engine.taken import Messages, Taken, numbered
from ingest.admission import Admitted
from ingest.contiguity import Contiguity, Offered

_UNNUMBERED = Flag.HASHED | Flag.NO_IDENTITY


def offered_numbers(
    taken: Sequence[Taken],
    messages: Messages,
    decoded: Decoded,
    admitted: Admitted,
    contiguity: Contiguity,
    fleet: Fleet,
) -> Offered | None:
    """Every number that this cycle settles, of devices that are followed, or are from now on because their link carries
    acknowledgements; None when there is nobody. What a broker had kept from before makes nobody followed: it says
    where a device was once."""
    if not contiguity and not any(one.arrivals.asks_ack for one in taken):
        return None
    asks = np.zeros(len(messages), np.bool_)
    for one in taken:
        asks[one.numbers] = one.arrivals.asks_ack
    asks &= ~numbered(taken, [one.arrivals.retained for one in taken], len(messages))
    judged = admitted.judged
    message = decoded.message[judged.source]
    flags = judged.rows["flags"]
    mine = np.flatnonzero((asks[message] | contiguity.follows(judged.slot)) & ((flags & _UNNUMBERED) == 0))
    stored = ~judged.duplicate[mine]
    seen = Offered(
        slot=judged.slot[mine],
        boot=judged.rows["boot"][mine].astype(np.int64),
        seq=judged.rows["seq"][mine],
        first=decoded.firsts()[judged.source[mine]],
        newest=stored & ((flags[mine] & Flag.LATE) == 0),
        stored=stored,
        message=message[mine],
        anew=judged.anew[mine],
        older=judged.older[mine],
    )
    refused = [one.message for one in admitted.refused]
    if not refused:
        return seen
    return _with_refused(seen, _shown(refused, messages, asks, contiguity, fleet))


def _shown(
    refused: Sequence[int], messages: Messages, asks: NDArray[np.bool_], contiguity: Contiguity, fleet: Fleet
) -> list[tuple[int, int, int, int, int]]:
    """(message, slot, boot, seq, first) that refused messages of followed devices still show."""
    slots = fleet.slots(messages.device_no[np.array(refused, np.intp)])
    followed = (slots >= 0) & contiguity.follows(np.maximum(slots, 0)) if len(fleet) else np.zeros(len(slots), np.bool_)
    shown: list[tuple[int, int, int, int, int]] = []
    for at, number in enumerate(refused):
        slot = int(slots[at])
        if slot >= 0 and fleet.present[slot] and (followed[at] or asks[number]):
            kind = messages.content_type.get(number, "")
            shown += [(number, slot, *one) for one in _kept_numbers(messages.payloads[number], kind)]
    return shown


def _kept_numbers(payload: bytes, kind: str) -> tuple[Shown, ...]:
    """Of what quarantine keeps, for nothing else is on disk. Of several readings the last may be cut through: left out,
    it is offered again; where it is the only one, that would be so for ever."""
    shown = shown_numbers(payload[:MOST_RAW_BYTES], kind)
    return shown[:-1] if len(payload) > MOST_RAW_BYTES and len(shown) > 1 else shown


def _with_refused(seen: Offered, shown: list[tuple[int, int, int, int, int]]) -> Offered:
    if not shown:
        return seen
    message, slot, boot, seq, first = np.array(shown, np.int64).T
    none = np.zeros(len(shown), np.bool_)
    more = Offered(slot.astype(np.int32), boot, seq, first, none, none, message.astype(np.int32), none, none)
    both = seen.with_more(more)
    return both.take(np.argsort(both.message, kind="stable"))


def numbers_of(batch: Batch) -> Offered:
    """What a journaled batch settles: its rows that have a number. (Of a device whose window started anew, or to which
    something from before that came, there is a mark.)"""
    rows = batch.rows
    mine = np.flatnonzero((rows["flags"] & _UNNUMBERED) == 0)
    return Offered(
        slot=batch.slots[mine],
        boot=rows["boot"][mine].astype(np.int64),
        seq=rows["seq"][mine],
        first=np.full(len(mine), -1, np.int64),
        newest=(rows["flags"][mine] & Flag.LATE) == 0,
        stored=np.ones(len(mine), np.bool_),
        message=mine.astype(np.int32),
        anew=np.zeros(len(mine), np.bool_),
        older=np.zeros(len(mine), np.bool_),
    )
