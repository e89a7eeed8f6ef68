"""Readiness costs one look however often strangers ask; and a database that is busy is not away."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from api.problems import DATABASE_BUSY, Problem
from storage.tenants import Standing
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR
from tests.api.stand import Stand, serving


async def test_many_questions_are_one_look(stand: Stand, engine: DoorDouble) -> None:
    await stand.push(DETECTOR)  # the connection to the engine is made
    asked = engine.statuses
    answers = await asyncio.gather(*(stand.bare.get("/readyz") for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}
    assert engine.statuses - asked <= 2  # a second may pass meanwhile


@pytest.fixture
async def with_database(engine: DoorDouble, database_url: str) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path, database_url)) as served:
        assert (await served.http.get("/v1/devices")).status_code == 200
        yield served


async def test_a_question_that_takes_too_long_is_nobody_elses_trouble(with_database: Stand) -> None:
    async def ask_too_much() -> None:
        async with with_database.parts.database(Standing.PLATFORM) as connection, connection.transaction():
            await connection.execute("SET LOCAL statement_timeout = 1")
            await connection.execute("SELECT pg_sleep(20)")

    with pytest.raises(Problem) as told:
        await ask_too_much()
    assert told.value.kind is DATABASE_BUSY
    assert (await with_database.http.get("/v1/devices")).status_code == 200
    assert (await with_database.bare.get("/readyz")).json()["database"] == "up"


async def test_a_database_whose_connections_are_all_in_use_is_busy_and_not_away(with_database: Stand) -> None:
    async with contextlib.AsyncExitStack() as held:
        for _ in range(8):
            await held.enter_async_context(with_database.parts.database(Standing.PLATFORM))
        answer, ready = await asyncio.gather(with_database.http.get("/v1/devices"), with_database.bare.get("/readyz"))
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:database-busy")
        assert int(answer.headers["Retry-After"]) >= 1
        assert ready.json()["database"] == "up"
    assert (await with_database.http.get("/v1/devices")).status_code == 200
