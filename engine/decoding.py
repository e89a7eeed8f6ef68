"""From a cycle's messages to columns: each by the codec of the link that brought it.

D1  A message that breaks a decoder is refused by itself; the others of its cycle are not touched.
"""

from collections.abc import Callable, Sequence

import numpy as np
import structlog
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused, merged
from devices.codecs.frame import NOWHERE
from devices.codecs.native import decode
from devices.codecs.registers import decode_frames
from devices.fleet import Fleet
from devices.quantities import QUALITY_BITS, QUANTITIES, Flag, Quality
from devices.readings import blank
from engine.taken import Messages, Taken, numbered
from ingest.links import Encoding

_log = structlog.get_logger()

#: The lowest bit of every quantity's quality.
_EACH = sum(1 << (QUALITY_BITS * at) for at in range(len(QUANTITIES)))

#: Decodes the messages of these numbers (rising); its result counts them from 0.
_Decode = Callable[[Sequence[int]], Decoded]


def decode_messages(taken: Sequence[Taken], messages: Messages, fleet: Fleet) -> Decoded:
    """Rows in the order of the messages. What a broker had kept is old, and who said it was not heard: it is
    marked as backfill and as stale, so that no reconnect ends the silence of a device that is gone, and no value of it
    reads as good."""
    frames = [one for one in taken if one.arrivals.encoding is Encoding.FRAMES]
    if not frames:
        decoded = _guarded(range(len(messages)), _native(messages))
    else:
        of_frames = np.zeros(len(messages), np.bool_)
        for one in frames:
            of_frames[one.numbers] = True
        parts = ((~of_frames, _native(messages)), (of_frames, _framed(messages, fleet)))
        numbers = ((np.flatnonzero(mask).tolist(), decoder) for mask, decoder in parts if mask.any())
        decoded = merged([_guarded(mine, decoder).numbered(mine) for mine, decoder in numbers] or [_nothing()])
    if any(one.arrivals.retained for one in taken):
        retained = numbered(taken, [one.arrivals.retained for one in taken], len(messages))
        kept = retained[decoded.message]
        decoded.rows["flags"][kept] |= Flag.BACKFILL | Flag.STALE
        decoded.rows["quality"][kept] = _none_good(decoded.rows["quality"][kept])
    return decoded


def _none_good(quality: NDArray[np.int64]) -> NDArray[np.int64]:
    """Quality words, (n,), with STALE for every quantity that was GOOD (0)."""
    other = quality | (quality >> 1) | (quality >> 2) | (quality >> 3)
    return quality | (~other & _EACH) * int(Quality.STALE)


def _native(messages: Messages) -> _Decode:
    def native(numbers: Sequence[int]) -> Decoded:
        if len(numbers) == len(messages):
            return decode(messages.payloads, messages.content_type)
        types = messages.content_type
        kinds = {at: types[number] for at, number in enumerate(numbers) if number in types} if types else {}
        return decode([messages.payloads[number] for number in numbers], kinds)

    return native


def _framed(messages: Messages, fleet: Fleet) -> _Decode:
    decoder_no: NDArray[np.int32] = np.full(len(messages), -1, np.int32)
    place = np.full(len(messages), NOWHERE, np.uint64)
    slots = fleet.slots(messages.device_no)
    known = slots >= 0
    decoder_no[known], place[known] = fleet.decoder_by_slot[slots[known]], fleet.place_by_slot[slots[known]]

    def framed(numbers: Sequence[int]) -> Decoded:
        payloads = [messages.payloads[number] for number in numbers]
        these = np.array(numbers, np.intp)
        return decode_frames(payloads, decoder_no[these], fleet.decoders, place[these])

    return framed


def _guarded(numbers: Sequence[int], decoder: _Decode) -> Decoded:
    try:
        return decoder(numbers)
    except Exception:  # noqa: BLE001 - a defect of ours must not let one message stop the intake of all (D1)
        _log.exception("decoder failed; its messages are tried one by one", messages=len(numbers))
    parts = [_nothing()]
    for at, number in enumerate(numbers):
        try:
            part = decoder([number])
        except Exception as broken:  # noqa: BLE001 - this one message is the defect's, and goes to quarantine
            part = _nothing(Refused(0, f"decoder failed: {type(broken).__name__}: {broken}"))
        parts.append(part.numbered([at]))
    return merged(parts)


def _nothing(*refused: Refused) -> Decoded:
    return Decoded(blank(0), np.zeros(0, np.int32), np.zeros(0, np.bool_), (), refused)
