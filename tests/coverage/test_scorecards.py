"""Scorecards: the counts of a random month beside a computation in plain Python, and what is published stays."""

from datetime import date

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from access.enterprises import Enterprise, EnterpriseKind
from devices.scorecard import Promise, Step, Tally, lines, month_bounds, month_of, total
from storage.database import Connection
from storage.promises import promise, promises
from storage.scorecard_counts import NotSummedUp, asked_of, count
from storage.scorecards import CardConflict, Reader, header, headers, keep, publish, tallies
from tests.coverage.month import (
    ACME,
    BEGIN,
    BEGIN_US,
    END_US,
    GAS,
    HOUR,
    MONTH,
    NOW_US,
    World,
    by_hand,
    random_world,
    write,
)


@pytest.mark.parametrize("seed", range(4))
async def test_a_card_equals_a_computation_by_hand_at_every_border_of_the_month(
    database: Connection, seed: int
) -> None:
    world = random_world(seed)
    await write(database, world)
    for party in (GAS, ACME):
        for area, within in (("", ""), ("500156", "500156"), ("500100", "5001"), ("110000", "11")):
            async with database.transaction():
                counted = await count(database, asked_of(party, area, MONTH, NOW_US))
            assert counted.tallies == by_hand(world, party, within), (party.key, area)
            if party is GAS:
                given = world.promised.get("gas-a", [])
                assert set(counted.promises) == set(given)


async def test_the_register_is_that_of_the_months_end_unless_it_is_asked_as_known_now(database: Connection) -> None:
    await write(database, World(sites={"S": ("500156001", "gas-a", False, None, END_US + HOUR)}))
    then = await count(database, asked_of(GAS, "", MONTH, NOW_US))
    now = await count(database, asked_of(GAS, "", MONTH, NOW_US, known_now=True))
    assert (then.tallies, now.tallies) == ({}, {"500156001": Tally(users=1)})


async def test_a_month_that_is_not_summed_up_is_not_counted(database: Connection) -> None:
    await write(database, World())
    await database.execute("INSERT INTO rollup_due (level, bucket) VALUES ('1h', %s)", (BEGIN,))
    with pytest.raises(NotSummedUp):
        await count(database, asked_of(GAS, "", MONTH, NOW_US))


async def test_what_is_published_stays_and_a_correction_is_another_card(database: Connection) -> None:
    await write(database, random_world(1))
    counted = await count(database, asked_of(GAS, "500156", MONTH, NOW_US))
    first = await keep(database, counted, code="1")
    draft = await keep(database, counted, code="1")
    assert await header(database, first) is None, "a draft takes the place of the draft before"
    await publish(database, draft, by="test", now_us=NOW_US)
    for change in ("UPDATE scorecard SET sha256 = ''", "DELETE FROM scorecard", "DELETE FROM scorecard_cell",
                   "UPDATE scorecard_cell SET counts = '{}'", "UPDATE scorecard SET published = NULL"):  # fmt: skip
        with pytest.raises(psycopg.errors.CheckViolation):
            await database.execute(change)
    with pytest.raises(CardConflict, match="published already"):
        await publish(database, draft, by="test", now_us=NOW_US)
    again = await keep(database, counted, code="1")
    with pytest.raises(CardConflict, match=f"scorecard {draft} is published"):
        await publish(database, again, by="test", now_us=NOW_US)
    with pytest.raises(CardConflict, match="no published scorecard"):
        await keep(database, counted, code="1", corrects=again)
    better = await keep(database, counted, code="2", corrects=draft)
    await publish(database, better, by="test", now_us=NOW_US)
    found = await headers(database, Reader(enterprises=["gas-a"]), limit=9)
    assert [(one.scorecard, one.corrects) for one in found] == [(better, draft), (draft, None)]
    assert dict(await tallies(database, draft)) == counted.tallies
    assert await headers(database, Reader(enterprises=["gas-b"]), limit=9) == []
    one_area = Reader(enterprises=[], areas=["500156001"])
    assert [area for area, _ in await tallies(database, draft, one_area)] == ["500156001"]
    assert len(await headers(database, one_area, limit=9)) == 2


async def test_a_promise_is_said_once_for_a_day_and_never_backwards(database: Connection) -> None:
    await write(database, World())
    given = Promise(MONTH, "https://example.com/promise", arrived_s=1800)
    said_us = BEGIN_US - HOUR
    assert await promise(database, "gas-a", given, by="test", now_us=said_us)
    assert not await promise(database, "gas-a", given, by="test", now_us=said_us)
    assert await promises(database, "gas-a") == (given,)
    with pytest.raises(psycopg.errors.CheckViolation):
        async with database.transaction():
            await promise(database, "gas-a", Promise(date(2025, 11, 2), "x", closed_s=9), by="", now_us=END_US)


@given(
    st.lists(
        st.builds(Tally, users=st.integers(0, 9), alarms=st.integers(0, 9),
                  arrived=st.builds(Step, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)))
    )
)  # fmt: skip
def test_tallies_of_areas_add_up(parts: list[Tally]) -> None:
    whole = total(parts)
    assert whole.users == sum(one.users for one in parts)
    assert whole.arrived.in_time == sum(one.arrived.in_time for one in parts)


def test_of_nothing_there_is_no_share_and_without_a_promise_nothing_is_judged() -> None:
    (shown,) = [one for one in lines(Tally(alarms=3, closed=Step(2))) if one.key == "closed_in_time"]
    assert (shown.part, shown.whole, shown.share_pct, shown.promised_s) == (0, 0, None, None)
    (known,) = [
        one
        for one in lines(Tally(alarms=3, closed=Step(2, 3, 1)), [Promise(MONTH, "x", closed_s=60)])
        if one.key == "closed_in_time"
    ]
    assert (known.share_pct, known.promised_s) == (33.33, 60)


@pytest.mark.parametrize("wrong", ["2025-13", "2025", "2025-1", "2025-11-01", "abcdefg", "25-11-1"])
def test_what_is_no_month_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="month"):
        month_of(wrong)


def test_a_zone_whose_months_begin_within_an_hour_is_refused() -> None:
    assert month_bounds(MONTH) == (BEGIN_US, END_US)
    with pytest.raises(ValueError, match="hour of UTC"):
        month_bounds(MONTH, "Asia/Kolkata")


def test_a_month_that_is_not_over_and_a_party_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="not over"):
        asked_of(GAS, "", MONTH, END_US - 1)
    with pytest.raises(ValueError, match="neither"):
        asked_of(Enterprise(key="pm", kind=EnterpriseKind.PROPERTY_MANAGER), "", MONTH, NOW_US)
