"""Where each CBOR item starts and ends, found from its heads alone, before anything is built.

What passes holds no tag (so no shared references, no big numbers, no dates: the reader would build objects for them),
is complete, nests at most `MOST_DEPTH` deep, and declares no more than is really there; so the reader behind it can
neither be made to allocate what was only announced, nor to recurse.
"""

from devices.codecs.telemetry import MOST_DEPTH, MOST_ITEMS, MOST_PAYLOAD_ITEMS, MOST_READINGS, PayloadRefused

# Major types and additional information of RFC 8949, section 3.
_BYTES, _TEXT, _ARRAY, _MAP, _TAG = 2, 3, 4, 5, 6
_LARGEST_IN_HEAD, _FIRST_RESERVED, _INDEFINITE = 23, 28, 31
_BREAK = 0xFF
#: In place of a count: items until the break.
UNTIL_BREAK = -1


def _leaf_sizes() -> list[int]:
    """By first byte: how long an item is that this byte alone decides; 0 for all others."""
    sizes = [0] * 256
    for major in (0, 1, _BYTES, _TEXT, 7):
        for info in range(_LARGEST_IN_HEAD + 1):
            sizes[major << 5 | info] = 1 + (info if major in (_BYTES, _TEXT) else 0)
        if major not in (_BYTES, _TEXT):
            for power in range(4):  # integers, and simple values and floats, of 1, 2, 4 and 8 bytes
                sizes[major << 5 | _LARGEST_IN_HEAD + 1 + power] = 1 + (1 << power)
    return sizes


_LEAF_SIZE = _leaf_sizes()


def split(payload: bytes) -> list[bytes]:
    """The readings of a payload: the elements of an array, or the one item. Raises PayloadRefused."""
    if not payload:
        raise PayloadRefused("truncated at byte 0")
    if payload[0] >> 5 != _ARRAY:
        end, _ = _end(payload, 0)
        _expect_end(payload, end)
        return [payload]
    _, count, at = read_head(payload, 0)
    if count > MOST_READINGS:
        raise PayloadRefused(f"{count} readings; at most {MOST_READINGS}")
    elements: list[bytes] = []
    items = 0
    while count == UNTIL_BREAK or len(elements) < count:
        if count == UNTIL_BREAK and payload[at : at + 1] == b"\xff":
            at += 1
            break
        if len(elements) == MOST_READINGS:
            raise PayloadRefused(f"more than {MOST_READINGS} readings")
        end, inside = _end(payload, at)
        items += inside
        if items > MOST_PAYLOAD_ITEMS:
            raise PayloadRefused(f"more than {MOST_PAYLOAD_ITEMS} items in one payload")
        elements.append(payload[at:end])
        at = end
    _expect_end(payload, at)
    if not elements:
        raise PayloadRefused("no readings")
    return elements


def _end(data: bytes, at: int) -> tuple[int, int]:
    """(the byte after the item that starts at `at`, how many items it is)."""
    enclosing: list[int] = []
    items = 0
    left = 1  # items still to come at this level; below zero: until the break
    while True:
        while left == 0:
            if not enclosing:
                if at > len(data):
                    raise PayloadRefused(f"truncated at byte {len(data)}")
                return at, items
            left = enclosing.pop()
        if at >= len(data):
            raise PayloadRefused(f"truncated at byte {len(data)}")
        head = data[at]
        if head == _BREAK and left < 0:
            left = 0
            at += 1
            continue
        items += 1
        if items > MOST_ITEMS:
            raise PayloadRefused(f"more than {MOST_ITEMS} items in one reading")
        left -= 1
        size = _LEAF_SIZE[head]
        if size:
            at += size
            continue
        start = at
        major, argument, at = read_head(data, at)
        if major == _TAG:
            raise PayloadRefused(f"tag {argument} at byte {start}; tags are not part of this protocol")
        if major in (_BYTES, _TEXT) and argument != UNTIL_BREAK:
            at += argument
            continue
        if len(enclosing) >= MOST_DEPTH:
            raise PayloadRefused(f"nested more than {MOST_DEPTH} deep at byte {start}")
        enclosing.append(left)
        left = 2 * argument if major == _MAP and argument > 0 else argument


def read_head(data: bytes, at: int) -> tuple[int, int, int]:
    """(major type, argument or UNTIL_BREAK, next byte); raises PayloadRefused. The argument of a simple value is of no
    use and may be anything."""
    if at >= len(data):
        raise PayloadRefused(f"truncated at byte {at}")
    major, info = data[at] >> 5, data[at] & 0x1F
    if info <= _LARGEST_IN_HEAD:
        return major, info, at + 1
    if info < _FIRST_RESERVED:
        size = 1 << (info - _LARGEST_IN_HEAD - 1)
        if at + 1 + size > len(data):
            raise PayloadRefused(f"truncated at byte {len(data)}")
        return major, int.from_bytes(data[at + 1 : at + 1 + size], "big"), at + 1 + size
    if info == _INDEFINITE and major in (_BYTES, _TEXT, _ARRAY, _MAP):
        return major, UNTIL_BREAK, at + 1
    raise PayloadRefused(f"not CBOR at byte {at}")


def _expect_end(payload: bytes, at: int) -> None:
    if at != len(payload):
        raise PayloadRefused(f"{len(payload) - at} bytes after the reading")
