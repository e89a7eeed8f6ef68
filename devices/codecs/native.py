"""The native protocol whatever its encoding: JSON unless the sender says otherwise, CBOR by content type."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from devices.codecs.decoded import Decoded, Refused
from devices.codecs.native_cbor import decode_cbor
from devices.codecs.native_json import decode_json
from devices.codecs.strict_json import quoted

JSON, CBOR = "application/json", "application/cbor"


def decode(payloads: Sequence[bytes], content_type: Mapping[int, str]) -> Decoded:
    """Payloads to columns, in their order. `content_type`: payload index -> MIME type, for those that are not JSON
    (parameters such as charset are ignored). A type that is not one of the two is refused. Never raises."""
    types = {at: text.partition(";")[0].strip().lower() for at, text in content_type.items()}
    foreign = {at: name for at, name in types.items() if name not in ("", JSON)}
    if not foreign:
        return decode_json(payloads)
    of_cbor = [at for at in sorted(foreign) if foreign[at] == CBOR]
    of_json = [at for at in range(len(payloads)) if at not in foreign]
    unknown = tuple(
        Refused(at, f"content type {quoted(name)} is not {JSON} or {CBOR}")
        for at, name in sorted(foreign.items())
        if name != CBOR
    )
    return _merge(
        _numbered(decode_json([payloads[at] for at in of_json]), of_json),
        _numbered(decode_cbor([payloads[at] for at in of_cbor]), of_cbor),
        unknown,
    )


def _numbered(decoded: Decoded, number: Sequence[int]) -> Decoded:
    """The same with the payloads' numbers in the whole."""
    numbers: NDArray[np.int32] = np.array(number, np.int32)
    return Decoded(
        decoded.rows,
        numbers[decoded.message] if len(number) else decoded.message,
        decoded.hashed,
        decoded.extra,
        tuple(Refused(int(numbers[refused.message]), refused.reason) for refused in decoded.refused),
    )


def _merge(one: Decoded, other: Decoded, refused: tuple[Refused, ...]) -> Decoded:
    message = np.concatenate([one.message, other.message])
    order = np.argsort(message, kind="stable")
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    first = len(one.rows)
    extra = [*one.extra, *((first + at, body) for at, body in other.extra)]
    return Decoded(
        np.concatenate([one.rows, other.rows])[order],
        message[order],
        np.concatenate([one.hashed, other.hashed])[order],
        tuple(sorted((int(place[at]), body) for at, body in extra)),
        tuple(sorted((*one.refused, *other.refused, *refused))),
    )
