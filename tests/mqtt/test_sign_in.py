"""Who gets in, as whom, and who is shown out."""

import asyncio
import contextlib

import msgspec
import pytest

from devices.sites import Credential, Gone, Registry, RegistryChange, token_sha256
from ingest.mqtt_directory import Directory
from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_packets import Connack, Connect, Disconnect, Filter, Puback, Publish, Suback, Subscribe, Will, build
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, V311, Reason
from tests.mqtt.town import (
    BEHIND,
    DETECTOR,
    GATEWAY,
    IDENTITY,
    VALVE,
    RawClient,
    Town,
    connect_as,
    open_town,
    reading,
    registry,
    signed_in,
    token,
    topic,
)


async def answer_to(town: Town, connect: Connect) -> Connack:
    client = await RawClient.open(town.port, connect.version)
    client.send(connect)
    answer = await client.receive()
    assert isinstance(answer, Connack)
    if answer.reason:
        assert await client.receive() is None
    client.close()
    return answer


def with_credentials(version: int, username: str | None, password: bytes | None) -> Connect:
    return Connect("c", version, username=username, password=password)


@pytest.mark.parametrize("version", [V311, V5])
async def test_a_device_signs_in_with_its_token(town: Town, version: int) -> None:
    answer = await answer_to(town, connect_as(DETECTOR, version))
    assert (answer.reason, answer.session_present) == (0, False)


async def test_mqtt_5_clients_are_told_the_limits(town: Town) -> None:
    answer = await answer_to(town, connect_as(DETECTOR))
    numbers = answer.properties.numbers
    assert numbers[Property.MAXIMUM_QOS] == 1
    assert numbers[Property.RECEIVE_MAXIMUM] == 512
    assert numbers[Property.MAXIMUM_PACKET_SIZE] == 256 * 1024
    assert numbers[Property.WILDCARD_AVAILABLE] == numbers[Property.SHARED_AVAILABLE] == 0


@pytest.mark.parametrize(("version", "code"), [(V311, 5), (V5, Reason.NOT_AUTHORIZED)])
@pytest.mark.parametrize(("username", "password"), [(None, None), ("", b""), (IDENTITY[DETECTOR], None)])
async def test_anonymous_clients_are_refused(
    town: Town, version: int, code: int, username: str | None, password: bytes | None
) -> None:
    assert (await answer_to(town, with_credentials(version, username, password))).reason == code
    assert town.refused("anonymous") == 1


@pytest.mark.parametrize(("version", "code"), [(V311, 4), (V5, Reason.BAD_CREDENTIALS)])
@pytest.mark.parametrize("username", [IDENTITY[DETECTOR], "acme/nobody", IDENTITY[BEHIND], "\U0001f525", "x" * 800])
async def test_an_unknown_device_and_a_wrong_token_look_alike(
    town: Town, version: int, code: int, username: str
) -> None:
    for password in (b"wrong", b"", b"\xff" * 3000, token(IDENTITY[VALVE]).encode()):
        assert (await answer_to(town, with_credentials(version, username, password))).reason == code
    assert town.refused("bad_credentials") == 4


async def test_a_password_alone_is_no_sign_in(town: Town) -> None:
    assert (await answer_to(town, with_credentials(V5, None, b"secret"))).reason == Reason.NOT_AUTHORIZED


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        (b"\x00\x06MQIsdp\x03\x02\x00\x3c\x00\x01a", b"\x20\x02\x00\x01"),
        (b"\x00\x04MQTT\x03\x02\x00\x3c\x00\x01a", b"\x20\x02\x00\x01"),
        (b"\x00\x04MQTT\x06\x02\x00\x3c\x00\x00\x01a", b"\x20\x03\x00\x84\x00"),
        (b"\x00\x04HTTP\x04\x02\x00\x3c\x00\x01a", b""),
    ],
)
async def test_another_protocol_version_is_refused_in_its_own_words(town: Town, body: bytes, answer: bytes) -> None:
    client = await RawClient.open(town.port)
    client.send_bytes(bytes([0x10, len(body)]) + body)
    assert await client.reader.read() == answer
    assert town.refused("unsupported_version") == 1


async def test_a_publish_before_connect_ends_the_connection(town: Town) -> None:
    client = await RawClient.open(town.port)
    client.send(reading(1), connect_as(DETECTOR))
    assert await client.ended() == []
    assert town.refused("connect_expected") == 1
    assert town.seen.readings == []


