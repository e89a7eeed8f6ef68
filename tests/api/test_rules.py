"""The rules in force, those that were, and rules looked at before they judge anybody."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from rules.documents.merged import as_file, default_pack
from storage.batch import RulesPut
from storage.database import connect
from storage.rule_packs import found_in_force, write_rules
from tests.api.conftest import config_of, migrated
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR
from tests.api.stand import Stand, serving
from tests.postgres import Server
from tests.storage.cycles import SECOND, T0

GAS = """version = "1"
[[rule]]
id = "gas"
title = { zh = "可燃气体", en = "Gas" }
priority = "medium"
source = "product choice"
applies_to = ["detector"]
condition = "mean(combustible_lel, 5m) >= 20 %LEL"
"""
WRONG = GAS.replace("20 %LEL", "20 ppm").replace('"medium"', '"grave"')


async def _check(stand: Stand, *tomls: str, packs: tuple[str, ...] = ()) -> dict[str, Any]:
    documents = [{"name": f"p{n}.toml", "toml": toml} for n, toml in enumerate(tomls)]
    answer = await stand.http.post("/v1/rules/check", json={"documents": documents, "packs": packs})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_the_rules_in_force_are_shown_as_they_are_written(anywhere: Stand) -> None:
    answer = await anywhere.http.get("/v1/rules")
    assert answer.status_code == 200, answer.text
    told = answer.json()
    rules = {rule["id"]: rule for rule in told["rules"]}
    high = rules["ch4-high"]
    assert (high["priority"], high["state"], high["reverted"], high["canary_pct"]) == ("critical", "active", None, None)
    assert high["title_zh"]
    assert high["document"]["title"] == {"zh": high["title_zh"], "en": high["title_en"]}
    assert high["document"]["priority"] == "critical"
    assert high["document"]["action"] == "close_and_fan"
    assert "schedule" not in high["document"]
    assert told["as_of"].count(":") == 1
    assert {override["rule"] for rule in rules.values() for override in rule["overrides"]} <= set(rules)


async def test_a_rule_says_how_many_of_its_alarms_are_open(real: Stand) -> None:
    alarm = await real.alarm_at(DETECTOR)
    (rule,) = [one["rule"] for one in await real.alarms() if one["alarm"] == alarm]
    rules = {one["id"]: one for one in (await real.http.get("/v1/rules")).json()["rules"]}
    assert rules[rule]["alarms"] == 1
    assert rules["ch4-low"]["alarms"] == 0


async def test_sound_rules_are_named_and_put_nothing_in_force(stand: Stand) -> None:
    before = (await stand.http.get("/v1/rules")).json()
    told = await _check(stand, GAS)
    assert (told["ok"], told["rules"], told["faults"]) == (True, ["gas"], [])
    assert told["bytes_per_device"] > 0
    assert "nobody is told" in told["note"]
    assert (await stand.http.get("/v1/rules")).json() == before


async def test_every_fault_is_told_with_its_line_and_points_at_it(stand: Stand) -> None:
    told = await _check(stand, WRONG)
    assert (told["ok"], told["rules"], told["bytes_per_device"]) == (False, [], None)
    faults = {fault["key"]: fault for fault in told["faults"]}
    assert faults["priority"]["place"] == "p0.toml:5"
    assert faults["priority"]["rule"] == "rule 'gas'"
    pointed = await _check(stand, WRONG.replace('"grave"', '"medium"'))
    (fault,) = pointed["faults"]
    assert (fault["key"], fault["place"]) == ("condition", "p0.toml:8")
    assert fault["column"] == 1
    assert fault["pointed"].splitlines()[0].strip() == "mean(combustible_lel, 5m) >= 20 ppm"
    assert "^" in fault["pointed"].splitlines()[1]


async def test_documents_and_packs_are_looked_at_together(stand: Stand) -> None:
    together = await _check(stand, GAS, packs=("offline", "faults"))
    assert together["ok"]
    assert together["rules"][0] == "gas"
    assert len(together["rules"]) > 2
    twice = await _check(stand, GAS, GAS)
    assert not twice["ok"]
    assert any("p1.toml" in fault["place"] for fault in twice["faults"])


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "name at least one"),
        ({"packs": ["ch4"]}, "there is no pack ch4"),
        ({"documents": [{"toml": GAS}, {"toml": GAS}]}, "a name of its own"),
        ({"documents": [{"toml": GAS, "name": "../etc/passwd"}]}, "name"),
        ({"documents": [{"toml": GAS}], "document": []}, "document"),
    ],
)
async def test_what_hands_in_no_rules_is_refused(stand: Stand, body: dict[str, object], said: str) -> None:
    answer = await stand.http.post("/v1/rules/check", json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:davy:problem:bad-parameter")
    assert said in answer.json()["detail"]


@pytest.mark.parametrize("toml", ["", "version = " + "[" * 50_000, "\x00", "[[rule]]", 'version = "1"\nrule = 3'])
async def test_what_is_no_rule_document_is_a_fault_and_no_failure(stand: Stand, toml: str) -> None:
    assert not (await _check(stand, toml))["ok"]
    assert not (await _check(stand, toml, GAS))["ok"]


async def test_rules_have_room_and_not_more(stand: Stand) -> None:
    fits = "#" * (200 * 1024) + "\n" + GAS
    assert (await _check(stand, fits))["ok"]
    answer = await stand.http.post("/v1/rules/check", json={"documents": [{"toml": "#" * (257 * 1024)}]})
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:davy:problem:too-large")


async def test_what_needs_the_database_says_so_where_there_is_none(stand: Stand) -> None:
    for path in ("/v1/rules/history", f"/v1/rules/packs/{'0' * 64}", "/v1/devices/acme/d1/explain"):
        answer = await stand.http.get(path)
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:database-away")
    body = {"rules": {"packs": ["offline"]}, "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}
    answer = await stand.http.post("/v1/rules/backtests", json=body)
    assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:database-away")


async def _written(url: str, packs: list[bytes]) -> None:
    connection = await connect(url, name="test")
    try:
        await found_in_force(connection, "engine-1", 0, None, hashlib.sha256(packs[0]).hexdigest(), packs[0])
        puts = [
            RulesPut(n, 0, T0 + n * SECOND, hashlib.sha256(body).hexdigest(), f"li {n}", body)
            for n, body in enumerate(packs[1:], 1)
        ]
        await write_rules(connection, "engine-1", puts)
    finally:
        await connection.close()


PACKS = [default_pack(), GAS.encode(), GAS.replace("5m", "6m").encode()]


@pytest.fixture(scope="module")
def url(postgres: Server) -> Iterator[str]:
    found = postgres.database(migrated(postgres))
    asyncio.run(_written(found, PACKS))
    yield found
    postgres.drop(found)


@pytest.fixture
async def past(engine: DoorDouble, url: str) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path, url)) as served:
        yield served


async def test_packs_over_time_are_paged_newest_first_and_each_can_be_read(past: Stand) -> None:
    seen: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in PACKS:
        page = (
            await past.http.get("/v1/rules/history", params={"limit": 1} | ({"cursor": cursor} if cursor else {}))
        ).json()
        seen += page["packs"]
        cursor = page["next"]
    assert cursor is None
    assert [one["by"] for one in seen] == ["li 2", "li 1", None]
    assert [one["at_earliest"] for one in seen] == [False, False, True]
    assert seen[2]["since"] is None
    for one, body in zip(seen, reversed(PACKS), strict=True):
        answer = await past.http.get(f"/v1/rules/packs/{one['sha256']}")
        assert answer.headers["Content-Type"].startswith("application/toml")
        assert answer.content == as_file(body)
    assert (await past.http.get(f"/v1/rules/packs/{'0' * 64}")).status_code == 404
    assert (await past.http.get("/v1/rules/packs/x")).status_code == 422
