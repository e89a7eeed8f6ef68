"""By what the shut-offs of a rule are compared: the quantity of its limit, or the first that its condition compares."""

import pytest
from msgspec.structs import replace

from devices.quantities import Flag, Quality
from rules.interlock.worst import By, good, worst_by
from tests.rules.world import pack, reading


@pytest.mark.parametrize(
    ("rule", "by"),
    [
        ('quantity = "co_ppm"\nat_or_above = 50.0\nclear_below = 30.0', By("co_ppm", False)),
        ('quantity = "pressure_kpa"\nat_or_below = 0.8\nclear_above = 1.0', By("pressure_kpa", True)),
        ('condition = "combustible_lel >= 10 %LEL"', By("combustible_lel", False)),
        ('condition = "pressure_kpa < 0.8 kPa"', By("pressure_kpa", True)),
        ('condition = "0.8 kPa > pressure_kpa"', By("pressure_kpa", True)),
        ('condition = "10 %LEL <= combustible_lel"', By("combustible_lel", False)),
        ('condition = "not pressure_kpa >= 0.8 kPa"', By("pressure_kpa", True)),
        ('condition = "low_alarm and mean(co_ppm, 5m) > 30 ppm"', By("co_ppm", False)),
        ('condition = "low_alarm or high_alarm"\nclear_condition = "not low_alarm"', By("", False)),
        ('condition = "combustible_lel - 2 %LEL > 8 %LEL"', By("combustible_lel", False)),
        ('condition = "at_least(2, site, combustible_lel >= 10 %LEL)"', By("combustible_lel", False)),
        ('condition = "stuck(flow_m3h, 24h)"', By("flow_m3h", False)),
        ('condition = "cohb(co_ppm) >= 2.5 %"', By("co_ppm", False)),
        ('flags = ["fault"]', By("", False)),
    ],
)
def test_what_is_compared_and_which_way_is_worse(rule: str, by: By) -> None:
    assert worst_by(pack(rule), 0) == by


def test_of_what_falls_the_lower_is_the_worse_and_an_unknown_value_is_never() -> None:
    falls, rises = By("pressure_kpa", True), By("co_ppm", False)
    assert (falls.worse(1.0, 2.0), falls.worse(2.0, 1.0), falls.worse(1.0, 1.0)) == (True, False, False)
    assert (rises.worse(2.0, 1.0), rises.worse(1.0, 2.0), rises.worse(1.0, 1.0)) == (True, False, False)
    assert sorted([3.0, 1.0, falls.least_bad, 2.0], key=falls.order) == [1.0, 2.0, 3.0, falls.least_bad]
    assert sorted([3.0, 1.0, rises.least_bad, 2.0], key=rises.order) == [3.0, 2.0, 1.0, rises.least_bad]
    assert not any(by.worse(float("nan"), 1.0) for by in (falls, rises))


QUANTITIES = ("combustible_lel", "co_ppm", "pressure_kpa")


@pytest.mark.parametrize("quantity", QUANTITIES)
@pytest.mark.parametrize("quality", list(Quality))
def test_a_value_is_good_by_its_own_quality_alone(quantity: str, quality: Quality) -> None:
    row = reading("d1", 1, **dict.fromkeys(QUANTITIES, 7.5))
    assert good(row, quantity) == 7.5
    others = {one: Quality.SENTINEL for one in QUANTITIES if one != quantity}
    row = reading("d1", 1, **{quantity: 7.5}, quality={**others, quantity: quality})
    assert good(row, quantity) == (7.5 if quality is Quality.GOOD else None)


def test_of_a_stale_reading_nothing_is_good_and_nothing_that_is_no_number() -> None:
    assert good(reading("d1", 1, co_ppm=7.5, flags=Flag.LOW_ALARM | Flag.LATE), "co_ppm") == 7.5
    assert good(reading("d1", 1, co_ppm=7.5, flags=Flag.STALE), "co_ppm") is None
    assert good(reading("d1", 1, co_ppm=float("nan")), "co_ppm") is None


def test_of_rules_that_were_made_without_their_expressions_there_is_nothing_to_compare() -> None:
    bare = replace(pack('flags = ["fault"]'), parsed=())
    assert worst_by(bare, 0) == By("", False)
