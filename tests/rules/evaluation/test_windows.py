"""Every function over a window, with worked values: what counts, what is unknown, what is only a lower bound."""

import math
import random

import numpy as np
import pytest

from devices.quantities import Flag, Quality
from rules.evaluation.doses import LEAST_STILL
from rules.evaluation.evaluation import AT_LEAST, EXACT, NOT_KNOWN
from tests.rules.evaluation.desk import DAY_US, SECOND, Desk, flagged, reading

NAN = math.nan
LEL = "combustible_lel"


def known(value: float) -> tuple[object, int]:
    return pytest.approx(value, abs=1e-9), EXACT


def at_least(value: float) -> tuple[object, int]:
    return pytest.approx(value, abs=1e-9), AT_LEAST


def unknown(said: tuple[float, int]) -> bool:
    return math.isnan(said[0]) and said[1] == NOT_KNOWN


# ---- mean: buckets of 5 s, twelve of them ---------------------------------------------------------------------------


def test_a_mean_is_of_the_good_values_of_the_window() -> None:
    said = Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL").series([0, 10, 20], LEL, [10, 20, 60])
    assert said == [known(10), known(15), known(30)]


def test_a_reading_leaves_the_mean_when_its_bucket_leaves_the_window() -> None:
    desk = Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL")
    assert desk.series([4.9, 30, 59.9], LEL, [90, 0, 0])[-1] == known(30)
    assert desk.series([60], LEL, [0]) == [known(0)]


def test_a_long_pause_empties_the_window() -> None:
    desk = Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL")
    assert desk.series([0, 5, 10_000], LEL, [90, 80, 7])[-1] == known(7)


def test_a_mean_counts_in_thousandths_of_the_unit() -> None:
    assert Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL").series([0], LEL, [1.23456]) == [known(float(np.float32(1.235)))]


@pytest.mark.parametrize("function", ["mean", "stel"])
def test_a_mean_of_a_value_that_stays_at_the_limit_is_at_the_limit(function: str) -> None:
    """20.1 as a reading and as a limit is a little more than twenty and a tenth."""
    desk = Desk.of(f"{function}({LEL}, 15 min) >= 20.1 %LEL")
    assert [desk.says(reading("m1", t, combustible_lel=20.1))[0] for t in range(0, 900, 10)][-1] == 1


def test_a_mean_is_unknown_when_more_readings_were_not_good_than_good() -> None:
    said = Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL").series([0, 1, 2], LEL, [10, NAN, NAN])
    assert said[:2] == [known(10), known(10)]
    assert unknown(said[2])


