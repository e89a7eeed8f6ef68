"""The whole of `davy up` with its PostgreSQL stopped in the middle: the leak is still seen, the valve is still shut and
seen shut, a person can acknowledge and close by the API, and afterwards nothing is missing and nothing is double."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import httpx

from davy.bench.whole import Whole, whole
from tests.guarantees.sayings import leak, normal, position
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town_file, valve

HOMES = 3


@contextmanager
def stopped(running: Whole) -> Iterator[None]:
    """PostgreSQL stands still: its sockets stay open and nobody answers, the worst way for a database to be away."""
    pids = running.pids()["postgres"]
    assert pids
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


@asynccontextmanager
async def api(running: Whole) -> AsyncIterator[httpx.AsyncClient]:
    token = running.settings.admin_token.read_text().strip()
    base = f"http://127.0.0.1:{running.settings.http_port}"
    async with httpx.AsyncClient(base_url=base, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        yield client


async def in_force(running: Whole) -> None:
    async with asyncio.timeout(60):
        while True:
            door = await running.door()
            devices = (await door.status()).devices
            await door.close()
            if devices == 2 * HOMES + 1:
                return
            await asyncio.sleep(0.05)


async def followed(running: Whole) -> None:
    async with asyncio.timeout(60):
        while True:
            door = await running.door()
            status = await door.status()
            await door.close()
            if status.followers["storage"] >= status.cycle:
                return
            await asyncio.sleep(0.05)


async def test_with_postgresql_stopped_a_leak_shuts_the_valve_and_people_can_act(tmp_path: Path) -> None:
    async with whole(None) as running:
        await (await running.door()).close()
        file = tmp_path / "town.json"
        file.write_text(town_file(HOMES))
        await running.davy("registry", "import", str(file), "--yes")
        await in_force(running)
        port = running.settings.mqtt_port
        talkers = {name: Talker(port, name) for home in range(HOMES) for name in (detector(home), valve(home))}
        for talker in talkers.values():
            await talker.connect()
        for home in range(HOMES):
            await talkers[valve(home)].listen_for_commands()
            await talkers[detector(home)].said(detector(home), normal(1))
        async with api(running) as client:
            with stopped(running):
                await _leak_and_people(talkers, client)
            await followed(running)
            account = await running.davy("ledger")
            assert account["faults"] == []
            history = await client.get(f"/v1/devices/{detector(0)}/readings", params={"resolution": "raw"})
            assert history.status_code == 200, history.text
            assert len(history.json()["readings"]) == 2, "each reading once"
        for talker in talkers.values():
            await talker.close()


async def _leak_and_people(talkers: dict[str, Talker], client: httpx.AsyncClient) -> None:
    closer = talkers[valve(0)]
    await talkers[detector(0)].said(detector(0), leak(2))
    await closer.until(lambda: bool(closer.heard))
    await closer.said(valve(0), position(1, "closed"))
    alarms = (await client.get("/v1/alarms")).json()["alarms"]
    (alarm,) = [one for one in alarms if one["rule"] == "ch4-high"]
    done = await client.post(f"/v1/alarms/{alarm['alarm']}/acknowledge", json={"comment": "crew is on its way"})
    assert done.status_code == 200, done.text
    closed = await client.post(f"/v1/devices/{valve(1)}/close", json={"reason": "asked for by the fire brigade"})
    assert closed.status_code == 202, closed.text
    other = talkers[valve(1)]
    await other.until(lambda: bool(other.heard))
    detail = await client.get(f"/v1/commands/{closed.json()['wanted']}")
    assert [step["step"] for step in detail.json()["attempts"][0]["steps"]][:2] == ["requested", "sent"]
