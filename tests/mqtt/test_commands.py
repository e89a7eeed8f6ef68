"""Commands out: subscriptions, delivery, expiry, and what is offered again (invariants C3, C6, N1, N2)."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.commands import Command, Verb, decode_command
from ingest.links import Sending
from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_packets import (
    Connack,
    Disconnect,
    Filter,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Publish,
    Suback,
    Subscribe,
    Unsuback,
    Unsubscribe,
)
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_session import InFlight, KeptSessions, Session
from ingest.mqtt_wire import V5, V311, Reason
from tests.mqtt.town import (
    BEHIND,
    DETECTOR,
    GATEWAY,
    VALVE,
    Clock,
    RawClient,
    Town,
    listening,
    open_town,
    signed_in,
    topic,
)

BOTH = pytest.mark.parametrize("version", [V311, V5])
SECOND = 1_000_000
KEEP = Properties({Property.SESSION_EXPIRY_S: 600})


def close(name: str) -> Command:
    return Command(name, Verb.CLOSE, 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "gas")


class Wall(Clock):
    """UTC microseconds that pass only when told."""

    def in_s(self, seconds: float) -> int:
        return self.now_us + int(seconds * SECOND)


async def command_of(client: RawClient) -> tuple[Publish, Command]:
    packet = await client.receive()
    assert isinstance(packet, Publish), packet
    return packet, decode_command(packet.payload)


@BOTH
@pytest.mark.parametrize("qos", [0, 1])
async def test_a_command_reaches_its_subscribed_device(version: int, qos: int) -> None:
    wall = Wall()
    async with open_town(utc=wall) as town:
        client = await listening(town, VALVE, version, qos)
        assert town.endpoint.send(VALVE, close("c1"), wall.in_s(29.9)) is Sending.SENT
        packet, command = await command_of(client)
        assert (packet.topic, packet.qos, packet.dup) == (topic(VALVE, "command"), qos, False)
        assert command == close("c1")
        if version == V5:
            assert packet.properties.numbers[Property.MESSAGE_EXPIRY_S] == 29
        if qos:
            client.send(Puback(packet.packet_id))
            await town.until(lambda: town.seen.acknowledged == ["c1"])


async def test_a_device_that_is_not_subscribed_cannot_be_sent_a_command(town: Town) -> None:
    far = 1 << 60
    assert town.endpoint.send(VALVE, close("c"), far) is Sending.UNREACHABLE
    assert town.endpoint.send(999, close("c"), far) is Sending.UNREACHABLE
    client, _ = await signed_in(town, VALVE)
    assert town.endpoint.send(VALVE, close("c"), far) is Sending.UNREACHABLE
    client.send(Subscribe(1, (Filter(topic(VALVE, "ack"), 1),)))
    assert await client.receive() == Suback(1, (Reason.NOT_AUTHORIZED,))
    assert town.endpoint.send(VALVE, close("c"), far) is Sending.UNREACHABLE
    assert town.seen.connected == []
    assert town.gauge("commands_unreachable_total") == 4


@BOTH
async def test_c6_an_expired_command_is_never_written(version: int) -> None:
    wall = Wall()
    async with open_town(utc=wall) as town:
        client = await listening(town, VALVE, version)
        for seconds in (0.999, 0.0, -5.0):
            assert town.endpoint.send(VALVE, close("late"), wall.in_s(seconds)) is Sending.UNREACHABLE
        assert town.endpoint.send(VALVE, close("just"), wall.in_s(1)) is Sending.SENT
        packet, command = await command_of(client)
        assert command.id == "just"
        assert version == V311 or packet.properties.numbers[Property.MESSAGE_EXPIRY_S] == 1


@BOTH
@pytest.mark.parametrize(
    "name",
    [
        topic(VALVE, "command"),
        topic(DETECTOR),
        topic(DETECTOR, "reply"),
        topic(DETECTOR, "ack"),
        "davy/v1/acme/d1/+",
        "davy/v1/+/+/command",
        "#",
        "$share/g/" + topic(DETECTOR, "command"),
        "$SYS/#",
        topic(DETECTOR, "command") + "/",
    ],
)
async def test_c3_only_ones_own_exact_command_topic_can_be_heard(town: Town, version: int, name: str) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(Subscribe(9, (Filter(name, 1), Filter(topic(DETECTOR, "command"), 2))))
    refused = Reason.NOT_AUTHORIZED if version == V5 else 0x80
    assert await client.receive() == Suback(9, (refused, 1))
    assert town.refused("subscription") == 1
    await town.until(lambda: town.seen.connected == [DETECTOR])


async def test_a_gateway_hears_the_commands_of_those_behind_it(town: Town) -> None:
    client, _ = await signed_in(town, GATEWAY)
    client.send(Subscribe(1, tuple(Filter(topic(n, "command"), 1) for n in (BEHIND, GATEWAY, VALVE))))
    assert await client.receive() == Suback(1, (1, 1, Reason.NOT_AUTHORIZED))
    await town.until(lambda: sorted(town.seen.connected) == [GATEWAY, BEHIND])
    assert town.endpoint.send(BEHIND, close("b"), 1 << 60) is Sending.SENT
    assert (await command_of(client))[0].topic == topic(BEHIND, "command")
    assert town.endpoint.send(VALVE, close("v"), 1 << 60) is Sending.UNREACHABLE


@BOTH
async def test_unsubscribing_ends_what_can_be_sent(town: Town, version: int) -> None:
    client = await listening(town, VALVE, version)
    client.send(Unsubscribe(2, (topic(VALVE, "command"), "never/was")))
    reasons = (0, Reason.NO_SUBSCRIPTION_EXISTED) if version == V5 else ()
    assert await client.receive() == Unsuback(2, reasons)
    assert town.endpoint.send(VALVE, close("c"), 1 << 60) is Sending.UNREACHABLE


async def test_subscribing_again_is_not_a_new_connection(town: Town) -> None:
    client = await listening(town, VALVE)
    client.send(Subscribe(2, (Filter(topic(VALVE, "command"), 0),)), Pingreq())
    assert await client.received(2) == [Suback(2, (0,)), Pingresp()]
    assert town.seen.connected == [VALVE]
    assert town.endpoint.send(VALVE, close("c"), 1 << 60) is Sending.SENT
    assert (await command_of(client))[0].qos == 0


async def test_a_command_goes_to_every_connection_that_hears_it(town: Town) -> None:
    clients = [await listening(town, VALVE, client_id=name) for name in ("old", "new")]
    assert town.endpoint.send(VALVE, close("c"), 1 << 60) is Sending.SENT
    for client in clients:
        assert (await command_of(client))[1].id == "c"


async def test_a_puback_that_refuses_is_no_acknowledgement(town: Town) -> None:
    client = await listening(town, VALVE)
    for name in ("refused", "taken"):
        town.endpoint.send(VALVE, close(name), 1 << 60)
        packet, _ = await command_of(client)
        client.send(Puback(packet.packet_id, 0x80 if name == "refused" else 0))
    client.send(Puback(777))
    await town.until(lambda: town.seen.acknowledged == ["taken"])


@BOTH
async def test_n1_an_unacknowledged_command_is_offered_again_on_reconnection(version: int) -> None:
    wall = Wall()
    async with open_town(utc=wall) as town:
        keep = KEEP if version == V5 else Properties()
        client = await listening(town, VALVE, version, clean=False, properties=keep)
        for name, life_s in (("done", 60), ("open", 60), ("expiring", 20)):
            town.endpoint.send(VALVE, close(name), wall.in_s(life_s))
        first = [await command_of(client) for _ in range(3)]
        client.send(Puback(first[0][0].packet_id))
        await town.until(lambda: town.seen.acknowledged == ["done"])
        client.abort()
        await town.turns(lambda: town.gauge("connections") == 0)
        assert town.endpoint.send(VALVE, close("nobody there"), wall.in_s(60)) is Sending.UNREACHABLE
        wall.now_us += 30 * SECOND
        client, answer = await signed_in(town, VALVE, version, clean=False, properties=keep)
        assert answer.session_present
        await town.until(lambda: town.seen.connected == [VALVE, VALVE])
        packet, command = await command_of(client)
        assert (command.id, packet.dup, packet.packet_id) == ("open", True, first[1][0].packet_id)
        assert version == V311 or packet.properties.numbers[Property.MESSAGE_EXPIRY_S] == 30
        client.send(Puback(packet.packet_id), Pingreq())
        assert await client.receive() == Pingresp()
        await town.until(lambda: town.seen.acknowledged == ["done", "open"])


@BOTH
async def test_a_session_moves_to_the_connection_that_takes_over(town: Town, version: int) -> None:
    keep = KEEP if version == V5 else Properties()
    old = await listening(town, VALVE, version, clean=False, properties=keep)
    town.endpoint.send(VALVE, close("c"), 1 << 60)
    await old.receive()
    new, answer = await signed_in(town, VALVE, version, clean=False, properties=keep)
    assert answer.session_present
    assert (await command_of(new))[1].id == "c"
    assert town.endpoint.send(VALVE, close("d"), 1 << 60) is Sending.SENT
    assert (await command_of(new))[1].id == "d"


async def test_a_clean_start_forgets_the_session(town: Town) -> None:
    client = await listening(town, VALVE, clean=False, properties=KEEP)
    town.endpoint.send(VALVE, close("c"), 1 << 60)
    client.send(Disconnect())
    while await client.receive() is not None:
        pass
    client, answer = await signed_in(town, VALVE)
    assert not answer.session_present
    assert town.endpoint.send(VALVE, close("d"), 1 << 60) is Sending.UNREACHABLE
    assert town.gauge("sessions_kept") == 0


async def test_an_mqtt_5_session_without_expiry_ends_with_its_connection(town: Town) -> None:
    client = await listening(town, VALVE, clean=False)
    client.abort()
    await town.turns(lambda: town.gauge("connections") == 0)
    _, answer = await signed_in(town, VALVE, clean=False)
    assert not answer.session_present


async def test_a_session_is_kept_for_as_long_as_asked_and_no_longer() -> None:
    clock = Clock()
    async with open_town(clock=clock) as town:
        client, answer = await signed_in(town, VALVE, properties=Properties({Property.SESSION_EXPIRY_S: 0xFFFFFFFF}))
        assert answer.properties.numbers[Property.SESSION_EXPIRY_S] == 86_400
        client.send(Disconnect(0, Properties({Property.SESSION_EXPIRY_S: 3})))
        await town.turns(lambda: town.gauge("sessions_kept") == 1)
        for _ in range(5):
            clock.now_us += SECOND
            town.endpoint.tick()
        again, answer = await signed_in(town, VALVE, clean=False)
        assert not answer.session_present
        again.send(Disconnect(0, Properties({Property.SESSION_EXPIRY_S: 3})))
        assert (await again.ended()) == [Disconnect(Reason.PROTOCOL_ERROR)]


async def test_a_client_that_acknowledges_no_command_is_made_to_come_back(town: Town) -> None:
    client = await listening(town, VALVE, clean=False, properties=KEEP)
    sent = [town.endpoint.send(VALVE, close(f"c{n}"), 1 << 60) for n in range(9)]
    assert sent == [Sending.SENT] * 8 + [Sending.UNREACHABLE]
    packets = await client.ended()
    assert len(packets) == 9
    assert packets[-1] == Disconnect(Reason.QUOTA_EXCEEDED)
    client, answer = await signed_in(town, VALVE, clean=False, properties=KEEP)
    assert answer.session_present
    assert [(await command_of(client))[1].id for _ in range(8)] == [f"c{n}" for n in range(8)]


@BOTH
async def test_c7_a_valve_on_a_bad_link_with_many_standing_attempts_is_heard_when_it_comes_back(
    town: Town, version: int
) -> None:
    keep = KEEP if version == V5 else Properties()
    client = await listening(town, VALVE, version, clean=False, properties=keep)
    expected: list[str] = []
    for turn in range(3):
        for n in range(8):
            assert town.endpoint.send(VALVE, close(f"{turn}.{n}"), 1 << 60) is Sending.SENT
            expected.append(f"{turn}.{n}")
        # The link breaks before any of it is acknowledged; of what stands, the newest 8 are kept for the device.
        client.abort()
        await town.turns(lambda: town.gauge("connections") == 0)
        client, answer = await signed_in(town, VALVE, version, clean=False, properties=keep)
        assert answer.session_present
        assert [(await command_of(client))[1].id for _ in range(8)] == expected[-8:]
    assert town.endpoint.send(VALVE, close("last"), 1 << 60) is Sending.SENT
    packet, command = await command_of(client)
    assert command.id == "last"
    client.send(Puback(packet.packet_id), Publish(topic(VALVE, "reply"), b'{"id":"last","valve":"closed"}', 1, 9))
    assert await client.receive() == Puback(9)
    assert town.seen.replies == [(VALVE, b'{"id":"last","valve":"closed"}')]
    assert town.seen.acknowledged == ["last"]
    assert town.refused("commands_in_flight") == 0


async def test_what_is_repeated_fits_the_new_connections_largest_packet(town: Town) -> None:
    client = await listening(town, VALVE, clean=False, properties=KEEP)
    long = Command("long", Verb.CLOSE, 1, "", "", "x" * 200)
    for command in (long, close("short")):
        assert town.endpoint.send(VALVE, command, 1 << 60) is Sending.SENT
    client.abort()
    await town.turns(lambda: town.gauge("connections") == 0)
    small = Properties({Property.SESSION_EXPIRY_S: 600, Property.MAXIMUM_PACKET_SIZE: 250})
    client, answer = await signed_in(town, VALVE, clean=False, properties=small)
    assert answer.session_present
    assert (await command_of(client))[1].id == "short"
    client.send(Pingreq())
    assert await client.receive() == Pingresp()


async def test_a_command_that_was_not_written_is_not_counted_as_sent() -> None:
    wall = Wall()
    async with open_town(utc=wall) as town:
        await listening(town, VALVE, qos=0)
        assert town.endpoint.send(VALVE, close("late"), wall.in_s(0.5)) is Sending.UNREACHABLE
        assert town.gauge("commands_sent_total") == 0
        assert town.endpoint.send(VALVE, close("now"), wall.in_s(5)) is Sending.SENT
        assert town.gauge("commands_sent_total") == 1


def test_n1_of_one_device_the_newest_commands_are_kept() -> None:
    session = Session("acme/v1", "c")
    for n in range(20):
        session.put_in_flight(InFlight(f"a{n}", 1, "t", b"", 100), 8, 0)
        session.put_in_flight(InFlight(f"b{n}", 2, "t", b"", 100), 8, 0)
    kept = [sent.command for _, sent in session.to_repeat(0)]
    assert kept == [f"{device}{n}" for n in range(12, 20) for device in "ab"]


def test_n2_a_gateway_with_more_commands_than_identifiers_loses_the_oldest() -> None:
    session = Session("acme/g1", "c")
    for n in range(65_540):
        session.put_in_flight(InFlight(str(n), n, "t", b"", 100), 8, 0)
    flying = session.to_repeat(0)
    assert len(flying) == len(dict(flying)) == 65_535
    assert flying[0][1].command == "5"


async def test_expired_commands_in_flight_make_room() -> None:
    wall = Wall()
    async with open_town(utc=wall) as town:
        client = await listening(town, VALVE)
        for turn in range(5):
            for n in range(8):
                assert town.endpoint.send(VALVE, close(f"{turn}.{n}"), wall.in_s(30)) is Sending.SENT
                await command_of(client)
            wall.now_us += 31 * SECOND


async def test_a_clients_own_limits_are_kept(town: Town) -> None:
    limits = Properties({Property.RECEIVE_MAXIMUM: 2, Property.MAXIMUM_PACKET_SIZE: 150})
    client = await listening(town, VALVE, properties=limits)
    short = Command("c", Verb.CLOSE, 1, "", "", "")
    assert [town.endpoint.send(VALVE, short, 1 << 60) for _ in range(3)] == [
        Sending.SENT,
        Sending.SENT,
        Sending.UNREACHABLE,
    ]
    packet, _ = await command_of(client)
    client.send(Puback(packet.packet_id))
    await town.until(lambda: town.seen.acknowledged == ["c"])
    assert town.endpoint.send(VALVE, Command("c", Verb.CLOSE, 1, "", "", "x" * 150), 1 << 60) is Sending.UNREACHABLE
    assert town.endpoint.send(VALVE, short, 1 << 60) is Sending.SENT


@pytest.mark.parametrize(
    "packet", [Connack(), Suback(1, (0,)), Unsuback(1), Pingresp()], ids=lambda packet: type(packet).__name__
)
@BOTH
async def test_a_servers_packet_from_a_client_ends_the_connection(town: Town, version: int, packet: Packet) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(packet)
    assert await client.ended() == ([Disconnect(Reason.PROTOCOL_ERROR)] if version == V5 else [])


@pytest.mark.parametrize("head", [0x50, 0x62, 0x70, 0xF0, 0x00])
async def test_packets_of_qos_2_and_authentication_have_no_place(town: Town, head: int) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send_bytes(bytes([head, 2, 0, 1]))
    assert await client.ended() == [Disconnect(Reason.PROTOCOL_ERROR)]


# ---- sessions, against a plain model ----


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["put", "ack", "expire"]), st.integers(1, 3), st.integers(0, 50)), max_size=60)
)
def test_n2_packet_identifiers_in_flight_are_never_given_twice(actions: list[tuple[str, int, int]]) -> None:
    session = Session("acme/v1", "c", last_id=65_530)
    now = 0
    flying: dict[int, InFlight] = {}
    for _ in range(10):  # 65,531 to 65,535 and 1 to 5
        sent = InFlight("first", 1, "t", b"", 1000)
        flying[session.put_in_flight(sent, 1_000, now)] = sent
    session.last_id = 65_533
    for action, device, number in actions:
        if action == "put":
            sent = InFlight(f"{device}.{number}", device, "t", b"", now + 200)
            packet_id = session.put_in_flight(sent, 1_000, now)
            assert 1 <= packet_id <= 65_535
            assert packet_id not in flying
            flying[packet_id] = sent
        elif action == "ack" and flying:
            packet_id = sorted(flying)[number % len(flying)]
            assert session.acknowledged(packet_id) is flying.pop(packet_id)
            assert session.acknowledged(packet_id) is None
        elif action == "expire":
            now += number
        flying = {packet_id: sent for packet_id, sent in flying.items() if sent.expires_us > now}
        for each in (1, 2, 3):
            wanted = sum(sent.device_no == each for sent in flying.values())
            assert len(session.of_device(each, now)) == wanted
    assert dict(session.to_repeat(now)) == flying


def test_kept_sessions_are_bounded_in_number_and_per_identity() -> None:
    kept = KeptSessions(EndpointLimits(sessions_kept=4, connections_per_identity=2))
    for n in range(3):
        kept.keep(Session("a/a", f"c{n}", 60), n)
    assert len(kept) == 2
    assert kept.resume("a/a", "c0", 5) is None
    for n in range(3):
        kept.keep(Session(f"b/{n}", "c", 60), 10 + n)
    assert len(kept) == 4
    assert kept.resume("a/a", "c1", 20) is None
    assert kept.resume("a/a", "c2", 20) is not None
    assert kept.resume("b/2", "c", 61 * SECOND) is None
    kept.forget_old(100_000 * SECOND)
    assert len(kept) == 0
    assert kept.identities() == ()
