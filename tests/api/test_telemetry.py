"""HTTP push: 200 means on disk; everything else means that the sender still has to keep its readings."""

import asyncio
import json
from collections.abc import AsyncIterator

import cbor2
import httpx

from api.config import Limits
from ingest.push import MOST_BODY_BYTES
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import BEHIND, DETECTOR, GATEWAY, VALVE
from tests.api.stand import Stand, serving, signed

URL = f"/v1/telemetry/{DETECTOR}"


async def _send(stand: Stand, body: bytes, kind: str = "application/json", **headers: str) -> httpx.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await stand.bare.post(URL, content=body, headers={**signed(DETECTOR), "Content-Type": kind, **names})


async def test_an_object_and_an_array_are_stored_and_counted(stand: Stand) -> None:
    assert (await _send(stand, b'{"boot":1,"seq":1}')).json() == {"stored": 1, "duplicate": 0, "quarantined": 0}
    answer = await _send(stand, b'[{"boot":1,"seq":1},{"boot":1,"seq":2}]')
    assert answer.json() == {"stored": 1, "duplicate": 1, "quarantined": 0}


async def test_each_line_of_ndjson_is_judged_by_itself(stand: Stand) -> None:
    body = b'{"boot":1,"seq":1}\n\n{broken\r\n{"boot":1,"seq":2}'
    answer = await _send(stand, body, "application/x-ndjson")
    assert answer.json() == {"stored": 2, "duplicate": 0, "quarantined": 1}


async def test_cbor_is_handed_on_by_its_content_type(stand: Stand, engine: DoorDouble) -> None:
    answer = await _send(stand, cbor2.dumps({"boot": 1, "seq": 1}), "application/cbor")
    assert answer.status_code == 200
    assert engine.counts[0] == 1


async def test_an_undecodable_body_is_taken_and_quarantined(stand: Stand) -> None:
    for body in (b"{", b"\xff\xfe", b"[" * 100_000, b"NaN", b"[]"):
        answer = await _send(stand, body)
        assert answer.status_code == 200
        assert answer.json()["quarantined"] == 1


async def test_an_idempotency_key_gets_the_first_answer_again(stand: Stand, engine: DoorDouble) -> None:
    body = b'{"co_ppm":1.0}'
    first = await _send(stand, body, Idempotency_Key="abc")
    counted = list(engine.counts)
    again = await _send(stand, body, Idempotency_Key="abc")
    assert again.json() == first.json()
    assert engine.counts == counted


async def test_a_bad_idempotency_key_is_refused(stand: Stand) -> None:
    for key in ("x" * 129, "tab\there"):
        assert (await _send(stand, b"{}", Idempotency_Key=key)).status_code == 422


async def test_a_gateway_publishes_for_the_device_behind_it(stand: Stand) -> None:
    assert (await stand.push(BEHIND, GATEWAY)).status_code == 200


async def test_no_device_publishes_for_another(stand: Stand) -> None:
    for token_of in (GATEWAY, VALVE):
        assert (await stand.push(DETECTOR, token_of)).status_code == 401
    assert (await stand.push("acme/nobody", DETECTOR)).status_code == 401


async def test_a_wrong_type_or_a_compressed_body_is_refused(stand: Stand) -> None:
    for kind in ("text/plain", "", "application/json; charset=latin-1"):
        assert (await _send(stand, b"{}", kind)).status_code == 415
    assert (await _send(stand, b"{}", Content_Encoding="gzip")).status_code == 415
    assert (await _send(stand, b"{}", "Application/JSON; Charset=UTF-8")).status_code == 200


async def test_an_empty_body_is_refused(stand: Stand) -> None:
    for body in (b"", b" \n"):
        assert (await _send(stand, body)).status_code == 422


async def test_too_many_readings_are_refused_whole(stand: Stand, engine: DoorDouble) -> None:
    many = json.dumps([{"boot": 1, "seq": n} for n in range(1001)]).encode()
    assert (await _send(stand, many)).status_code == 413
    lines = b"\n".join(b'{"seq":%d}' % n for n in range(1001))
    assert (await _send(stand, lines, "application/x-ndjson")).status_code == 413
    assert (await _send(stand, cbor2.dumps([0] * 1001), "application/cbor")).status_code == 413
    assert engine.counts[0] == 0


async def test_a_body_over_the_limit_is_refused_and_the_largest_is_taken(stand: Stand, engine: DoorDouble) -> None:
    largest = b'{"boot":1,"seq":1}'.ljust(MOST_BODY_BYTES)
    assert (await _send(stand, largest)).json()["stored"] == 1
    assert (await _send(stand, largest + b" ")).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(5):
            yield b" " * 65_536

    headers = {**signed(DETECTOR), "Content-Type": "application/json"}
    answer = await stand.bare.post(URL, content=chunks(), headers=headers)
    assert answer.status_code == 413
    assert engine.counts[0] == 1


async def test_a_busy_engine_makes_the_sender_wait(stand: Stand, engine: DoorDouble) -> None:
    engine.busy = True
    answer = await stand.push(DETECTOR)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "7")
    assert answer.json()["type"] == "urn:davy:problem:engine-busy"


async def test_an_engine_that_is_away_makes_the_sender_wait_and_is_found_again(
    stand: Stand, engine: DoorDouble
) -> None:
    assert (await stand.push(DETECTOR)).status_code == 200
    await engine.stop()
    answer = await stand.push(DETECTOR)
    assert answer.status_code == 503
    assert int(answer.headers["Retry-After"]) >= 1
    await engine.start()
    assert (await stand.push(DETECTOR)).status_code == 200


async def test_above_the_bound_a_push_is_refused_and_nothing_queues(engine: DoorDouble) -> None:
    limits = Limits(pushes=2, pushes_of_one=6, answer_within_s=1.0)
    async with serving(config_of(engine.path, limits=limits)) as stand:
        assert (await stand.push(DETECTOR)).status_code == 200
        engine.mute = True  # it takes requests and answers none
        answers = await asyncio.gather(*(stand.push(DETECTOR) for _ in range(6)))
    types = sorted(answer.json()["type"].rsplit(":", 1)[-1] for answer in answers)
    assert types == ["answer-lost"] * 2 + ["push-busy"] * 4
    assert all(answer.status_code == 503 and "Retry-After" in answer.headers for answer in answers)


async def test_a_token_is_asked_for_once_while_it_is_believed(stand: Stand, engine: DoorDouble) -> None:
    for _ in range(5):
        await stand.push(DETECTOR)
    assert engine.authenticated == 1


async def test_a_revoked_token_ends_when_the_engines_word_is_no_longer_believed(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(token_lives_s=0.0))) as stand:
        assert (await stand.push(DETECTOR)).status_code == 200
        engine.registry = type(engine.registry)(
            **{name: getattr(engine.registry, name) for name in ("models", "sites", "devices", "links")}
        )
        assert (await stand.push(DETECTOR)).status_code == 401
