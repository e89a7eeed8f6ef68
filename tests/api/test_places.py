"""One sender does not take every place, and what is arriving is bounded in bytes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx

from api.config import Limits
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import BEHIND, DETECTOR, ELSEWHERE, GATEWAY
from tests.api.stand import Stand, serving, signed


@contextlib.asynccontextmanager
async def _half_sent(stand: Stand, identity: str, many: int, length: int) -> AsyncIterator[None]:
    """So many pushes whose bodies have not arrived."""
    token = signed(identity)["Authorization"]
    head = f"POST /v1/telemetry/{identity} HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{{"
    writers = []
    for _ in range(many):
        _, writer = await asyncio.open_connection("127.0.0.1", stand.port)
        writer.write(head.encode())
        writers.append(writer)
    try:
        yield
    finally:
        for writer in writers:
            writer.transport.abort()


async def _refused(stand: Stand, identity: str, token_of: str) -> httpx.Response:
    """The first answer that is not 200: what was half sent takes its places in its own time."""
    async with asyncio.timeout(20):
        while (answer := await stand.push(identity, token_of)).status_code == 200:
            pass
    return answer


async def test_one_token_cannot_take_every_place(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(answer_within_s=1.0))) as stand:
        for identity in (DETECTOR, ELSEWHERE):
            assert (await stand.push(identity)).status_code == 200
        engine.mute = True  # it takes requests and answers none
        pushes = [stand.push(DETECTOR) for _ in range(10)] + [stand.push(ELSEWHERE)]
        answers = [answer.json()["type"].rsplit(":", 1)[-1] for answer in await asyncio.gather(*pushes)]
        assert sorted(answers[:10]) == ["answer-lost"] * 4 + ["too-many"] * 6
        assert answers[10] == "answer-lost"
        engine.mute = False
        assert (await stand.push(DETECTOR)).status_code == 200  # every place was given back


async def test_bodies_that_do_not_arrive_hold_their_senders_places_only(stand: Stand) -> None:
    for identity in (DETECTOR, ELSEWHERE):
        assert (await stand.push(identity)).status_code == 200
    async with _half_sent(stand, DETECTOR, many=4, length=100):
        refused = await _refused(stand, DETECTOR, DETECTOR)
        assert (refused.status_code, refused.json()["type"]) == (429, "urn:davy:problem:too-many")
        assert refused.headers["Retry-After"] == "1"
        assert (await stand.push(ELSEWHERE)).status_code == 200
    async with asyncio.timeout(20):
        while (await stand.push(DETECTOR)).status_code != 200:
            pass


async def test_a_gateways_places_are_shared_by_all_behind_it(stand: Stand) -> None:
    assert (await stand.push(BEHIND, GATEWAY)).status_code == 200
    async with _half_sent(stand, GATEWAY, many=4, length=100):
        assert (await _refused(stand, BEHIND, GATEWAY)).status_code == 429


async def test_arriving_bodies_are_bounded_in_bytes(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(body_bytes=1_000))) as stand:
        for identity in (DETECTOR, ELSEWHERE):
            assert (await stand.push(identity)).status_code == 200
        async with _half_sent(stand, DETECTOR, many=1, length=990):
            refused = await _refused(stand, ELSEWHERE, ELSEWHERE)
            assert (refused.status_code, refused.json()["type"]) == (503, "urn:davy:problem:push-busy")
            assert "nothing was taken" in refused.json()["detail"]


async def test_a_device_that_asks_too_often_is_held_up_and_people_are_not(engine: DoorDouble) -> None:
    limits = Limits(requests_at_once=3, requests_per_s=0.001)
    async with serving(config_of(engine.path, limits=limits)) as stand:
        answers = [(await stand.push(DETECTOR)).status_code for _ in range(5)]
        assert answers == [200, 200, 200, 429, 429]
        assert (await stand.push(ELSEWHERE)).status_code == 200
        assert [(await stand.http.get("/v1/alarms")).status_code for _ in range(6)] == [200] * 6
