"""Every bound of mqtt_limits.py: what happens at it, and that the others do not notice (K2 to K4, A1, A2, E5)."""

import asyncio
import contextlib
import socket

import pytest

from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_listener import Pace
from ingest.mqtt_packets import (
    Connack,
    Disconnect,
    Filter,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Subscribe,
    build,
)
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, V311, Reason, variable_integer
from tests.mqtt.town import (
    DETECTOR,
    GATEWAY,
    STRANGER,
    VALVE,
    Clock,
    RawClient,
    Town,
    connect_as,
    open_town,
    reading,
    signed_in,
    topic,
)

BOTH = pytest.mark.parametrize("version", [V311, V5])


def pass_s(town: Town, clock: Clock, seconds: int) -> None:
    """Let time pass for the endpoint in steps of a second, every connection being looked at in each."""
    for _ in range(seconds):
        clock.now_us += 1_000_000
        for _ in range(11):
            town.endpoint.tick()


async def ended_with(client: RawClient, version: int, reason: Reason) -> bool:
    return await client.ended() == ([Disconnect(reason)] if version == V5 else [])


# ---- sizes ----


@BOTH
async def test_a_payload_of_1_mib_ends_its_connection_and_no_other(town: Town, version: int) -> None:
    other, _ = await signed_in(town, VALVE)
    client, _ = await signed_in(town, DETECTOR, version)
    client.send_bytes(build(reading(1, payload=b"x" * (1 << 20)), version))
    assert await ended_with(client, version, Reason.PACKET_TOO_LARGE)
    assert town.refused("packet_too_large") == 1
    assert town.gauge("bytes_waiting") == 0
    other.send(reading(1, VALVE))
    assert await other.receive() == Puback(1)


