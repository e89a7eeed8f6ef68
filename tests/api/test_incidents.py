"""Incidents, shelving, permits and held shut-offs by HTTP, before the real engine and without a database."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.times import rfc3339
from tests.api.conftest import config_of
from tests.api.homes import DETECTOR, SELF_CLOSING, VALVE
from tests.api.real_engine import RealEngine
from tests.api.stand import Stand, serving

NOBODY = "0" * 32


@pytest.fixture
async def stand(tmp_path: Path) -> AsyncIterator[Stand]:
    engine = RealEngine(tmp_path)
    await engine.start()
    try:
        async with serving(config_of(engine.path)) as served:
            yield served
    finally:
        await engine.stop()


async def _incident(stand: Stand) -> dict[str, Any]:
    """Gas at the detector of home 1, and the incident that follows."""
    await stand.alarm_at(DETECTOR)
    answer = await stand.http.get("/v1/incidents")
    assert answer.status_code == 200, answer.text
    (found,) = answer.json()["incidents"]
    assert isinstance(found, dict)
    return found


async def _said(stand: Stand, path: str, **body: object) -> httpx.Response:
    return await stand.http.post(path, json=body)


async def test_an_alarm_opens_an_incident_of_its_site(stand: Stand) -> None:
    shown = await _incident(stand)
    (alarm,) = [one for one in await stand.alarms() if one["device"] == DETECTOR]
    assert (shown["scope"], shown["key"], shown["device"]) == ("site", "home-1", DETECTOR)
    assert alarm["alarm"] in shown["alarms"]
    assert (alarm["incident"], alarm["trial"], alarm["device_says"]) == (shown["incident"], False, True)
    assert (shown["over"], shown["closed"], shown["steps"], shown["marks"]) == (None, None, [], [])
    assert {one["alarm"] for one in await stand.alarms(f"?incident={shown['incident']}")} == set(shown["alarms"])
    one = (await stand.http.get(f"/v1/incidents/{shown['incident']}")).json()
    assert (one["incident"], one["source"], one["history"]) == (shown, "engine", None)
    assert (await stand.http.get("/v1/incidents?scope=area")).json()["incidents"] == []


async def test_what_people_do_about_an_incident_stands_in_their_name(stand: Stand) -> None:
    url = f"/v1/incidents/{(await _incident(stand))['incident']}"
    answers = [
        await _said(stand, f"{url}/dispatch", crew="crew 7", comment="by bicycle"),
        await _said(stand, f"{url}/arrive"),
        await _said(stand, f"{url}/field-reading", quantity="combustible_lel", value=1.5, place="kitchen"),
        await _said(stand, f"{url}/comment", text="the window is open"),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4, [answer.text for answer in answers]
    marks = (await stand.http.get(url)).json()["incident"]["marks"]
    assert [mark["what"] for mark in marks] == ["dispatched", "arrived", "field reading", "commented"]
    assert {mark["by"] for mark in marks} == {"administrator"}
    assert (marks[2]["quantity"], marks[2]["value"], marks[2]["comment"]) == ("combustible_lel", 1.5, "kitchen")


async def test_an_incident_whose_alarm_is_active_is_not_closed_and_the_answer_says_why(stand: Stand) -> None:
    url = f"/v1/incidents/{(await _incident(stand))['incident']}"
    refused = await _said(stand, f"{url}/close", resolution="real")
    assert (refused.status_code, refused.json()["type"]) == (409, "urn:davy:problem:refused")
    assert "active" in refused.json()["detail"]
    no_step = await _said(stand, f"{url}/step", step="evacuate")
    assert (no_step.status_code, "four steps" in no_step.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/incidents/{NOBODY}/dispatch", {"crew": "crew 7"}),
        (f"/v1/incidents/{NOBODY}/close", {"resolution": "false"}),
        (f"/v1/alarms/{NOBODY}/shelve", {"until": "2026-11-20T08:00:00Z", "reason": "welding"}),
        (f"/v1/alarms/{NOBODY}/resolve", {"resolution": "false"}),
        (f"/v1/permits/{NOBODY}/approve", None),
        (f"/v1/permits/{NOBODY}/complete", {"combustible_lel": 0.0}),
        ("/v1/devices/acme/nobody/permit", {"reason": "tight again"}),
        ("/v1/devices/acme/nobody/take-out-of-service", {"reason": "welding"}),
    ],
)
async def test_what_is_not_there_is_not_found(stand: Stand, path: str, body: dict[str, object] | None) -> None:
    answer = await stand.http.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:davy:problem:not-found"), answer.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        (f"/v1/incidents/{NOBODY}/dispatch", {"crew": " "}),
        (f"/v1/incidents/{NOBODY}/field-reading", {"quantity": "combustible_lel", "value": "much"}),
        (f"/v1/incidents/{NOBODY}/step", {"step": "open"}),
        (f"/v1/incidents/{NOBODY}/close", {"resolution": "perhaps"}),
        (f"/v1/alarms/{NOBODY}/shelve", {"until": "tomorrow", "reason": "welding"}),
        (f"/v1/alarms/{NOBODY}/shelve", {"until": "2026-11-20T08:00:00Z", "reason": "x", "role": "operator"}),
        (f"/v1/permits/{NOBODY}/complete", {"combustible_lel": -1}),
        ("/v1/held/release", {"rule": "Not A Rule"}),
    ],
)
async def test_a_body_that_means_nothing_is_refused_by_field(stand: Stand, path: str, body: dict[str, object]) -> None:
    answer = await stand.http.post(path, json=body)
    assert (answer.status_code, answer.json()["type"]) == (422, "urn:davy:problem:bad-parameter")
    assert answer.json()["errors"]


async def test_an_alarm_is_shelved_for_a_time_and_taken_back(stand: Stand) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    until = rfc3339((int(time.time()) + 3600) * 1_000_000)
    shelved = await _said(stand, f"/v1/alarms/{alarm}/shelve", until=until, reason="a welder is at work")
    assert shelved.status_code == 200, shelved.text
    (shown,) = await stand.alarms("?state=shelved")
    assert (shown["alarm"], shown["until"], shown["true_state"]) == (alarm, until, "unacknowledged")
    again = await stand.http.post(f"/v1/alarms/{alarm}/unshelve")
    assert again.status_code == 200
    (shown,) = [one for one in await stand.alarms() if one["alarm"] == alarm]
    assert (shown["state"], shown["until"]) == ("unacknowledged", None)


async def test_an_alarm_is_shelved_for_so_long_as_is_said_or_until_a_time(stand: Stand) -> None:
    url = f"/v1/alarms/{await stand.alarm_at(DETECTOR)}/shelve"
    later = rfc3339((int(time.time()) + 3600) * 1_000_000)
    for body in ({}, {"until": later, "for_s": 60}, {"for_s": 0}, {"for_s": 1e9}):
        assert (await _said(stand, url, reason="welding", **body)).status_code == 422
    began_us = time.time_ns() // 1_000
    assert (await _said(stand, url, reason="welding", for_s=600)).status_code == 200
    (shown,) = await stand.alarms("?state=shelved")
    assert rfc3339(began_us + 600_000_000) <= shown["until"] <= rfc3339(time.time_ns() // 1_000 + 600_000_000)


async def test_an_alarm_cannot_be_shelved_for_longer_than_its_priority_allows(stand: Stand) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    answer = await _said(stand, f"/v1/alarms/{alarm}/shelve", reason="welding", for_s=86_401)
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:davy:problem:refused")
    assert "24 h" in answer.json()["detail"]


async def test_what_an_alarm_was_and_what_was_said_of_it_changes_no_state(stand: Stand) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    async with stand.stream() as events:
        said = await _said(stand, f"/v1/alarms/{alarm}/resolve", resolution="false", comment="cooking wine")
        spoken = await _said(stand, f"/v1/alarms/{alarm}/comment", text="seen it")
        resolved, commented = [await events.until("alarm_changed") for _ in range(2)]
    assert (said.status_code, spoken.status_code) == (200, 200)
    assert (resolved["change"], resolved["resolution"], resolved["state"]) == ("resolved", "false", "unacknowledged")
    assert (commented["change"], commented["comment"], commented["by"]) == ("commented", "seen it", "administrator")
    (shown,) = [one for one in await stand.alarms() if one["alarm"] == alarm]
    assert shown["resolution"] == "false"


async def test_a_device_that_is_worked_on_shows_its_alarms_apart(stand: Stand) -> None:
    out = await _said(stand, f"/v1/devices/{DETECTOR}/take-out-of-service", reason="a new sensor")
    assert out.status_code == 200, out.text
    await stand.push(DETECTOR, high_alarm=True)
    assert [one["device"] for one in await stand.alarms("?state=out_of_service")] == [DETECTOR]
    back = await stand.http.post(f"/v1/devices/{DETECTOR}/return-to-service")
    assert back.status_code == 200
    assert await stand.alarms("?state=out_of_service") == []


async def test_one_person_cannot_permit_what_he_asked_for(stand: Stand) -> None:
    async with stand.stream() as events:
        asked = await _said(stand, f"/v1/devices/{VALVE}/permit", reason="the pipe is tight again")
        assert asked.status_code == 202, asked.text
        requested = await events.until("permit_changed")
    permit = asked.json()["subject"]
    assert asked.headers["Location"] == f"/v1/permits/{permit}"
    assert (requested["permit"], requested["state"], requested["device"]) == (permit, "requested", VALVE)
    (listed,) = (await stand.http.get("/v1/permits")).json()["permits"]
    assert (listed["permit"], listed["device"], listed["requested_by"]) == (permit, VALVE, "administrator")
    refused = await stand.http.post(f"/v1/permits/{permit}/approve")
    assert refused.status_code == 409, refused.text
    one = (await stand.http.get(f"/v1/permits/{permit}")).json()
    assert (one["permit"], one["source"], one["steps"]) == (listed, "engine", None)
    gone = await _said(stand, f"/v1/permits/{permit}/withdraw", reason="not today")
    assert gone.status_code == 200, gone.text
    assert (await stand.http.get("/v1/permits")).json()["permits"] == []


async def test_a_permit_for_what_takes_no_command_is_refused(stand: Stand) -> None:
    answer = await _said(stand, f"/v1/devices/{SELF_CLOSING}/permit", reason="x")
    assert (answer.status_code, answer.json()["type"]) == (409, "urn:davy:problem:refused")


async def test_where_nothing_is_held_nothing_is_released(stand: Stand) -> None:
    listed = (await stand.http.get("/v1/held")).json()
    assert (listed["held"], listed["next"]) == ([], None)
    for path, body in (("release", {}), ("veto", {"reason": "a test of the sirens"})):
        answer = await _said(stand, f"/v1/held/{path}", rule="ch4-high", **body)
        assert (answer.status_code, answer.json()["type"]) == (409, "urn:davy:problem:refused")
    assert (await _said(stand, "/v1/held/release", rule="ch4-high", device="acme/nobody")).status_code == 404


async def test_the_same_key_closes_an_incident_once_and_another_wish_is_another(stand: Stand) -> None:
    url, key = f"/v1/incidents/{(await _incident(stand))['incident']}", {"Idempotency-Key": "k"}
    first = await stand.http.post(f"{url}/dispatch", json={"crew": "crew 7"}, headers=key)
    again = await stand.http.post(f"{url}/dispatch", json={"crew": "crew 7"}, headers=key)
    other = await stand.http.post(f"{url}/arrive", json={}, headers=key)
    assert first.json() == again.json()
    assert other.json()["instruction"] != first.json()["instruction"]
    marks = (await stand.http.get(url)).json()["incident"]["marks"]
    assert [mark["what"] for mark in marks] == ["dispatched", "arrived"]
