"""Live alarms: listed, acknowledged and reset through the engine alone."""

import asyncio
from uuid import uuid4

import msgspec

from api.times import rfc3339
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR, ELSEWHERE, OTHERS
from tests.api.stand import Stand


async def test_an_alarm_is_listed_with_words_and_utc_times(anywhere: Stand) -> None:
    alarm = await anywhere.alarm_at(DETECTOR)
    (shown,) = await anywhere.alarms()
    assert shown["alarm"] == alarm
    assert (shown["priority"], shown["state"]) == ("critical", "unacknowledged")
    assert (shown["device"], shown["device_no"], shown["site"]) == (DETECTOR, 1, "home-1")
    assert shown["raised"].endswith("Z")
    assert len(shown["raised"]) == len("2026-11-20T08:30:56.000001Z")
    assert shown["because"] is None


async def test_an_alarm_shows_its_note_and_what_is_expected(stand: Stand, engine: DoorDouble) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    (plain,) = await stand.alarms()
    told = {"note": "it wakes every hour", "expected": engine.now_us + 3_600_000_000}
    engine.alarms[alarm] = msgspec.structs.replace(engine.alarms[alarm], **told)
    (shown,) = await stand.alarms()
    assert (plain["note"], plain["expected"]) == (None, None)
    assert (shown["note"], shown["expected"]) == (told["note"], rfc3339(engine.now_us + 3_600_000_000))
    assert (await stand.http.get(f"/v1/alarms/{alarm}")).json()["alarm"] == shown


async def test_the_list_can_be_filtered_by_state_priority_and_site(anywhere: Stand) -> None:
    first = await anywhere.alarm_at(DETECTOR)
    await anywhere.alarm_at(ELSEWHERE)
    await anywhere.http.post(f"/v1/alarms/{first}/acknowledge", json={})
    assert {alarm["site"] for alarm in await anywhere.alarms("?site=home-2")} == {"home-2"}
    assert [alarm["alarm"] for alarm in await anywhere.alarms("?state=acknowledged")] == [first]
    both = await anywhere.alarms("?state=acknowledged&state=unacknowledged&priority=critical")
    assert {alarm["device"] for alarm in both} == {DETECTOR, ELSEWHERE}
    assert await anywhere.alarms("?priority=low") == []


async def test_pages_hold_every_alarm_once_also_when_alarms_arrive_between_them(anywhere: Stand) -> None:
    for identity in OTHERS:
        await anywhere.alarm_at(identity)
    all_before = [alarm["alarm"] for alarm in await anywhere.alarms()]
    page = (await anywhere.http.get("/v1/alarms?limit=2")).json()
    seen = [alarm["alarm"] for alarm in page["alarms"]]
    await anywhere.alarm_at(DETECTOR)
    while page["next"]:
        page = (await anywhere.http.get("/v1/alarms", params={"limit": 2, "cursor": page["next"]})).json()
        seen += [alarm["alarm"] for alarm in page["alarms"]]
    assert seen == all_before


async def test_a_foreign_cursor_is_refused_by_name(anywhere: Stand) -> None:
    for cursor in ("x", "!!!!", "gqFhAQ", "é"):
        answer = await anywhere.http.get("/v1/alarms", params={"cursor": cursor})
        assert answer.status_code == 422
        assert "cursor" in answer.json()["detail"]


async def test_acknowledging_names_the_person_and_keeps_the_comment(stand: Stand, engine: DoorDouble) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    answer = await stand.http.post(f"/v1/alarms/{alarm}/acknowledge", json={"comment": " looked at it "})
    assert answer.status_code == 200
    assert answer.json()["subject"] == alarm
    (shown,) = await stand.alarms()
    assert (shown["state"], shown["acknowledged_by"]) == ("acknowledged", "administrator")
    assert getattr(engine.feed[-1].decision, "comment", "") == "looked at it"


async def test_the_same_idempotency_key_is_answered_again_and_done_once(stand: Stand, engine: DoorDouble) -> None:
    alarm = await stand.alarm_at(DETECTOR)
    headers, cycle = {"Idempotency-Key": str(uuid4())}, engine.cycle
    answers = [await stand.http.post(f"/v1/alarms/{alarm}/acknowledge", json={}, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    assert len({answer.text for answer in answers}) == 1
    assert engine.cycle == cycle + 1


async def test_an_idempotency_key_of_another_alarm_still_acts(anywhere: Stand) -> None:
    one, other = await anywhere.alarm_at(DETECTOR), await anywhere.alarm_at(OTHERS[0])
    headers = {"Idempotency-Key": "k"}
    assert (await anywhere.http.post(f"/v1/alarms/{one}/acknowledge", json={}, headers=headers)).status_code == 200
    assert (await anywhere.http.post(f"/v1/alarms/{other}/acknowledge", json={}, headers=headers)).status_code == 200
    assert {alarm["state"] for alarm in await anywhere.alarms()} == {"acknowledged"}


async def test_a_refused_instruction_says_why(anywhere: Stand) -> None:
    alarm = await anywhere.alarm_at(DETECTOR)
    refused = await anywhere.http.post(f"/v1/alarms/{alarm}/reset")
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:davy:problem:refused"
    assert refused.json()["detail"]


async def test_an_unknown_alarm_is_not_found(anywhere: Stand) -> None:
    nobody = "0" * 32
    assert (await anywhere.http.post(f"/v1/alarms/{nobody}/acknowledge", json={})).status_code == 404
    assert (await anywhere.http.post("/v1/alarms/no-id/acknowledge", json={})).status_code == 422


async def test_one_alarm_is_shown_by_the_engine_without_a_database(anywhere: Stand) -> None:
    alarm = await anywhere.alarm_at(DETECTOR)
    shown = (await anywhere.http.get(f"/v1/alarms/{alarm}")).json()
    assert (shown["source"], shown["alarm"]["alarm"], shown["steps"]) == ("engine", alarm, None)


async def test_many_requests_for_the_list_are_few_for_the_engine(stand: Stand, engine: DoorDouble) -> None:
    await stand.alarms()
    listed = engine.listed
    found = await asyncio.gather(*(stand.alarms() for _ in range(40)))
    assert len(found) == 40
    assert engine.listed - listed < 40
