"""What surrounds every request: problem documents, safe headers, bounds on time and size, and times."""

import asyncio
import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.config import Limits
from api.pages import decode_cursor, encode_cursor
from api.problems import Problem
from api.times import HIGHEST_US, LOWEST_US, parse_rfc3339, rfc3339, rfc3339_or_none
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import ADMIN_TOKEN, DETECTOR, VALVE
from tests.api.stand import ADMIN, Stand, serving, signed


async def test_every_answer_has_safe_headers(stand: Stand) -> None:
    for path in ("/healthz", "/v1/alarms", "/nowhere", "/v1/alarms?limit=0"):
        headers = (await stand.http.get(path)).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "server" not in headers


async def test_an_unknown_path_and_a_wrong_method_are_problems(stand: Stand) -> None:
    unknown, wrong = await stand.http.get("/v1/nothing"), await stand.http.delete("/v1/alarms")
    assert (unknown.status_code, unknown.json()["type"]) == (404, "urn:davy:problem:not-found")
    assert (wrong.status_code, wrong.json()["type"]) == (405, "urn:davy:problem:wrong-method")
    assert wrong.headers["Allow"] == "GET"
    assert {answer.headers["Content-Type"] for answer in (unknown, wrong)} == {"application/problem+json"}


async def test_a_problem_says_where_and_why_and_repeats_no_value(stand: Stand) -> None:
    answer = await stand.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "x", "password": "hunter2"})
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "instance", "errors"}
    assert (problem["status"], problem["instance"]) == (422, f"/v1/devices/{VALVE}/close")
    assert problem["errors"][0]["where"] == "body.password"
    assert "hunter2" not in answer.text


async def test_a_failure_of_ours_tells_nothing_of_its_inside(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stand.parts, "feed", None)  # a defect: the route uses what is not there
    answer = await stand.http.get("/v1/alarms")
    assert (answer.status_code, answer.json()["type"]) == (500, "urn:davy:problem:failed")
    assert "NoneType" not in answer.text
    assert "Traceback" not in answer.text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert stand.parts.counts.requests["GET", "/v1/alarms", 500] == 1


