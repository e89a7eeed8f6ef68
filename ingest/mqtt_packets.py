"""MQTT 3.1.1 and 5 packets, sans-I/O: frozen types, `parse` and `build`. What the standards call malformed raises.

P1  parse(build(packet)) == packet, for every packet and both versions.
P2  parse either returns a packet or raises MalformedPacket, whatever the bytes; it never reads past the body.
P3  QoS 2 parses (the standards allow it); refusing it is the endpoint's word, so that the right reason is said.

The types that only a client sends or only a server sends are parsed alike; who may say what is the endpoint's matter.
"""

from collections.abc import Callable
from dataclasses import dataclass

from ingest.mqtt_properties import NO_PROPERTIES, WILL, Properties, read_properties, write_properties
from ingest.mqtt_wire import (
    V5,
    V311,
    Cursor,
    MalformedPacket,
    PacketType,
    Reason,
    binary,
    malformed,
    packet_id,
    protocol_error,
    text,
    variable_integer,
)


@dataclass(frozen=True, slots=True)
class Will:
    topic: str
    payload: bytes
    qos: int = 0
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connect:
    client_id: str
    version: int = V5
    clean_start: bool = True
    keep_alive_s: int = 60
    username: str | None = None
    password: bytes | None = None
    will: Will | None = None
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Connack:
    """`reason` is a return code 0 to 5 in 3.1.1."""

    session_present: bool = False
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Publish:
    """`packet_id` is 0 exactly when `qos` is 0."""

    topic: str
    payload: bytes
    qos: int = 0
    packet_id: int = 0
    dup: bool = False
    retain: bool = False
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Puback:
    packet_id: int
    reason: int = 0
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Filter:
    """One topic filter of a SUBSCRIBE; all but `qos` exist in MQTT 5 only."""

    topic: str
    qos: int = 0
    no_local: bool = False
    retain_as_published: bool = False
    retain_handling: int = 0


