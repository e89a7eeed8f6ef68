"""The properties of MQTT 5 (5.0, 2.2.2): which there are, of which type, and in which packets each may stand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from types import MappingProxyType

from ingest.mqtt_wire import (
    Cursor,
    MalformedPacket,
    PacketType,
    Reason,
    binary,
    malformed,
    protocol_error,
    text,
    variable_integer,
)

#: Properties one packet may carry. No client needs so many; a packet full of empty user properties would otherwise
#: cost 10 ms of everybody's time. At the bound: the packet is refused with 0x97.
MOST_PROPERTIES = 64


class Property(IntEnum):
    PAYLOAD_FORMAT = 0x01
    MESSAGE_EXPIRY_S = 0x02
    CONTENT_TYPE = 0x03
    RESPONSE_TOPIC = 0x08
    CORRELATION_DATA = 0x09
    SUBSCRIPTION_IDENTIFIER = 0x0B
    SESSION_EXPIRY_S = 0x11
    ASSIGNED_CLIENT_ID = 0x12
    SERVER_KEEP_ALIVE_S = 0x13
    AUTHENTICATION_METHOD = 0x15
    AUTHENTICATION_DATA = 0x16
    REQUEST_PROBLEM = 0x17
    WILL_DELAY_S = 0x18
    REQUEST_RESPONSE = 0x19
    RESPONSE_INFORMATION = 0x1A
    SERVER_REFERENCE = 0x1C
    REASON_STRING = 0x1F
    RECEIVE_MAXIMUM = 0x21
    TOPIC_ALIAS_MAXIMUM = 0x22
    TOPIC_ALIAS = 0x23
    MAXIMUM_QOS = 0x24
    RETAIN_AVAILABLE = 0x25
    USER = 0x26
    MAXIMUM_PACKET_SIZE = 0x27
    WILDCARD_AVAILABLE = 0x28
    SUBSCRIPTION_IDENTIFIER_AVAILABLE = 0x29
    SHARED_AVAILABLE = 0x2A


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties of one packet, by the type of their value; `user` in the order sent."""

    numbers: Mapping[Property, int] = field(default_factory=lambda: MappingProxyType({}))
    texts: Mapping[Property, str] = field(default_factory=lambda: MappingProxyType({}))
    binaries: Mapping[Property, bytes] = field(default_factory=lambda: MappingProxyType({}))
    user: tuple[tuple[str, str], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.numbers or self.texts or self.binaries or self.user)


NO_PROPERTIES = Properties()

P = PacketType
_USER = int(Property.USER)
#: A will's properties are a set of their own (5.0, 3.1.3.2); 0 is no packet's type.
WILL = 0

#: Width in bytes of each number; 0 stands for a variable byte integer.
_WIDTH: dict[Property, int] = {
    Property.PAYLOAD_FORMAT: 1,
    Property.MESSAGE_EXPIRY_S: 4,
    Property.SUBSCRIPTION_IDENTIFIER: 0,
    Property.SESSION_EXPIRY_S: 4,
    Property.SERVER_KEEP_ALIVE_S: 2,
    Property.REQUEST_PROBLEM: 1,
    Property.WILL_DELAY_S: 4,
    Property.REQUEST_RESPONSE: 1,
    Property.RECEIVE_MAXIMUM: 2,
    Property.TOPIC_ALIAS_MAXIMUM: 2,
    Property.TOPIC_ALIAS: 2,
    Property.MAXIMUM_QOS: 1,
    Property.RETAIN_AVAILABLE: 1,
    Property.MAXIMUM_PACKET_SIZE: 4,
    Property.WILDCARD_AVAILABLE: 1,
    Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE: 1,
    Property.SHARED_AVAILABLE: 1,
}
_TEXTS = frozenset(
    {
        Property.CONTENT_TYPE,
        Property.RESPONSE_TOPIC,
        Property.ASSIGNED_CLIENT_ID,
        Property.AUTHENTICATION_METHOD,
        Property.RESPONSE_INFORMATION,
        Property.SERVER_REFERENCE,
        Property.REASON_STRING,
    }
)
#: Numbers that are yes or no (5.0, 2.2.2.2).
_YES_NO = frozenset(prop for prop, width in _WIDTH.items() if width == 1)
#: Numbers for which 0 is a protocol error.
_NEVER_ZERO = frozenset({Property.RECEIVE_MAXIMUM, Property.MAXIMUM_PACKET_SIZE, Property.SUBSCRIPTION_IDENTIFIER})

