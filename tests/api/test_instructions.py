"""Idempotency keys, and what a missing answer means: no key makes an instruction do nothing, and no problem says more
than is known."""

import pytest

from api.config import Limits
from tests.api.conftest import config_of
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR, SELF_CLOSING, VALVE
from tests.api.stand import Stand, serving, signed

_KEY = {"Idempotency-Key": "k"}
_CLOSE = f"/v1/devices/{VALVE}/close"


async def _open_commands(stand: Stand, wanted: str) -> str | None:
    outcome: str | None = (await stand.http.get(f"/v1/commands/{wanted}")).json()["outcome"]
    return outcome


async def test_a_key_that_acknowledged_an_alarm_still_closes_a_valve(anywhere: Stand) -> None:
    alarm = await anywhere.alarm_at(DETECTOR)
    acknowledged = await anywhere.http.post(f"/v1/alarms/{alarm}/acknowledge", json={}, headers=_KEY)
    closed = await anywhere.http.post(_CLOSE, json={"reason": "smell of gas"}, headers=_KEY)
    assert (acknowledged.status_code, closed.status_code) == (200, 202)
    assert closed.json()["wanted"] != alarm
    command = await anywhere.http.get(f"/v1/commands/{closed.json()['wanted']}")
    assert (command.status_code, command.json()["device"]) == (200, VALVE)


async def test_a_key_refused_at_one_device_still_closes_another(anywhere: Stand) -> None:
    refused = await anywhere.http.post(f"/v1/devices/{SELF_CLOSING}/close", json={"reason": "x"}, headers=_KEY)
    closed = await anywhere.http.post(_CLOSE, json={"reason": "x"}, headers=_KEY)
    assert (refused.status_code, closed.status_code) == (409, 202)
    assert await _open_commands(anywhere, closed.json()["wanted"]) is None


async def test_a_key_that_closed_a_valve_still_cancels(anywhere: Stand) -> None:
    wanted = (await anywhere.http.post(_CLOSE, json={"reason": "x"}, headers=_KEY)).json()["wanted"]
    answer = await anywhere.http.post(f"/v1/commands/{wanted}/cancel", json={"reason": "x"}, headers=_KEY)
    assert answer.status_code == 200
    assert await _open_commands(anywhere, wanted) == "cancelled"


@pytest.mark.parametrize("key", ["", "a b", "x" * 129, "tab\there"])
async def test_one_rule_holds_for_the_keys_of_pushes_and_of_instructions(anywhere: Stand, key: str) -> None:
    headers = {"Idempotency-Key": key}
    pushed = await anywhere.bare.post(
        f"/v1/telemetry/{DETECTOR}", json={"boot": 1, "seq": 1}, headers={**headers, **signed(DETECTOR)}
    )
    closed = await anywhere.http.post(_CLOSE, json={"reason": "x"}, headers=headers)
    for answer in (pushed, closed):
        assert answer.status_code == 422
        assert answer.headers["Content-Type"] == "application/problem+json"


async def test_a_key_used_for_other_readings_loses_none(anywhere: Stand) -> None:
    url, headers = f"/v1/telemetry/{DETECTOR}", {**signed(DETECTOR), **_KEY}
    first = await anywhere.bare.post(url, json={"boot": 1, "seq": 1}, headers=headers)
    other = await anywhere.bare.post(url, json={"boot": 1, "seq": 2}, headers=headers)
    again = await anywhere.bare.post(url, json={"boot": 1, "seq": 1}, headers=headers)
    assert [answer.json()["stored"] for answer in (first, other, again)] == [1, 1, 1]
    assert again.json()["duplicate"] == 0


async def test_a_missing_answer_is_not_called_a_refusal(engine: DoorDouble) -> None:
    async with serving(config_of(engine.path, limits=Limits(answer_within_s=0.2))) as stand:
        assert (await stand.push(DETECTOR)).status_code == 200
        await stand.http.post(_CLOSE, json={"reason": "x"})
        engine.mute = True  # it takes what is sent, and says nothing
        alarm = "0" * 32
        for answer in (
            await stand.push(DETECTOR),
            await stand.http.post(f"/v1/alarms/{alarm}/acknowledge", json={}, headers=_KEY),
        ):
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:answer-lost")
            assert "perhaps taken" in answer.json()["detail"]
            assert int(answer.headers["Retry-After"]) >= 1


async def test_what_was_never_sent_is_said_not_to_be_taken(stand: Stand, engine: DoorDouble) -> None:
    assert (await stand.push(DETECTOR)).status_code == 200
    await engine.stop()
    for answer in (await stand.push(DETECTOR), await stand.http.post(_CLOSE, json={"reason": "x"})):
        assert (answer.status_code, answer.json()["type"]) == (503, "urn:davy:problem:engine-away")
        assert "nothing was taken" in answer.json()["detail"]


async def test_a_busy_engine_has_taken_nothing_and_says_so(stand: Stand, engine: DoorDouble) -> None:
    engine.busy = True
    assert "nothing was taken" in (await stand.push(DETECTOR)).json()["detail"]
