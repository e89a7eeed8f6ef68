"""A request with an Idempotency-Key is done once, and answered again to who asked for it."""

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import replace

import psycopg
import pytest

from api.config import ApiConfig
from storage import request_keys
from storage.database import connect
from storage.sealed import MasterKey
from tests.api.conftest import config_of
from tests.api.declared import description
from tests.api.door_double import DoorDouble
from tests.api.stand import Stand, serving

_KEY = {"Idempotency-Key": "order-7"}
_ASKED = {"login": "made", "memberships": [{"role": "platform_administrator", "enterprise": ""}]}


@pytest.fixture
def config(engine: DoorDouble, database_url: str) -> ApiConfig:
    return replace(config_of(engine.path, database_url), master_key=MasterKey(b"k" * 32))


@pytest.fixture
async def stored(config: ApiConfig) -> AsyncIterator[Stand]:
    async with serving(config) as stand:
        yield stand


def _accounts(url: str | None) -> int:
    assert url is not None
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM account WHERE login = 'made'").fetchone()
    assert row is not None
    return int(row[0])


async def test_the_same_request_is_done_once_and_answered_alike(stored: Stand) -> None:
    first = await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    again = await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    assert first.status_code == again.status_code == 201, first.text
    assert first.json() == again.json()
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert _accounts(stored.parts.config.database_url) == 1


async def test_many_at_the_same_time_are_done_once(stored: Stand) -> None:
    answers = await asyncio.gather(
        *(stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY) for _ in range(6)),
    )
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert len({answer.text for answer in answers if answer.status_code == 201}) == 1
    assert _accounts(stored.parts.config.database_url) == 1


async def test_another_key_or_another_path_is_another_request(stored: Stand) -> None:
    first = await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    other = await stored.http.post("/v1/accounts", json=_ASKED, headers={"Idempotency-Key": "order-8"})
    assert (first.status_code, other.status_code) == (201, 409)
    made = first.json()["account"]["account"]
    link = await stored.http.post(f"/v1/accounts/{made}/reset", headers=_KEY)
    assert link.status_code == 200
    assert "idempotency-replayed" not in link.headers


async def test_what_was_refused_may_be_sent_again_with_its_key(stored: Stand) -> None:
    refused = await stored.http.post("/v1/accounts", json={**_ASKED, "login": "?"}, headers=_KEY)
    assert refused.status_code == 422
    assert (await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)).status_code == 201


async def test_the_answer_is_nowhere_in_the_database(stored: Stand) -> None:
    answer = await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    (secret,) = re.findall(r"dvp_[A-Za-z0-9_-]+", answer.text)
    assert stored.parts.config.database_url is not None
    with psycopg.connect(stored.parts.config.database_url) as connection:
        rows = connection.execute("SELECT id, answer FROM request_key").fetchall()
    assert len(rows) == 1
    assert secret.encode() not in bytes(rows[0][1])


async def test_what_was_done_and_not_answered_is_not_done_again(stored: Stand) -> None:
    await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    assert stored.parts.config.database_url is not None
    with psycopg.connect(stored.parts.config.database_url) as connection:
        connection.execute("UPDATE request_key SET answer = NULL")  # as if the process had died in between
    again = await stored.http.post("/v1/accounts", json=_ASKED, headers=_KEY)
    assert again.status_code == 409
    assert again.json()["type"] == "urn:davy:problem:conflict"


async def test_a_key_is_forgotten_after_a_day(database_url: str) -> None:
    day_us = 86_400_000_000
    connection = await connect(database_url, name="test")
    try:
        for now_us, free in ((0, True), (day_us, False), (day_us + 1, True)):
            assert await request_keys.take(connection, "a", now_us) is free
            await connection.commit()
        await request_keys.keep(connection, "a", b"answer")
        assert await request_keys.find(connection, "a", day_us + 2) == request_keys.Kept(b"answer")
        assert await request_keys.find(connection, "a", 2 * day_us + 2) is None
    finally:
        await connection.close()


async def test_a_key_that_cannot_be_one_is_refused(stored: Stand) -> None:
    answer = await stored.http.post("/v1/accounts", json=_ASKED, headers={"Idempotency-Key": "x" * 129})
    assert answer.status_code == 422


def test_every_post_that_makes_something_says_that_it_takes_a_key() -> None:
    makes_nothing = {
        "unmask_person",
        "find_people",
        "check_rules",
        "change_own_password",
        "sign_in",
        "sign_in_by_provider",
        "begin_provider_sign_in",
        "set_password_by_link",
        "complain",  # without an account there is nobody whose key it could be
    }
    for path, operations in description()["paths"].items():
        if "post" in operations:
            operation = operations["post"]
            named = [p for p in operation.get("parameters", ()) if p["name"] == "Idempotency-Key"]
            assert len(named) == (operation["operationId"] not in makes_nothing), path
