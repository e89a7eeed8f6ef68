"""Scorecards and conformance over HTTP: a regulator makes and publishes, an enterprise reads its own, a vendor is not
told where its devices are."""

import csv
import io
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from python_calamine import CalamineWorkbook

from api.config import Limits
from devices.scorecard import ZONE
from storage.coverage_gather import today
from storage.database import connect
from tests.api.conftest import config_of
from tests.api.parties import Parties, parties
from tests.api.stand import Stand, serving

_QUICK = replace(Limits(), people_per_s=1e6, people_at_once=10**6)


@pytest.fixture
async def world(database_url: str, tmp_path: Path) -> AsyncIterator[Parties]:
    async with parties(database_url, tmp_path, time.time_ns() // 1_000) as found:
        yield found


@pytest.fixture
async def stand(world: Parties) -> AsyncIterator[Stand]:
    async with serving(config_of(world.engine.path, world.url, _QUICK)) as served:
        yield served


def last_month() -> str:
    return f"{today(time.time_ns() // 1_000, ZONE).replace(day=1) - timedelta(days=1):%Y-%m}"


async def ask(stand: Stand, world: Parties, role: str, method: str, path: str, status: int, **body: Any) -> Any:
    answer = await stand.bare.request(method, path, json=body or None, headers=world.people.headers(role))
    assert answer.status_code == status, answer.text
    return answer.json() if answer.headers.get("content-type", "").endswith("json") else answer.content


async def made(stand: Stand, world: Parties, enterprise: str, **more: Any) -> Any:
    asked = {"enterprise": enterprise, "month": last_month(), "simulated": True, "known_now": True} | more
    return await ask(stand, world, "regulator", "POST", "/v1/scorecards/areas/500100", 201, **asked)


def figures(card: Any) -> dict[str, tuple[int, int]]:
    return {one["figure"]: (one["part"], one["whole"]) for one in card["figures"]}


async def test_a_card_is_made_published_and_read_by_whom_it_is_about(stand: Stand, world: Parties) -> None:
    card = await made(stand, world, "gas-a")
    number = card["scorecard"]
    assert figures(card)["users_connected"] == (0, 2)
    assert {one["area"] for one in card["areas"]} == {"500101", "500102"}
    assert (card["promise_published"], card["published"]) == (False, None)
    published = await ask(stand, world, "regulator", "POST", f"/v1/scorecards/{number}/publish", 200)
    assert published["published"] is not None
    await ask(stand, world, "regulator", "POST", f"/v1/scorecards/{number}/publish", 409)
    assert await ask(stand, world, "operator", "GET", f"/v1/scorecards/{number}", 200) == card | published
    listed = await ask(stand, world, "operator", "GET", "/v1/scorecards?published=true", 200)
    assert [one["scorecard"] for one in listed["scorecards"]] == [number]
    again = await made(stand, world, "gas-a")
    refused = await ask(stand, world, "regulator", "POST", f"/v1/scorecards/{again['scorecard']}/publish", 409)
    assert f"scorecard {number} is published" in refused["detail"]
    better = await made(stand, world, "gas-a", corrects=number)
    await ask(stand, world, "regulator", "POST", f"/v1/scorecards/{better['scorecard']}/publish", 200)
    assert (await ask(stand, world, "operator", "GET", f"/v1/scorecards/{number}", 200))["sha256"] == card["sha256"]


async def test_a_vendor_reads_its_own_card_without_areas_and_nobody_elses(stand: Stand, world: Parties) -> None:
    gas, vendor = await made(stand, world, "gas-a"), await made(stand, world, "acme-co")
    shown = await ask(stand, world, "vendor", "GET", f"/v1/scorecards/{vendor['scorecard']}", 200)
    assert (shown["areas"], figures(shown)) == ([], figures(vendor))
    assert figures(vendor)["devices_reporting"] == (0, 4)
    await ask(stand, world, "vendor", "GET", f"/v1/scorecards/{gas['scorecard']}", 404)
    listed = await ask(stand, world, "vendor", "GET", "/v1/scorecards", 200)
    assert [one["enterprise"] for one in listed["scorecards"]] == ["acme-co"]
    await ask(stand, world, "operator", "GET", f"/v1/scorecards/{vendor['scorecard']}", 404)


async def test_who_has_nothing_in_the_area_is_answered_as_who_does_not_exist(stand: Stand, world: Parties) -> None:
    for name in ("gas-b", "zeta-co", "nobody"):
        body = {"enterprise": name, "month": last_month(), "simulated": True, "known_now": True}
        answer = await ask(stand, world, "regulator", "POST", "/v1/scorecards/areas/500100", 404, **body)
        assert answer["detail"] == f"{name} has nothing to count in area 500100"
    await ask(
        stand, world, "regulator", "POST", "/v1/scorecards/areas/510100", 404, enterprise="gas-b", month="2026-01"
    )
    now = f"{today(time.time_ns() // 1_000, ZONE):%Y-%m}"
    await ask(stand, world, "regulator", "POST", "/v1/scorecards/areas/500100", 409, enterprise="gas-a", month=now)


async def test_a_promise_is_the_companys_own_and_judges_from_its_day_on(stand: Stand, world: Parties) -> None:
    day, path = today(time.time_ns() // 1_000, ZONE), "/v1/enterprises/gas-a/promises"
    given = {"since": day.isoformat(), "place": "https://gas-a.example.com", "arrived_s": 1800}
    shown = await ask(stand, world, "company-administrator", "POST", path, 201, **given)
    assert (shown["arrived_s"], shown["closed_s"]) == (1800, None)
    await ask(stand, world, "company-administrator", "POST", path, 409, **given)
    early = given | {"since": (day - timedelta(days=1)).isoformat()}
    await ask(stand, world, "company-administrator", "POST", path, 409, **early)
    await ask(stand, world, "company-administrator", "POST", path, 422, since="2999-01-01", place="x")
    await ask(stand, world, "operator", "POST", path, 403, **given)
    listed = await ask(stand, world, "company-administrator", "GET", path, 200)
    assert listed["promises"] == [shown]
    card = await made(stand, world, "gas-a")
    assert card["promise_published"] is False, "it holds from today, and the month is over"


async def test_files_say_what_json_says_in_both_languages(stand: Stand, world: Parties) -> None:
    card = await made(stand, world, "gas-a")
    path = f"/v1/scorecards/{card['scorecard']}/card"
    text = (await ask(stand, world, "operator", "GET", f"{path}.csv", 200)).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    whole = {row["figure"]: (int(row["count"]), int(row["of"])) for row in rows if not row["part"]}
    assert {key: value for key, value in whole.items() if key != "alarms"} == figures(card)
    for lang, words in (("zh", "未公布承诺，不作评判"), ("en", "no promise published; nothing is judged")):
        body = await ask(stand, world, "operator", "GET", f"{path}.xlsx?lang={lang}", 200)
        cells = CalamineWorkbook.from_filelike(io.BytesIO(body)).get_sheet_by_index(0).to_python()
        assert any(words in row for row in cells)
        assert ["已联网用户" if lang == "zh" else "Users connected", 0.0, 2.0] in [row[:3] for row in cells]


async def test_conformance_is_said_clause_by_clause_to_vendor_and_regulator(stand: Stand, world: Parties) -> None:
    path = "/v1/device-models/sim_detector_home/conformance?simulated=true"
    for role, devices in (("vendor", 2), ("regulator", 3)):
        shown = await ask(stand, world, role, "GET", path, 200)
        assert shown["devices"] >= devices
        assert shown["verdict"] in ("not met", "not observable"), "nothing was ever heard of them"
        assert {one["id"] for one in shown["clauses"]} >= {"detector-1", "detector-7"}
    await ask(stand, world, "vendor", "GET", "/v1/device-models/no_such/conformance", 404)
    await ask(stand, world, "operator", "GET", path, 403)
    connection = await connect(world.url, name="test")
    try:
        await connection.execute("INSERT INTO device_model VALUES ('odd', 'detector', 'v', 'n', '{}')")
    finally:
        await connection.close()
    await ask(stand, world, "vendor", "GET", "/v1/device-models/odd/conformance", 409)
