"""From a mapping of keys to a reading: what each field may hold, decided once for JSON and CBOR."""

import json
import math

from devices.codecs.rfc3339 import microseconds
from devices.codecs.strict_json import quoted
from devices.codecs.telemetry import (
    CAUSE_WORDS,
    FIELD_SET,
    FLAG_NAMES,
    MOST_BOOT,
    MOST_EXTRA_BYTES,
    MOST_SEQ,
    MOST_TS_MS,
    VALVE_WORDS,
    PayloadRefused,
    Said,
    Telemetry,
)
from devices.quantities import QUANTITY_NAMES

_QUANTITIES = frozenset(QUANTITY_NAMES)
_FLAGS = frozenset(FLAG_NAMES)
_MOST_INTEGER = {"boot": MOST_BOOT, "seq": MOST_SEQ, "first": MOST_SEQ}
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode
_WORDS = {"valve": VALVE_WORDS, "valve_cause": CAUSE_WORDS}


def read_fields(value: object) -> Said:
    """One reading. null is "not sent". Raises PayloadRefused naming the key.

    A reading in which nothing known was sent is refused: a device that misspells every name, or sends only null, must
    not look alive.
    """
    if not isinstance(value, dict):
        raise PayloadRefused(f"a reading is an object, got {_kind(value)}")
    known: dict[str, object] = {}
    extra: dict[str, object] = {}
    impossible_time = False
    for key, said in value.items():
        if key not in FIELD_SET:
            extra[key] = said
        elif said is None:
            continue
        elif key == "ts":
            ts = _time(said)
            impossible_time = ts is None
            if ts is not None:
                known[key] = ts
        elif key in _WORDS:
            word = _word(key, said)
            known[key] = word if word in _WORDS[key] else "unknown"
            if word not in _WORDS[key]:
                extra[key] = word
        else:
            known[key] = _number(key, said) if key in _QUANTITIES else _bit_or_count(key, said)
    if not known and not impossible_time:
        named = not value.keys().isdisjoint(FIELD_SET)
        raise PayloadRefused("nothing but null" if named else "no known key" if value else "an empty object")
    return Said(Telemetry(**known), extra, impossible_time)


def encode_extra(extra: dict[str, object]) -> bytes:
    """`extra` as JSON. Beyond MOST_EXTRA_BYTES the reading still counts, so what is unknown gives way and says so."""
    body = _json(extra)
    if len(body) > MOST_EXTRA_BYTES:
        unknown = [key for key in extra if key not in _QUANTITIES]
        kept = {key: said for key, said in extra.items() if key in _QUANTITIES}
        body = _json({**kept, "not_stored": {"keys": len(unknown), "bytes": len(body)}})
    return body


def _json(extra: dict[str, object]) -> bytes:
    return _encode(extra).encode()


def _time(said: object) -> int | str | None:
    """Milliseconds, or text of RFC 3339; None for a time no clock can mean."""
    if isinstance(said, int) and not isinstance(said, bool):
        return said if -MOST_TS_MS <= said <= MOST_TS_MS else None
    if not isinstance(said, str):
        raise PayloadRefused(f"ts: expected RFC 3339 text or integer milliseconds, got {_kind(said)}")
    try:
        return None if microseconds(said) is None else said
    except ValueError as wrong:
        raise PayloadRefused(f"ts: {wrong}: {quoted(said)}") from None


def _word(key: str, said: object) -> str:
    if not isinstance(said, str):
        raise PayloadRefused(f"{key}: expected a word, got {_kind(said)}")
    return said


def _number(key: str, said: object) -> float:
    if isinstance(said, bool) or not isinstance(said, int | float):
        raise PayloadRefused(f"{key}: expected a number, got {_kind(said)}")
    try:
        number = float(said)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise PayloadRefused(f"{key}: not a finite number")
    return number


def _bit_or_count(key: str, said: object) -> int:
    if key in _FLAGS:
        if not isinstance(said, bool):
            raise PayloadRefused(f"{key}: expected true or false, got {_kind(said)}")
        return said
    if isinstance(said, bool) or not isinstance(said, int):
        raise PayloadRefused(f"{key}: expected an integer, got {_kind(said)}")
    if not 0 <= said <= _MOST_INTEGER[key]:
        raise PayloadRefused(f"{key}: must be 0 to {_MOST_INTEGER[key]}")
    return said


def _kind(value: object) -> str:
    names = {
        bool: "true or false",
        int: "an integer",
        float: "a number with a fraction",
        str: "a text",
        bytes: "a byte string",
        list: "an array",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(value), type(value).__name__)
