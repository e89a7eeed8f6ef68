import math
from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.detector import Detector, DetectorTraits
from simulators.room import Air

QUIET = DetectorTraits(noise_lel=0.0, noise_ppm=0.0)


def air(lel: float = 0.0, ppm: float = 0.0) -> Air:
    return Air(methane=lel * 0.05 / 100, co=ppm / 1e6)


def detector(traits: DetectorTraits = QUIET, seed: int = 1, on_for_s: float = math.inf) -> Detector:
    return Detector(traits, 5.0, Random(seed), on_for_s)


def stand_in(sensor: Detector, there: Air, seconds: float, step_s: float = 0.25) -> None:
    for _ in range(round(seconds / step_s)):
        sensor.sense(there, step_s)


def test_after_t90_a_step_is_shown_at_nine_tenths() -> None:
    sensor = detector()
    stand_in(sensor, air(lel=50.0, ppm=200.0), QUIET.lel_t90_s)
    assert sensor.shown_lel == pytest.approx(45.0, abs=0.1)
    stand_in(sensor, air(lel=50.0, ppm=200.0), QUIET.co_t90_s - QUIET.lel_t90_s)
    assert sensor.shown_ppm == pytest.approx(180.0, abs=1.0)


@given(st.floats(0.0, 3000.0), st.floats(0.0, 1e6), st.integers(), st.floats(0.01, 600.0))
def test_what_is_shown_is_a_whole_step_between_zero_and_full_scale(
    lel: float, ppm: float, seed: int, elapsed_s: float
) -> None:
    traits = DetectorTraits()
    sensor = detector(traits, seed)
    sensor.sense(air(lel, ppm), elapsed_s)
    assert 0.0 <= sensor.shown_lel <= traits.full_scale_lel
    assert 0.0 <= sensor.shown_ppm <= traits.full_scale_ppm
    assert math.isclose(sensor.shown_lel / traits.step_lel, round(sensor.shown_lel / traits.step_lel), abs_tol=1e-6)


def test_the_same_seed_gives_the_same_noise() -> None:
    one, same, other = (detector(DetectorTraits(), seed) for seed in (7, 7, 8))
    shown: list[list[float]] = [[], [], []]
    for _ in range(50):
        for sensor, values in zip((one, same, other), shown, strict=True):
            sensor.sense(air(lel=5.0), 1.0)
            values.append(sensor.shown_lel)
    assert shown[0] == shown[1] != shown[2]


def test_the_low_alarm_comes_before_the_high_alarm_and_both_clear_below_their_hysteresis() -> None:
    sensor = detector()
    stand_in(sensor, air(lel=15.0), 60.0)
    assert (sensor.low_alarm, sensor.high_alarm) == (True, False)
    stand_in(sensor, air(lel=40.0), 60.0)
    assert (sensor.low_alarm, sensor.high_alarm) == (True, True)
    stand_in(sensor, air(lel=23.0), 60.0)
    assert (sensor.low_alarm, sensor.high_alarm) == (True, True), "still within the hysteresis of 25 - 3 %LEL"
    stand_in(sensor, air(lel=8.0), 60.0)
    assert (sensor.low_alarm, sensor.high_alarm) == (True, False)
    stand_in(sensor, air(), 60.0)
    assert (sensor.low_alarm, sensor.high_alarm) == (False, False)


def test_an_alarm_waits_out_its_delay() -> None:
    sensor = detector(DetectorTraits(noise_lel=0.0, alarm_delay_s=5.0, lel_t90_s=0.001))
    stand_in(sensor, air(lel=50.0), 4.5)
    assert not sensor.low_alarm
    stand_in(sensor, air(lel=50.0), 1.0)
    assert sensor.low_alarm


@pytest.mark.parametrize(
    ("ppm", "not_before_s", "not_after_s"),
    [(300.0, 0, 180), (100.0, 600, 2400), (50.0, 3600, 5400)],
    ids=["300 ppm within 3 min", "100 ppm in 10 to 40 min", "50 ppm in 60 to 90 min"],
)
def test_the_co_alarm_keeps_the_windows_of_en_50291_1(ppm: float, not_before_s: int, not_after_s: int) -> None:
    sensor = detector()
    alarmed_after_s = next(
        second for second in range(1, 7200) if (sensor.sense(air(ppm=ppm * 1.02), 1.0), sensor.co_alarm)[1]
    )
    assert not_before_s <= alarmed_after_s <= not_after_s


def test_thirty_ppm_of_co_gives_no_alarm_in_two_hours() -> None:
    sensor = detector()
    stand_in(sensor, air(ppm=30.0), 7200.0, step_s=1.0)
    assert not sensor.co_alarm


def test_warm_up_is_flagged_and_hides_no_alarm() -> None:
    sensor = detector(on_for_s=0.0)
    stand_in(sensor, air(lel=60.0), 30.0)
    assert sensor.warming_up
    assert sensor.high_alarm
    stand_in(sensor, air(), QUIET.warm_up_s)
    assert not sensor.warming_up


def test_set_points_the_wrong_way_round_are_refused_with_their_reason() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"low_lel 30\.0 must not be above high_lel 25\.0"):
        msgspec.convert({"low_lel": 30.0}, DetectorTraits)
