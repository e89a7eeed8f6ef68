"""Telemetry in JSON: one object, or an array of them.

Two readers. The fast one is a typed decoder over the whole batch; it lets pass what JSON lets pass (a key twice, the
last one winning; unknown keys; null), so each of its readings is trusted only if its quotation marks prove that it
held none of that (`native_columns`, C2). Everything else goes to the strict reader, which decides: accepted, or
refused with a reason that names the key. `tests/devices/test_native_json.py` holds the two to the same answers.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from devices.codecs.assembly import Pile, assemble
from devices.codecs.decoded import Decoded
from devices.codecs.native_columns import columns
from devices.codecs.native_fields import read_fields
from devices.codecs.strict_json import parse
from devices.codecs.telemetry import (
    MOST_PAYLOAD_BYTES,
    MOST_READING_BYTES,
    MOST_READINGS,
    PayloadRefused,
    Said,
    Telemetry,
)

_decode = msgspec.json.Decoder(Telemetry).decode
_split = msgspec.json.Decoder(list[msgspec.Raw]).decode
#: Everything msgspec says of bytes that are not what was asked for (UnicodeDecodeError is a ValueError).
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
_NOTHING = Telemetry()
_SPACE = b" \t\r\n"
_QUOTE = b'"'


def decode_json(payloads: Sequence[bytes]) -> Decoded:
    """Payloads to columns; a payload is readings or refused, never both. Never raises for what was sent.

    About 1.1 microseconds per plain reading of 130 bytes in batches of 8,192, about 10 for one with unknown keys.
    """
    pile = Pile()
    strict = _read_fast(payloads, pile)
    laid_out = columns(pile.said)
    quotes = np.fromiter([element.count(_QUOTE) for element in pile.element], np.int64, len(pile.element))
    sizes = np.fromiter(map(len, pile.element), np.int64, len(pile.element))
    doubtful = laid_out.unclear | (quotes != laid_out.quotes) | (quotes == 0) | (sizes > MOST_READING_BYTES)
    doubtful[strict] = True
    if not doubtful.any() and not pile.refused:
        return assemble(pile, laid_out)
    _read_again(pile, np.flatnonzero(doubtful).tolist())
    return assemble(pile)


def read_strictly(element: bytes) -> Said:
    """One reading by the strict reader alone. Raises PayloadRefused."""
    return read_fields(parse(element))


def split_array(payload: bytes) -> list[bytes] | None:
    """The elements of an array, as sent; None when the payload is no array. Raises PayloadRefused."""
    if payload.lstrip(_SPACE)[:1] != b"[":
        return None
    if len(payload) > MOST_PAYLOAD_BYTES:
        raise PayloadRefused(f"a payload of {len(payload)} bytes; at most {MOST_PAYLOAD_BYTES}")
    try:
        elements = _split(payload)
    except RecursionError:
        raise PayloadRefused("nested too deep") from None
    except UnicodeDecodeError as wrong:
        raise PayloadRefused(f"not UTF-8 ({wrong.reason})") from None
    except (msgspec.MsgspecError, ValueError) as wrong:
        raise PayloadRefused(f"not a JSON array: {wrong}") from None
    if not 1 <= len(elements) <= MOST_READINGS:
        raise PayloadRefused("no readings" if not elements else f"{len(elements)} readings; at most {MOST_READINGS}")
    return [bytes(element) for element in elements]


def _read_fast(payloads: Sequence[bytes], pile: Pile) -> list[int]:
    """Fill the pile; the indices returned need the strict reader."""
    said, strict = pile.said, []
    for number, payload in enumerate(payloads):
        try:
            said.append(_decode(payload))
            pile.element.append(payload)
            pile.message.append(number)
        except _UNREADABLE:
            for element in _elements(payload, number, pile):
                pile.element.append(element)
                pile.message.append(number)
                try:
                    said.append(_decode(element))
                except _UNREADABLE:
                    strict.append(len(said))
                    said.append(_NOTHING)
    return strict


def _elements(payload: bytes, number: int, pile: Pile) -> list[bytes]:
    try:
        elements = split_array(payload)
    except PayloadRefused as refused:
        pile.refused[number] = str(refused)
        return []
    return [payload] if elements is None else elements


def _read_again(pile: Pile, doubtful: list[int]) -> None:
    for at in doubtful:
        message = pile.message[at]
        if message in pile.refused:
            continue
        try:
            pile.replace(at, read_strictly(pile.element[at]))
        except PayloadRefused as refused:
            pile.refuse(at, str(refused))
