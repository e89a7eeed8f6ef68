"""The native protocol whatever its encoding: JSON unless the sender says otherwise, CBOR by content type."""

from collections.abc import Mapping, Sequence

from devices.codecs.decoded import Decoded, Refused, merged
from devices.codecs.native_cbor import decode_cbor
from devices.codecs.native_json import decode_json
from devices.codecs.strict_json import quoted

JSON, CBOR = "application/json", "application/cbor"


def decode(payloads: Sequence[bytes], content_type: Mapping[int, str]) -> Decoded:
    """Payloads to columns, in their order. `content_type`: payload index -> MIME type, for those that are not JSON
    (parameters such as charset are ignored). A type that is not one of the two is refused. Never raises."""
    types = {at: plain_type(text) for at, text in content_type.items()}
    foreign = {at: name for at, name in types.items() if name not in ("", JSON)}
    if not foreign:
        return decode_json(payloads)
    of_cbor = [at for at in sorted(foreign) if foreign[at] == CBOR]
    of_json = [at for at in range(len(payloads)) if at not in foreign]
    unknown = [at for at in sorted(foreign) if foreign[at] != CBOR]
    refused = tuple(Refused(at, f"content type {quoted(foreign[at])} is not {JSON} or {CBOR}") for at in unknown)
    json = decode_json([payloads[at] for at in of_json]).numbered(of_json)
    cbor = decode_cbor([payloads[at] for at in of_cbor]).numbered(of_cbor)
    return merged((json, cbor, Decoded(json.rows[:0], json.message[:0], json.hashed[:0], (), refused)))


def plain_type(text: str) -> str:
    """A MIME type as it is compared: without parameters, in lower case."""
    return text.partition(";")[0].strip().lower()
