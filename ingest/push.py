"""HTTP push, the pure half: one request body becomes the payloads that the codecs decode, or is refused whole.

P1  Nothing is judged here that the codecs judge: a body that cannot be decoded is handed on, ends in quarantine with
    its reason and bytes, and is counted (a poison message must not come back for ever). Only what is too large, of
    another type, compressed or empty is refused, because then nothing of it may be taken.
P2  A body is taken whole or refused whole: no reading of a refused body is handed on.
P3  The work is bounded by the body's size: MOST_BODY_BYTES, and at most MOST_READINGS readings.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

import msgspec

#: Larger bodies are refused: 1,000 readings of 150 bytes fit, and one request stays small beside a cycle. It is also
#: the largest MQTT packet the endpoint takes (source: product choice).
MOST_BODY_BYTES = 256 * 1024
#: Readings in one body; the codecs hold the same bound per payload (source: product choice).
MOST_READINGS = 1_000
#: An idempotency key: visible ASCII. A UUID has 36 characters.
KEY_PATTERN = r"[!-~]{1,128}"
_KEY = re.compile(KEY_PATTERN + r"\Z")


class ContentType(StrEnum):
    """What a body may be, without parameters."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"
    CBOR = "application/cbor"


class Fault(StrEnum):
    """Why a body was refused; the API gives each its own status."""

    UNSUPPORTED_TYPE = "unsupported_type"
    COMPRESSED = "compressed"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    BAD_KEY = "bad_key"


class PushRefused(ValueError):
    """Nothing of the request was taken; the text says what, where and the remedy. Permanent."""

    def __init__(self, fault: Fault, reason: str) -> None:
        super().__init__(reason)
        self.fault = fault


@dataclass(frozen=True, slots=True)
class Payloads:
    """What the engine is handed. `content_type` is what the codecs know: JSON or CBOR."""

    payloads: tuple[bytes, ...]
    content_type: ContentType


_elements = msgspec.json.Decoder(list[msgspec.Raw])


def read_content_type(content_type: str, content_encoding: str) -> ContentType:
    """The type of a body from its headers, so that a wrong one is refused before the body is read.
    Raises PushRefused (UNSUPPORTED_TYPE, COMPRESSED)."""
    if content_encoding.strip().lower() not in ("", "identity"):
        raise PushRefused(Fault.COMPRESSED, f"Content-Encoding {content_encoding!r}: send the body uncompressed")
    essence, _, parameters = content_type.partition(";")
    charset = parameters.replace(" ", "").replace('"', "").lower()
    try:
        known = ContentType(essence.strip().lower())
    except ValueError:
        raise PushRefused(
            Fault.UNSUPPORTED_TYPE, f"Content-Type {content_type!r}: send one of {', '.join(ContentType)}"
        ) from None
    if charset.startswith("charset=") and charset != "charset=utf-8":
        raise PushRefused(Fault.UNSUPPORTED_TYPE, f"Content-Type {content_type!r}: send UTF-8")
    return known


def check_key(key: str) -> str:
    """The idempotency key as it was sent. Raises PushRefused (BAD_KEY)."""
    if not _KEY.match(key):
        raise PushRefused(Fault.BAD_KEY, "Idempotency-Key: 1 to 128 visible ASCII characters")
    return key


def split_body(body: bytes, content_type: ContentType) -> Payloads:
    """A body as payloads: a JSON or CBOR body is one, NDJSON one per line that is not blank.
    Raises PushRefused (TOO_LARGE, EMPTY)."""
    if len(body) > MOST_BODY_BYTES:
        raise PushRefused(Fault.TOO_LARGE, f"{len(body)} bytes: send at most {MOST_BODY_BYTES} in one request")
    match content_type:
        case ContentType.NDJSON:
            payloads = tuple(line for line in body.split(b"\n") if line.strip(b" \t\r"))
            readings = sum(_json_readings(line) for line in payloads) if b"[" in body else len(payloads)
        case ContentType.JSON:
            payloads = (body,) if body.strip(b" \t\r\n") else ()
            readings = _json_readings(body)
        case ContentType.CBOR:
            payloads = (body,) if body else ()
            readings = _cbor_readings(body)
    if not payloads:
        raise PushRefused(Fault.EMPTY, "the body holds no readings: send an object, or an array of objects")
    if readings > MOST_READINGS:
        raise PushRefused(Fault.TOO_LARGE, f"{readings} readings: send at most {MOST_READINGS} in one request")
    return Payloads(payloads, ContentType.CBOR if content_type is ContentType.CBOR else ContentType.JSON)


def _json_readings(payload: bytes) -> int:
    """Elements of an array, else 1. What is no JSON counts 1: it ends as one quarantined payload (P1)."""
    if not payload.lstrip(b" \t\r\n").startswith(b"["):
        return 1
    try:
        return len(_elements.decode(payload))
    except (msgspec.DecodeError, RecursionError):
        return 1


def _cbor_readings(payload: bytes) -> int:
    """Elements that the head of a CBOR array announces (RFC 8949, 3), else 1. An array of indefinite length counts
    1 here; the codec bounds it."""
    if not payload or payload[0] >> 5 != 4:
        return 1
    short = payload[0] & 31
    if short < 24:
        return short
    if short > 27:
        return 1
    return int.from_bytes(payload[1 : 1 + (1 << (short - 24))], "big")
