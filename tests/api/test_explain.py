"""Why a rule did or did not raise an alarm, by HTTP, from a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from api.times import rfc3339
from tests.api.conftest import config_of, migrated
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR
from tests.api.stand import Stand, serving
from tests.api.stored_kitchen import END, EVERY, GAS_AT, write_kitchen
from tests.postgres import Server
from tests.storage.cycles import SECOND, T0


@pytest.fixture(scope="module")
def url(postgres: Server) -> Iterator[str]:
    """Written once: these tests only read it."""
    found = postgres.database(migrated(postgres))
    asyncio.run(write_kitchen(found))
    yield found
    postgres.drop(found)


@pytest.fixture
async def stand(engine: DoorDouble, url: str) -> AsyncIterator[Stand]:
    async with serving(replace(config_of(engine.path, url), now_us=lambda: END)) as served:
        yield served


async def _why(stand: Stand, at_us: int, *rules: str) -> dict[str, Any]:
    params = {"at": rfc3339(at_us), "rule": list(rules)}
    answer = await stand.http.get(f"/v1/devices/{DETECTOR}/explain", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_hold_that_runs_is_explained_in_two_languages(stand: Stand) -> None:
    told = await _why(stand, GAS_AT + 2 * EVERY, "gas")
    (rule,) = told["rules"]
    assert (told["device"], told["device_no"], told["heard"]) == (DETECTOR, 1, rfc3339(GAS_AT + 2 * EVERY))
    assert told["last"]["values"]["combustible_lel"] == 25.0
    assert (rule["rule"], rule["reason"], rule["raised"], rule["state"]) == ("gas", "holding", "true", "normal")
    assert (rule["timer"]["since"], rule["timer"]["lasts_s"], rule["timer"]["passed_s"]) == (
        rfc3339(GAS_AT),
        30.0,
        20.0,
    )
    first = rule["predicates"][0]
    assert (first["text"], first["says"], first["value"], first["threshold"], first["unit"]) == (
        "combustible_lel >= 20",
        "true",
        25.0,
        20.0,
        "%LEL",
    )
    assert rule["title_zh"] == "可燃气体"
    assert "30 s" in rule["sentence_en"]
    assert "30 s" in rule["sentence_zh"]
    assert rfc3339(GAS_AT) in rule["sentence_en"]


async def test_an_alarm_that_stood_then_is_named_with_its_steps(stand: Stand) -> None:
    told = await _why(stand, GAS_AT + 60 * SECOND)
    rules = {rule["rule"]: rule for rule in told["rules"]}
    assert set(rules) == {"gas", "silence"}
    assert (rules["gas"]["reason"], rules["gas"]["true_state"]) == ("condition stands", "unacknowledged")
    assert len(rules["gas"]["alarm"]) == 32
    assert rules["gas"]["onset"] == rfc3339(GAS_AT)
    assert [(step["rule"], step["change"]) for step in told["steps"]] == [("gas", "raised")]
    assert rules["silence"]["alarm"] is None


async def test_without_a_time_it_is_now(stand: Stand) -> None:
    answer = await stand.http.get(f"/v1/devices/{DETECTOR}/explain")
    assert answer.json()["at"] == rfc3339(END)


@pytest.mark.parametrize(
    ("path", "params", "status", "said"),
    [
        ("acme/nobody", {}, 404, "no device acme/nobody"),
        (DETECTOR, {"rule": "another"}, 422, "there is no rule 'another'"),
        (DETECTOR, {"rule": "Not A Rule"}, 422, "query.rule"),
        (DETECTOR, {"at": "yesterday"}, 422, "query.at"),
        (DETECTOR, {"at": rfc3339(T0 - SECOND)}, 422, "which rules were in force"),
        (DETECTOR, {"at": "0001-01-01T00:00:00Z"}, 422, "which rules were in force"),
        (DETECTOR, {"at": "9999-12-31T23:59:59Z"}, 422, "not after now"),
    ],
)
async def test_what_cannot_be_explained_says_why(
    stand: Stand, path: str, params: dict[str, str], status: int, said: str
) -> None:
    answer = await stand.http.get(f"/v1/devices/{path}/explain", params=params)
    assert (answer.status_code, said in answer.json()["detail"]) == (status, True), answer.text


async def test_explanations_are_bounded_in_number_memory_and_time(engine: DoorDouble, url: str) -> None:
    config = config_of(engine.path, url)
    at = {"at": rfc3339(END)}

    async def asked(**limits: float) -> tuple[int, str, str]:
        limited = replace(config, limits=replace(config.limits, **limits))  # type: ignore[arg-type]
        async with serving(limited) as served:
            answer = await served.http.get(f"/v1/devices/{DETECTOR}/explain", params=at)
        return answer.status_code, answer.json()["type"], answer.json()["detail"]

    assert (await asked(explanations=0))[:2] == (429, "urn:davy:problem:too-many")
    status, kind, detail = await asked(explain_within_s=0.01)
    assert (status, kind, "0.01 s" in detail) == (422, "urn:davy:problem:too-much", True)
    status, kind, detail = await asked(explain_bytes=64 * 1024 * 1024)
    assert (status, kind, "GiB" in detail) == (422, "urn:davy:problem:too-much", True), detail
