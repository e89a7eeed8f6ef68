"""A broker that falls silent, or does not read what it is sent: it is noticed, and costs a bounded amount of memory."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from ingest.mqtt_packets import Connack, Publish, Suback, build
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5
from tests.broker.stand import DETECTOR, Stand, broker_at, open_stand, topic
from tests.broker.test_hostile_broker import LIMITS, WELCOME, Script, says, scripted


@contextlib.asynccontextmanager
async def narrow(script: Script) -> AsyncIterator[int]:
    """As `scripted`, with a small receive buffer, so that what is not read soon waits at its sender."""
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    listening.bind(("127.0.0.1", 0))

    async def one(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.CancelledError):
            await script(reader, writer)
        writer.close()

    async with await asyncio.start_server(one, sock=listening, limit=1_024):
        yield listening.getsockname()[1]


async def narrowed(stand: Stand) -> None:
    """Our side's send buffer too."""
    await stand.connected()
    (life,) = stand.link._lives
    assert life.connection is not None
    assert life.connection._transport is not None
    sock = life.connection._transport.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)


@pytest.mark.parametrize("asked_s", [None, 0, 1, 3_600])
async def test_a_silent_broker_is_given_up_whatever_keep_alive_it_asks_for(tmp_path: Path, asked_s: int | None) -> None:
    numbers = {} if asked_s is None else {Property.SERVER_KEEP_ALIVE_S: asked_s}
    welcome = (Connack(properties=Properties(numbers=numbers)), Suback(1, (1, 1)))
    broker = {"keep_alive_s": 3_600 if asked_s == 1 else 1}
    async with (
        scripted(says(*welcome)) as port,
        open_stand(broker_at(port, **broker), tmp_path, LIMITS) as stand,
    ):
        await stand.until(lambda: stand.count("connections") >= 2)
        assert stand.count("connections_lost") >= 1


async def test_a_broker_that_does_not_read_is_not_read_and_given_up_when_that_lasts(tmp_path: Path) -> None:
    """QoS 1 without end, and no PUBACK is taken: before, they piled up for as long as it lasted."""
    sent = 0

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        for packet in WELCOME:
            writer.write(build(packet, V5))
        many = b"".join(build(Publish(topic(DETECTOR), b'{"co_ppm":1}', 1, n % 65_535 + 1), V5) for n in range(1_000))
        while True:
            writer.write(many)
            await writer.drain()
            sent += 1_000

    limits = replace(LIMITS, connect_within_s=1.0, outbound_bytes=16_384, backoff_s=(5.0, 5.0))
    async with narrow(flood) as port, open_stand(broker_at(port), tmp_path, limits) as stand:
        await narrowed(stand)
        (life,) = stand.link._lives
        most = 0

        def over() -> bool:
            nonlocal most
            if life.connection is not None and life.connection._transport is not None:
                most = max(most, life.connection._transport.get_write_buffer_size())
            return any("read nothing" in why for _, why in stand.seen.down)

        await stand.until(over)
        assert 16_384 <= most <= 16_384 + 4 * limits.unsettled_messages
        assert stand.count("connections_lost") >= 1


async def test_a_broker_that_reads_again_in_time_is_read_on(tmp_path: Path) -> None:
    reads = asyncio.Event()
    acknowledged = 0

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal acknowledged
        for packet in WELCOME:
            writer.write(build(packet, V5))
        for first in range(0, 60_000, 1_000):
            ids = range(first + 1, first + 1_001)
            writer.write(b"".join(build(Publish(topic(DETECTOR), b'{"co_ppm":1}', 1, n), V5) for n in ids))
        await reads.wait()
        while data := await reader.read(65_536):
            acknowledged += data.count(b"\x40\x02")

    limits = replace(LIMITS, connect_within_s=30.0, outbound_bytes=1_024)
    async with narrow(slow) as port, open_stand(broker_at(port), tmp_path, limits) as stand:
        await narrowed(stand)
        (life,) = stand.link._lives
        await stand.until(lambda: life.connection is not None and bool(life.connection._unread_s))
        reads.set()
        await stand.until(lambda: len(stand.seen.readings) == 60_000)
        await stand.until(lambda: acknowledged >= 60_000)
        assert stand.count("connections") == 1
