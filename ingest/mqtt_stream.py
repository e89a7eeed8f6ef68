"""Packets out of a byte stream, sans-I/O: where the next packet ends, and the fast path for what devices send most.

`read_publishes` is the hot path of the whole system: it takes plain QoS 1 PUBLISH packets on known topics and stops
at anything else, which `frame` and `mqtt_packets.parse` then treat with all the care it needs. It may therefore be
ignorant, but never lenient: what it accepts, `parse` would accept with the same meaning.
"""

from collections.abc import Callable

from ingest.links import Arrivals
from ingest.mqtt_wire import V5, MalformedPacket, Reason, malformed

#: First byte of a PUBLISH with QoS 1, no DUP, no RETAIN.
_PUBLISH_QOS_1 = 0x32
#: First byte of a payload that is one reading and no array: `{` in JSON, a map in CBOR. Whitespace first is for the
#: other path, which also weighs arrays (links, L3).
_BRACE, _FIRST_MAP, _LAST_MAP = 0x7B, 0xA0, 0xBF
#: First byte, two bytes of length, two of topic length, two of packet identifier, one of properties: behind this much
#: the fast path may look at header bytes without asking whether they are there.
HEADER_BYTES = 8
#: Longest fixed header: first byte and four of remaining length.
_MOST_FIXED = 5


def frame(data: bytes, at: int, most: int, version: int) -> tuple[int, int]:
    """The body of the packet that starts at `at`, as (start, end). `end` may lie beyond `data`: the packet is not whole
    yet, and that many bytes are needed (start -1: not even its length is known, one byte more is needed).

    most: the largest packet taken, header included, in bytes.
    Raises MalformedPacket: a length of more than 4 bytes, not in its shortest form (MQTT 5), or above `most` (0x95).
    """
    size = len(data)
    length = shift = 0
    cursor = at + 1
    while True:
        if cursor >= size:
            return -1, size + 1
        digit = data[cursor]
        length |= (digit & 127) << shift
        cursor += 1
        if digit < 128:
            break
        shift += 7
        if cursor - at == _MOST_FIXED:
            raise malformed("the remaining length has more than 4 bytes")
    if digit == 0 and shift and version == V5:
        raise malformed("the remaining length is longer than it need be")
    end = cursor + length
    if end - at > most:
        raise MalformedPacket(Reason.PACKET_TOO_LARGE, f"a packet of {end - at} bytes; the most is {most}")
    return cursor, end


def read_publishes(
    data: bytes,
    at: int,
    stop: int,
    most: int,
    v5: bool,
    number_of: Callable[[bytes], int | None],
    mime_of: Callable[[bytes], str | None],
    into: Arrivals,
    packet_ids: list[bytes],
) -> int:
    """Take PUBLISH packets from `at` on, at most `most` and none that starts at `stop` or later; append the device
    number, the payload and the two bytes of the packet identifier of each. Returns where it stopped.

    stop: at most len(data) - HEADER_BYTES.
    number_of: topic with its two length bytes -> device number, None for a topic not in the fast path.
    mime_of: property block with its length byte -> MIME type, empty for JSON; None for a block not in the fast path.

    Each taken is one reading. No calls of our own: a call costs as much as the rest of a message (0.4 us in all).
    """
    add_number, add_payload, add_packet_id = into.device_no.append, into.payload.append, packet_ids.append
    size = len(data)
    for _ in range(most):
        if at >= stop or data[at] != _PUBLISH_QOS_1:
            break
        length = data[at + 1]
        if length < 128:
            body = at + 2
        else:
            high = data[at + 2]
            if not 0 < high < 128:  # 16 KiB and more, or an odd form of the length
                break
            length += (high << 7) - 128
            body = at + 3
        end = body + length
        if end > size:
            break
        tail = body + 2 + (data[body] << 8 | data[body + 1])
        number = number_of(data[body:tail])
        packet_id = data[tail : tail + 2]
        start = tail + 2
        mime: str | None = ""
        if v5 and start < end:
            block = data[start]
            if block:
                mime = mime_of(data[start : start + 1 + block])
            start += 1 + block
        elif v5:
            break
        if number is None or mime is None or start >= end or packet_id == b"\0\0":
            break
        if data[start] != _BRACE and not _FIRST_MAP <= data[start] <= _LAST_MAP:
            break
        if mime:
            into.content_type[len(into.device_no)] = mime
        add_number(number)
        add_payload(data[start:end])
        add_packet_id(packet_id)
        at = end
    return at