@dataclass(frozen=True, slots=True)
class Subscribe:
    packet_id: int
    filters: tuple[Filter, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Suback:
    packet_id: int
    reasons: tuple[int, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    packet_id: int
    topics: tuple[str, ...]
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Unsuback:
    """`reasons` is empty in 3.1.1."""

    packet_id: int
    reasons: tuple[int, ...] = ()
    properties: Properties = NO_PROPERTIES


@dataclass(frozen=True, slots=True)
class Pingreq:
    pass


@dataclass(frozen=True, slots=True)
class Pingresp:
    pass


@dataclass(frozen=True, slots=True)
class Disconnect:
    reason: int = 0
    properties: Properties = NO_PROPERTIES


Packet = (
    Connect | Connack | Publish | Puback | Subscribe | Suback | Unsubscribe | Unsuback | Pingreq | Pingresp | Disconnect
)

# ---- parse ----------------------------------------------------------------------------------------------------------


def parse(head: int, body: bytes, version: int, *, forwarded: bool = False) -> Packet:
    """The packet with first byte `head` and `body` (what follows the remaining length). `version` is V311 or V5; a
    CONNECT says its own. `forwarded`: it comes from a broker (read_properties). Raises MalformedPacket."""
    kind, flags = head >> 4, head & 15
    if kind == PacketType.PUBLISH:
        return _publish(flags, Cursor(body), version, forwarded)
    reader = _READERS.get(kind)
    if reader is None:
        raise protocol_error(f"packet type {kind} has no place here")
    if flags != (2 if kind in (PacketType.SUBSCRIBE, PacketType.UNSUBSCRIBE) else 0):
        raise malformed(f"reserved flags {flags:#x} in packet type {kind}")
    cursor = Cursor(body)
    packet = reader(cursor, version)
    cursor.done()
    return packet


def spoken_version(body: bytes) -> int:
    """The protocol level a CONNECT's body names, so that even a refusal is said in the client's version; 3 for the
    MQTT 3.1 of before the standard; 0 when the body does not begin as a CONNECT of MQTT does."""
    if body[:8] == b"\x00\x06MQIsdp":
        return 3
    return body[6] if len(body) > 6 and body[:6] == b"\x00\x04MQTT" else 0


def _connect(cursor: Cursor, _: int) -> Connect:
    name, version = cursor.binary(), cursor.byte()
    if name != b"MQTT" or version not in (V311, V5):
        raise MalformedPacket(Reason.UNSUPPORTED_VERSION, f"protocol {name[:8]!r} level {version}, not MQTT 4 or 5")
    flags = cursor.byte()
    with_will, will_qos, will_retain = bool(flags & 0x04), flags >> 3 & 3, bool(flags & 0x20)
    with_password, with_name = bool(flags & 0x40), bool(flags & 0x80)
    if flags & 1:
        raise malformed("reserved CONNECT flag set")
    if will_qos == 3 or (not with_will and (will_qos or will_retain)):
        raise malformed("will flags that contradict each other")
    if version == V311 and with_password and not with_name:
        raise malformed("a password without a user name")
    keep_alive_s = cursor.number(2)
    properties = read_properties(cursor, PacketType.CONNECT) if version == V5 else NO_PROPERTIES
    client_id = cursor.text()
    will = None
    if with_will:
        will_properties = read_properties(cursor, WILL) if version == V5 else NO_PROPERTIES
        will = Will(_topic_name(cursor.text()), cursor.binary(), will_qos, will_retain, will_properties)
    return Connect(
        client_id=client_id,
        version=version,
        clean_start=bool(flags & 0x02),
        keep_alive_s=keep_alive_s,
        username=cursor.text() if with_name else None,
        password=cursor.binary() if with_password else None,
        will=will,
        properties=properties,
    )


def _connack(cursor: Cursor, version: int) -> Connack:
    flags, reason = cursor.byte(), cursor.byte()
    if flags > 1:
        raise malformed("reserved CONNACK flags set")
    return Connack(bool(flags), reason, read_properties(cursor, PacketType.CONNACK) if version == V5 else NO_PROPERTIES)


def _topic_name(name: str) -> str:
    if not name or "#" in name or "+" in name:
        raise MalformedPacket(Reason.TOPIC_NAME_INVALID, f"{name[:64]!r} is not a topic name")
    return name


def _publish(flags: int, cursor: Cursor, version: int, forwarded: bool) -> Publish:
    qos, dup = flags >> 1 & 3, bool(flags & 8)
    if qos == 3:
        raise malformed("QoS 3")
    if dup and qos == 0:
        raise malformed("DUP with QoS 0")
    topic = cursor.text()
    if topic or version != V5:
        _topic_name(topic)
    number = cursor.packet_id() if qos else 0
    properties = NO_PROPERTIES
    if version == V5:
        properties = read_properties(cursor, PacketType.PUBLISH, forwarded=forwarded)
    return Publish(topic, cursor.rest(), qos, number, dup, bool(flags & 1), properties)


def _puback(cursor: Cursor, version: int) -> Puback:
    number = cursor.packet_id()
    if version != V5 or not cursor:
        return Puback(number)
    reason = cursor.byte()
    return Puback(number, reason, read_properties(cursor, PacketType.PUBACK) if cursor else NO_PROPERTIES)


def _subscribe(cursor: Cursor, version: int) -> Subscribe:
    number = cursor.packet_id()
    properties = read_properties(cursor, PacketType.SUBSCRIBE) if version == V5 else NO_PROPERTIES
    filters: list[Filter] = []
    while cursor:
        filters.append(_filter(_topic_filter(cursor), cursor.byte(), version))
    if not filters:
        raise protocol_error("SUBSCRIBE without a topic filter")
    return Subscribe(number, tuple(filters), properties)


def _topic_filter(cursor: Cursor) -> str:
    topic = cursor.text()
    if not topic:
        raise malformed("an empty topic filter")
    return topic


def _filter(topic: str, options: int, version: int) -> Filter:
    qos, handling = options & 3, options >> 4 & 3
    if qos == 3 or options & 0xC0 or (version != V5 and options > 2):
        raise malformed(f"subscription options {options:#x}")
    if handling == 3:
        raise protocol_error("retain handling 3")
    no_local = bool(options & 4)
    if no_local and topic.startswith("$share/"):
        raise protocol_error("no local on a shared subscription")
    return Filter(topic, qos, no_local, bool(options & 8), handling)


def _suback(cursor: Cursor, version: int) -> Suback:
    number = cursor.packet_id()
    properties = read_properties(cursor, PacketType.SUBACK) if version == V5 else NO_PROPERTIES
    return Suback(number, tuple(cursor.rest()), properties)


def _unsubscribe(cursor: Cursor, version: int) -> Unsubscribe:
    number = cursor.packet_id()
    properties = read_properties(cursor, PacketType.UNSUBSCRIBE) if version == V5 else NO_PROPERTIES
    topics: list[str] = []
    while cursor:
        topics.append(_topic_filter(cursor))
    if not topics:
        raise protocol_error("UNSUBSCRIBE without a topic filter")
    return Unsubscribe(number, tuple(topics), properties)


def _unsuback(cursor: Cursor, version: int) -> Unsuback:
    number = cursor.packet_id()
    if version != V5:
        return Unsuback(number)
    properties = read_properties(cursor, PacketType.UNSUBACK)
    return Unsuback(number, tuple(cursor.rest()), properties)


def _disconnect(cursor: Cursor, version: int) -> Disconnect:
    if version != V5 or not cursor:
        return Disconnect()
    reason = cursor.byte()
    return Disconnect(reason, read_properties(cursor, PacketType.DISCONNECT) if cursor else NO_PROPERTIES)


_READERS: dict[int, Callable[[Cursor, int], Packet]] = {
    PacketType.CONNECT: _connect,
    PacketType.CONNACK: _connack,
    PacketType.PUBACK: _puback,
    PacketType.SUBSCRIBE: _subscribe,
    PacketType.SUBACK: _suback,
    PacketType.UNSUBSCRIBE: _unsubscribe,
    PacketType.UNSUBACK: _unsuback,
    PacketType.PINGREQ: lambda _cursor, _version: Pingreq(),
    PacketType.PINGRESP: lambda _cursor, _version: Pingresp(),
    PacketType.DISCONNECT: _disconnect,
}

# ---- build ----------------------------------------------------------------------------------------------------------


def build(packet: Packet, version: int) -> bytes:
    """The packet's bytes in this version (a CONNECT's own). Raises ValueError for a value that does not fit."""
    head, body = _parts(packet, version)
    return bytes([head]) + variable_integer(len(body)) + body


def _parts(packet: Packet, version: int) -> tuple[int, bytes]:
    match packet:
        case Connect():
            return PacketType.CONNECT << 4, _connect_body(packet)
        case Connack():
            return PacketType.CONNACK << 4, bytes([packet.session_present, packet.reason]) + _block(packet, version)
        case Publish():
            flags = packet.dup << 3 | packet.qos << 1 | packet.retain
            number = packet_id(packet.packet_id) if packet.qos else b""
            header = text(packet.topic) + number + _block(packet, version)
            return PacketType.PUBLISH << 4 | flags, header + packet.payload
        case Puback():
            return PacketType.PUBACK << 4, packet_id(packet.packet_id) + _short_form(packet, version)
        case Subscribe():
            filters = b"".join(text(f.topic) + bytes([_options(f)]) for f in packet.filters)
            return PacketType.SUBSCRIBE << 4 | 2, packet_id(packet.packet_id) + _block(packet, version) + filters
        case Suback():
            return PacketType.SUBACK << 4, packet_id(packet.packet_id) + _block(packet, version) + bytes(packet.reasons)
        case Unsubscribe():
            topics = b"".join(text(topic) for topic in packet.topics)
            return PacketType.UNSUBSCRIBE << 4 | 2, packet_id(packet.packet_id) + _block(packet, version) + topics
        case Unsuback():
            reasons = bytes(packet.reasons) if version == V5 else b""
            return PacketType.UNSUBACK << 4, packet_id(packet.packet_id) + _block(packet, version) + reasons
        case Pingreq():
            return PacketType.PINGREQ << 4, b""
        case Pingresp():
            return PacketType.PINGRESP << 4, b""
        case Disconnect():
            return PacketType.DISCONNECT << 4, _short_form(packet, version)


def _block(packet: Connack | Publish | Subscribe | Suback | Unsubscribe | Unsuback, version: int) -> bytes:
    return write_properties(packet.properties) if version == V5 else b""


def _short_form(packet: Puback | Disconnect, version: int) -> bytes:
    """Reason and properties, each left out when it says nothing (5.0, 3.4.2.1 and 3.14.2.1)."""
    if version != V5 or not (packet.reason or packet.properties):
        return b""
    return bytes([packet.reason]) + (write_properties(packet.properties) if packet.properties else b"")


def _options(topic_filter: Filter) -> int:
    local, published = topic_filter.no_local << 2, topic_filter.retain_as_published << 3
    return topic_filter.qos | local | published | topic_filter.retain_handling << 4


def _connect_body(packet: Connect) -> bytes:
    v5, will = packet.version == V5, packet.will
    flags = packet.clean_start << 1 | (packet.password is not None) << 6 | (packet.username is not None) << 7
    parts = [text("MQTT"), bytes([packet.version]), b"", packet.keep_alive_s.to_bytes(2, "big")]
    if v5:
        parts.append(write_properties(packet.properties))
    parts.append(text(packet.client_id))
    if will is not None:
        flags |= 4 | will.qos << 3 | will.retain << 5
        parts += (write_properties(will.properties) if v5 else b"", text(will.topic), binary(will.payload))
    if packet.username is not None:
        parts.append(text(packet.username))
    if packet.password is not None:
        parts.append(binary(packet.password))
    parts[2] = bytes([flags])
    return b"".join(parts)
