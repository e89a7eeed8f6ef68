"""A broker that does not keep to the protocol, on a real socket: it harms only itself."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.broker_limits import BrokerLimits
from ingest.mqtt_packets import Connack, Disconnect, Packet, Publish, Suback, build
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5
from tests.broker.stand import DETECTOR, GATEWAY, broker_at, open_stand, topic

Script = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
QUICK = BrokerLimits(backoff_s=(0.01, 0.02), refused_backoff_s=(0.01, 0.02), connect_within_s=0.5, close_within_s=0.1)
LIMITS = replace(QUICK, down_after_s=0.1)
WELCOME = (Connack(), Suback(1, (1, 1)))


@contextlib.asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[int]:
    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            await script(reader, writer)
        writer.close()

    server = await asyncio.start_server(one, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def says(*packets: Packet | bytes) -> Script:
    """Says this to whoever connects, whatever they say, and waits for them to go."""

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for packet in packets:
            writer.write(packet if isinstance(packet, bytes) else build(packet, V5))
        while await reader.read(4096):
            pass

    return script


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ((Connack(reason=0x86),), "bad credentials"),
        ((Connack(reason=0x88, properties=Properties(texts={Property.REASON_STRING: "full"})),), "full"),
        ((Connack(properties=Properties(numbers={Property.MAXIMUM_QOS: 0})),), "no QoS 1"),
        ((Connack(), Suback(1, (1, 0x87))), "refused the subscription"),
        ((Publish(topic(DETECTOR), b"{}"),), "before CONNACK"),
        ((Connack(), Connack()), "second CONNACK"),
        ((*WELCOME, b"\xf0\x00"), "packet type 15"),
        ((*WELCOME, b"\x30\xff\xff\xff\xff"), "more than 4 bytes"),
        ((*WELCOME, build(Publish(topic(DETECTOR), b"{}", 2, 1), V5)), "QoS 2"),
        ((b"HTTP/1.1 400 Bad Request\r\n\r\n",), "let us in"),
        ((), "let us in"),
    ],
)
async def test_a_broker_that_misbehaves_is_left_with_its_reason_and_tried_again(
    tmp_path: Path, said: tuple[Packet | bytes, ...], why: str
) -> None:
    limits = replace(LIMITS, down_after_s=0.8) if why == "let us in" else LIMITS
    async with scripted(says(*said)) as port, open_stand(broker_at(port), tmp_path, limits) as stand:
        await stand.until(lambda: bool(stand.seen.down))
        assert stand.seen.down[0][0] == GATEWAY
        assert why in stand.seen.down[0][1]


async def test_taken_over_as_mqtt_5_says_it_is_counted_and_waited_out(tmp_path: Path) -> None:
    connections = 0

    async def thrown_out(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await says(*WELCOME, Disconnect(0x8E))(reader, writer)

    limits = BrokerLimits(down_after_s=0.3, backoff_s=(0.01, 0.02), close_within_s=0.1)
    async with scripted(thrown_out) as port, open_stand(broker_at(port), tmp_path, limits) as stand:
        await stand.until(lambda: bool(stand.seen.down))
        assert "took over our session" in stand.seen.down[0][1]
        assert stand.count("taken_over") == 1
        assert connections == 1


async def test_a_message_whose_topic_is_not_utf_8_is_set_aside_and_acknowledged(tmp_path: Path) -> None:
    acknowledged = asyncio.Event()
    bad = b"\x32\x0a\x00\x03\xff\xfe\xfd\x00\x07\x00{}"

    async def script(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for packet in WELCOME:
            writer.write(build(packet, V5))
        writer.write(bad)
        data = b""
        while more := await reader.read(4096):
            data += more
            if b"\x40\x02\x00\x07" in data:
                acknowledged.set()

    async with scripted(script) as port, open_stand(broker_at(port), tmp_path, LIMITS) as stand:
        await stand.until(lambda: bool(stand.seen.readings))
        assert stand.seen.readings[0] == (0, bad[2:])
        assert "cannot be read" in stand.seen.topics[0]
        async with asyncio.timeout(10):
            await acknowledged.wait()


async def test_a_flood_of_what_was_not_asked_for_is_bounded(tmp_path: Path) -> None:
    """QoS 0 has no receive maximum: a broker may send as much as it likes, and waits when we do not read."""
    message = build(Publish(topic(DETECTOR), b'{"co_ppm":1}'), V5)
    sent = 0

    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for packet in WELCOME:
            writer.write(build(packet, V5))
        while True:
            writer.write(message * 1_000)
            sent += 1_000
            await writer.drain()

    limits = BrokerLimits(unsettled_bytes=100_000, read_bytes=16_384, close_within_s=0.1)
    async with scripted(flood) as port, open_stand(broker_at(port), tmp_path, limits) as stand:
        await stand.connected()
        stand.running.clear()
        await stand.until(lambda: stand.count("pauses") > 0)
        assert stand.link.gauges()["broker_city_bytes_waiting"] <= 100_000 + 16_384
        seen = len(stand.seen.readings)
        stand.running.set()
        await stand.until(lambda: len(stand.seen.readings) > seen + 20_000)
        assert sent >= len(stand.seen.readings)