def test_a_mean_of_no_good_reading_is_unknown() -> None:
    assert unknown(Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL").series([0], LEL, [NAN])[0])


# ---- min and max ----------------------------------------------------------------------------------------------------


def test_extremes_are_those_of_the_window() -> None:
    times, values = [0.0, 10, 20, 59, 70], [30.0, 50, 40, 45, 45]
    assert Desk.of(f"max({LEL}, 60 s) >= 9 %LEL").series(times, LEL, values)[-2:] == [known(50), known(45)]
    assert Desk.of(f"min({LEL}, 60 s) >= 9 %LEL").series(times, LEL, values)[-2:] == [known(30), known(40)]


def test_a_highest_value_is_a_lower_bound_while_a_reading_of_the_window_was_not_good() -> None:
    desk = Desk.of(f"max({LEL}, 60 s) >= 20 %LEL")
    assert desk.series([0, 5, 59, 65], LEL, [30, NAN, 10, 10]) == [known(30), at_least(30), at_least(30), known(10)]


def test_a_lowest_value_is_unknown_while_a_reading_of_the_window_was_not_good() -> None:
    said = Desk.of(f"min({LEL}, 60 s) <= 20 %LEL").series([0, 5, 59, 65], LEL, [30, NAN, 10, 10])
    assert [unknown(one) for one in said] == [False, True, True, False]


def test_extremes_of_negative_values_are_not_mistaken_for_nothing() -> None:
    assert Desk.of("max(temperature_c, 60 s) >= 1 degC").series([0, 1], "temperature_c", [-30, -20])[-1] == known(-20)
    assert unknown(Desk.of("max(temperature_c, 60 s) >= 1 degC").series([0], "temperature_c", [NAN])[0])


# ---- rate and delta -------------------------------------------------------------------------------------------------


def test_a_delta_is_since_the_first_reading_of_the_window() -> None:
    said = Desk.of(f"delta({LEL}, 60 s) >= 20 %LEL").series([0, 30, 59, 61], LEL, [10, 14, 30, 31])
    assert unknown(said[0])
    assert said[1:3] == [known(4), known(20)]
    assert said[3] == known(17)  # 10 has left the window, 14 is half a window away


def test_a_rate_is_per_second_of_what_lies_between() -> None:
    assert Desk.of(f"rate({LEL}, 60 s) >= 5 %LEL/min").series([0, 40], LEL, [10, 30])[-1] == known(0.5)


@pytest.mark.parametrize(("later", "is_known"), [(29.999999, False), (30, True)])
def test_a_rate_over_less_than_half_the_window_is_unknown(later: float, is_known: bool) -> None:
    said = Desk.of(f"rate({LEL}, 60 s) >= 5 %LEL/min").series([0, later], LEL, [10, 30])[-1]
    assert unknown(said) is not is_known


def test_a_rate_is_unknown_at_a_reading_that_is_not_good() -> None:
    said = Desk.of(f"rate({LEL}, 60 s) >= 5 %LEL/min").series([0, 40, 41], LEL, [10, NAN, 10])
    assert unknown(said[1])
    assert said[2] == known(0)


def test_of_a_bucket_the_first_good_reading_is_kept() -> None:
    said = Desk.of(f"delta({LEL}, 60 s) >= 20 %LEL").series([0, 1, 2, 40], LEL, [NAN, 10, 50, 60])[-1]
    assert said == known(50)


def test_rate_and_delta_of_one_window_are_kept_once() -> None:
    desk = Desk.of(f"rate({LEL}, 60 s) >= 5 %LEL/min or delta({LEL}, 60 s) >= 5 %LEL")
    assert len(desk.compiled.program.keepers) == 1
    assert desk.says(reading("m1", 0, combustible_lel=0), reading("m1", 50, combustible_lel=10)) == [-1, 1]


# ---- twa and stel ---------------------------------------------------------------------------------------------------


def test_an_average_weighs_by_time_and_counts_time_without_readings_as_zero() -> None:
    desk = Desk.of("stel(co_ppm, 15 min) >= 30 ppm")
    said = desk.series([60.0 * minute for minute in range(15)], "co_ppm", [150.0] * 3 + [0.0] * 12)
    assert said[0] == at_least(150 / 15)
    assert said[2] == at_least(450 / 15)
    assert said[14] == known(30)


def test_a_bucket_counts_by_the_mean_of_its_readings_however_many() -> None:
    desk = Desk.of("stel(co_ppm, 15 min) >= 30 ppm")
    assert desk.series([0, 10, 20, 60], "co_ppm", [30, 60, 90, 15])[-1] == at_least((60 + 15) / 15)


def test_an_average_is_exact_from_three_quarters_of_its_buckets_on() -> None:
    desk = Desk.of("stel(co_ppm, 15 min) >= 30 ppm")
    said = desk.series([60.0 * minute for minute in range(12)], "co_ppm", [15.0] * 12)
    assert [certainty for _, certainty in said] == [AT_LEAST] * 11 + [EXACT]  # 12 of 15 are more than 11.25


def test_a_good_reading_fills_what_lies_between_it_and_the_one_before_within_three_intervals() -> None:
    near = Desk.of("stel(co_ppm, 5 min) >= 30 ppm")  # buckets of 20 s; m1 reports every 10 s
    assert near.series([0, 30], "co_ppm", [0, 300])[-1] == at_least(300 / 15)
    filled = Desk.of("stel(co_ppm, 150 s) >= 30 ppm")  # buckets of 10 s
    assert filled.series([0, 30], "co_ppm", [0, 150])[-1] == at_least(3 * 150 / 15)
    far = Desk.of("stel(co_ppm, 150 s) >= 30 ppm")
    assert far.series([0, 30.000001], "co_ppm", [0, 150])[-1] == at_least(150 / 15)


def test_a_bucket_that_was_filled_is_like_any_other() -> None:
    desk = Desk.of("stel(co_ppm, 150 s) >= 30 ppm")
    desk.series([0, 30], "co_ppm", [0, 150])
    assert desk.series([139, 149, 179.999], "co_ppm", [0, 0, 0])[-1] == at_least(150 / 15)


def test_an_average_over_eight_hours_has_buckets_of_five_minutes() -> None:
    desk = Desk.of("twa(co_ppm, 8 h) >= 16 ppm")
    said = desk.series([300.0 * part for part in range(96)], "co_ppm", [96.0] * 48 + [0.0] * 48)
    assert said[0] == at_least(1)
    assert said[95] == known(48)


def test_an_average_without_any_good_reading_is_unknown() -> None:
    desk = Desk.of("twa(co_ppm, 8 h) >= 16 ppm")
    assert unknown(desk.series([0], "co_ppm", [NAN])[0])
    desk.series([1], "co_ppm", [10])
    assert unknown(desk.series([8 * 3600 + 300], "co_ppm", [NAN])[0])


# ---- count, since, stuck --------------------------------------------------------------------------------------------


def test_a_count_is_of_the_readings_at_which_the_condition_was_true() -> None:
    desk = Desk.of(f"count({LEL} >= 20 %LEL, 60 s) >= 3")
    assert desk.series([0, 1, 2, 3], LEL, [20, 19, 25, 30]) == [known(1), known(1), known(2), known(3)]
    assert desk.series([60], LEL, [0]) == [known(0)]


def test_a_count_is_a_lower_bound_while_the_window_holds_a_reading_that_nobody_knows() -> None:
    desk = Desk.of(f"count({LEL} >= 20 %LEL, 60 s) >= 3")
    assert desk.series([0, 1, 61], LEL, [20, NAN, 0]) == [known(1), at_least(1), known(0)]


def test_since_tells_how_long_a_condition_is_true_without_a_break() -> None:
    said = Desk.of(f"since({LEL} >= 20 %LEL) >= 5 min").series([0, 10, 25, 30, 40], LEL, [20, 30, NAN, 20, 10])
    assert said[:2] == [known(0), known(10)]
    assert unknown(said[2])
    assert said[3:] == [known(30), known(0)]


def test_a_value_is_stuck_when_every_good_reading_for_so_long_had_it() -> None:
    desk = Desk.of(f"stuck({LEL}, 60 s)")
    often = [(t, 3.25) for t in range(0, 60, 5)]
    rows = [
        reading("m1", t, combustible_lel=value)
        for t, value in (*often, (59, 3.25), (59.5, NAN), (60, 3.25), (61, 3.5), (121, 3.5), (150, 3.5))
    ]
    assert desk.says(*rows) == [*[0] * len(often), 0, -1, 1, 0, 0, 0]


def test_fewer_than_twelve_equal_readings_are_not_stuck_however_long_they_last() -> None:
    desk = Desk.of(f"stuck({LEL}, 60 s)")
    days = [reading("m1", 86_400 * day, combustible_lel=3.0) for day in range(14)]
    assert [desk.says(one)[0] for one in days] == [*[0] * (LEAST_STILL - 1), 1, 1, 1]
    many = [reading("m1", 86_400 * 14 + t, combustible_lel=3.0) for t in range(300)]
    assert set(desk.says(*many)) == {1}  # and so on, past any count that is kept


def test_stuck_says_what_a_walk_over_all_readings_says() -> None:
    rng, said = random.Random(12), set()
    for share in (0.02, 0.1, 0.3):
        values = [NAN if rng.random() < 0.1 else 4.0 if rng.random() < share else 3.0 for _ in range(400)]
        rows, found, t = [], [], 0
        same: list[tuple[int, float]] = []
        for value in values:
            t += rng.choice((1, 2, 30))
            if not math.isnan(value):
                same = [one for one in same if one[1] == value] + [(t, value)]
            found.append(int(len(same) >= 12 and t - same[0][0] >= 60) if not math.isnan(value) else -1)
            rows.append(reading("m1", t, combustible_lel=value))
        assert Desk.of(f"stuck({LEL}, 60 s)").says(*rows) == found
        said |= {*found}
    assert said == {-1, 0, 1}


def test_stuck_over_different_times_is_kept_once() -> None:
    desk = Desk.of(f"stuck({LEL}, 60 s) and not stuck({LEL}, 2 min)")
    assert len(desk.compiled.program.keepers) == 1
    said = desk.says(*(reading("m1", t, combustible_lel=1) for t in range(0, 130, 5)))
    assert said == [*[0] * 12, *[1] * 12, 0, 0]


# ---- what is common to all ------------------------------------------------------------------------------------------

EVERY = (
    f"mean({LEL}, 60 s) >= 20 %LEL",
    f"max({LEL}, 60 s) >= 20 %LEL",
    f"min({LEL}, 60 s) >= 20 %LEL",
    f"delta({LEL}, 60 s) >= 20 %LEL",
    "stel(co_ppm, 60 s) >= 20 ppm",
    f"count({LEL} >= 20 %LEL, 60 s) >= 2",
    f"since({LEL} >= 20 %LEL) >= 60 s",
    "cohb(co_ppm) >= 1 %",
)


@pytest.mark.parametrize("condition", EVERY)
@pytest.mark.parametrize("flag", [Flag.LATE, Flag.STALE])
def test_a_late_or_a_stale_reading_advances_nothing(condition: str, flag: Flag) -> None:
    desk = Desk.of(condition)
    desk.hear(*(reading("m1", t, combustible_lel=30, co_ppm=30) for t in (0, 40)))
    before = {name: array.copy() for name, array in desk.windows.arrays().items()}
    desk.hear(flagged(reading("m1", 50, combustible_lel=90, co_ppm=900), flag))
    assert all((array == before[name]).all() for name, array in desk.windows.arrays().items())


@pytest.mark.parametrize("condition", EVERY)
def test_at_a_stale_reading_every_number_is_unknown(condition: str) -> None:
    desk = Desk.of(condition)
    desk.hear(*(reading("m1", t, combustible_lel=30, co_ppm=30) for t in (0, 40, 60)))
    assert unknown(desk.number(flagged(reading("m1", 61, combustible_lel=30, co_ppm=30), Flag.STALE))[0])


@pytest.mark.parametrize("condition", EVERY)
def test_each_device_remembers_for_itself(condition: str) -> None:
    alone, together = Desk.of(condition), Desk.of(condition)
    rows = [reading("m1", t, combustible_lel=t, co_ppm=t) for t in (0, 30, 60)]
    others = [reading("m2", t, combustible_lel=99, co_ppm=99) for t in (0, 30, 60)]
    mixed = together.number(*(row for pair in zip(rows, others, strict=True) for row in pair))
    assert repr(mixed[::2]) == repr(alone.number(*rows))


def test_time_does_not_go_back_a_reading_from_before_counts_in_the_newest_bucket() -> None:
    desk = Desk.of(f"mean({LEL}, 60 s) >= 20 %LEL")
    assert desk.series([0, 58, 1], LEL, [10, 20, 60])[-1] == known(30)
    assert desk.series([65, 114.9], LEL, [0, 0])[-1] == known((20 + 60) / 4)  # 10 is gone, 60 is not


@pytest.mark.parametrize("function", ["mean", "max", "stel", "twa", "count", "rate", "stuck"])
def test_a_clock_that_was_set_back_is_believed_and_the_window_begins_anew(function: str) -> None:
    condition = {
        "count": f"count({LEL} >= 10 %LEL, 60 s) >= 5",
        "rate": f"rate({LEL}, 60 s) >= 1 %LEL/min",
        "stuck": f"stuck({LEL}, 60 s)",
    }.get(function, f"{function}({LEL}, 60 s) >= 10 %LEL")
    desk, rises = Desk.of(condition), 0.5 if function == "rate" else 0
    for begins in (43_200, 14_400):  # noon, and then four in the morning
        said = [desk.says(reading("m1", begins + t, combustible_lel=30 + rises * t))[0] for t in range(0, 120, 5)]
        assert said[-1] == 1


def test_nothing_from_before_a_clock_was_set_back_is_in_the_window() -> None:
    desk = Desk.of(f"max({LEL}, 60 s) >= 20 %LEL")
    assert desk.series([1_000, 940], LEL, [90, 7])[-1] == known(90)  # twelve buckets back
    assert desk.series([1_000, 939.9], LEL, [90, 7])[-1] == known(7)


def test_whole_days_make_no_difference_to_where_buckets_begin() -> None:
    assert DAY_US % (60 * SECOND // 12) == 0


def test_a_value_of_another_quality_than_good_counts_as_not_good() -> None:
    desk = Desk.of(f"max({LEL}, 60 s) >= 20 %LEL")
    row = reading("m1", 0, combustible_lel=50, quality={LEL: Quality.WARM_UP})
    assert unknown(desk.number(row)[0])
