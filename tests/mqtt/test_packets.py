"""Packets: what is built is what is parsed, and whatever is not a packet is refused by the one error (P1 to P3)."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest import mqtt_packets as m
from ingest.links import Arrivals
from ingest.mqtt_properties import MOST_PROPERTIES, WILL, Properties, Property, allowed, write_properties
from ingest.mqtt_stream import HEADER_BYTES, frame, read_publishes
from ingest.mqtt_wire import (
    MOST_VARIABLE,
    V5,
    V311,
    Cursor,
    MalformedPacket,
    PacketType,
    Reason,
    binary,
    packet_id,
    text,
    variable_integer,
)
from tests.mqtt import streams

# ---- strategies ----

words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40)
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0#+"), min_size=1, max_size=40)
filters = st.one_of(names, st.sampled_from(["#", "a/+/b", "+", "$SYS/#"]))
ids = st.integers(1, 65_535)
payloads = st.binary(max_size=300)
versions = st.sampled_from([V311, V5])
bits = st.booleans()

_WIDE = {
    Property.MESSAGE_EXPIRY_S: 0xFFFF_FFFF,
    Property.SESSION_EXPIRY_S: 0xFFFF_FFFF,
    Property.WILL_DELAY_S: 0xFFFF_FFFF,
    Property.MAXIMUM_PACKET_SIZE: 0xFFFF_FFFF,
    Property.SUBSCRIPTION_IDENTIFIER: MOST_VARIABLE,
    Property.SERVER_KEEP_ALIVE_S: 0xFFFF,
    Property.RECEIVE_MAXIMUM: 0xFFFF,
    Property.TOPIC_ALIAS_MAXIMUM: 0xFFFF,
    Property.TOPIC_ALIAS: 0xFFFF,
}
_TEXTS = {
    Property.CONTENT_TYPE,
    Property.RESPONSE_TOPIC,
    Property.ASSIGNED_CLIENT_ID,
    Property.AUTHENTICATION_METHOD,
    Property.RESPONSE_INFORMATION,
    Property.SERVER_REFERENCE,
    Property.REASON_STRING,
}
_BINARIES = {Property.CORRELATION_DATA, Property.AUTHENTICATION_DATA}


def properties_of(kind: int, version: int) -> st.SearchStrategy[Properties]:
    if version != V5:
        return st.just(Properties())
    may = allowed(kind)
    numbers = sorted(may - _TEXTS - _BINARIES - {Property.USER})
    return st.builds(
        Properties,
        st.fixed_dictionaries({}, optional={p: st.integers(1, _WIDE.get(p, 1)) for p in numbers}),
        st.fixed_dictionaries({}, optional=dict.fromkeys(sorted(may & _TEXTS), words)),
        st.fixed_dictionaries({}, optional={p: st.binary(max_size=20) for p in sorted(may & _BINARIES)}),
        st.lists(st.tuples(words, words), max_size=3).map(tuple) if Property.USER in may else st.just(()),
    )


@st.composite
def packets(draw: st.DrawFn, version: int) -> m.Packet:
    def properties(kind: int) -> Properties:
        return draw(properties_of(kind, version))

    v5 = version == V5
    match draw(st.sampled_from([kind for kind in PacketType if kind not in (5, 6, 7, 15)])):
        case PacketType.CONNECT:
            will = None
            if draw(bits):
                will = m.Will(draw(names), draw(payloads), draw(st.integers(0, 2)), draw(bits), properties(WILL))
            username = draw(st.none() | words)
            password = draw(st.none() | payloads) if v5 or username is not None else None
            keep = draw(st.integers(0, 65_535))
            kind = PacketType.CONNECT
            return m.Connect(draw(words), version, draw(bits), keep, username, password, will, properties(kind))
        case PacketType.CONNACK:
            return m.Connack(draw(bits), draw(st.integers(0, 255)), properties(PacketType.CONNACK))
        case PacketType.PUBLISH:
            qos = draw(st.integers(0, 2))
            number = draw(ids) if qos else 0
            dup = bool(qos) and draw(bits)
            topic = draw(st.one_of(names, st.just("")) if v5 else names)
            return m.Publish(topic, draw(payloads), qos, number, dup, draw(bits), properties(PacketType.PUBLISH))
        case PacketType.PUBACK:
            reason = draw(st.integers(0, 255)) if v5 else 0
            return m.Puback(draw(ids), reason, properties(PacketType.PUBACK))
        case PacketType.SUBSCRIBE:
            options = st.builds(m.Filter, filters, st.integers(0, 2))
            if v5:
                options = st.builds(m.Filter, filters, st.integers(0, 2), bits, bits, st.integers(0, 2))
            wanted = draw(st.lists(options, min_size=1, max_size=4))
            return m.Subscribe(draw(ids), tuple(wanted), properties(PacketType.SUBSCRIBE))
        case PacketType.SUBACK:
            reasons = tuple(draw(st.lists(st.integers(0, 255), max_size=4)))
            return m.Suback(draw(ids), reasons, properties(PacketType.SUBACK))
        case PacketType.UNSUBSCRIBE:
            topics = tuple(draw(st.lists(filters, min_size=1, max_size=4)))
            return m.Unsubscribe(draw(ids), topics, properties(PacketType.UNSUBSCRIBE))
        case PacketType.UNSUBACK:
            reasons = tuple(draw(st.lists(st.integers(0, 255), max_size=4))) if v5 else ()
            return m.Unsuback(draw(ids), reasons, properties(PacketType.UNSUBACK))
        case PacketType.PINGREQ:
            return m.Pingreq()
        case PacketType.PINGRESP:
            return m.Pingresp()
        case _:
            return m.Disconnect(draw(st.integers(0, 255)) if v5 else 0, properties(PacketType.DISCONNECT))


def parse_one(data: bytes, version: int) -> m.Packet:
    start, end = frame(data, 0, MOST_VARIABLE, version)
    assert (start >= 0, end) == (True, len(data))
    return m.parse(data[0], data[start:end], version)


# ---- round trips ----


@settings(max_examples=600, deadline=None)
@given(data=st.data(), version=versions)
def test_p1_what_is_built_is_what_is_parsed(data: st.DataObject, version: int) -> None:
    packet = data.draw(packets(version))
    assert parse_one(m.build(packet, version), version) == packet


@given(st.integers(0, MOST_VARIABLE))
def test_a_variable_integer_comes_back(value: int) -> None:
    cursor = Cursor(variable_integer(value))
    assert cursor.variable() == value
    cursor.done()


@pytest.mark.parametrize(
    ("value", "raw"),
    [(0, "00"), (127, "7f"), (128, "8001"), (16_383, "ff7f"), (16_384, "808001"), (MOST_VARIABLE, "ffffff7f")],
)
def test_variable_integers_are_those_of_the_standard(value: int, raw: str) -> None:
    assert variable_integer(value) == bytes.fromhex(raw)


@pytest.mark.parametrize(
    "build",
    [
        lambda: variable_integer(-1),
        lambda: variable_integer(MOST_VARIABLE + 1),
        lambda: text("a\0b"),
        lambda: text("\ud800"),
        lambda: binary(b"x" * 65_536),
        lambda: packet_id(0),
        lambda: packet_id(65_536),
        lambda: m.build(m.Publish("t", b"", 1, 0), V5),
    ],
)
def test_what_does_not_fit_cannot_be_built(build: object) -> None:
    assert callable(build)
    with pytest.raises(ValueError):  # noqa: PT011
        build()


# ---- what the standards call malformed ----

_C4 = "00044d51545404"
_C5 = "00044d51545405"
BAD = [
    ("reserved CONNECT flag", V311, 0x10, _C4 + "03003c000161"),
    ("will QoS 3", V311, 0x10, _C4 + "1e003c000161000161000161"),
    ("will QoS without a will", V311, 0x10, _C4 + "0a003c000161"),
    ("will retain without a will", V311, 0x10, _C4 + "22003c000161"),
    ("a password without a name in 3.1.1", V311, 0x10, _C4 + "42003c000161000161"),
    ("a name that is not there", V311, 0x10, _C4 + "82003c000161"),
    ("something after CONNECT", V311, 0x10, _C4 + "02003c00016100"),
    ("a client identifier that is not UTF-8", V311, 0x10, _C4 + "02003c0001ff"),
    ("a client identifier with NUL", V311, 0x10, _C4 + "02003c000100"),
    ("a surrogate", V311, 0x10, _C4 + "02003c0003eda080"),
    ("an overlong form", V311, 0x10, _C4 + "02003c0002c0af"),
    ("a will topic with a wildcard", V311, 0x10, _C4 + "06003c0001610001230000"),
    ("flags on CONNECT", V311, 0x11, _C4 + "02003c000161"),
    ("Receive Maximum 0", V5, 0x10, _C5 + "02003c03210000000161"),
    ("Maximum Packet Size 0", V5, 0x10, _C5 + "02003c052700000000000161"),
    ("a property twice", V5, 0x10, _C5 + "02003c06210001210001000161"),
    ("a property of another packet", V5, 0x10, _C5 + "02003c03230001000161"),
    ("an unknown property", V5, 0x10, _C5 + "02003c027f01000161"),
    ("Request Problem 2", V5, 0x10, _C5 + "02003c021702000161"),
    ("a property block longer than the packet", V5, 0x10, _C5 + "02003c7f"),
    ("a property cut off", V5, 0x10, _C5 + "02003c0221000161"),
    ("a property length not in its shortest form", V5, 0x10, _C5 + "02003c8000000161"),
    ("QoS 3", V5, 0x36, "000161000100"),
    ("DUP with QoS 0", V5, 0x38, "00016100"),
    ("packet identifier 0", V5, 0x32, "000161000000"),
    ("a topic longer than the packet", V5, 0x32, "00ff61"),
    ("an empty topic in 3.1.1", V311, 0x30, "0000"),
    ("a wildcard in a topic name", V5, 0x30, "00032f2b2f00"),
    ("SUBSCRIBE without flags", V5, 0x80, "00010000016101"),
    ("SUBSCRIBE without filters", V5, 0x82, "000100"),
    ("an empty filter", V5, 0x82, "000100000001"),
    ("a filter without options", V5, 0x82, "000100000161"),
    ("subscription QoS 3", V311, 0x82, "000100016103"),
    ("reserved options in 3.1.1", V311, 0x82, "000100016104"),
    ("reserved options", V5, 0x82, "00010000016141"),
    ("retain handling 3", V5, 0x82, "00010000016131"),
    ("no local on a shared subscription", V5, 0x82, "00010000082473686172652f6105"),
    ("subscription identifier 0", V5, 0x82, "0001020b0000016101"),
    ("UNSUBSCRIBE without topics", V5, 0xA2, "000100"),
    ("PINGREQ with a body", V5, 0xC0, "00"),
    ("PINGREQ with flags", V5, 0xC1, ""),
    ("DISCONNECT with a body in 3.1.1", V311, 0xE0, "00"),
    ("PUBACK too long", V311, 0x40, "000100"),
    ("PUBACK for 0", V5, 0x40, "0000"),
    ("type 0", V5, 0x00, ""),
    ("PUBREL", V5, 0x62, "0001"),
    ("AUTH", V5, 0xF0, ""),
]


@pytest.mark.parametrize(("version", "head", "body"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_p2_a_malformed_packet_raises_the_one_error(version: int, head: int, body: str) -> None:
    with pytest.raises(MalformedPacket) as raised:
        m.parse(head, bytes.fromhex(body), version)
    assert raised.value.reason >= Reason.UNSPECIFIED
    assert raised.value.words


@pytest.mark.parametrize(("name", "level"), [(b"MQTT", 3), (b"MQTT", 6), (b"MQIsdp", 3), (b"mqtt", 4), (b"", 5)])
def test_another_protocol_is_an_unsupported_version(name: bytes, level: int) -> None:
    with pytest.raises(MalformedPacket) as raised:
        m.parse(0x10, binary(name) + bytes([level, 2, 0, 60, 0, 0]), V5)
    assert raised.value.reason is Reason.UNSUPPORTED_VERSION


def test_properties_are_bounded_in_number() -> None:
    def publish(count: int) -> bytes:
        return m.build(m.Publish("t", b"", properties=Properties(user=(("", ""),) * count)), V5)

    parse_one(publish(MOST_PROPERTIES), V5)
    with pytest.raises(MalformedPacket) as raised:
        parse_one(publish(MOST_PROPERTIES + 1), V5)
    assert raised.value.reason is Reason.QUOTA_EXCEEDED


# ---- frames ----


def test_a_frame_says_how_many_bytes_it_needs() -> None:
    data = m.build(m.Publish("topic", b"x" * 300, 1, 7), V5)
    for size in range(1, len(data)):
        start, end = frame(data[:size], 0, 1 << 18, V5)
        assert (start, end) == ((-1, size + 1) if size < 3 else (3, len(data)))
    assert frame(b"zz" + data, 2, 1 << 18, V5) == (5, len(data) + 2)


@pytest.mark.parametrize("version", [V311, V5])
def test_a_length_of_five_bytes_is_malformed(version: int) -> None:
    with pytest.raises(MalformedPacket):
        frame(b"\x30\xff\xff\xff\xff\x00", 0, 1 << 30, version)


def test_a_long_form_of_the_length_is_malformed_in_mqtt_5_only() -> None:
    assert frame(b"\xc0\x80\x00", 0, 100, V311) == (3, 3)
    with pytest.raises(MalformedPacket):
        frame(b"\xc0\x80\x00", 0, 100, V5)


def test_a_frame_above_the_most_is_refused_before_it_has_arrived() -> None:
    assert frame(b"\x30\xfe\x07", 0, 1025, V5) == (3, 1025)
    with pytest.raises(MalformedPacket) as raised:
        frame(b"\x30\xff\x07", 0, 1025, V5)
    assert raised.value.reason is Reason.PACKET_TOO_LARGE


# ---- the fast path ----


_KEY = b"\x00\x03a/b"
NOT_FAST = [
    ("QoS 0", V311, b"\x30\x08" + _KEY + b"abc"),
    ("DUP", V311, b"\x3a\x0a" + _KEY + b"\x00\x07abc"),
    ("RETAIN", V311, b"\x33\x0a" + _KEY + b"\x00\x07abc"),
    ("packet identifier 0", V311, b"\x32\x0a" + _KEY + b"\x00\x00abc"),
    ("packet identifier 0 in MQTT 5", V5, b"\x32\x0b" + _KEY + b"\x00\x00\x00abc"),
    ("a length longer than it need be", V5, b"\x32\x8b\x00" + _KEY + b"\x00\x07\x00abc"),
    ("a length of 3 bytes", V5, b"\x32\x8b\x80\x00" + _KEY + b"\x00\x07\x00abc"),
    ("another topic", V311, b"\x32\x0a\x00\x03a/c\x00\x07abc"),
    ("a topic that ends behind the packet", V311, b"\x32\x04" + _KEY),
    ("no room for a packet identifier", V311, b"\x32\x06" + _KEY + b"\x00"),
    ("no room for properties", V5, b"\x32\x07" + _KEY + b"\x00\x07"),
    ("properties that are longer than the packet", V5, b"\x32\x09" + _KEY + b"\x00\x07\x02\x01"),
    ("properties never seen", V5, b"\x32\x0a" + _KEY + b"\x00\x07\x02\x01\x00"),
    ("a packet that is not whole", V311, b"\x32\x30" + _KEY + b"\x00\x07abc"),
]


@pytest.mark.parametrize(("version", "raw"), [row[1:] for row in NOT_FAST], ids=[row[0] for row in NOT_FAST])
def test_the_fast_path_leaves_to_parse(version: int, raw: bytes) -> None:
    into = Arrivals("mqtt")
    data = raw + b"\x02\x01\x01" * 10  # what follows must not be mistaken for a part of it
    mimes = {b"\x02\x01\x01": ""}
    size = len(data) - HEADER_BYTES
    assert read_publishes(data, 0, size, 9, version == V5, {_KEY: 1}.get, mimes.get, into, []) == 0
    assert into.device_no == []


@settings(max_examples=250, deadline=None)
@given(seed=st.integers(0, (1 << 64) - 1))
def test_the_fast_path_takes_nothing_that_parse_would_read_differently(seed: int) -> None:
    rng = random.Random(seed)
    numbers = {(len(t)).to_bytes(2, "big") + t: n for n, t in enumerate((b"davy/v1/acme/d1/telemetry", b"a/b"), 1)}
    cbor = Properties({Property.PAYLOAD_FORMAT: 1}, {Property.CONTENT_TYPE: "application/cbor"})
    mimes = {write_properties(cbor): "application/cbor"}
    for _ in range(20):
        version = streams.version_of(rng)
        data = streams.stream(rng, version)[rng.randrange(80) :]
        into = Arrivals("mqtt")
        ids: list[bytes] = []
        most = rng.randrange(10)
        stop = len(data) - HEADER_BYTES
        end = read_publishes(data, 0, stop, most, version == V5, numbers.get, mimes.get, into, ids)
        assert len(into.device_no) == len(into.payload) == len(ids) <= most
        at = 0
        for place, (device, payload, number) in enumerate(zip(into.device_no, into.payload, ids, strict=True)):
            start, after = frame(data, at, 1 << 28, version)
            packet = m.parse(data[at], data[start:after], version)
            assert isinstance(packet, m.Publish)
            key = len(packet.topic).to_bytes(2, "big") + packet.topic.encode()
            assert (numbers[key], packet.payload, packet.packet_id.to_bytes(2, "big")) == (device, payload, number)
            assert (packet.qos, packet.dup, packet.retain) == (1, False, False)
            mime = packet.properties.texts.get(Property.CONTENT_TYPE, "")
            assert into.content_type.get(place, "") == mime
            at = after
        assert at == end <= len(data)