_ALLOWED: dict[int, frozenset[Property]] = {
    P.CONNECT: frozenset(
        {
            Property.SESSION_EXPIRY_S,
            Property.AUTHENTICATION_METHOD,
            Property.AUTHENTICATION_DATA,
            Property.REQUEST_PROBLEM,
            Property.REQUEST_RESPONSE,
            Property.RECEIVE_MAXIMUM,
            Property.TOPIC_ALIAS_MAXIMUM,
            Property.USER,
            Property.MAXIMUM_PACKET_SIZE,
        }
    ),
    WILL: frozenset(
        {
            Property.PAYLOAD_FORMAT,
            Property.MESSAGE_EXPIRY_S,
            Property.CONTENT_TYPE,
            Property.RESPONSE_TOPIC,
            Property.CORRELATION_DATA,
            Property.WILL_DELAY_S,
            Property.USER,
        }
    ),
    P.CONNACK: frozenset(
        {
            Property.SESSION_EXPIRY_S,
            Property.ASSIGNED_CLIENT_ID,
            Property.SERVER_KEEP_ALIVE_S,
            Property.AUTHENTICATION_METHOD,
            Property.AUTHENTICATION_DATA,
            Property.RESPONSE_INFORMATION,
            Property.SERVER_REFERENCE,
            Property.REASON_STRING,
            Property.RECEIVE_MAXIMUM,
            Property.TOPIC_ALIAS_MAXIMUM,
            Property.MAXIMUM_QOS,
            Property.RETAIN_AVAILABLE,
            Property.USER,
            Property.MAXIMUM_PACKET_SIZE,
            Property.WILDCARD_AVAILABLE,
            Property.SUBSCRIPTION_IDENTIFIER_AVAILABLE,
            Property.SHARED_AVAILABLE,
        }
    ),
    P.PUBLISH: frozenset(
        {
            Property.PAYLOAD_FORMAT,
            Property.MESSAGE_EXPIRY_S,
            Property.CONTENT_TYPE,
            Property.RESPONSE_TOPIC,
            Property.CORRELATION_DATA,
            Property.SUBSCRIPTION_IDENTIFIER,
            Property.TOPIC_ALIAS,
            Property.USER,
        }
    ),
    P.PUBACK: frozenset({Property.REASON_STRING, Property.USER}),
    P.SUBSCRIBE: frozenset({Property.SUBSCRIPTION_IDENTIFIER, Property.USER}),
    P.SUBACK: frozenset({Property.REASON_STRING, Property.USER}),
    P.UNSUBSCRIBE: frozenset({Property.USER}),
    P.UNSUBACK: frozenset({Property.REASON_STRING, Property.USER}),
    P.DISCONNECT: frozenset(
        {Property.SESSION_EXPIRY_S, Property.SERVER_REFERENCE, Property.REASON_STRING, Property.USER}
    ),
}


def allowed(packet: int) -> frozenset[Property]:
    """The properties that may stand in a packet of this type (or in a WILL)."""
    return _ALLOWED[packet]


def read_properties(cursor: Cursor, packet: int, *, forwarded: bool = False) -> Properties:
    """The property block at the cursor. Raises MalformedPacket for an unknown property, one that does not belong in
    this packet, one given twice, or a value out of range.

    forwarded: the packet is a PUBLISH that a broker passes on. User properties, which it must pass on all and unaltered
    (5.0, 3.3.2.3.7), are skipped and not counted: no message is refused for what somebody else lets through. The packet
    bounds them. Subscription identifiers may stand several times (5.0, 3.3.4); the last is kept.
    """
    length = cursor.variable()
    if length == 0:
        return NO_PROPERTIES
    block = Cursor(cursor.take(length))
    numbers: dict[Property, int] = {}
    texts: dict[Property, str] = {}
    binaries: dict[Property, bytes] = {}
    user: list[tuple[str, str]] = []
    count = 0
    while block:
        if forwarded and _passed_user(block):
            continue
        count += 1
        if count > MOST_PROPERTIES:
            raise MalformedPacket(Reason.QUOTA_EXCEEDED, f"more than {MOST_PROPERTIES} properties in one packet")
        prop = _identifier(block, packet)
        if prop is Property.USER:
            user.append((block.text(), block.text()))
        elif forwarded and prop is Property.SUBSCRIPTION_IDENTIFIER:
            numbers[prop] = _number(block, prop)
        elif prop in numbers or prop in texts or prop in binaries:
            raise protocol_error(f"property {prop.name} given twice")
        elif prop in _WIDTH:
            numbers[prop] = _number(block, prop)
        elif prop in _TEXTS:
            texts[prop] = block.text()
        else:
            binaries[prop] = block.binary()
    return Properties(numbers, texts, binaries, tuple(user))


def _passed_user(block: Cursor) -> bool:
    """Go on behind the user properties at the cursor; whether there was one. No calls: a packet of 1 MiB may hold
    200,000, which take 65 ms, about as long as 1 MiB of small messages."""
    body, start, end = block.body, block.at, block.end
    at = start
    try:
        while at < end and body[at] == _USER:
            value = at + 3 + (body[at + 1] << 8 | body[at + 2])
            at = value + 2 + (body[value] << 8 | body[value + 1])
    except IndexError:
        at = end + 1
    if at > end:
        raise malformed("a user property ends too early")
    block.at = at
    return at > start


def _identifier(block: Cursor, packet: int) -> Property:
    number = block.variable()
    try:
        prop = Property(number)
    except ValueError:
        raise malformed(f"there is no property {number}") from None
    if prop not in _ALLOWED[packet]:
        raise protocol_error(f"property {prop.name} does not belong in this packet")
    return prop


def _number(block: Cursor, prop: Property) -> int:
    width = _WIDTH[prop]
    value = block.number(width) if width else block.variable()
    if value == 0 and prop in _NEVER_ZERO:
        raise protocol_error(f"property {prop.name} must not be 0")
    if value > 1 and prop in _YES_NO:
        raise protocol_error(f"property {prop.name} is 0 or 1, got {value}")
    return value


def write_properties(properties: Properties) -> bytes:
    """The property block, its length first. Raises ValueError for a value that does not fit its field."""
    parts: list[bytes] = []
    for prop, number in properties.numbers.items():
        width = _WIDTH[prop]
        parts += (bytes([prop]), number.to_bytes(width, "big") if width else variable_integer(number))
    for prop, words in properties.texts.items():
        parts += (bytes([prop]), text(words))
    for prop, raw in properties.binaries.items():
        parts += (bytes([prop]), binary(raw))
    for name, value in properties.user:
        parts += (bytes([Property.USER]), text(name), text(value))
    block = b"".join(parts)
    return variable_integer(len(block)) + block
