"""F1 to F3 of storage/coverage_making.py and coverage_reports.py, O1 to O3 of coverage_turns.py, on a real database."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from datetime import date
from zoneinfo import ZoneInfo

import psycopg
import pytest

from access.ownership import Scope
from devices.coverage_counts import total
from devices.coverage_policy import load_policies
from devices.coverage_schedule import due_between
from storage.coverage_gather import gather, question_of
from storage.coverage_making import Made, Occasion, keep, make, publish
from storage.coverage_orders import Order, ask, ordered
from storage.coverage_plans import end_schedule, notices, plans, put_plans, put_schedule, scheduled
from storage.coverage_reports import (
    GapsAsked,
    header,
    headers,
    policy_of,
    report_cells,
    report_fitted,
    report_gaps,
)
from storage.coverage_turns import keep_reporting, turn
from storage.database import Connection, connect
from tests.coverage.city import AREA, END_US, TODAY, ZONE, random_city, register, speak
from tests.storage.cycles import DAY, HOUR, MINUTE, T0

POLICIES = load_policies()
POLICY = POLICIES["wulong_2022_targets"]
NOW = END_US + HOUR


@pytest.fixture
async def city(plain_url: str) -> AsyncIterator[Connection]:
    connection = await connect(plain_url, name="test coverage")
    one = random_city(11, 80)
    await register(connection, one, T0 - 900 * DAY)
    await speak(plain_url, connection, one)
    yield connection
    await connection.close()


async def made(connection: Connection) -> Made:
    question = question_of(AREA, TODAY, ZONE, NOW)
    return make(POLICY, await gather(connection, POLICY, question), question)


async def kept(connection: Connection, one: Made, occasion: Occasion | None = None) -> int:
    async with connection.transaction():
        return await keep(connection, one, occasion or Occasion(), code="1.0", now_us=NOW)


async def published(connection: Connection, report: int) -> bool:
    async with connection.transaction():
        return await publish(connection, report, by="person/clerk", now_us=NOW)


async def test_what_is_kept_is_what_was_made(city: Connection) -> None:
    one = await made(city)
    report = await kept(city, one)
    said = await header(city, report)
    assert said is not None
    assert (said.area, said.day, said.policy, said.sha256) == (AREA, TODAY, POLICY.key, one.sha256())
    assert said.rules_sha256 == "ab" * 32
    assert tuple(await report_cells(city, report)) == one.cells
    assert tuple(await report_gaps(city, report, GapsAsked(), limit=None)) == one.gaps
    assert sorted(await report_fitted(city, report), key=str) == sorted(one.fitted, key=str)
    assert await policy_of(city, said.policy_sha256) == POLICY
    assert (await made(city)).sha256() == one.sha256()


async def test_each_sees_its_own_part_and_the_parts_are_the_whole(city: Connection) -> None:
    one = await made(city)
    report = await kept(city, one)
    whole = total(cell.counts for cell in one.cells)
    parts = []
    for company in ("gas-a", "gas-b"):
        scope = Scope(enterprises=frozenset({company}))
        mine = await report_cells(city, report, scope=scope)
        assert {cell.enterprise for cell in mine} == {company}
        gaps = await report_gaps(city, report, GapsAsked(), limit=None, scope=scope)
        assert {gap.enterprise for gap in gaps} == {company}
        parts.append(total(cell.counts for cell in mine))
    assert total(parts) == whole
    assert await report_cells(city, report, scope=Scope()) == []
    assert await report_cells(city, report, scope=Scope(areas=frozenset({"110"}))) == []
    assert tuple(await report_cells(city, report, scope=Scope(areas=frozenset({"5001"})))) == one.cells


async def test_gaps_are_asked_for_by_place_class_and_reason(city: Connection) -> None:
    one = await made(city)
    report = await kept(city, one)
    missing = await report_gaps(city, report, GapsAsked(reasons=("detector_missing",)), limit=None)
    assert missing == [gap for gap in one.gaps if gap.reasons & 1 << 8]
    there = await report_gaps(city, report, GapsAsked(area="500156001", late=True), limit=None)
    assert there == [gap for gap in one.gaps if gap.area == "500156001" and gap.late]
    pages, after = [], ""
    while page := await report_gaps(city, report, GapsAsked(), limit=7, after=after):
        pages += page
        after = page[-1].site
    assert tuple(pages) == one.gaps


async def test_a_published_figure_never_changes(city: Connection) -> None:
    one = await made(city)
    report = await kept(city, one)
    assert await published(city, report)
    assert not await published(city, report)
    for change in (
        "UPDATE coverage_report SET sha256 = 'x'",
        "UPDATE coverage_report SET published = NULL",
        "DELETE FROM coverage_report",
        "UPDATE coverage_cell SET counts = '{}'",
        "DELETE FROM coverage_cell",
        "DELETE FROM coverage_gap",
        "UPDATE coverage_gap SET gap = 0",
        "DELETE FROM coverage_fitted",
        f"INSERT INTO coverage_gap SELECT {report}, 'new', '', '', '', '', '', 1, NULL, false, ARRAY['v/1']",
    ):
        with pytest.raises(psycopg.errors.CheckViolation, match=r"published|never change"):
            await city.execute(change.encode())
    assert tuple(await report_cells(city, report)) == one.cells


async def test_a_correction_is_a_report_beside_it(city: Connection) -> None:
    first = await kept(city, await made(city))
    await published(city, first)
    second = await kept(city, await made(city), Occasion(corrects=first))
    await published(city, second)
    assert [(one.report, one.corrects) for one in await headers(city, limit=9)] == [(second, first), (first, None)]
    cursor = await city.execute("SELECT body::text FROM audit_entry WHERE kind = 'report' ORDER BY n")
    assert [f'"report":{n}' in body for n, (body,) in zip((first, second), await cursor.fetchall(), strict=True)] == [
        True,
        True,
    ]


async def test_an_order_is_made_once_and_says_what_became_of_it(city: Connection) -> None:
    order = Order(AREA, TODAY, ZONE, POLICY.key, "person/clerk")
    number = await ask(city, order, now_us=NOW)
    wrong = await ask(city, dataclasses.replace(order, policy="nothing"), now_us=NOW)
    tomorrow = await ask(city, dataclasses.replace(order, day=date(2030, 1, 1)), now_us=NOW)
    assert number is not None
    # Somebody began it and died: it is made all the same.
    await city.execute("UPDATE coverage_order SET begun = now()")
    while await turn(city, POLICIES, "1.0", lambda: NOW):
        pass
    done = await ordered(city, number)
    assert done is not None
    assert done.report is not None
    said = await header(city, done.report)
    assert said is not None
    assert (said.published, said.sha256) == (None, (await made(city)).sha256())
    for other, because in ((wrong, "there is no policy nothing"), (tomorrow, "has not begun")):
        assert other is not None
        refused = await ordered(city, other)
        assert refused is not None
        assert refused.ended is not None
        assert because in refused.because
    assert len(await headers(city, limit=9)) == 1


async def test_what_a_schedule_missed_is_made_up_for_and_is_a_notice(city: Connection) -> None:
    zone = ZoneInfo(ZONE)
    began = END_US - 80 * DAY
    async with city.transaction():
        await put_schedule(city, AREA, POLICY.key, ZONE, simulated=False, by="person/clerk", now_us=began)
    due = list(due_between(POLICY.schedule, zone, began, NOW))
    assert len(due) == 3
    while await turn(city, POLICIES, "1.0", lambda: NOW):
        pass
    found = (await headers(city, limit=9))[::-1]
    assert [(one.day, one.due, one.until, one.known) for one in found] == [
        (one.day, one.at_us, one.at_us, one.at_us) for one in due
    ]
    assert all(one.missed and one.published and one.phase == "长效机制" for one in found)
    (notice,) = await notices(city, limit=9)
    assert (notice.kind, notice.area) == ("coverage_report_missed", AREA)
    assert notice.body["days"] == [one.day.isoformat() for one in due]
    # A second look, and a second process, order nothing again.
    assert not await turn(city, POLICIES, "1.0", lambda: NOW + MINUTE)
    assert len(await headers(city, limit=9)) == 3
    # The next one is in time, so it is no notice.
    following = next(due_between(POLICY.schedule, zone, NOW, NOW + 60 * DAY))
    assert await turn(city, POLICIES, "1.0", lambda: following.at_us + MINUTE)
    newest = (await headers(city, limit=1))[0]
    assert (newest.day, newest.missed) == (following.day, False)
    assert len(await notices(city, limit=9)) == 1
    async with city.transaction():
        assert await end_schedule(city, AREA, POLICY.key, by="person/clerk", now_us=NOW)
    assert await scheduled(city) == []


async def test_one_process_at_a_time_makes_reports(city: Connection, plain_url: str) -> None:
    await ask(city, Order(AREA, TODAY, ZONE, POLICY.key, "person/clerk"), now_us=NOW)
    other = await connect(plain_url, name="test other")
    await other.execute("SELECT pg_advisory_lock(hashtext('davy coverage'))")
    assert not await turn(city, POLICIES, "1.0", lambda: NOW)
    await other.execute("SELECT pg_advisory_unlock_all()")
    await other.close()
    assert await turn(city, POLICIES, "1.0", lambda: NOW)


async def test_a_plan_is_what_was_last_said_and_what_was_said_before_is_known(plain_url: str) -> None:
    connection = await connect(plain_url, name="test plans")
    month = date(2022, 5, 1)
    async with connection.transaction():
        await connection.execute("SELECT set_config('davy.at', %s, true)", (str(T0),))
        await put_plans(connection, {(AREA, "hardship", month): 40}, by="person/clerk", now_us=T0)
    async with connection.transaction():
        await connection.execute("SELECT set_config('davy.at', %s, true)", (str(T0 + DAY),))
        await put_plans(connection, {(AREA, "hardship", month): 30}, by="person/clerk", now_us=T0 + DAY)
    assert await plans(connection) == {(AREA, "hardship", month): 30}
    assert await plans(connection, area=AREA, as_of_us=T0 + HOUR) == {(AREA, "hardship", month): 40}
    assert await plans(connection, area="110000") == {}
    assert await plans(connection, scope=Scope(enterprises=frozenset({"gas-a"}))) == {}
    await connection.close()


async def test_the_storage_process_makes_what_is_ordered_and_says_what_is_in_its_way(
    city: Connection, plain_url: str
) -> None:
    number = await ask(city, Order(AREA, TODAY, ZONE, POLICY.key, "person/clerk", publish=True), now_us=NOW)
    assert number is not None
    stop, told = asyncio.Event(), list[str]()
    work = asyncio.create_task(
        keep_reporting(plain_url, POLICIES, "1.0", stop=stop, clock=lambda: NOW, tell=told.append)
    )
    async with asyncio.timeout(60):
        while (one := await ordered(city, number)) is None or one.ended is None:
            await asyncio.wait({work}, timeout=0.05)
    stop.set()
    await work
    assert one.report is not None
    said = await header(city, one.report)
    assert said is not None
    assert said.published == NOW
    assert set(told) == {""}
    stop.clear()
    nowhere = asyncio.create_task(
        keep_reporting("host=/nowhere user=x", POLICIES, "1.0", stop=stop, clock=lambda: NOW, tell=told.append)
    )
    async with asyncio.timeout(60):
        while told[-1] == "":
            await asyncio.wait({nowhere}, timeout=0.05)
    stop.set()
    await nowhere
    assert told[-1].startswith("DatabaseAway")
