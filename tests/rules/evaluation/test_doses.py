"""The dose of carbon monoxide: the check values of the formula, the alarm times of UL 2034 and EN 50291-1, and what a
gap, a fault and readings of one second mean."""

import math

import numpy as np
import pytest

from devices.quantities import Quality
from rules.evaluation.doses import DECAY, Dose
from rules.evaluation.evaluation import EXACT, NOT_KNOWN
from tests.rules.evaluation.desk import BEGIN, SECOND, Desk, reading

ONE = np.zeros(1, np.int32)
INTERVAL_US = np.array([10 * SECOND])


def minutes_to(percent: float, ppm: float, *, every_s: int = 6, longest_min: int = 600) -> float:
    """How long a constant concentration takes, in readings every so many seconds; infinite: it never does."""
    dose = Dose(1)
    for step in range(longest_min * 60 // every_s + 1):
        t = np.array([BEGIN + step * every_s * SECOND])
        if dose.advance(ONE, t, np.array([ppm]), INTERVAL_US)[0] >= percent:
            return step * every_s / 60
    return math.inf


# domain.md 1.3: computed from the formula of US 7408473 with COHb_0 = 0.
@pytest.mark.parametrize(
    ("ppm", "minutes"),
    [(70, 188.8), (100, 89.1), (150, 49.7), (200, 34.7), (400, 15.8), (800, 7.6), (1200, 5.0)],
)
def test_ten_percent_are_reached_when_the_formula_says(ppm: float, minutes: float) -> None:
    assert minutes_to(10, ppm) == pytest.approx(minutes, abs=0.11)


@pytest.mark.parametrize(("ppm", "minutes"), [(70, 54.2), (150, 21.7), (400, 7.6)])
def test_five_percent_are_reached_when_the_formula_says(ppm: float, minutes: float) -> None:
    assert minutes_to(5, ppm) == pytest.approx(minutes, abs=0.11)


@pytest.mark.parametrize(("ppm", "minutes"), [(70, 189), (100, 90), (150, 50), (200, 35), (400, 15)])
def test_ten_percent_are_reached_at_the_points_of_ul_2034(ppm: float, minutes: float) -> None:
    assert minutes_to(10, ppm) == pytest.approx(minutes, abs=1.0)


@pytest.mark.parametrize(("ppm", "earliest", "latest"), [(70, 60, 240), (150, 10, 50)])
def test_an_alarm_at_ten_percent_keeps_within_the_times_of_ul_2034(ppm: float, earliest: float, latest: float) -> None:
    assert earliest <= minutes_to(10, ppm) <= latest


@pytest.mark.parametrize(("ppm", "earliest", "latest"), [(30, 120, math.inf), (50, 60, 90), (100, 10, 40)])
def test_an_advice_at_five_percent_keeps_within_the_times_of_en_50291_1(
    ppm: float, earliest: float, latest: float
) -> None:
    assert earliest <= minutes_to(5, ppm) <= latest


def test_three_hundred_ppm_need_a_rule_of_their_own_for_en_50291_1_wants_an_alarm_within_three_minutes() -> None:
    assert minutes_to(5, 300) > 3


@pytest.mark.parametrize(("ppm", "percent"), [(30, 5.04), (50, 8.35)])
def test_little_carbon_monoxide_comes_to_rest_below_ten_percent(ppm: float, percent: float) -> None:
    dose, told = Dose(1), 0.0
    for minute in range(24 * 60):
        told = float(dose.advance(ONE, np.array([BEGIN + minute * 60 * SECOND]), np.array([ppm]), INTERVAL_US)[0])
    assert told == pytest.approx(percent, abs=0.01)
    assert minutes_to(10, ppm, every_s=60) == math.inf


def test_a_dose_never_exceeds_a_hundred_percent() -> None:
    dose, told = Dose(1), 0.0
    for minute in range(24 * 60):
        told = float(dose.advance(ONE, np.array([BEGIN + minute * 60 * SECOND]), np.array([800.0]), INTERVAL_US)[0])
    assert told == 100.0


@pytest.mark.parametrize("every_s", [1, 5, 60])
def test_how_often_a_constant_concentration_is_read_does_not_change_the_dose(every_s: int) -> None:
    dose, told = Dose(1), 0.0
    for t in range(0, 3_601, every_s):
        told = float(dose.advance(ONE, np.array([BEGIN + t * SECOND]), np.array([150.0]), INTERVAL_US)[0])
    left = math.exp(-60 / (2398 * 0.0404))
    assert told == pytest.approx(218 * (1 - left) * (0.0003 + 150 / 1316), rel=1e-12)


def test_the_table_of_decays_is_the_exponential() -> None:
    assert len(DECAY) == 86_401
    assert DECAY[0] == 1.0
    assert DECAY[3_600] == math.exp(-60 / (2398 * 0.0404))


# ---- in an expression -----------------------------------------------------------------------------------------------

COHB = "cohb(co_ppm) >= 10 %"


def test_the_first_reading_of_all_begins_at_nothing() -> None:
    assert Desk.of(COHB).series([0], "co_ppm", [400]) == [(0.0, EXACT)]


def test_over_a_gap_of_more_than_three_intervals_and_a_minute_clean_air_is_assumed() -> None:
    near, far = Desk.of(COHB), Desk.of(COHB)
    assert near.series([0, 60], "co_ppm", [400, 400])[-1][0] > 0.5
    assert far.series([0, 60.000001], "co_ppm", [400, 400])[-1][0] < 0.01


def test_a_rising_and_a_falling_value_count_as_the_higher_of_both_ends() -> None:
    up, down = Desk.of(COHB).series([0, 30], "co_ppm", [0, 400]), Desk.of(COHB).series([0, 30], "co_ppm", [400, 0])
    assert up[-1] == down[-1]
    assert up[-1][0] > 0.3


def test_several_readings_of_one_second_count_as_the_highest() -> None:
    desk = Desk.of(COHB)
    desk.series([0, 0.2, 0.9], "co_ppm", [0, 400, 10])
    assert desk.series([30], "co_ppm", [0]) == Desk.of(COHB).series([0, 30], "co_ppm", [400, 0])[-1:]


def test_a_reading_that_is_not_good_says_nothing_and_changes_nothing() -> None:
    desk = Desk.of(COHB)
    desk.series([0], "co_ppm", [400])
    said = desk.number(reading("m1", 15, co_ppm=9_000, quality={"co_ppm": Quality.SENSOR_FAULT}))
    assert said[0][1] == NOT_KNOWN
    assert desk.series([30], "co_ppm", [0]) == Desk.of(COHB).series([0, 30], "co_ppm", [400, 0])[-1:]


def test_a_clock_that_steps_back_takes_nothing_away_and_adds_nothing() -> None:
    desk = Desk.of(COHB)
    first = desk.series([0, 60], "co_ppm", [400, 400])[-1]
    assert desk.series([30], "co_ppm", [400]) == [first]


def test_less_than_nothing_counts_as_nothing() -> None:
    assert Desk.of(COHB).series([0, 60], "co_ppm", [-5, -5])[-1][0] == pytest.approx(218 * (1 - DECAY[60]) * 0.0003)


def test_a_dose_goes_on_from_where_a_clock_was_set_back_to() -> None:
    right, wrong = Dose(1), Dose(1)
    for step in range(120):
        t, value = BEGIN + 50_000 * SECOND + step * 10 * SECOND, np.array([400.0])
        one = right.advance(ONE, np.array([t]), value, INTERVAL_US)
        back_us = 0 if step < 30 else 8 * 3_600 * SECOND
        other = wrong.advance(ONE, np.array([t - back_us]), value, INTERVAL_US)
    assert other[0] == pytest.approx(one[0], rel=0.02)  # the ten seconds of the step are in neither
