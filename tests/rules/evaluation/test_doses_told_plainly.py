"""Doses beside a few lines that tell them one reading at a time; what lasts, what stands still, what nobody knows."""

import math
import random
from collections.abc import Iterator

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.fleet import build_fleet
from rules.evaluation.doses import Dose, Still
from rules.evaluation.evaluation import EXACT, NOT_KNOWN
from tests.rules.evaluation.desk import Desk, pack, reading, registry, rule

NAMES = ("m1", "m2", "m3")
STEPS = (0.0, 0.25, 0.9, 1.0, 5.0, 29.9, 30.0, 59.5, 60.0, 60.5, 89.5, 90.0, 90.5, 119.0, 120.5, 4_000.0, 90_000.0)
LEVELS = (-3.0, 0.0, 30.0, 150.0, 400.0, 9_000.0, math.nan)


def desk_of(condition: str, interval_s: float) -> Desk:
    what = registry()
    models = tuple(msgspec.structs.replace(model, report_interval_s=interval_s) for model in what.models)
    return Desk(pack(rule(condition)), build_fleet(msgspec.structs.replace(what, models=models)))


class PlainDose:
    """Percent COHb, in whole seconds. A clock that was set back is believed."""

    def __init__(self, interval_s: float) -> None:
        self.holds_us = max(round(3 * interval_s * 1e6), 60_000_000)
        self.percent, self.last, self.ppm = 0.0, -1, 0.0

    def hear(self, t_us: int, ppm: float) -> float:
        now = max(0.0, ppm)
        self.last = min(self.last, t_us)
        seconds = (t_us - self.last) // 1_000_000
        if self.last < 0:
            self.last, self.ppm = t_us, now
        elif seconds == 0:
            self.ppm = max(self.ppm, now)
        else:
            used = max(self.ppm, now) if t_us - self.last <= self.holds_us else 0.0
            left = math.exp(-(min(seconds, 86_400) / 60) / (2398 * 0.0404))
            grown = self.percent * left + 218 * (1 - left) * (0.0003 + used / 1316)
            self.percent = min(max(grown, 0.0), 100.0)
            self.last, self.ppm = self.last + seconds * 1_000_000, now
        return self.percent


def histories(seed: int) -> Iterator[list[tuple[str, float, float]]]:
    """Batches of (device, second, ppm); now and then a clock steps back."""
    drawn = random.Random(seed)
    clock = dict.fromkeys(NAMES, 0.0)
    for _ in range(60):
        batch = []
        for name in drawn.sample(NAMES, drawn.randint(1, len(NAMES))):
            clock[name] = max(0.0, clock[name] + drawn.choice(STEPS) * (-1 if drawn.random() < 0.1 else 1))
            batch.append((name, clock[name], drawn.choice(LEVELS)))
        yield batch


@pytest.mark.parametrize("interval_s", [10.0, 30.0, 40.0])
@pytest.mark.parametrize("seed", range(3))
def test_a_dose_is_what_one_reading_after_the_other_gives(seed: int, interval_s: float) -> None:
    desk = desk_of("cohb(co_ppm) >= 10 %", interval_s)
    told = {name: PlainDose(interval_s) for name in NAMES}
    for batch in histories(seed):
        found = desk.number(*(reading(name, t, co_ppm=ppm) for name, t, ppm in batch))
        for (name, t, ppm), (percent, certainty) in zip(batch, found, strict=True):
            if math.isnan(ppm):
                assert (certainty, math.isnan(percent)) == (NOT_KNOWN, True)
            else:
                assert certainty == EXACT
                assert percent == pytest.approx(told[name].hear(round(t * 1_000_000), ppm), rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.25])
def test_the_first_reading_of_all_has_not_stood_still_whatever_it_says(value: float) -> None:
    desk = Desk.of("stuck(combustible_lel, 60 s)")
    times = [5.0 * n for n in range(12)] + [59.999999, 60]
    rows = [reading("m1", t, combustible_lel=value) for t in times]
    assert desk.says(*rows) == [0] * 13 + [1]


def test_what_is_said_too_seldom_to_differ_has_not_stood_still() -> None:
    desk = Desk.of("stuck(combustible_lel, 60 s)")
    assert desk.says(*(reading("m1", 60.0 * n, combustible_lel=1) for n in range(13))) == [0] * 11 + [1, 1]


def test_a_batch_in_which_nobody_knows_anything_says_nothing_and_is_not_remembered() -> None:
    for condition in ("cohb(co_ppm) >= 10 %", "stuck(co_ppm, 60 s)", "since(co_ppm >= 20 ppm) >= 60 s"):
        desk = Desk.of(condition)
        assert desk.says(reading("m1", 0, co_ppm=math.nan), reading("m2", 0)) == [-1, -1]
        assert not any(array.any() for array in desk.windows.arrays().values())


def test_a_condition_has_lasted_since_the_first_reading_at_which_it_was_true() -> None:
    desk = Desk.of("since(co_ppm >= 20 ppm) >= 60 s")
    said = desk.series([0, 10, 20, 30, 40, 35, 100], "co_ppm", [10, 20, 30, math.nan, 20, 20, 20])
    assert said[:3] == [(0, EXACT), (0, EXACT), (10, EXACT)]
    assert said[3][1] == NOT_KNOWN
    assert said[4:] == [(30, EXACT), (25, EXACT), (90, EXACT)]


# ---- many readings of one device ------------------------------------------------------------------------------------


def one_device(drawn: random.Random) -> tuple[list[int], list[float]]:
    """Times and values as readings have them: several within a second, clocks that step back, values that stay."""
    t, value = 5_000_000_000, 0.0
    times, values = [], []
    for _ in range(drawn.randint(1, 60)):
        t = max(1, t + drawn.choice((0, 1, 400_000, 999_999, 1_000_000, 7_000_000, 95_000_000, -2_500_000)))
        value = value if drawn.random() < 0.6 else drawn.choice((0.0, 0.3, 30.0, 400.0, 90_000.0, -5.0, math.nan))
        times.append(t)
        values.append(float(np.float32(value)))
    return times, values


@given(st.integers(0, 2**32), st.sampled_from([5_000_000, 40_000_000]))
def test_a_dose_of_many_readings_at_once_is_that_of_one_after_the_other(seed: int, interval_us: int) -> None:
    times, values = one_device(random.Random(seed))
    whole, each, slot = Dose(2), Dose(2), np.array([1], np.int32)
    one_by_one = [
        float(each.advance(slot, np.array([t]), np.array([value]), np.array([interval_us]))[0])
        for t, value in zip(times, values, strict=True)
    ]
    half = len(times) // 2
    at_once = whole.run(1, times[:half], values[:half], interval_us) + whole.run(
        1, times[half:], values[half:], interval_us
    )
    np.testing.assert_array_equal(at_once, one_by_one)
    for name, array in each.arrays().items():
        assert (whole.arrays()[name] == array).all(), name


@given(st.integers(0, 2**32))
def test_how_long_a_value_stood_still_in_many_readings_at_once_is_as_one_after_the_other(seed: int) -> None:
    times, values = one_device(random.Random(seed))
    whole, each, slot = Still(2), Still(2), np.array([1], np.int32)
    one_by_one = [
        float(each.advance(slot, np.array([t]), np.array([value]))[0]) for t, value in zip(times, values, strict=True)
    ]
    np.testing.assert_array_equal(whole.run(1, times, values), one_by_one)
    for name, array in each.arrays().items():
        assert (whole.arrays()[name] == array).all(), name
