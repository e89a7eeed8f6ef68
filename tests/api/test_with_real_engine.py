"""The API before the real engine: what the double cannot vouch for."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiomqtt
import pytest

from api.config import Limits
from devices.sites import Gone, RegistryChange, encode_change
from engine.client import DoorClient
from tests.api.conftest import config_of
from tests.api.homes import BEHIND, DETECTOR, GATEWAY, SLEEPY, TOKENS, VALVE
from tests.api.real_engine import RealEngine
from tests.api.stand import serving, signed


@pytest.fixture
async def engine(tmp_path: Path) -> AsyncIterator[RealEngine]:
    running = RealEngine(tmp_path)
    await running.start()
    yield running
    await running.stop()


@asynccontextmanager
async def _valve_online(engine: RealEngine) -> AsyncIterator[aiomqtt.Client]:
    async with aiomqtt.Client(
        "127.0.0.1", engine.mqtt_port, username=VALVE, password=TOKENS[VALVE], identifier=VALVE.replace("/", "-")
    ) as valve:
        await valve.subscribe(f"davy/v1/{VALVE}/command", qos=1)
        yield valve


async def test_a_persons_close_reaches_the_valve_and_ends_when_it_is_seen_closed(engine: RealEngine) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events, _valve_online(engine) as valve:
        answer = await stand.http.post(f"/v1/devices/{VALVE}/close", json={"reason": "smell of gas"})
        wanted = answer.json()["wanted"]
        async with asyncio.timeout(20):
            command = json.loads((await anext(aiter(valve.messages))).payload)  # type: ignore[arg-type]
            assert command["verb"] == "close"
            reply = {"id": command["id"], "valve": "closed"}
            await valve.publish(f"davy/v1/{VALVE}/reply", json.dumps(reply), qos=1)
            ended = await events.until("wanted_ended")
    assert (ended["wanted"], ended["outcome"], ended["device"]) == (wanted, "confirmed", VALVE)


async def test_a_token_that_is_taken_back_brings_in_nothing_more_while_it_is_still_believed(engine: RealEngine) -> None:
    limits = Limits(token_lives_s=3600.0)
    async with serving(config_of(engine.path, limits=limits)) as stand, DoorClient(engine.path) as door:
        assert (await stand.push(DETECTOR)).status_code == 200
        assert (await stand.push(BEHIND, token_of=GATEWAY)).status_code == 200
        gone = RegistryChange(gone=Gone(credentials=(DETECTOR, GATEWAY)))
        await door.change_registry(2, 1, encode_change(gone))
        assert (await stand.push(DETECTOR)).status_code == 401
        assert (await stand.push(BEHIND, token_of=GATEWAY)).status_code == 401


async def test_a_close_of_a_sleeping_valve_is_told_with_the_time_it_next_hears(tmp_path: Path) -> None:
    engine = RealEngine(tmp_path, SLEEPY)
    await engine.start()
    try:
        async with serving(config_of(engine.path)) as stand, stand.stream() as events, asyncio.timeout(20):
            alarm = await stand.alarm_at(DETECTOR)
            close = await events.until("close_wanted")
            shown = (await stand.http.get(f"/v1/commands/{close['wanted']}")).json()
            (asleep,) = [one for one in await stand.alarms() if one["device"] == VALVE]
    finally:
        await engine.stop()
    assert close["hears_by"] is not None
    assert close["hears_by"] == shown["hears_by"] == asleep["expected"]
    assert asleep["because"] == alarm
    assert asleep["note"]


async def test_an_acknowledged_alarm_and_an_open_stream_outlive_the_engine(engine: RealEngine) -> None:
    async with serving(config_of(engine.path)) as stand, stand.stream() as events:
        alarm = await stand.alarm_at(DETECTOR)
        await events.until("alarm_raised")
        await engine.stop()
        assert (await stand.push(DETECTOR)).status_code == 503
        await engine.start()
        assert (await stand.http.post(f"/v1/alarms/{alarm}/acknowledge", json={})).status_code == 200
        async with asyncio.timeout(20):
            changed = await events.until("alarm_changed")
        assert (changed["alarm"], changed["state"]) == (alarm, "acknowledged")
        assert [one["alarm"] for one in await stand.alarms("?state=acknowledged")] == [alarm]


async def test_a_push_is_on_disk_once_however_often_it_is_sent(engine: RealEngine) -> None:
    body = [{"boot": 1, "seq": n, "co_ppm": 1.0} for n in range(10)]
    async with serving(config_of(engine.path)) as stand:
        url, headers = f"/v1/telemetry/{DETECTOR}", signed(DETECTOR) | {"Idempotency-Key": "a"}
        first = await stand.bare.post(url, json=body, headers=headers)
        again = await stand.bare.post(url, json=body, headers=headers)
        without_key = await stand.bare.post(url, json=body, headers=signed(DETECTOR))
        await engine.stop()
        await engine.start()
        after_restart = await stand.bare.post(url, json=body, headers=headers)
    assert first.json() == {"stored": 10, "duplicate": 0, "quarantined": 0}
    assert again.json() == after_restart.json() == first.json()
    assert without_key.json() == {"stored": 0, "duplicate": 10, "quarantined": 0}


async def test_every_hostile_body_is_quarantined_and_counted(engine: RealEngine) -> None:
    hostile = (b"{", b"\xff", b"NaN", b"[]", b'{"seq":1,"seq":2}', b"[" * 100_000, b'{"co_ppm":1e999}', b'{"seq":true}')
    async with serving(config_of(engine.path)) as stand:
        for body in hostile:
            headers = signed(DETECTOR) | {"Content-Type": "application/json"}
            answer = await stand.bare.post(f"/v1/telemetry/{DETECTOR}", content=body, headers=headers)
            assert (answer.status_code, answer.json()["quarantined"]) == (200, 1), body[:20]
        assert (
            f'davy_readings_quarantined_total{{source="http"}} {len(hostile)}'
            in (await stand.http.get("/metrics")).text
        )


async def test_a_gateway_publishes_for_the_device_behind_it(engine: RealEngine) -> None:
    async with serving(config_of(engine.path)) as stand:
        assert (await stand.push(BEHIND, GATEWAY)).status_code == 200
        assert (await stand.push(DETECTOR, GATEWAY)).status_code == 401
