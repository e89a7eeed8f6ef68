"""The numbers that a refused payload still shows: a poison message must not stop the count of what is on disk.

S1  Only what certainly says it: `boot`, `seq` and `first` of a reading itself, never of something nested in it, and of
    a reading only if none of the three was said twice and no `boot` or `seq` is anything but a number in range.
S2  A reading that is cut off shows its number only if it shows `boot` and `seq` both; elsewhere a missing or null
    `boot` is 0, as everywhere.
S3  Never raises, and is linear in the payload.
"""

import re
from typing import NamedTuple

from devices.codecs.cbor_items import UNTIL_BREAK, read_head
from devices.codecs.native import CBOR, JSON, plain_type
from devices.codecs.telemetry import MOST_BOOT, MOST_SEQ, PayloadRefused


class Shown(NamedTuple):
    """`first` is -1 where none is shown."""

    boot: int
    seq: int
    first: int


#: What a key of ours held: a number, null (NOTHING), or what is neither (WRONG).
_NOTHING, _WRONG = -1, -2
_MOST = {"boot": MOST_BOOT, "seq": MOST_SEQ, "first": MOST_SEQ}
#: One of our keys with its value, a string whole (or what there is of one that never ends), or a bracket. A number
#: counts only if something ends it. Possessive: linear in hostile input.
_JSON_PART = re.compile(
    rb'"(boot|seq|first)"\s*+:\s*+(?:([0-9]{1,19})(?=\s*+[,}])|(null)|)|"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL
)
# Major types of RFC 8949, section 3.1, and the break.
_UNSIGNED, _BYTES, _TEXT, _ARRAY, _MAP, _TAG, _SIMPLE = 0, 2, 3, 4, 5, 6, 7
_BREAK = 0xFF
_NULLS = (22, 23)  # null, undefined
_LONGEST_KEY = 5


def shown_numbers(payload: bytes, mime: str) -> tuple[Shown, ...]:
    """In the order of the payload. `mime`: empty for JSON; a type that is neither JSON nor CBOR shows nothing."""
    kind = plain_type(mime)
    if kind in ("", JSON):
        return _shown_in_json(payload)
    return _shown_in_cbor(payload) if kind == CBOR else ()


def _shown_in_json(payload: bytes) -> tuple[Shown, ...]:
    found: list[Shown] = []
    said: dict[str, int] = {}
    depth, readings_at, in_reading = 0, 0, False
    for part in _JSON_PART.finditer(payload):
        token = part[0][:1]
        if token in b"[{":
            depth += 1
            readings_at = readings_at or (2 if token == b"[" else 1)
            if depth == readings_at:
                said, in_reading = {}, token == b"{"
        elif token in b"]}":
            if depth == readings_at and in_reading:
                _note(found, said, whole=True)
                in_reading = False
            depth -= 1
            if depth <= 0:
                break
        elif part[1] and depth == readings_at and in_reading:
            number = int(part[2]) if part[2] else _NOTHING if part[3] else _WRONG
            _say(said, part[1].decode(), number)
    if depth == readings_at and in_reading:
        _note(found, said, whole=False)
    return tuple(found)


def _say(said: dict[str, int], key: str, number: int) -> None:
    said[key] = _WRONG if key in said or number > _MOST[key] else number


def _note(found: list[Shown], said: dict[str, int], *, whole: bool) -> None:
    boot, seq, first = said.get("boot", _NOTHING), said.get("seq", _NOTHING), said.get("first", _NOTHING)
    if seq >= 0 and boot != _WRONG and (whole or boot >= 0):
        found.append(Shown(max(boot, 0), seq, max(first, _NOTHING)))


def _shown_in_cbor(payload: bytes) -> tuple[Shown, ...]:
    found: list[Shown] = []
    try:
        major, count, at = read_head(payload, 0)
        if major == _MAP:
            _read_map(payload, count, at, found)
        elif major == _ARRAY:
            while count and not (count == UNTIL_BREAK and payload[at] == _BREAK):
                major, pairs, inside = read_head(payload, at)
                at = _read_map(payload, pairs, inside, found) if major == _MAP else _after(payload, at)
                count -= count != UNTIL_BREAK
    except (PayloadRefused, IndexError):
        pass  # what was shown until there stands
    return tuple(found)


def _read_map(payload: bytes, pairs: int, at: int, found: list[Shown]) -> int:
    """The byte after the map whose head ends at `at`. Raises PayloadRefused or IndexError where it is cut off."""
    said: dict[str, int] = {}
    whole = False
    try:
        while pairs and not (pairs == UNTIL_BREAK and payload[at] == _BREAK):
            major, size, begin = read_head(payload, at)
            after = _after(payload, at)
            key = payload[begin:after] if major == _TEXT and 0 < size <= _LONGEST_KEY else b""
            at = _after(payload, after)
            if key in (b"boot", b"seq", b"first"):
                kind, number, _ = read_head(payload, after)
                nothing = kind == _SIMPLE and payload[after] & 0x1F in _NULLS
                _say(said, key.decode(), number if kind == _UNSIGNED else _NOTHING if nothing else _WRONG)
            pairs -= pairs != UNTIL_BREAK
        whole = True
    finally:
        _note(found, said, whole=whole)
    return at + (pairs == UNTIL_BREAK)


def _after(payload: bytes, at: int) -> int:
    """The byte after the item at `at`, whatever it is; raises PayloadRefused or IndexError where it is cut off."""
    left = [1]  # items still to come at each level; UNTIL_BREAK: until the break
    while left:
        if left[-1] == 0 or (left[-1] == UNTIL_BREAK and payload[at] == _BREAK):
            at += left.pop() == UNTIL_BREAK
            continue
        if left[-1] > 0:
            left[-1] -= 1
        major, argument, at = read_head(payload, at)
        if major in (_BYTES, _TEXT) and argument != UNTIL_BREAK:
            at += argument
        elif major in (_BYTES, _TEXT, _ARRAY, _MAP, _TAG):
            left.append(1 if major == _TAG else 2 * argument if major == _MAP and argument > 0 else argument)
    if at > len(payload):
        raise PayloadRefused(f"truncated at byte {len(payload)}")
    return at
