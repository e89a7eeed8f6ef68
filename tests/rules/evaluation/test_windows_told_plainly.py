"""What a function over a window says is what going through all the readings that were ever heard gives.

The readings of four devices come in batches of one of each at most, at times that move by nothing, by parts of a
bucket, by a few buckets, by nearly a window, by exactly one, by many, and backwards, by a little and by far.
"""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np
import pytest

from devices.fleet import build_fleet
from devices.readings import Rows
from rules.evaluation.evaluation import AT_LEAST, EXACT, NOT_KNOWN
from tests.rules.evaluation.desk import BEGIN, SECOND, Desk, pack, reading, registry, rule

NAMES = ("m1", "m2", "m3", "m4")
INTERVAL_US = 10 * SECOND
STEPS = (0.0, 0.3, 0.7, 1.0, 1.0, 1.0, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0, 11.0, 12.0, 13.0, 15.0, 16.0, 40.0, -1.0, -5.0)
FAR_BACK = (-12.0, -13.0, -14.0, -15.0, -16.0, -17.0, -96.0, -97.0, -98.0, -400.0)
Said = tuple[float, int]
UNKNOWN = (math.nan, NOT_KNOWN)


def as_read(value: float) -> float:
    return float(np.float32(value))


@dataclass
class One:
    """A good reading, or one that is not (None), or what fills a bucket between two."""

    bucket: int
    t: int
    milli: int | None
    value: float = 0.0


