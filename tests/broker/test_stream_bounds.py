"""Messages that are large, long-winded or broken, and what is held of packets that are not whole."""

import pytest

from ingest.broker_chunks import Chunk
from ingest.broker_limits import BrokerCounts, BrokerLimits
from ingest.broker_plan import Devices
from ingest.broker_stream import BrokerStream
from ingest.broker_topics import TopicBook
from ingest.mqtt_packets import Publish, build
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, MalformedPacket, variable_integer
from tests.broker.test_stream import Epoch, flat

LIMITS = BrokerLimits()
TOPIC = "davy/v1/acme/d1/telemetry"
READING = b'{"boot":1,"seq":65,"high_alarm":true}'


def stream() -> BrokerStream:
    book = TopicBook("", Devices(["acme/+"]), 1_000)
    book.replace({"acme/d1": 1, "acme/v1": 2})
    return BrokerStream(Epoch(), "broker:test", V5, book, LIMITS, BrokerCounts())


def fed(data: bytes, piece: int = 1 << 18) -> list[tuple[object, ...]]:
    one = stream()
    return flat([item for at in range(0, len(data), piece) for item in one.feed(data[at : at + piece])])


def raw_publish(properties: bytes, payload: bytes, topic: bytes = TOPIC.encode()) -> bytes:
    body = len(topic).to_bytes(2, "big") + topic + b"\0\7" + variable_integer(len(properties)) + properties + payload
    return b"\x32" + variable_integer(len(body)) + body


@pytest.mark.parametrize("topic_bytes", [200, 65_532, 65_533, 65_534, 65_535])
@pytest.mark.parametrize("piece", [1 << 18, 65_537, 4_099])
def test_a_large_message_is_acknowledged_however_long_its_topic_is(topic_bytes: int, piece: int) -> None:
    """Before, its packet identifier was cut off with the rest, and the connection ended at it again and again."""
    long = b"davy/v1/acme/" + b"a" * (topic_bytes - 23) + b"/telemetry"
    behind = build(Publish(TOPIC, READING, 1, 8), V5)
    large, after = fed(raw_publish(b"", b"x" * (LIMITS.packet_bytes + 10), long) + behind, piece)
    assert (large[0], large[2]) == (0, b"\0\7")
    assert len(large[1]) == LIMITS.kept_of_large_bytes  # type: ignore[arg-type]
    assert after[:3] == (1, READING, b"\0\10")


@pytest.mark.parametrize("many", [1, 64, 65, 10_000])
def test_a_reading_with_any_number_of_user_properties_is_its_devices(many: int) -> None:
    user = Properties(user=(("k", "v"),) * many, texts={Property.CONTENT_TYPE: "application/json"})
    (come,) = fed(build(Publish(TOPIC, READING, 1, 7, properties=user), V5))
    assert come[:3] == (1, READING, b"\0\7")


def test_a_reading_that_matched_several_subscriptions_is_its_devices() -> None:
    (come,) = fed(raw_publish(b"\x0b\x01\x26\0\1k\0\1v\x0b\x82\x01", READING))
    assert come[:3] == (1, READING, b"\0\7")


@pytest.mark.parametrize(
    "properties",
    [b"\x7f\0", b"\x03\0\1a\x03\0\1b", b"\x26", b"\x26\0", b"\x26\0\1k", b"\x26\0\1k\0", b"\x26\0\1k\0\2v", b"\x01\2"],
)
def test_what_is_malformed_behind_the_topic_is_the_topics_devices(properties: bytes) -> None:
    whole = raw_publish(properties, READING)
    (come,) = fed(whole)
    assert come[:3] == (1, whole[2:], b"\0\7")
    assert "cannot be read" in str(come[4])


def test_what_is_malformed_on_a_strangers_topic_is_nobodys() -> None:
    (come,) = fed(raw_publish(b"\x7f\0", READING, b"davy/v1/acme/nobody/telemetry"))
    assert (come[0], come[2]) == (0, b"\0\7")


@pytest.mark.parametrize("head", [0x20, 0x40, 0x90, 0xD0, 0xE0, 0xF0])
def test_a_packet_that_is_no_message_ends_the_connection_when_it_is_large(head: int) -> None:
    """At its first bytes: it is not held until it is whole."""
    with pytest.raises(MalformedPacket, match="no message"):
        stream().feed(bytes([head]) + variable_integer(LIMITS.control_bytes + 1))
    assert stream().feed(bytes([head]) + variable_integer(LIMITS.control_bytes)) == []


def test_a_remembered_property_block_takes_the_fast_path_with_the_same_meaning() -> None:
    user = Properties(user=(("k", "v"),))
    cbor = Properties(user=(("k", "v"),), texts={Property.CONTENT_TYPE: "application/cbor"})
    one = stream()
    for properties, payload, mime in ((user, READING, None), (cbor, b"\xa0", "application/cbor")):
        data = build(Publish(TOPIC, payload, 1, 7, properties=properties), V5)
        first, second = (one.feed(data) for _ in range(2))
        assert flat(first) == flat(second)
        (chunk,) = second
        assert isinstance(chunk, Chunk)
        assert chunk.content_type.get(0) == mime