@pytest.mark.parametrize("version", [V311, V5])
async def test_a_second_connect_ends_the_connection(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(connect_as(DETECTOR, version))
    assert await client.ended() == ([Disconnect(Reason.PROTOCOL_ERROR)] if version == V5 else [])
    assert town.refused("protocol_error") == 1


async def test_a_message_may_follow_connect_without_waiting(town: Town) -> None:
    client = await RawClient.open(town.port)
    client.send(connect_as(DETECTOR), reading(7))
    assert isinstance(await client.receive(), Connack)
    assert await client.receive() == Puback(7)


async def test_an_empty_client_identifier_is_given_one(town: Town) -> None:
    answer = await answer_to(town, connect_as(DETECTOR, V5, client_id=""))
    assert answer.properties.texts[Property.ASSIGNED_CLIENT_ID].startswith("davy-")
    assert (await answer_to(town, connect_as(DETECTOR, V311, client_id=""))).reason == 0


async def test_a_3_1_1_session_needs_a_client_identifier(town: Town) -> None:
    assert (await answer_to(town, connect_as(DETECTOR, V311, client_id="", clean=False))).reason == 2
    assert (await answer_to(town, connect_as(DETECTOR, V5, client_id="c" * 257))).reason == Reason.CLIENT_ID_NOT_VALID
    assert town.refused("client_id") == 2


async def test_enhanced_authentication_is_refused(town: Town) -> None:
    connect = connect_as(DETECTOR, properties=Properties(texts={Property.AUTHENTICATION_METHOD: "SCRAM-SHA-1"}))
    assert (await answer_to(town, connect)).reason == Reason.BAD_AUTHENTICATION_METHOD


@pytest.mark.parametrize(
    ("will", "v5", "v311"),
    [
        (Will(topic(DETECTOR), b'{"combustible_lel":0}', 1), 0, 0),
        (Will(topic(VALVE), b"", 1), Reason.NOT_AUTHORIZED, 5),
        (Will("status/offline", b"", 0), Reason.NOT_AUTHORIZED, 5),
        (Will(topic(DETECTOR), b"", 2), Reason.QOS_NOT_SUPPORTED, None),
    ],
)
async def test_a_will_is_taken_for_ones_own_topics_only(town: Town, will: Will, v5: int, v311: int | None) -> None:
    for version, code in ((V5, v5), (V311, v311)):
        good = connect_as(DETECTOR, version)
        connect = Connect("c", version, username=good.username, password=good.password, will=will)
        client = await RawClient.open(town.port, version)
        client.send(connect)
        answer = await client.receive()
        assert (answer.reason if isinstance(answer, Connack) else None) == code
        client.abort()


async def test_a_will_is_never_published(town: Town) -> None:
    good = connect_as(DETECTOR)
    client = await RawClient.open(town.port)
    will = Will(topic(DETECTOR), b"all is well", 1)
    client.send(Connect("c", username=good.username, password=good.password, will=will))
    assert isinstance(await client.receive(), Connack)
    client.abort()
    await town.turns(lambda: town.gauge("connections") == 0)
    other, _ = await signed_in(town, DETECTOR)
    other.send(reading(1, payload=b"measured"))
    await other.receive()
    assert town.seen.readings == [(DETECTOR, b"measured")]


@pytest.mark.parametrize("version", [V311, V5])
async def test_the_same_client_takes_its_connection_over(town: Town, version: int) -> None:
    old, _ = await signed_in(town, DETECTOR, version)
    new, _ = await signed_in(town, DETECTOR, version)
    assert await old.ended() == ([Disconnect(Reason.SESSION_TAKEN_OVER)] if version == V5 else [])
    new.send(reading(1))
    assert await new.receive() == Puback(1)
    assert town.gauge("clients") == 1
    assert town.refused("taken_over") == 1


async def test_a_client_identifier_of_another_identity_is_another_client(town: Town) -> None:
    detector, _ = await signed_in(town, DETECTOR, client_id="same")
    valve, _ = await signed_in(town, VALVE, client_id="same")
    detector.send(reading(1))
    valve.send(reading(1, VALVE))
    assert await detector.receive() == await valve.receive() == Puback(1)
    assert town.gauge("clients") == 2


async def test_of_too_many_connections_of_one_identity_the_oldest_goes() -> None:
    async with open_town(limits=EndpointLimits(connections_per_identity=3)) as town:
        clients = [(await signed_in(town, DETECTOR, client_id=f"c{n}"))[0] for n in range(4)]
        assert await clients[0].ended() == [Disconnect(Reason.QUOTA_EXCEEDED)]
        assert town.gauge("clients") == 3
        clients[1].send(reading(1))
        assert await clients[1].receive() == Puback(1)


# ---- the registry changes ----


async def test_a_device_that_left_is_disconnected_at_once(town: Town) -> None:
    leaving, _ = await signed_in(town, DETECTOR)
    staying, _ = await signed_in(town, VALVE)
    town.endpoint.replace_directory(Directory.of(registry(without=(DETECTOR,))))
    assert await leaving.ended() == [Disconnect(Reason.NOT_AUTHORIZED)]
    staying.send(reading(1, VALVE))
    assert await staying.receive() == Puback(1)
    assert (await answer_to(town, connect_as(DETECTOR))).reason == Reason.BAD_CREDENTIALS
    assert town.refused("revoked") == 1


async def test_a_changed_token_ends_what_the_old_one_opened(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR, V311)
    town.endpoint.replace_directory(Directory.of(registry(tokens={DETECTOR: "new"})))
    assert await client.ended() == []
    assert (await answer_to(town, connect_as(DETECTOR))).reason == Reason.BAD_CREDENTIALS
    assert (await answer_to(town, with_credentials(V5, IDENTITY[DETECTOR], b"new"))).reason == 0


async def test_a_device_that_leaves_its_gateway_can_no_longer_be_spoken_for(town: Town) -> None:
    client, _ = await signed_in(town, GATEWAY)
    client.send(Subscribe(1, (Filter(topic(BEHIND, "command"), 1),)))
    assert await client.receive() == Suback(1, (1,))
    client.send(reading(2, BEHIND))
    assert await client.receive() == Puback(2)
    town.endpoint.replace_directory(Directory.of(registry(without=(BEHIND,))))
    client.send(reading(3, BEHIND), reading(4, GATEWAY))
    assert await client.received(2) == [Puback(3, Reason.NOT_AUTHORIZED), Puback(4)]
    assert town.gauge("devices_reachable") == 0
    town.endpoint.replace_directory(Directory.of(registry()))
    client.send(reading(5, BEHIND))
    assert await client.receive() == Puback(5)


async def test_a_registry_change_leaves_the_others_alone(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    town.endpoint.replace_directory(Directory.of(registry(tokens={VALVE: "new"})))
    client.send(reading(1))
    assert await client.receive() == Puback(1)


async def test_a_session_of_a_device_that_left_is_forgotten(town: Town) -> None:
    keep = Properties({Property.SESSION_EXPIRY_S: 600})
    client, _ = await signed_in(town, DETECTOR, properties=keep)
    client.send(Disconnect())
    await client.ended()
    assert town.gauge("sessions_kept") == 1
    town.endpoint.replace_directory(Directory.of(registry(without=(DETECTOR,))))
    assert town.gauge("sessions_kept") == 0


def changed(town: Town, directory: Directory, change: RegistryChange) -> None:
    """As an engine does it: the book takes the change, then everybody is told."""
    directory.book.apply(change)
    town.endpoint.replace_directory(directory, directory.changed([change]))


async def test_a_token_that_is_taken_back_ends_its_connections_and_its_session_at_once() -> None:
    keep = Properties({Property.SESSION_EXPIRY_S: 600})
    async with open_town() as town:
        directory = Directory.of(registry())
        town.endpoint.replace_directory(directory)
        away, _ = await signed_in(town, VALVE, properties=keep)
        away.send(Disconnect())
        await away.ended()
        revoked, _ = await signed_in(town, DETECTOR, properties=keep)
        staying, _ = await signed_in(town, GATEWAY)
        gone = (IDENTITY[DETECTOR], IDENTITY[VALVE])
        changed(town, directory, RegistryChange(gone=Gone(credentials=gone)))
        assert await revoked.ended() == [Disconnect(Reason.NOT_AUTHORIZED)]
        assert town.gauge("sessions_kept") == 0
        staying.send(reading(1, BEHIND))
        assert await staying.receive() == Puback(1)
        assert (await answer_to(town, connect_as(DETECTOR))).reason == Reason.BAD_CREDENTIALS


async def test_a_gateway_whose_token_is_taken_back_speaks_for_nobody_any_more() -> None:
    async with open_town() as town:
        directory = Directory.of(registry())
        town.endpoint.replace_directory(directory)
        client, _ = await signed_in(town, GATEWAY)
        client.send(Subscribe(1, (Filter(topic(BEHIND, "command"), 1),)))
        assert await client.receive() == Suback(1, (1,))
        assert town.gauge("devices_reachable") == 1
        changed(town, directory, RegistryChange(gone=Gone(credentials=(IDENTITY[GATEWAY],))))
        assert await client.ended() == [Disconnect(Reason.NOT_AUTHORIZED)]
        assert town.gauge("devices_reachable") == 0


async def test_a_device_that_moves_behind_another_gateway_is_spoken_for_by_that_one() -> None:
    async with open_town() as town:
        directory = Directory.of(registry())
        town.endpoint.replace_directory(directory)
        client, _ = await signed_in(town, GATEWAY)
        behind = directory.book.devices[IDENTITY[BEHIND]]
        alone = msgspec.structs.replace(behind, gateway="")
        changed(town, directory, RegistryChange(put=Registry(devices=(alone,))))
        client.send(reading(1, BEHIND))
        assert await client.receive() == Puback(1, Reason.NOT_AUTHORIZED)
        changed(town, directory, RegistryChange(put=Registry(devices=(behind,))))
        client.send(reading(2, BEHIND))
        assert await client.receive() == Puback(2)


async def test_a_former_token_is_good_until_its_time_and_then_its_connection_ends() -> None:
    now = [1_800_000_000 * 1_000_000]
    town = Town(utc=lambda: now[0])
    await town.start()
    try:
        directory = Directory.of(registry())
        town.endpoint.replace_directory(directory)
        client, _ = await signed_in(town, DETECTOR)
        rotated = Credential(
            IDENTITY[DETECTOR], token_sha256("new"), token_sha256(token(IDENTITY[DETECTOR])), now[0] + 60_000_000
        )
        changed(town, directory, RegistryChange(put=Registry(credentials=(rotated,))))
        client.send(reading(1))
        assert await client.receive() == Puback(1)
        second, _ = await signed_in(town, DETECTOR, client_id="second")
        assert (await answer_to(town, with_credentials(V5, IDENTITY[DETECTOR], b"new"))).reason == 0
        now[0] += 60_000_000
        assert await second.ended() == [Disconnect(Reason.NOT_AUTHORIZED)]
        assert (await answer_to(town, connect_as(DETECTOR))).reason == Reason.BAD_CREDENTIALS
        assert (await answer_to(town, with_credentials(V5, IDENTITY[DETECTOR], b"new"))).reason == 0
    finally:
        await town.stop()


# ---- goodbye ----


async def test_closing_says_goodbye_and_ends_every_connection() -> None:
    town = Town()
    await town.start()
    client, _ = await signed_in(town, DETECTOR)
    stranger = await RawClient.open(town.port)
    await town.turns(lambda: town.gauge("connections") == 2)
    await town.stop()
    assert await client.ended() == [Disconnect(Reason.SERVER_SHUTTING_DOWN)]
    assert await stranger.ended() == []
    with pytest.raises(ConnectionRefusedError):
        await RawClient.open(town.port)


async def test_stop_listening_keeps_those_connected(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    town.endpoint.stop_listening()
    with pytest.raises(ConnectionRefusedError):
        await RawClient.open(town.port)
    client.send(reading(1))
    assert await client.receive() == Puback(1)


async def test_a_connection_that_comes_and_goes_leaves_nothing_behind(town: Town) -> None:
    for version in (V311, V5):
        client, _ = await signed_in(town, VALVE, version)
        client.send(Subscribe(1, (Filter(topic(VALVE, "command"), 1),)), Publish(topic(VALVE), b"{}", 0))
        await client.receive()
        client.send_bytes(build(reading(1, VALVE), version)[:20])
        client.abort()
    await town.turns(lambda: town.gauge("connections") == 0)
    for name in ("clients", "devices_reachable", "sessions_kept", "bytes_waiting", "connections_paused"):
        assert town.gauge(name) == 0, name
    with contextlib.suppress(asyncio.TimeoutError):
        await town.turns(lambda: len(town.seen.readings) == 2)