async def test_a_failure_of_ours_is_logged_without_the_token(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(stand.parts, "feed", None)
    await stand.http.get("/v1/alarms")
    logged = capsys.readouterr()
    assert "AttributeError" in logged.out + logged.err
    assert ADMIN_TOKEN not in logged.out + logged.err


async def test_hostile_bodies_of_instructions_are_refused(stand: Stand) -> None:
    url = f"/v1/alarms/{'0' * 32}/acknowledge"
    deep = b'{"comment":' + b"[" * 7_000 + b"]" * 7_000 + b"}"
    bodies = (
        b"{",
        b"\xff",
        b"[]",
        b"null",
        deep,
        b'{"comment": NaN}',
        b'{"comment": 5}',
        b'{"comment":"' + b"x" * 1001,
    )
    for body in bodies:
        answer = await stand.http.post(url, content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code in (400, 422), body[:20]
        assert answer.headers["Content-Type"] == "application/problem+json"
    answer = await stand.http.post(url, content=b"x" * 16_385, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


async def test_a_body_that_does_not_arrive_ends_in_time(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(body_within_s=0.2))) as stand:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
        token = signed(DETECTOR)["Authorization"]
        head = f"POST /v1/telemetry/{DETECTOR} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
        writer.write(f"{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{".encode())
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
    assert b" 408 " in answer.split(b"\r\n", 1)[0]


@pytest.mark.parametrize(
    "head", [b"", b"GET /healthz HTTP/1.1\r\nHost:", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nGET /"]
)
async def test_a_connection_that_brings_no_request_is_closed_in_time(engine: DoorDouble, head: bytes) -> None:
    async with serving(config_of(engine.path, limits=Limits(head_within_s=0.2))) as stand:
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
        writer.write(head)
        await asyncio.wait_for(reader.read(), 20)  # returns when the server closes
        writer.close()


async def test_a_long_answer_is_not_cut_by_the_deadline_of_the_head(engine: DoorDouble) -> None:
    limits = Limits(head_within_s=0.1, heartbeat_s=0.05)
    async with serving(config_of(engine.path, limits=limits)) as stand, stand.stream() as events:
        assert {await events.comment() for _ in range(8)} == {"alive"}


async def test_an_announced_body_beyond_all_bounds_is_refused_at_once(stand: Stand) -> None:
    for length in ("99999999999999", "99999999999999999999999999999999", "-1", "x"):
        reader, writer = await asyncio.open_connection("127.0.0.1", stand.port)
        head = f"POST /v1/telemetry/{DETECTOR} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n"
        token = signed(DETECTOR)["Authorization"]
        head += f"Content-Type: application/json\r\nAuthorization: {token}\r\n\r\n"
        writer.write(head.encode() + b" " * 65_536)
        answer = await asyncio.wait_for(reader.read(), 20)
        writer.close()
        assert answer.split(b"\r\n", 1)[0].split(b" ")[1] in (b"413", b"400")


async def test_a_hung_engine_is_given_up_in_time(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(answer_within_s=0.2))) as stand:
        engine.mute = True
        answer = await stand.http.get("/v1/alarms")
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:engine-away")


async def test_without_an_engine_every_route_answers_and_says_so(engine: DoorDouble, stand: Stand) -> None:
    await engine.stop()
    for method, path, body in (
        ("GET", "/v1/alarms", None),
        ("POST", f"/v1/alarms/{'0' * 32}/acknowledge", {}),
        ("POST", f"/v1/devices/{VALVE}/close", {"reason": "x"}),
        ("GET", f"/v1/commands/{'0' * 32}", None),
        ("GET", "/readyz", None),
    ):
        assert (await stand.http.request(method, path, json=body)).status_code == 503, path
    assert (await stand.bare.get("/healthz")).status_code == 200
    assert "davy_engine_up 0" in (await stand.http.get("/metrics")).text


async def test_readiness_is_the_engines(stand: Stand) -> None:
    ready = await stand.bare.get("/readyz")
    assert (ready.status_code, ready.json()) == (200, {"status": "ready", "engine": "up", "database": "none"})


@given(st.integers(LOWEST_US, HIGHEST_US))
def test_a_time_is_read_as_it_was_written(at_us: int) -> None:
    assert parse_rfc3339(rfc3339(at_us)) == at_us
    assert rfc3339(at_us).endswith("Z")


@given(st.integers(-(2**63), 2**63 - 1))
def test_no_time_a_device_claims_breaks_an_answer(at_us: int) -> None:
    assert (rfc3339_or_none(at_us) is None) == (not LOWEST_US <= at_us <= HIGHEST_US)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-11-20T08:30:56+08:00", "2026-11-20T00:30:56.000000Z"),
        ("2026-11-20t08:30:56.5z", "2026-11-20T08:30:56.500000Z"),
        ("1969-12-31T23:59:59.999999-00:00", "1969-12-31T23:59:59.999999Z"),
        ("2026-11-20T08:30:56.123456789Z", "2026-11-20T08:30:56.123456Z"),
    ],
)
def test_an_offset_and_fractions_are_understood(text: str, same: str) -> None:
    assert rfc3339(parse_rfc3339(text)) == same


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-11-20", "2026-11-20T08:30:56", "2026-W47-5T08:30:56Z", "2026-13-01T00:00:00Z", "1e9", "٢٠٢٦"],
)
def test_anything_else_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match=r"RFC 3339|month"):
        parse_rfc3339(text)


@given(st.integers(-(2**63), 2**63 - 1), st.text(max_size=40))
def test_a_cursor_is_read_as_it_was_written(number: int, text: str) -> None:
    assert decode_cursor(encode_cursor((number, text)), tuple[int, str]) == (number, text)


@given(st.text(min_size=1, max_size=60))
def test_any_text_is_a_cursor_or_a_problem(text: str) -> None:
    with contextlib.suppress(Problem):
        decode_cursor(text, tuple[int, str])


async def test_the_administrators_token_signs_in_by_its_hash(stand: Stand) -> None:
    assert (await stand.bare.get("/v1/alarms", headers=ADMIN)).status_code == 200
    lower = {"Authorization": ADMIN["Authorization"].replace("Bearer", "bearer")}
    assert (await stand.bare.get("/v1/alarms", headers=lower)).status_code == 200
    assert json.loads((await stand.bare.get("/v1/alarms")).text)["status"] == 401
