"""Backtests as jobs, by HTTP, on a real PostgreSQL: what they find, how they end, what they leave alone."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api.apart_work import BacktestJob, Document
from api.backtest_jobs import Backtests, JobState
from api.times import rfc3339
from tests.api.conftest import config_of, migrated
from tests.api.door_double import DoorDouble
from tests.api.homes import DETECTOR
from tests.api.stand import Stand, serving
from tests.api.stored_kitchen import END, GAS_AT, READINGS, RULES, write_kitchen
from tests.postgres import Server
from tests.storage.cycles import SECOND, T0

#: The rules that were in force, but for one limit.
STRICTER = RULES.decode().replace("at_or_above = 20", "at_or_above = 30")
PERIOD = {"from": rfc3339(T0), "to": rfc3339(END)}


@pytest.fixture(scope="module")
def url(postgres: Server) -> Iterator[str]:
    """Written once: these tests only read it."""
    found = postgres.database(migrated(postgres))
    asyncio.run(write_kitchen(found))
    yield found
    postgres.drop(found)


@pytest.fixture
async def stand(engine: DoorDouble, url: str) -> AsyncIterator[Stand]:
    async with serving(config_of(engine.path, url)) as served:
        yield served


def _asked(toml: str = STRICTER, **more: object) -> dict[str, Any]:
    return {"rules": {"documents": [{"name": "new.toml", "toml": toml}]}, **PERIOD, **more}


async def _begun(stand: Stand, **more: object) -> str:
    answer = await stand.http.post("/v1/rules/backtests", json=_asked(**more))  # type: ignore[arg-type]
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert (told["state"], told["by"], told["from"], told["to"]) == ("running", "administrator", *PERIOD.values())
    return str(told["backtest"])


async def _over(stand: Stand, backtest: str) -> dict[str, Any]:
    async with asyncio.timeout(60):
        while True:
            found: dict[str, Any] = (await stand.http.get(f"/v1/rules/backtests/{backtest}")).json()
            if found["backtest"]["state"] != "running":
                return found
            await asyncio.sleep(0.05)


async def test_what_new_rules_would_have_done_beside_those_in_force(stand: Stand, engine: DoorDouble) -> None:
    before = (engine.cycle, len(engine.feed))
    told = await _over(stand, await _begun(stand))
    assert told["backtest"]["state"] == "done", told
    assert (told["backtest"]["done_pct"], told["backtest"]["failure"]) == (100.0, None)
    result = told["result"]
    assert (result["readings"], result["unknown"]) == (READINGS, 0)
    new, old = result["new"], result["old"]
    assert (new["version"], old["version"]) == ("then", "then")
    assert {one["rule"]: one["alarms"] for one in old["rules"]}["gas"] == 1
    assert {one["rule"]: one["alarms"] for one in new["rules"]}["gas"] == 0
    only_old = [one for one in result["differences"]["only_old_alarms"] if one["rule"] == "gas"]
    assert [(one["device"], one["onset"]) for one in only_old] == [(DETECTOR, rfc3339(GAS_AT))]
    assert result["differences"]["only_old"] == len(result["differences"]["only_old_alarms"])
    assert old["health"]["alarms"] == old["annunciated"]
    assert (engine.cycle, len(engine.feed)) == before  # nobody live noticed


async def test_two_versions_that_are_handed_in_are_compared(stand: Stand) -> None:
    gentle = RULES.decode().replace("at_or_above = 20", "at_or_above = 24").replace('"then"', '"gentle"')
    against = {"documents": [{"name": "old.toml", "toml": gentle}]}
    told = await _over(stand, await _begun(stand, against=against, sites=["home-1"], acknowledge_after_s=None))
    assert told["result"]["old"]["version"] == "gentle"
    assert told["backtest"]["sites"] == ["home-1"]


async def test_one_runs_at_a_time_and_can_be_ended(stand: Stand, url: str) -> None:
    first = await _begun(stand)
    second = await stand.http.post("/v1/rules/backtests", json=_asked())
    assert (second.status_code, first in second.json()["detail"]) == (429, True)
    ended = await stand.http.delete(f"/v1/rules/backtests/{first}")
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    assert (await stand.http.delete(f"/v1/rules/backtests/{first}")).json() == ended.json()
    third = await _begun(stand)
    listed = (await stand.http.get("/v1/rules/backtests")).json()["backtests"]
    assert [one["backtest"] for one in listed] == [third, first]
    assert (await stand.http.delete(f"/v1/rules/backtests/{'0' * 32}")).status_code == 404


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"to": rfc3339(T0)}, "`from` comes before `to`"),
        ({"from": rfc3339(T0 - 367 * 86_400 * SECOND)}, "at most 366 days"),
        ({"rules": {"documents": [{"toml": STRICTER.replace("combustible_lel", "methane")}]}}, "rules: rules.toml:8"),
        ({"against": {"packs": ["nothing"]}}, "there is no pack nothing"),
        ({"acknowledge_after_s": 0}, "acknowledge_after_s"),
        ({"as_active": True}, "as_active"),
    ],
)
async def test_what_cannot_be_run_is_refused_before_it_begins(
    stand: Stand, changes: dict[str, object], said: str
) -> None:
    answer = await stand.http.post("/v1/rules/backtests", json=_asked() | changes)
    assert (answer.status_code, said in answer.json()["detail"]) == (422, True), answer.text
    assert (await stand.http.get("/v1/rules/backtests")).json() == {"backtests": []}


async def test_one_that_fails_says_why(stand: Stand) -> None:
    told = await _over(stand, await _begun(stand, sites=["nowhere"]))
    assert (told["backtest"]["state"], told["result"]) == ("failed", None)
    assert told["backtest"]["failure"] == "site 'nowhere' is not registered"


@pytest.mark.parametrize(
    ("begin", "end"),
    [
        ("0001-01-01T00:00:00Z", "0001-06-01T00:00:00Z"),
        ("9999-12-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("1969-12-31T23:00:00Z", "1970-01-01T01:00:00Z"),
    ],
)
async def test_times_of_which_there_is_no_history_are_no_failure(stand: Stand, begin: str, end: str) -> None:
    answer = await stand.http.post("/v1/rules/backtests", json=_asked() | {"from": begin, "to": end})
    told = await _over(stand, answer.json()["backtest"])
    assert told["backtest"]["state"] == "done", told
    assert told["result"]["readings"] == 0


async def test_its_time_is_bounded(engine: DoorDouble, url: str) -> None:
    config = config_of(engine.path, url)
    config = replace(config, limits=replace(config.limits, backtest_within_s=0.01))
    async with serving(config) as stand:
        told = await _over(stand, await _begun(stand))
    assert told["backtest"]["state"] == "failed"
    assert told["backtest"]["failure"] == "it took more than 0.01 s; ask for a shorter time or fewer sites"


def _children() -> set[str]:
    """Processes of `api.apart_work` that this process began."""
    found = set()
    for home in Path("/proc").iterdir():
        try:
            mine = f"PPid:\t{os.getpid()}\n" in (home / "status").read_text()
            if mine and b"api.apart_work" in (home / "cmdline").read_bytes():
                found.add(home.name)
        except OSError:
            continue
    return found


async def test_it_ends_with_the_api(engine: DoorDouble, url: str) -> None:
    async with serving(config_of(engine.path, url)) as stand:
        await _begun(stand)
        async with asyncio.timeout(20):
            while not _children():
                await asyncio.sleep(0)
    assert not _children()


async def test_a_process_whose_parent_is_gone_ends() -> None:
    """Of an API that was killed: its end of the pipe is closed, and nothing else tells."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"host=127.0.0.1 port={silent.getsockname()[1]} user=x dbname=x connect_timeout=60"
        body = msgspec.msgpack.encode(BacktestJob(url, 2**30, Document("x.toml", RULES), 0, 1))
        child = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "api.apart_work"), stdin=asyncio.subprocess.PIPE
        )
        assert child.stdin is not None
        child.stdin.write(len(body).to_bytes(4, "little") + body)
        child.stdin.close()
        async with asyncio.timeout(30):
            assert await child.wait() == 1


async def test_only_the_newest_are_kept() -> None:
    jobs = Backtests(kept=3, within_s=60.0, now_us=lambda: T0)
    job = BacktestJob("", 1, Document("x", b""), 0, 1)
    for n in range(5):
        one = jobs.begin(f"b{n}", "li", job)
        await jobs.end(one)
        assert (one.state, one.ended_us) == (JobState.ENDED, T0)
    assert list(jobs.all) == ["b2", "b3", "b4"]
