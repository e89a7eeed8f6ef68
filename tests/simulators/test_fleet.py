from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.events import SimEvent
from simulators.fleet import Fleet, chosen
from simulators.mqtt_link import BACK_OFF_BASE_S, BACK_OFF_CAP_S, Endpoint, back_off_s
from simulators.registry import ValveMix, demo_homes
from simulators.scenario import Having, Homes, Mend, Scenario

NOWHERE = Endpoint("127.0.0.1", 9)


def ignore(event: SimEvent) -> None:
    """Nobody listens."""


def scenario(*events: Mend) -> Scenario:
    return Scenario("test", "", "", homes=20, event=events)


def fleet(told: Scenario, seed: int = 1) -> Fleet:
    return Fleet(told, demo_homes(20, 1, ValveMix(2, 1, 1, 1)), NOWHERE, lambda: 10**15, Random(seed), ignore)


@pytest.mark.parametrize(
    ("having", "count"),
    [
        ("any", 20),
        ("shut_off", 12),
        ("self_closing", 8),
        ("both", 4),
        ("only_shut_off", 8),
        ("only_self_closing", 4),
        ("none", 4),
    ],
)
async def test_an_event_finds_the_homes_with_the_valves_it_names(having: Having, count: int) -> None:
    assert len(chosen(fleet(scenario()).households, Homes(having))) == count


async def test_skip_and_count_take_the_next_homes_in_order() -> None:
    households = fleet(scenario()).households
    several = chosen(households, Homes("shut_off", skip=2, count=3))
    assert several == chosen(households, Homes("shut_off"))[2:5]


async def test_an_event_that_befalls_no_home_is_refused() -> None:
    with pytest.raises(ValueError, match="the event at 3 s befalls no home"):
        fleet(scenario(Mend(at_s=3.0, homes=Homes("none", skip=4))))


async def test_homes_do_not_report_in_step_and_the_same_seed_spreads_them_the_same() -> None:
    due = [[h.home.due_s for h in fleet(scenario(), seed).households] for seed in (1, 1, 2)]
    phases = [[round(s - min(row), 6) for s in row] for row in due]
    assert len(set(phases[0])) == 20
    assert phases[0] == pytest.approx(phases[1], abs=0.1)
    assert phases[0] != pytest.approx(phases[2], abs=0.1)


@given(st.integers(1, 10_000), st.integers())
def test_back_off_is_drawn_from_zero_to_a_doubling_span_with_a_cap(attempt: int, seed: int) -> None:
    wait_s = back_off_s(attempt, Random(seed))
    assert 0.0 <= wait_s <= BACK_OFF_CAP_S
    assert attempt > 60 or wait_s <= BACK_OFF_BASE_S * 2**attempt
