"""The coverage report of a simulated city, gap by gap, beside an independent computation."""

from datetime import date

import pytest

from devices.coverage_counts import total
from devices.coverage_gaps import reasons_of
from devices.coverage_policy import load_policies
from storage.coverage_gather import gather, question_of
from storage.coverage_making import Made, make
from storage.database import Connection
from storage.modes import Mode
from storage.partitions import Partitions
from storage.rollups import Rollups
from tests.coverage.by_hand import Expected, by_hand
from tests.coverage.city import AREA, END_US, TODAY, ZONE, City, random_city, register, speak
from tests.storage.cycles import DAY, HOUR, MINUTE, T0

UNIT_USERS_BY = {"wulong_2022_targets": date(2022, 1, 31), "wulong_2022_steps": date(2021, 12, 31)}
POLICIES = load_policies()


async def report(connection: Connection, policy: str, now_us: int) -> Made:
    question = question_of(AREA, TODAY, ZONE, now_us)
    gathered = await gather(connection, POLICIES[policy], question)
    return make(POLICIES[policy], gathered, question)


def agrees(made: Made, expected: dict[str, Expected]) -> None:
    gaps = {gap.site: gap for gap in made.gaps}
    assert set(gaps) == {site for site, one in expected.items() if one.reasons}
    for site, gap in gaps.items():
        one = expected[site]
        assert (site, set(reasons_of(gap.reasons))) == (site, one.reasons)
        assert (site, gap.site_class, gap.late) == (site, one.site_class, one.late)
    whole = total(cell.counts for cell in made.cells)
    ones = list(expected.values())
    assert whole.sites == len(ones)
    assert whole.required == sum(bool(one.required) for one in ones)
    assert whole.installed == sum(one.installed for one in ones)
    assert whole.observed == sum(one.covered and not one.evidenced for one in ones)
    assert whole.evidenced == sum(one.evidenced for one in ones)
    assert whole.late == sum(one.late for one in ones)


@pytest.fixture(scope="module")
def city() -> City:
    return random_city(7, 500)


@pytest.mark.parametrize("policy", sorted(POLICIES))
async def test_every_gap_is_what_a_clerk_would_find(
    url: str, database: Connection, mode: Mode, city: City, policy: str
) -> None:
    await register(database, city, T0 - 900 * DAY)
    await speak(url, database, city)
    expected = by_hand(city, UNIT_USERS_BY[policy])
    assert len({reason for one in expected.values() for reason in one.reasons}) == 11
    assert sum(one.covered for one in expected.values()) > 8
    assert sum(one.evidenced for one in expected.values()) > 2
    # On the evening of the day from what was heard; a week later from hours that were summed up.
    evening = await report(database, policy, END_US + MINUTE)
    agrees(evening, expected)
    rollups = Rollups(database, Partitions(mode))
    while await rollups.turn(END_US + DAY, T0 - 30 * DAY):
        pass
    later = await report(database, policy, END_US + 7 * DAY)
    agrees(later, expected)
    assert evening.cells == later.cells
    assert evening.sha256() == later.sha256()


async def test_the_register_counts_as_it_was_recorded_by_the_end_of_the_day(plain_url: str) -> None:
    from storage.database import connect

    connection = await connect(plain_url, name="test")
    city = random_city(3, 60)
    await register(connection, city, T0 - 900 * DAY)
    before = await report(connection, "wulong_2022_targets", END_US + HOUR)
    # A day later everybody moves to another township and every device leaves.
    for site in city.sites:
        site["area"] = "500156999"
    city.installations, city.device_facts, city.reached = [], [], {}
    for device in city.devices:
        device["model"] = "sim_fan"
    await register(connection, city, END_US + 5 * HOUR)
    after = await report(connection, "wulong_2022_targets", END_US + 9 * DAY)
    assert (after.cells, after.gaps, after.sha256()) == (before.cells, before.gaps, before.sha256())
    known_now = question_of(AREA, TODAY, ZONE, END_US + 9 * DAY, known_us=END_US + 9 * DAY)
    gathered = await gather(connection, POLICIES["wulong_2022_targets"], known_now)
    assert {gathered.sites.area.at(n) for n in range(len(gathered.sites))} == {"500156999"}
    assert len(gathered.devices) == 0
    await connection.close()
