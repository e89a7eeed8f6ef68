"""G3 as the API keeps it: with PostgreSQL stopped, alarms are seen and acknowledged and valves are closed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR, VALVE
from tests.api.stand import Stand, serving
from tests.api.stored_past import write_past
from tests.postgres import Server


@pytest.fixture
async def stopped(engine: DoorDouble, postgres: Server, database_url: str) -> AsyncIterator[Stand]:
    """The API, started while PostgreSQL is stopped."""
    postgres.stop()
    try:
        async with serving(config_of(engine.path, database_url)) as served:
            yield served
    finally:
        postgres.start()


async def test_alarms_stream_acknowledge_close_detail_and_push_need_no_database(stopped: Stand) -> None:
    async with stopped.stream() as events:
        alarm = await stopped.alarm_at(DETECTOR)
        assert (await events.next())["alarm"] == alarm
        wanted = (await events.until("close_wanted"))["wanted"]
    assert (await stopped.http.post(f"/v1/alarms/{alarm}/acknowledge", json={})).status_code == 200
    assert (await stopped.http.get(f"/v1/alarms/{alarm}")).json()["alarm"]["state"] == "acknowledged"
    assert (await stopped.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "x"})).json()["wanted"] == wanted
    await stopped.push(VALVE, valve="closed")
    assert (await stopped.http.get(f"/v1/commands/{wanted}")).json()["outcome"] == "confirmed"


async def test_what_needs_the_database_says_that_it_is_away(stopped: Stand) -> None:
    answer = await stopped.http.get("/v1/devices")
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:database-away")
    assert int(answer.headers["Retry-After"]) >= 1
    assert "/" not in answer.json()["detail"]  # neither path nor address of the server
    ready = await stopped.bare.get("/readyz")
    assert (ready.status_code, ready.json()["status"], ready.json()["database"]) == (200, "degraded", "away")
    assert "davy_database_up 0" in (await stopped.http.get("/metrics")).text


async def test_rules_are_shown_and_checked_and_what_looks_back_says_that_it_cannot(stopped: Stand) -> None:
    assert len((await stopped.http.get("/v1/rules")).json()["rules"]) > 10
    assert (await stopped.http.post("/v1/rules/check", json={"packs": ["offline"]})).json()["ok"]
    period = {"from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    for answer in (
        await stopped.http.get(f"/v1/devices/{DETECTOR}/explain"),
        await stopped.http.get("/v1/rules/history"),
        await stopped.http.post("/v1/rules/backtests", json={"rules": {"packs": ["offline"]}, **period}),
    ):
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:database-away")
        assert answer.json()["detail"].startswith("Alarms, acknowledgements and closing valves go on")


async def test_history_comes_back_with_the_database(engine: DoorDouble, postgres: Server, database_url: str) -> None:
    await write_past(database_url)
    async with serving(config_of(engine.path, database_url)) as stand:
        latest = f"/v1/devices/{DETECTOR}/latest"
        assert (await stand.http.get(latest)).status_code == 200
        postgres.stop(at_once=True)
        try:
            assert (await stand.http.get(latest)).status_code == 503
            assert (await stand.http.get("/v1/alarms")).status_code == 200
        finally:
            postgres.start()
        async with asyncio.timeout(30):
            while (await stand.http.get(latest)).status_code != 200:
                pass  # each answer took its time; nothing here waits for less
