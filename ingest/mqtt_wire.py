"""The primitives of MQTT 3.1.1 and 5: reason codes, integers, strings, and the one error a malformed packet raises.

Section numbers are those of the OASIS standards "MQTT Version 3.1.1" and "MQTT Version 5.0".
"""

from enum import IntEnum

#: Protocol level bytes (3.1.2.2).
V311, V5 = 4, 5

#: The largest number a variable byte integer holds (5.0, 1.5.5).
MOST_VARIABLE = 268_435_455


class PacketType(IntEnum):
    """The high four bits of a packet's first byte (2.1.2)."""

    CONNECT = 1
    CONNACK = 2
    PUBLISH = 3
    PUBACK = 4
    PUBREC = 5
    PUBREL = 6
    PUBCOMP = 7
    SUBSCRIBE = 8
    SUBACK = 9
    UNSUBSCRIBE = 10
    UNSUBACK = 11
    PINGREQ = 12
    PINGRESP = 13
    DISCONNECT = 14
    AUTH = 15


class Reason(IntEnum):
    """The reason codes of MQTT 5 that Davy says or understands (5.0, 2.4)."""

    SUCCESS = 0x00
    DISCONNECT_WITH_WILL = 0x04
    NO_SUBSCRIPTION_EXISTED = 0x11
    UNSPECIFIED = 0x80
    MALFORMED_PACKET = 0x81
    PROTOCOL_ERROR = 0x82
    IMPLEMENTATION_SPECIFIC = 0x83
    UNSUPPORTED_VERSION = 0x84
    CLIENT_ID_NOT_VALID = 0x85
    BAD_CREDENTIALS = 0x86
    NOT_AUTHORIZED = 0x87
    SERVER_BUSY = 0x89
    SERVER_SHUTTING_DOWN = 0x8B
    BAD_AUTHENTICATION_METHOD = 0x8C
    KEEP_ALIVE_TIMEOUT = 0x8D
    SESSION_TAKEN_OVER = 0x8E
    TOPIC_FILTER_INVALID = 0x8F
    TOPIC_NAME_INVALID = 0x90
    RECEIVE_MAXIMUM_EXCEEDED = 0x93
    TOPIC_ALIAS_INVALID = 0x94
    PACKET_TOO_LARGE = 0x95
    MESSAGE_RATE_TOO_HIGH = 0x96
    QUOTA_EXCEEDED = 0x97
    QOS_NOT_SUPPORTED = 0x9B


#: What a 3.1.1 CONNACK can say (3.1.1, 3.2.2.3), by the reason that an MQTT 5 client would be given.
CONNACK_311: dict[int, int] = {
    Reason.SUCCESS: 0,
    Reason.UNSUPPORTED_VERSION: 1,
    Reason.CLIENT_ID_NOT_VALID: 2,
    Reason.SERVER_BUSY: 3,
    Reason.QUOTA_EXCEEDED: 3,
    Reason.BAD_CREDENTIALS: 4,
    Reason.NOT_AUTHORIZED: 5,
}


class MalformedPacket(ValueError):
    """Bytes that break the protocol. Permanent: the connection ends with `reason` (MQTT 5); `words` go to the log."""

    def __init__(self, reason: Reason, words: str) -> None:
        super().__init__(words)
        self.reason = reason
        self.words = words


def malformed(words: str) -> MalformedPacket:
    return MalformedPacket(Reason.MALFORMED_PACKET, words)


def protocol_error(words: str) -> MalformedPacket:
    return MalformedPacket(Reason.PROTOCOL_ERROR, words)


def variable_integer(value: int) -> bytes:
    """A variable byte integer in its shortest form. Raises ValueError outside 0..268,435,455."""
    if not 0 <= value <= MOST_VARIABLE:
        raise ValueError(f"{value} does not fit a variable byte integer")
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def binary(value: bytes) -> bytes:
    """Two length bytes and the bytes. Raises ValueError above 65,535."""
    if len(value) > 0xFFFF:
        raise ValueError(f"{len(value)} bytes do not fit a field of at most 65535")
    return len(value).to_bytes(2, "big") + value


def text(value: str) -> bytes:
    """A UTF-8 string field. Raises ValueError for NUL, a lone surrogate, or more than 65,535 bytes."""
    if "\0" in value:
        raise ValueError("a string field must not hold NUL")
    return binary(value.encode())


def packet_id(value: int) -> bytes:
    if not 1 <= value <= 0xFFFF:
        raise ValueError(f"packet identifier {value} is not 1 to 65535")
    return value.to_bytes(2, "big")


class Cursor:
    """Reads one packet's body from front to back; every method raises MalformedPacket when the body is too short."""

    __slots__ = ("at", "body", "end")

    def __init__(self, body: bytes, at: int = 0, end: int | None = None) -> None:
        self.body = body
        self.at = at
        self.end = len(body) if end is None else end

    def __bool__(self) -> bool:
        return self.at < self.end

    def take(self, count: int) -> bytes:
        start = self.at
        if start + count > self.end:
            raise malformed(f"the packet ends {start + count - self.end} bytes too early")
        self.at = start + count
        return self.body[start : self.at]

    def rest(self) -> bytes:
        return self.take(self.end - self.at)

    def byte(self) -> int:
        return self.take(1)[0]

    def number(self, width: int) -> int:
        return int.from_bytes(self.take(width), "big")

    def packet_id(self) -> int:
        value = self.number(2)
        if value == 0:
            raise protocol_error("packet identifier 0")
        return value

    def variable(self) -> int:
        """A variable byte integer, shortest form only (5.0, [MQTT-1.5.5-1])."""
        value = 0
        for shift in (0, 7, 14, 21):
            digit = self.byte()
            value |= (digit & 127) << shift
            if digit < 128:
                if digit == 0 and shift:
                    raise malformed("a variable byte integer is longer than it need be")
                return value
        raise malformed("a variable byte integer has more than 4 bytes")

    def binary(self) -> bytes:
        return self.take(self.number(2))

    def text(self) -> str:
        """A UTF-8 string: well formed, so no surrogates, and without NUL ([MQTT-1.5.4-1], [MQTT-1.5.4-2])."""
        raw = self.binary()
        try:
            value = raw.decode()
        except UnicodeDecodeError as wrong:
            raise malformed(f"a string is not UTF-8 at byte {wrong.start}") from wrong
        if "\0" in value:
            raise malformed("a string holds NUL")
        return value

    def done(self) -> None:
        if self.at != self.end:
            raise malformed(f"{self.end - self.at} bytes after the end of the packet's content")