@BOTH
async def test_the_largest_packet_is_taken_and_one_byte_more_is_refused(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    most = 256 * 1024
    overhead = len(build(reading(1, payload=b"x" * (most - 100)), version)) - (most - 100)
    client.send(reading(1, payload=b"x" * (most - overhead)))
    assert await client.receive() == Puback(1)
    client.send_bytes(build(reading(2, payload=b"x" * (most - overhead + 1)), version)[:10])
    assert await ended_with(client, version, Reason.PACKET_TOO_LARGE)


async def test_a_stranger_can_make_us_keep_4_kib_at_the_most(town: Town) -> None:
    client = await RawClient.open(town.port)
    client.send_bytes(b"\x10" + variable_integer(4_096))
    assert await client.ended() == []
    assert town.refused("packet_too_large") == 1


async def test_strangers_cannot_use_up_what_is_kept_for_devices() -> None:
    async with open_town(limits=EndpointLimits(strangers_kept_bytes=10_000, kept_bytes=200_000)) as town:
        device, _ = await signed_in(town, DETECTOR)
        whole = build(reading(1, payload=b"x" * 150_000), V5)
        device.send_bytes(whole[:100_000])
        await town.turns(lambda: town.gauge("bytes_waiting") == 100_000)
        strangers = [await RawClient.open(town.port) for _ in range(10)]
        for stranger in strangers:
            stranger.send_bytes(b"\x10" + variable_integer(4_000) + bytes(3_000))
        await town.turns(lambda: town.refused("kept_bytes") == 7)
        device.send_bytes(whole[100_000:])
        assert await device.receive() == Puback(1)
        other, _ = await signed_in(town, VALVE)  # a CONNECT that comes whole needs nothing kept
        other.send(reading(1, VALVE))
        assert await other.receive() == Puback(1)
        for stranger in strangers:
            stranger.abort()
        await town.turns(lambda: town.gauge("connections") == 2)
        assert town.gauge("bytes_waiting") == 0


async def test_unfinished_packets_of_all_together_are_bounded() -> None:
    async with open_town(limits=EndpointLimits(kept_bytes=300_000)) as town:
        owners = [DETECTOR, VALVE, GATEWAY, STRANGER]
        clients = [(await signed_in(town, owner))[0] for owner in owners]
        part = build(reading(1, payload=b"x" * 200_000), V5)
        for client in clients:
            client.send_bytes(part[:150_000])
        await town.turns(lambda: town.refused("kept_bytes") >= 1)
        await town.turns(lambda: town.gauge("clients") <= 3)
        assert town.gauge("bytes_waiting") <= 300_000
        alive = [client for client in clients if not client.reader.at_eof()]
        alive[0].send_bytes(part[150_000:])


async def test_a_packet_full_of_properties_is_refused(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send(Publish(topic(DETECTOR), b"", 1, 1, properties=Properties(user=(("", ""),) * 65)))
    assert await client.ended() == [Disconnect(Reason.QUOTA_EXCEEDED)]


@BOTH
@pytest.mark.parametrize(
    "raw",
    [
        b"\x32\xff\xff\xff\xff\x01",
        b"\x36\x05\x00\x01a\x00\x01",
        b"\x38\x03\x00\x01a",
        b"\x32\x05\x00\x01a\x00\x00",
        b"\x32\x01\x00",
        b"\x32\x00",
        b"\x80\x06\x00\x01\x00\x01a\x01",
        b"\x82\x02\x00\x01",
        b"\x82\x05\x00\x00\x00\x00\x00",
        b"\xc1\x00",
        b"\xc0\x01\x00",
        b"\xe1\x00",
        b"\x40\x01\x00",
        b"\x40\x02\x00\x00",
        b"\x00\x00",
    ],
)
async def test_a_malformed_packet_ends_its_connection(town: Town, version: int, raw: bytes) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send_bytes(raw)
    packets = await client.ended()
    assert len(packets) == (1 if version == V5 else 0)
    assert all(isinstance(p, Disconnect) and p.reason in (0x81, 0x82, 0x90) for p in packets)
    assert town.refused("malformed") + town.refused("protocol_error") == 1


# ---- time ----


async def test_a_connection_without_connect_is_closed_after_10_s() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client = await RawClient.open(town.port)
        await town.turns(lambda: town.gauge("connections") == 1)
        for _ in range(10):  # a byte a second does not help
            client.send_bytes(build(connect_as(DETECTOR), V5)[:1])
            pass_s(town, clock, 1)
            assert town.gauge("connections") == 1
        pass_s(town, clock, 1)
        assert await client.ended() == []
        assert town.refused("connect_timeout") == 1


@BOTH
async def test_a_silent_client_is_closed_after_one_and_a_half_keep_alives(version: int) -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client, _ = await signed_in(town, DETECTOR, version, keep_alive_s=20)
        pass_s(town, clock, 29)
        client.send(Pingreq())
        assert await client.receive() == Pingresp()
        pass_s(town, clock, 30)
        assert town.gauge("clients") == 1
        pass_s(town, clock, 2)
        assert await ended_with(client, version, Reason.KEEP_ALIVE_TIMEOUT)
        assert town.refused("keep_alive") == 1


async def test_a_half_open_connection_is_found_and_its_session_kept() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        keep = Properties({Property.SESSION_EXPIRY_S: 600})
        client, _ = await signed_in(town, VALVE, keep_alive_s=60, properties=keep)
        client.send(Subscribe(1, (Filter(topic(VALVE, "command"), 1),)))
        await client.receive()
        pass_s(town, clock, 92)  # the client is gone without a word: nothing comes
        assert town.gauge("clients") == town.gauge("devices_reachable") == 0
        assert town.gauge("sessions_kept") == 1


async def test_no_keep_alive_and_a_long_one_are_capped() -> None:
    clock = Clock()
    async with open_town(clock=clock, limits=EndpointLimits(keep_alive_cap_s=100)) as town:
        for wanted, told in ((0, 100), (101, 100), (100, None)):
            client, answer = await signed_in(town, DETECTOR, keep_alive_s=wanted, client_id=f"c{wanted}")
            assert answer.properties.numbers.get(Property.SERVER_KEEP_ALIVE_S) == told
            client.close()
        old, _ = await signed_in(town, DETECTOR, V311, keep_alive_s=0)
        pass_s(town, clock, 152)
        assert await old.ended() == []


@BOTH
async def test_a_packet_begun_and_not_finished_in_30_s_ends_its_connection(version: int) -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client, _ = await signed_in(town, DETECTOR, version, keep_alive_s=600)
        packet = build(reading(1, payload=b"x" * 50), version)
        for n in range(31):
            before = town.gauge("bytes_waiting")
            client.send_bytes(packet[n : n + 1])
            await town.turns(lambda: town.gauge("bytes_waiting") > before)  # noqa: B023
            pass_s(town, clock, 1)
        assert await ended_with(client, version, Reason.MALFORMED_PACKET)
        assert town.refused("slow_packet") == 1
        assert town.gauge("bytes_waiting") == 0


async def test_a_slow_packet_that_is_finished_in_time_is_taken(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    for byte in build(reading(1, payload=b"x" * 300), V5):
        client.send_bytes(bytes([byte]))
        await client.writer.drain()
        await asyncio.sleep(0)
    assert await client.receive() == Puback(1)


async def test_e5_nobody_is_blamed_for_the_time_the_process_was_stopped() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client, _ = await signed_in(town, DETECTOR, keep_alive_s=10)
        clock.now_us += 3_600_000_000
        for _ in range(20):
            town.endpoint.tick()
        client.send(reading(1))
        assert await client.receive() == Puback(1)


async def test_a_connection_we_do_not_read_is_not_called_silent() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        town.running.clear()
        client, _ = await signed_in(town, DETECTOR, V311, keep_alive_s=10)
        client.send(*[reading(n) for n in range(1, 1500)])
        await town.turns(lambda: town.gauge("connections_paused") == 1)
        pass_s(town, clock, 100)
        assert town.gauge("clients") == 1
        town.running.set()
        assert len(await client.received(1499)) == 1499


# ---- rates and numbers ----


async def test_control_packets_are_bounded_per_second(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send_bytes(build(Pingreq(), V5) * 2001)
    packets = await client.ended()
    assert packets == [Pingresp()] * 2000 + [Disconnect(Reason.MESSAGE_RATE_TOO_HIGH)]
    assert town.refused("control_rate") == 1


async def test_a_subscribe_costs_as_much_as_its_filters(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send(Subscribe(1, tuple(Filter(f"x{n}") for n in range(2500))))
    assert await client.ended() == [Disconnect(Reason.MESSAGE_RATE_TOO_HIGH)]


async def test_the_control_budget_is_whole_again_after_a_second() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client, _ = await signed_in(town, DETECTOR)
        for _ in range(3):
            client.send_bytes(build(Pingreq(), V5) * 1500)
            assert await client.received(1500) == [Pingresp()] * 1500
            pass_s(town, clock, 1)


async def test_a_client_that_does_not_read_is_closed() -> None:
    async with open_town(limits=EndpointLimits(outbound_bytes=4096, unsettled_messages=10_000)) as town:
        # What the kernel holds is not at the endpoint's expense: little of it on both sides, so that it is full soon.
        # (An accepted socket has the send buffer of the one that listens.)
        (listener,) = town.endpoint._listeners
        listener._socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        client, _ = await signed_in(town, DETECTOR, V311)
        client.writer.transport.pause_reading()  # type: ignore[attr-defined]
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        packet = build(reading(1, payload=b""), V311) * 1000
        with contextlib.suppress(ConnectionError):
            while not town.refused("not_reading"):
                client.send_bytes(packet)
                await client.writer.drain()
        await town.turns(lambda: town.gauge("connections") == 0)
        assert town.refused("not_reading") == 1


async def test_a2_above_the_most_connections_a_newcomer_is_closed_at_once() -> None:
    async with open_town(limits=EndpointLimits(connections=3)) as town:
        clients = [(await signed_in(town, DETECTOR, client_id=f"c{n}"))[0] for n in range(3)]
        refused = await RawClient.open(town.port)
        assert await refused.ended() == []
        assert town.refused("too_many_connections") == 1
        clients[0].send(reading(1))
        assert await clients[0].receive() == Puback(1)
        clients[1].abort()
        await town.turns(lambda: town.gauge("connections") == 2)
        await signed_in(town, DETECTOR, client_id="again")


async def test_a1_over_the_pace_newcomers_wait_and_the_others_are_served() -> None:
    clock = Clock()
    limits = EndpointLimits(handshakes_per_s=4, connections_per_identity=20)
    async with open_town(clock=clock, limits=limits) as town:
        served, _ = await signed_in(town, VALVE)
        waiting = [await RawClient.open(town.port) for _ in range(10)]
        for n, client in enumerate(waiting):
            client.send(connect_as(DETECTOR, client_id=f"c{n}"))
        await town.turns(lambda: town.gauge("clients") == 4)
        served.send(reading(1, VALVE))
        assert await served.receive() == Puback(1)
        assert town.gauge("accepted_total") == 4
        clock.now_us += 1_000_000
        await town.turns(lambda: town.gauge("accepted_total") == 8)
        clock.now_us += 1_000_000
        await town.turns(lambda: town.gauge("accepted_total") == 11)
        assert town.gauge("handshake_pace_reached_total") >= 2


def test_the_pace_has_one_seconds_depth() -> None:
    clock = Clock()
    pace = Pace(5, clock)

    def accepted(most: int) -> int:
        count = 0
        while count < most and pace.allows():
            pace.spend()
            count += 1
        return count

    assert accepted(100) == 5
    clock.now_us += 200_000
    assert accepted(100) == 1
    clock.now_us += 60_000_000
    assert accepted(3) == 3
    assert accepted(100) == 2


async def test_refusals_beyond_the_log_budget_are_counted_all_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    async with open_town(limits=EndpointLimits(log_lines_per_s=3)) as town:
        client, _ = await signed_in(town, DETECTOR)
        client.send(*[Publish("x", b"", 1, n) for n in range(1, 51)])
        assert await client.received(50) == [Puback(n, Reason.NOT_AUTHORIZED) for n in range(1, 51)]
        assert town.refused("publish_topic") == 50
    assert capsys.readouterr().out.count("may not publish") <= 6


async def test_what_is_sent_after_the_end_is_not_heard(town: Town) -> None:
    client = await RawClient.open(town.port)
    good = connect_as(DETECTOR)
    client.send(good, Disconnect(), reading(1))
    answers = await client.ended()
    assert len(answers) == 1
    assert isinstance(answers[0], Connack)
    assert town.seen.readings == []
