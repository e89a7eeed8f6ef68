"""Closing a valve by hand, and following the command until the valve is seen closed."""

import msgspec

from api.times import rfc3339
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR, SELF_CLOSING, VALVE
from tests.api.stand import Stand


async def test_closing_a_valve_is_accepted_and_followed_to_the_seen_position(stand: Stand) -> None:
    answer = await stand.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "smell of gas"})
    assert answer.status_code == 202
    wanted = answer.json()["wanted"]
    assert answer.headers["Location"] == f"/v1/commands/{wanted}"
    under_way = (await stand.http.get(f"/v1/commands/{wanted}")).json()
    assert (under_way["outcome"], under_way["by"], under_way["reason"]) == (None, "administrator", "smell of gas")
    assert under_way["attempts"][0]["steps"][0]["step"] == "requested"
    await stand.push(VALVE, valve="closed")
    done = (await stand.http.get(f"/v1/commands/{wanted}")).json()
    assert (done["outcome"], done["position"], done["source"]) == ("confirmed", "closed", "engine")
    steps = [step["step"] for attempt in done["attempts"] for step in attempt["steps"]]
    assert steps[0] == "requested"
    assert steps[-1] == "confirmed"
    assert all(step["at"].endswith("Z") for attempt in done["attempts"] for step in attempt["steps"])


async def test_a_closing_says_when_a_sleeping_valve_hears(stand: Stand, engine: DoorDouble) -> None:
    wanted = (await stand.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "x"})).json()["wanted"]
    assert (await stand.http.get(f"/v1/commands/{wanted}")).json()["hears_by"] is None
    one = engine.wanted[wanted]
    one.view = msgspec.structs.replace(one.view, hears_by=one.view.since + 3_600_000_000)
    shown = (await stand.http.get(f"/v1/commands/{wanted}")).json()
    assert shown["hears_by"] == rfc3339(one.view.since + 3_600_000_000)


async def test_an_alarm_closes_the_linked_valve_and_the_command_names_the_alarm(anywhere: Stand) -> None:
    async with anywhere.stream() as events:
        alarm = await anywhere.alarm_at(DETECTOR)
        wanted = await events.until("close_wanted")
    shown = (await anywhere.http.get(f"/v1/commands/{wanted['wanted']}")).json()
    assert (shown["alarm"], shown["device"], shown["by"]) == (alarm, VALVE, None)


async def test_a_close_needs_a_reason(anywhere: Stand) -> None:
    for body in ({}, {"reason": ""}, {"reason": "   "}, {"reason": 1}, {"reason": "x", "verb": "open"}):
        answer = await anywhere.http.post(f"/v1/devices/{VALVE}/close", json=body)
        assert answer.status_code == 422, body
        assert answer.json()["errors"][0]["where"].startswith("body")


async def test_a_device_that_takes_no_command_is_refused(anywhere: Stand) -> None:
    for identity in (SELF_CLOSING, DETECTOR):
        answer = await anywhere.http.post(f"/v1/devices/{identity}/close", json={"reason": "x"})
        assert answer.status_code == 409
        assert answer.json()["detail"]


async def test_closing_an_unknown_device_is_not_found(anywhere: Stand) -> None:
    assert (await anywhere.http.post("/v1/devices/acme/nobody/close", json={"reason": "x"})).status_code == 404


async def test_a_repeated_close_with_the_same_key_wants_the_same(stand: Stand, engine: DoorDouble) -> None:
    headers = {"Idempotency-Key": "close-1"}
    answers = [
        await stand.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "x"}, headers=headers) for _ in range(2)
    ]
    assert answers[0].json() == answers[1].json()
    assert len(engine.wanted) == 1


async def test_a_named_person_cancels_the_attempts(anywhere: Stand) -> None:
    wanted = (await anywhere.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "x"})).json()["wanted"]
    answer = await anywhere.http.post(f"/v1/commands/{wanted}/cancel", json={"reason": "fitter on site"})
    assert answer.status_code == 200
    assert (await anywhere.http.get(f"/v1/commands/{wanted}")).json()["outcome"] == "cancelled"
    again = await anywhere.http.post(f"/v1/commands/{wanted}/cancel", json={"reason": "x"})
    assert again.status_code == 409


async def test_cancelling_an_unknown_command_is_not_found(anywhere: Stand) -> None:
    answer = await anywhere.http.post(f"/v1/commands/{'0' * 32}/cancel", json={"reason": "x"})
    assert answer.status_code == 404


async def test_no_route_opens_a_valve(anywhere: Stand) -> None:
    description = (await anywhere.http.get("/openapi.json")).json()
    assert not [path for path in description["paths"] if "open" in path.replace("/openapi.json", "")]
    assert (await anywhere.http.post(f"/v1/devices/{VALVE}/open", json={"reason": "x"})).status_code == 404
