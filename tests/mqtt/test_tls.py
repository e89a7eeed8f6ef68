"""TLS and mutual TLS on real sockets."""

import ssl
from pathlib import Path

import pytest

from ingest.mqtt_limits import EndpointLimits
from ingest.mqtt_packets import Connack, Connect, Filter, Pingreq, Pingresp, Puback, Publish, Suback, Subscribe, build
from ingest.mqtt_tls import certified_name, server_context
from ingest.mqtt_wire import V5, V311, Reason
from tests.mqtt.town import (
    DETECTOR,
    IDENTITY,
    VALVE,
    RawClient,
    Town,
    connect_as,
    reading,
    token,
    topic,
)

FILES = Path(__file__).parent / "certificates"
SERVER = FILES / "server.pem"


def client_context(certificate: str = "") -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(FILES / "authority.pem"))
    if certificate:
        context.load_cert_chain(FILES / certificate)
    return context


async def tls_town(*, certificates: bool, limits: EndpointLimits | None = None) -> Town:
    """certificates: clients must have one."""
    town = Town(limits=limits)
    await town.start(server_context(SERVER, SERVER, FILES / "authority.pem" if certificates else None))
    return town


async def answer_to(town: Town, connect: Connect, certificate: str = "") -> Connack:
    client = await RawClient.open(town.port, connect.version, client_context(certificate))
    client.send(connect)
    answer = await client.receive()
    assert isinstance(answer, Connack)
    client.close()
    return answer


@pytest.mark.parametrize("version", [V311, V5])
async def test_a_device_speaks_through_tls_with_its_token(version: int) -> None:
    town = await tls_town(certificates=False)
    client = await RawClient.open(town.port, version, client_context())
    client.send(connect_as(DETECTOR, version), Subscribe(1, (Filter(topic(DETECTOR, "command"), 1),)))
    assert isinstance(await client.receive(), Connack)
    assert await client.receive() == Suback(1, (1,))
    client.send(*[reading(n, payload=b"x" * 1000) for n in range(1, 501)], Pingreq())
    answers = await client.received(501)
    assert [a for a in answers if isinstance(a, Puback)] == [Puback(n) for n in range(1, 501)]
    assert Pingresp() in answers
    assert len(town.seen.readings) == 500
    client.send_bytes(build(Publish(topic(DETECTOR), b"z" * 200_000, 1, 7), version))
    assert await client.receive() == Puback(7)
    await town.stop()


async def test_a_flood_through_tls_is_paused_and_nothing_is_lost() -> None:
    town = await tls_town(certificates=False)
    town.running.clear()
    client = await RawClient.open(town.port, V311, client_context())
    client.send(connect_as(DETECTOR, V311), *[reading(n % 60_000 + 1, payload=b"x" * 100) for n in range(5000)])
    await town.turns(lambda: town.gauge("connections_paused") == 1)
    assert town.gauge("bytes_waiting") < 1 << 20
    town.running.set()
    assert len(await client.received(5001)) == 5001
    assert len(town.seen.readings) == 5000
    await town.stop()


async def test_a_client_certificate_signs_in_without_a_token() -> None:
    town = await tls_town(certificates=True)
    for username in (None, IDENTITY[DETECTOR]):
        assert (await answer_to(town, Connect("c", username=username), "device.pem")).reason == 0
    await town.stop()


async def test_a_user_name_must_be_that_of_the_certificate() -> None:
    town = await tls_town(certificates=True)
    connect = Connect("c", username=IDENTITY[VALVE], password=token(IDENTITY[VALVE]).encode())
    assert (await answer_to(town, connect, "device.pem")).reason == Reason.NOT_AUTHORIZED
    assert town.refused("certificate_mismatch") == 1
    await town.stop()


async def test_a_certificate_of_nobody_registered_is_refused() -> None:
    town = await tls_town(certificates=True)
    assert (await answer_to(town, Connect("c"), "nobody.pem")).reason == Reason.BAD_CREDENTIALS
    assert (await answer_to(town, Connect("c", V311), "nobody.pem")).reason == 4
    await town.stop()


@pytest.mark.parametrize("certificate", ["", "stranger.pem"])
async def test_without_a_certificate_of_our_authority_there_is_no_connection(certificate: str) -> None:
    town = await tls_town(certificates=True)
    with pytest.raises((ssl.SSLError, ConnectionError, AssertionError)):
        await answer_to(town, connect_as(DETECTOR), certificate)
    await town.turns(lambda: town.refused("tls_handshake") == 1)
    assert town.gauge("connections") == 0
    await town.stop()


async def test_plain_mqtt_to_a_tls_port_is_counted_and_closed() -> None:
    town = await tls_town(certificates=False)
    client = await RawClient.open(town.port)
    client.send(connect_as(DETECTOR))
    while await client.reader.read(100):
        pass
    await town.turns(lambda: town.refused("tls_handshake") == 1)
    await town.stop()


async def test_a_handshake_that_is_not_finished_is_given_up() -> None:
    town = await tls_town(certificates=False, limits=EndpointLimits(connect_within_s=0.05))
    client = await RawClient.open(town.port)
    assert await client.ended() == []
    await town.turns(lambda: town.refused("tls_handshake") == 1)
    assert town.gauge("connections") == 0
    await town.stop()


async def test_closing_does_not_wait_for_handshakes_under_way() -> None:
    town = await tls_town(certificates=False)
    client = await RawClient.open(town.port)
    await town.turns(lambda: town.gauge("accepted_total") == 1)
    await town.stop()
    assert await client.reader.read() == b""


@pytest.mark.parametrize(
    "certificate",
    [None, {}, {"subject": ()}, {"subject": ((("commonName", "a"),), (("commonName", "b"),))}, {"subject": "x"}],
)
def test_a_certificate_without_exactly_one_common_name_names_nobody(certificate: object) -> None:
    assert certified_name(certificate) is None
