"""What takes several people and several steps, by HTTP and before the real engine: incidents to their end, permits,
held shut-offs, rules that are tried."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from engine.client import DoorClient
from rules.instructions import ApprovePermit
from tests.api.conftest import config_of
from tests.api.real_engine import RealEngine
from tests.api.stand import Stand, serving
from tests.api.street import DETECTORS, RULES, STREET, TOKENS, VALVES


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[RealEngine]:
    running = RealEngine(tmp_path, STREET)
    await running.start()
    async with DoorClient(running.path) as door:
        await door.replace_rules("li", RULES)
    yield running
    await running.stop()


@pytest.fixture
async def stand(engine: RealEngine) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path)) as served:
        yield served


async def _reads(stand: Stand, identity: str, seq: int, **reading: object) -> None:
    answer = await stand.bare.post(
        f"/v1/telemetry/{identity}",
        json={"boot": 1, "seq": seq, **reading},
        headers={"Authorization": f"Bearer {TOKENS[identity]}"},
    )
    assert answer.json()["stored"] == 1, answer.text


async def _said(stand: Stand, path: str, **body: object) -> dict[str, Any]:
    answer = await stand.http.post(path, json=body)
    assert answer.status_code in (200, 202), answer.text
    found: dict[str, Any] = answer.json()
    return found


async def _refused(stand: Stand, path: str, **body: object) -> str:
    answer = await stand.http.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:davy:problem:refused"), answer.text
    return str(answer.json()["detail"])


async def _get(stand: Stand, path: str) -> dict[str, Any]:
    answer = await stand.http.get(path)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_an_incident_from_its_alarm_to_its_end(stand: Stand) -> None:
    await _reads(stand, DETECTORS[0], 1, combustible_lel=30.0)
    (incident,) = (await _get(stand, "/v1/incidents"))["incidents"]
    url = f"/v1/incidents/{incident['incident']}"
    await _said(stand, f"{url}/dispatch", crew="crew 7")
    await _said(stand, f"{url}/arrive")
    await _said(stand, f"{url}/field-reading", quantity="combustible_lel", value=22, place="kitchen")
    asked = (await _get(stand, url))["incident"]
    assert asked["steps"] == ["evacuate", "cordon", "close_upstream", "vent"]
    assert [one["rule"] for one in await stand.alarms("?priority=critical")] == ["field-20lel"]
    for step in asked["steps"]:
        await _said(stand, f"{url}/step", step=step)
    assert (await _get(stand, url))["incident"]["steps"] == []
    assert "active" in await _refused(stand, f"{url}/close", resolution="real")
    await _said(stand, f"{url}/field-reading", quantity="combustible_lel", value=0.5, place="kitchen")
    await _reads(stand, DETECTORS[0], 2, combustible_lel=1.0)
    await _reads(stand, VALVES[0], 1, valve="closed")
    over = (await _get(stand, url))["incident"]
    assert over["over"] is not None
    async with stand.stream() as events:
        await _said(stand, f"{url}/close", resolution="real", comment="a loose hose")
        closed = await events.until("incident_changed")
    assert (closed["change"], closed["resolution"], closed["by"]) == ("closed", "real", "administrator")
    assert (await _get(stand, "/v1/incidents"))["incidents"] == []


async def test_a_permit_takes_two_people_and_is_completed_on_site(stand: Stand, engine: RealEngine) -> None:
    permit = (await _said(stand, f"/v1/devices/{VALVES[1]}/permit", reason="the pipe is tight"))["subject"]
    url = f"/v1/permits/{permit}"
    assert "another person" in await _refused(stand, f"{url}/approve")
    async with DoorClient(engine.path) as door:
        granted = await door.instruct(ApprovePermit(at=0, id="wang-1", by="wang", permit=permit))
    assert granted.accepted, granted
    shown = (await _get(stand, url))["permit"]
    assert (shown["state"], shown["requested_by"], shown["approved_by"]) == ("granted", "administrator", "wang")
    assert "LEL" in await _refused(stand, f"{url}/complete", combustible_lel=8.0)
    async with stand.stream() as events:
        await _said(stand, f"{url}/complete", combustible_lel=0.5, comment="opened by hand")
        completed = await events.until("permit_changed")
    assert (completed["state"], completed["by"]) == ("completed", "administrator")
    assert (await _get(stand, "/v1/permits"))["permits"] == []


async def test_where_an_alarm_stands_there_is_no_permit(stand: Stand) -> None:
    await _reads(stand, DETECTORS[0], 1, combustible_lel=30.0)
    assert await _refused(stand, f"/v1/devices/{VALVES[0]}/permit", reason="it smells of nothing")


async def test_what_a_budget_holds_is_released_or_vetoed_by_people(stand: Stand) -> None:
    for n, detector in enumerate(DETECTORS):
        await _reads(stand, detector, 1, combustible_lel=30.0 + n)
    held = (await _get(stand, "/v1/held?rule=gas"))["held"]
    assert {one["device"] for one in held} == {VALVES[1], VALVES[2]}
    assert [one["rule"] for one in await stand.alarms("?priority=critical")] == ["shut-off-held"]
    async with stand.stream() as events:
        await _said(stand, "/v1/held/release", rule="gas", device=VALVES[1])
        close = await events.until("close_wanted")
        await _said(stand, "/v1/held/veto", rule="gas", reason="a test of the sirens")
        vetoed = await events.until("shut_off_held")
        while vetoed["change"] != "vetoed":
            vetoed = await events.until("shut_off_held")
    assert close["device"] == VALVES[1]
    assert (vetoed["device"], vetoed["by"], vetoed["reason"]) == (VALVES[2], "administrator", "a test of the sirens")


async def test_what_is_only_tried_is_in_a_list_of_its_own(stand: Stand) -> None:
    await _reads(stand, DETECTORS[2], 1, combustible_lel=12.0)
    assert await stand.alarms() == []
    (tried,) = await stand.alarms("?trial=true")
    assert (tried["rule"], tried["trial"], tried["incident"]) == ("gas-tried", True, None)
    rules = {one["id"]: one for one in (await _get(stand, "/v1/rules"))["rules"]}
    assert (rules["gas-tried"]["state"], rules["gas-tried"]["alarms"]) == ("dry_run", 1)
    assert rules["gas"]["document"]["budget"] == {"least": 1, "share_pct": 0.0, "per_s": 3600.0}
