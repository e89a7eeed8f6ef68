"""Who has no token costs little and learns nothing; what is no request at all is answered like every error."""

import asyncio

import pytest

from api import tokens as tokens_module
from api.config import Limits
from api.tokens import network_of
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import BEHIND, DETECTOR, GATEWAY, VALVE
from tests.api.stand import Stand, serving, signed

_WITH_BODIES = (
    f"/v1/alarms/{'0' * 32}/acknowledge",
    f"/v1/commands/{'0' * 32}/cancel",
    f"/v1/devices/{VALVE}/close",
    f"/v1/telemetry/{DETECTOR}",
)


async def _raw(stand: Stand, sent: bytes) -> bytes:
    """What comes back until the server closes, or its first answer is whole."""
    reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    writer.write(sent)
    async with asyncio.timeout(20):
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        body = await reader.readexactly(int(length.split(b":")[1]))
    writer.transport.abort()
    return head + body


@pytest.mark.parametrize("path", _WITH_BODIES)
async def test_no_body_breaks_before_a_stranger_hears_401(stand: Stand, path: str) -> None:
    for body in (b"", b"{", b"\xff\xfe", b"[" * 10_000, b"x" * 300_000):
        for kind in ("application/json", "text/plain", "application/json; charset=utf-16"):
            answer = await stand.bare.post(path, content=body, headers={"Content-Type": kind})
            assert (answer.status_code, answer.json()["type"]) == (401, "urn:davy:problem:not-signed-in"), body[:5]


@pytest.mark.parametrize("path", _WITH_BODIES)
async def test_a_strangers_body_is_not_waited_for(stand: Stand, path: str) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 16000\r\n\r\n"
    assert b" 401 " in await _raw(stand, head.encode())


@pytest.mark.parametrize("path", _WITH_BODIES[:3])
async def test_what_people_send_is_bounded_below_what_devices_send(stand: Stand, path: str) -> None:
    reason = b'{"reason":"' + b"x" * 16_384 + b'"}'
    answer = await stand.http.post(path, content=reason, headers={"Content-Type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:davy:problem:too-large")


async def test_what_cannot_be_parsed_is_a_documented_problem(stand: Stand) -> None:
    deep = b'{"comment":' + b"[" * 7_000 + b"]" * 7_000 + b"}"
    for body in (b"\xff", deep):
        answer = await stand.http.post(_WITH_BODIES[0], content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["type"]) in (
            (400, "urn:davy:problem:bad-request"),
            (422, "urn:davy:problem:bad-parameter"),
        )


@pytest.mark.parametrize("sent", [b"GARBAGE\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET /" + b"x" * 40_000])
async def test_what_is_no_http_is_a_problem_document(stand: Stand, sent: bytes) -> None:
    answer = await _raw(stand, sent)
    assert b" 400 " in answer.split(b"\r\n", 1)[0]
    assert b"application/problem+json" in answer
    assert b"urn:davy:problem:bad-request" in answer


async def test_a_no_is_not_kept_and_an_impossible_name_is_not_asked_about(stand: Stand, engine: DoorDouble) -> None:
    wrong = {"Authorization": "Bearer wrong"}
    for _ in range(2):
        assert (await stand.bare.post(f"/v1/telemetry/{DETECTOR}", json={}, headers=wrong)).status_code == 401
    assert engine.authenticated == 2
    for name in ("a" * 65, "%C3%A9", "a" * 8_000):
        assert (await stand.bare.post(f"/v1/telemetry/acme/{name}", json={}, headers=wrong)).status_code == 401
    long = {"Authorization": f"Bearer {'x' * 8_000}"}
    assert (await stand.bare.post(f"/v1/telemetry/{DETECTOR}", json={}, headers=long)).status_code == 401
    assert engine.authenticated == 2


async def test_a_guesser_is_told_to_wait_and_a_believed_device_is_not_held_up(
    engine: DoorDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens_module, "FAILURES_AT_ONCE", 3)
    monkeypatch.setattr(tokens_module, "FAILURES_PER_S", 0.001)
    async with serving(config_of(engine.path, limits=Limits(token_lives_s=3600.0))) as stand:
        assert (await stand.push(DETECTOR)).status_code == 200
        asked = engine.authenticated
        guesses = [{"Authorization": f"Bearer {n}"} for n in range(5)]
        answers = [await stand.bare.post(f"/v1/telemetry/{VALVE}", json={}, headers=guess) for guess in guesses]
        assert [answer.status_code for answer in answers] == [401, 401, 401, 429, 429]
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert engine.authenticated == asked + 3
        assert (await stand.push(DETECTOR)).status_code == 200
        assert (await stand.http.get("/v1/alarms")).status_code == 200


async def test_what_is_kept_of_a_gateway_does_not_grow_with_what_is_behind_it(stand: Stand) -> None:
    who = await stand.parts.tokens.device(BEHIND, signed(GATEWAY)["Authorization"].removeprefix("Bearer "), "")
    assert who.name == GATEWAY
    assert getattr(who, "may_publish_for", None) == {BEHIND}


def test_failures_count_by_what_one_subscriber_has() -> None:
    assert network_of("192.0.2.1") == network_of("::ffff:192.0.2.1") != network_of("192.0.2.2")
    assert network_of("2001:db8::1") == network_of("2001:db8::2%eth0") != network_of("2001:db8:0:1::1")
    assert network_of("") == network_of("testclient") == ""


async def test_a_connection_above_the_bound_is_told_so_and_far_above_it_closed(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(connections=2))) as stand:
        connections = [await asyncio.open_connection("127.0.0.1", stand.port) for _ in range(5)]
        answers = []
        async with asyncio.timeout(20):
            for n, (reader, writer) in enumerate(connections):
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                try:
                    answers.append(await reader.readuntil(b"\r\n\r\n"))
                except (asyncio.IncompleteReadError, ConnectionError):
                    assert n == 4
        statuses = [answer.split(b" ", 2)[1] for answer in answers]
        assert statuses == [b"200", b"200", b"503", b"503"]
        for answer in answers[2:]:
            assert b"application/problem+json" in answer
            assert b"retry-after" in answer.lower()
            assert b"nosniff" in answer
        for _, writer in connections:
            writer.transport.abort()


async def test_a_sender_who_goes_away_is_no_failure_of_ours(stand: Stand, capsys: pytest.CaptureFixture[str]) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", stand.port)
    token = signed(DETECTOR)["Authorization"]
    head = f"POST /v1/telemetry/{DETECTOR} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
    async with asyncio.timeout(20):
        while not stand.parts.counts.in_flight:
            await asyncio.sleep(0)
        writer.transport.abort()
        while stand.parts.counts.in_flight:
            await asyncio.sleep(0)
    logged = capsys.readouterr()
    assert "request failed" not in logged.out + logged.err