@dataclass
class Told:
    """All that one device ever said."""

    width: int
    buckets: int
    said: list[One] = field(default_factory=list)
    head: int = 0
    last_good: One | None = None

    def hear(self, t: int, value: float | None, *, fills: bool) -> None:
        bucket = t // self.width
        if bucket < self.head - self.buckets:
            self.said, self.last_good, self.head = [], None, 0
        self.head = max(self.head, bucket)
        one = One(self.head, t, None if value is None else round(value * 1000), value or 0.0)
        before = self.last_good
        if fills and value is not None and before is not None and t - before.t <= 3 * INTERVAL_US:
            held = {other.bucket for other in self.said if other.milli is not None}
            between = range(before.bucket + 1, self.head)
            self.said += [One(b, t, one.milli) for b in between if b not in held]
        self.said.append(one)
        if value is not None:
            self.last_good = one

    def window(self) -> list[One]:
        return [one for one in self.said if self.head - self.buckets < one.bucket <= self.head]

    def good(self) -> list[One]:
        return [one for one in self.window() if one.milli is not None]

    def mean(self) -> Said:
        good, many = self.good(), len(self.window())
        if not good or many > 2 * len(good):
            return UNKNOWN
        return as_read(sum(one.milli or 0 for one in good) / 1000 / len(good)), EXACT

    def highest(self) -> Said:
        if not self.good():
            return UNKNOWN
        bound = EXACT if len(self.good()) == len(self.window()) else AT_LEAST
        return max(one.value for one in self.good()), bound

    def lowest(self) -> Said:
        if not self.good() or len(self.good()) < len(self.window()):
            return UNKNOWN
        return min(one.value for one in self.good()), EXACT

    def delta(self) -> Said:
        now, good = self.said[-1], self.good()
        if now.milli is None:
            return UNKNOWN
        first = next(one for one in good if one.bucket == min(other.bucket for other in good))
        if 2 * (now.t - first.t) < self.width * self.buckets:
            return UNKNOWN
        return now.value - first.value, EXACT

    def average(self) -> Said:
        means = []
        for bucket in {one.bucket for one in self.good()}:
            milli = [one.milli or 0 for one in self.good() if one.bucket == bucket]
            means.append(sum(milli) // len(milli))
        if not means:
            return UNKNOWN
        return as_read(sum(means) / (1000 * self.buckets)), EXACT if 4 * len(means) >= 3 * self.buckets else AT_LEAST

    def count(self) -> Said:
        unknown = len(self.window()) > len(self.good())
        return sum(one.value >= 20 for one in self.good()), AT_LEAST if unknown else EXACT


WINDOWS: dict[str, tuple[int, int, Callable[[Told], Said], bool]] = {
    "mean(co_ppm, 60 s) >= 20 ppm": (5 * SECOND, 12, Told.mean, False),
    "max(co_ppm, 60 s) >= 20 ppm": (5 * SECOND, 12, Told.highest, False),
    "min(co_ppm, 60 s) >= 20 ppm": (5 * SECOND, 12, Told.lowest, False),
    "delta(co_ppm, 60 s) >= 20 ppm": (5 * SECOND, 12, Told.delta, False),
    "count(co_ppm >= 20 ppm, 60 s) >= 3": (5 * SECOND, 12, Told.count, False),
    "stel(co_ppm, 75 s) >= 30 ppm": (5 * SECOND, 15, Told.average, True),
    "stel(co_ppm, 15 min) >= 30 ppm": (60 * SECOND, 15, Told.average, True),
    "twa(co_ppm, 8 min) >= 30 ppm": (5 * SECOND, 96, Told.average, True),
}


def history(seed: int, width_s: float) -> list[list[tuple[str, float, float | None]]]:
    """Batches of (device, second, value or None)."""
    drawn, found = random.Random(seed), []
    clock = {name: 5_000.0 + drawn.randrange(200) for name in NAMES}
    for _ in range(80):
        batch = []
        for name in drawn.sample(NAMES, drawn.randint(1, len(NAMES))):
            steps = drawn.choice(STEPS if drawn.random() < 0.97 else FAR_BACK)
            clock[name] = max(0.0, clock[name] + steps * width_s)
            value = None if drawn.random() < 0.15 else drawn.choice((0.0, 0.25, 7.5, 20.0, 150.0, -3.5))
            batch.append((name, clock[name], value))
        found.append(batch)
    return found


def as_rows(batch: list[tuple[str, float, float | None]]) -> list[Rows]:
    return [reading(name, t, co_ppm=math.nan if value is None else value) for name, t, value in batch]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("condition", WINDOWS)
def test_a_window_says_what_all_its_readings_give(condition: str, seed: int) -> None:
    width, buckets, plainly, fills = WINDOWS[condition]
    desk = Desk.of(condition)
    told = {name: Told(width, buckets) for name in NAMES}
    known = 0
    for batch in history(seed, width / SECOND):
        said = desk.number(*as_rows(batch))
        for (name, t, value), (found, certainty) in zip(batch, said, strict=True):
            told[name].hear(BEGIN + round(t * SECOND), value, fills=fills)
            expected, bound = plainly(told[name])
            assert certainty == bound
            assert found == pytest.approx(expected, abs=1e-9, nan_ok=True)
            known += bound != NOT_KNOWN
    assert known > 20


@pytest.mark.parametrize("condition", WINDOWS)
def test_a_window_is_put_away_and_taken_up_again_at_any_moment(condition: str) -> None:
    width = WINDOWS[condition][0]
    whole, cut = Desk.of(condition), Desk.of(condition)
    for number, batch in enumerate(history(7, width / SECOND)):
        if number % 9 == 4:
            cut.windows = cut.windows.thawed(cut.compiled, cut.windows.arrays())
        assert repr(cut.number(*as_rows(batch))) == repr(whole.number(*as_rows(batch)))


@pytest.mark.parametrize("condition", [*WINDOWS, "cohb(co_ppm) >= 1 %", "since(co_ppm >= 20 ppm) >= 60 s"])
def test_of_a_device_that_nobody_has_heard_nothing_is_remembered(condition: str) -> None:
    desk = Desk.of(condition)
    assert not any(array.any() for array in desk.windows.arrays().values())
    desk.hear(reading("m2", 5, co_ppm=30))
    slot = desk.fleet.slot_by_identity["davysim/m2"]
    for array in desk.windows.arrays().values():
        assert not np.delete(array, slot, axis=0).any()
    assert any(array[slot].any() for array in desk.windows.arrays().values())


def test_a_device_slower_than_the_window_fills_all_of_it_with_its_own_value() -> None:
    what = registry()
    slow = tuple(msgspec.structs.replace(model, report_interval_s=30.0) for model in what.models)
    fleet = build_fleet(msgspec.structs.replace(what, models=slow))
    desk = Desk(pack(rule("stel(co_ppm, 60 s) >= 30 ppm")), fleet)  # 15 buckets of 4 s
    said = desk.series([0, 90, 180.000001], "co_ppm", [90, 45, 15])
    assert said == [(pytest.approx(90 / 15), AT_LEAST), (45, EXACT), (pytest.approx(15 / 15), AT_LEAST)]


@pytest.mark.parametrize(("heard", "certainty"), [(71, AT_LEAST), (72, EXACT)])
def test_an_average_over_a_shift_is_exact_when_six_of_its_eight_hours_were_heard(heard: int, certainty: int) -> None:
    said = Desk.of("twa(co_ppm, 8 h) >= 16 ppm").series([300.0 * part for part in range(heard)], "co_ppm", [96] * heard)
    assert said[-1] == (pytest.approx(heard), certainty)
