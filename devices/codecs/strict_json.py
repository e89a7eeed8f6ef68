"""JSON read so that nothing is guessed. Slow and certain: the fast reader hands over whatever it is not sure of.

Refused, each by name: anything but UTF-8; NaN, Infinity and numbers beyond a 64-bit float (they never compare, so an
alarm would vanish); a key twice (which one is meant?); more than `MOST_DEPTH` levels, counted before the parser runs;
lone surrogates and NUL in any string or key (no database text can hold them).
"""

import json
import math
import re
from typing import NoReturn

from devices.codecs.telemetry import MOST_DEPTH, MOST_READING_BYTES, PayloadRefused

#: A string whole (or what there is of one that never ends), or a bracket. Possessive: linear in hostile input.
_STRUCTURE = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
#: What a number needs to be beyond a 64-bit float: 200 digits in a row, or an exponent of three. Without either, the
#: parser's own numbers are right, and no number costs a call.
_MANY_DIGITS = re.compile(r"[0-9]{200}")
_LARGE_EXPONENT = re.compile(r"[eE]\+?[0-9]{3}")
#: Digits of the largest 64-bit float; more cannot be one.
_MOST_DIGITS = 309
#: Where in a refusal a sender's own text is quoted, this much of it.
_MOST_QUOTED = 60


def parse(element: bytes) -> object:
    """The JSON value. Raises PayloadRefused naming what is wrong and where."""
    if len(element) > MOST_READING_BYTES:
        raise PayloadRefused(f"a reading of {len(element)} bytes; at most {MOST_READING_BYTES}")
    try:
        text = element.decode("utf-8")
    except UnicodeDecodeError as wrong:
        raise PayloadRefused(f"not UTF-8 at byte {wrong.start}") from None
    _check_depth(element)
    try:
        huge = _LARGE_EXPONENT.search(text) or _MANY_DIGITS.search(text)
        value: object = (_careful if huge else _plain).decode(text)
    except json.JSONDecodeError as wrong:
        cut_off = wrong.pos >= len(text.rstrip()) or wrong.msg.startswith("Unterminated")
        what = "truncated" if cut_off else f"not JSON ({wrong.msg})"
        raise PayloadRefused(f"{what} at character {wrong.pos}") from None
    # Without an escape there is no way to say either: UTF-8 has no surrogates, and JSON no bare control characters.
    if "\\u" in text:
        check_text(value)
    return value


def quoted(text: str) -> str:
    """A sender's text, safe to put into a reason: ASCII, bounded."""
    return ascii(text[:_MOST_QUOTED])[: 2 * _MOST_QUOTED]


def check_text(value: object) -> None:
    """Raises PayloadRefused when a string or key anywhere in `value` cannot be stored as text."""
    if isinstance(value, str):
        if "\x00" in value:
            raise PayloadRefused(f"NUL in the text {quoted(value)}")
        if any("\ud800" <= character <= "\udfff" for character in value):
            raise PayloadRefused(f"lone surrogate in the text {quoted(value)}")
    elif isinstance(value, dict):
        for key, inner in value.items():
            check_text(key)
            check_text(inner)
    elif isinstance(value, list):
        for inner in value:
            check_text(inner)


def _check_depth(element: bytes) -> None:
    if element.count(b"{") + element.count(b"[") <= MOST_DEPTH:
        return
    depth = 0
    for token in _STRUCTURE.finditer(element):
        first = token[0][0]
        if first in b"[{":
            depth += 1
            if depth > MOST_DEPTH:
                raise PayloadRefused(f"nested more than {MOST_DEPTH} deep at byte {token.start()}")
        elif first in b"]}":
            depth -= 1


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    keys = dict(pairs)
    if len(keys) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise PayloadRefused(f"{quoted(key)}: key sent twice")
            seen.add(key)
    return keys


def _no_constant(text: str) -> NoReturn:
    raise PayloadRefused(f"{text} is not a number in JSON")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise PayloadRefused(f"{quoted(text)}: number beyond a 64-bit float")
    return value


def _bounded_int(text: str) -> int:
    if len(text) > _MOST_DIGITS + 1 or not _fits_float(value := int(text)):
        raise PayloadRefused(f"{quoted(text)}: number beyond a 64-bit float")
    return value


def _fits_float(value: int) -> bool:
    try:
        float(value)
    except OverflowError:
        return False
    return True


_plain = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_no_constant)
_careful = json.JSONDecoder(
    object_pairs_hook=_object,
    parse_constant=_no_constant,
    parse_float=_finite_float,
    parse_int=_bounded_int,
)
