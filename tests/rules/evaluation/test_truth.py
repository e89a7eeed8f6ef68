"""G9 as a table: what is not known is unknown in every place, never false; and what is known only from below."""

import itertools
import math

import numpy as np
import pytest

from devices.quantities import Flag, Quality, ValvePosition
from rules.evaluation.numbers import Amount, Truth, arithmetic, as_codes, both, compare, either, opposite
from rules.language.tree import Comparator, Operator
from tests.rules.evaluation.desk import Desk, flagged, reading

TRUE, FALSE, UNKNOWN = 1, 0, -1
LEL = "combustible_lel"
SIGNS = [">=", ">", "<=", "<", "==", "!="]
NOT_GOOD = [quality for quality in Quality if quality is not Quality.GOOD]


def amount(value: float, *, at_least: bool = False) -> Amount:
    return Amount(np.array([value]), np.array([at_least]))


def code(truth: Truth) -> int:
    return int(as_codes(truth)[0])


def truth(value: int) -> Truth:
    return Truth(np.array([value == TRUE]), np.array([value == FALSE]))


# ---- an unknown operand makes an unknown comparison -----------------------------------------------------------------


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_value_that_is_no_number_is_unknown_in_every_comparison(sign: str, value: float) -> None:
    assert Desk.of(f"{LEL} {sign} 20 %LEL").says(reading("m1", 0, combustible_lel=value)) == [UNKNOWN]
    assert Desk.of(f"20 %LEL {sign} {LEL}").says(reading("m1", 0, combustible_lel=value)) == [UNKNOWN]
    assert Desk.of(f"not {LEL} {sign} 20 %LEL").says(reading("m1", 0, combustible_lel=value)) == [UNKNOWN]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize("quality", NOT_GOOD)
def test_a_value_that_is_not_good_is_unknown_in_every_comparison(sign: str, quality: Quality) -> None:
    row = reading("m1", 0, combustible_lel=50, quality={LEL: quality})
    assert Desk.of(f"{LEL} {sign} 20 %LEL").says(row) == [UNKNOWN]


@pytest.mark.parametrize("sign", SIGNS)
@pytest.mark.parametrize(
    "number",
    [f"{LEL} + 1 %LEL", f"1 %LEL - {LEL}", f"{LEL} * 2", f"0 * {LEL}", f"{LEL} / 2", f"-{LEL}", f"{LEL} - {LEL}"],
)
def test_what_comes_of_an_unknown_value_is_unknown(sign: str, number: str) -> None:
    assert Desk.of(f"{number} {sign} 20 %LEL").says(reading("m1", 0, combustible_lel=math.nan)) == [UNKNOWN]


@pytest.mark.parametrize("divided", ["co_ppm", "0 ppm"])
def test_division_by_zero_is_unknown(divided: str) -> None:
    row = reading("m1", 0, combustible_lel=5, co_ppm=0.0)
    assert Desk.of(f"{divided} / co_ppm >= 1").says(row) == [UNKNOWN]
    assert Desk.of(f"{divided} / co_ppm < 1").says(row) == [UNKNOWN]


def test_what_the_registry_does_not_say_is_unknown() -> None:
    assert Desk.of("life_left <= 90 d").says(reading("bare", 0)) == [UNKNOWN]
    assert Desk.of("calibration_left > 0 s").says(reading("m1", 0)) == [UNKNOWN]
    assert Desk.of("interval > 1 s").says(reading("bare", 0)) == [UNKNOWN]
    assert Desk.of("life_left <= 90 d").says(reading("m1", 0)) == [TRUE]


@pytest.mark.parametrize("test", ["valve == closed", "valve != closed", "valve_cause == alarm", "valve_cause != alarm"])
def test_a_word_that_the_reading_does_not_say_is_unknown(test: str) -> None:
    assert Desk.of(test).says(reading("v1", 0)) == [UNKNOWN]


def test_a_word_that_the_reading_says_is_known() -> None:
    closed, opened = (reading("v1", 0, valve=position) for position in (ValvePosition.CLOSED, ValvePosition.OPEN))
    assert Desk.of("valve == closed").says(closed, opened) == [TRUE, FALSE]
    assert Desk.of("valve != closed").says(closed, opened) == [FALSE, TRUE]


# ---- flags ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("blind", [Flag.WARM_UP, Flag.INHIBIT, Flag.FAULT])
@pytest.mark.parametrize("flag", ["low_alarm", "high_alarm", "co_alarm"])
def test_an_alarm_flag_that_is_not_set_is_unknown_while_the_device_is_blind(flag: str, blind: Flag) -> None:
    assert Desk.of(flag).says(flagged(reading("m1", 0), blind)) == [UNKNOWN]
    assert Desk.of(flag).says(flagged(reading("m1", 0), blind | Flag[flag.upper()])) == [TRUE]
    assert Desk.of(flag).says(reading("m1", 0)) == [FALSE]


def test_any_other_flag_is_set_or_is_not() -> None:
    assert Desk.of("tamper").says(flagged(reading("m1", 0), Flag.FAULT)) == [FALSE]
    assert Desk.of("tamper").says(flagged(reading("m1", 0), Flag.TAMPER)) == [TRUE]


STALE_SAYS = ["tamper", "low_alarm", "not tamper", "combustible_lel < 20 %LEL", "valve == open", "interval > 1 s"]


@pytest.mark.parametrize("condition", [*STALE_SAYS, "commanded_closed", "any(site, combustible_lel < 20 %LEL)"])
def test_of_a_stale_reading_everything_is_unknown_but_flags_that_are_set(condition: str) -> None:
    row = flagged(reading("m1", 0, combustible_lel=3, valve=ValvePosition.OPEN), Flag.STALE)
    assert Desk.of(condition).says(row, watched=np.ones(9, np.bool_)) == [UNKNOWN]


def test_a_flag_that_is_set_in_a_stale_reading_is_a_fact() -> None:
    row = flagged(reading("m1", 0), Flag.STALE | Flag.TAMPER)
    assert Desk.of("tamper or combustible_lel >= 20 %LEL").says(row) == [TRUE]


# ---- Kleene ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("left", "right"), list(itertools.product((TRUE, FALSE, UNKNOWN), repeat=2)))
def test_and_or_not_are_unknown_where_what_is_not_known_could_change_the_answer(left: int, right: int) -> None:
    order = {FALSE: 0, UNKNOWN: 1, TRUE: 2}
    assert code(both([truth(left), truth(right)])) == min(left, right, key=order.__getitem__)
    assert code(either([truth(left), truth(right)])) == max(left, right, key=order.__getitem__)
    assert code(opposite(truth(left))) == {TRUE: FALSE, FALSE: TRUE, UNKNOWN: UNKNOWN}[left]


# ---- known only from below ------------------------------------------------------------------------------------------

#: Of a value that is at least 5, by sign: compared with 3, with 5, with 7.
FROM_BELOW = {
    Comparator.AT_LEAST: (TRUE, TRUE, UNKNOWN),
    Comparator.ABOVE: (TRUE, UNKNOWN, UNKNOWN),
    Comparator.AT_MOST: (FALSE, UNKNOWN, UNKNOWN),
    Comparator.BELOW: (FALSE, FALSE, UNKNOWN),
    Comparator.EQUAL: (FALSE, UNKNOWN, UNKNOWN),
    Comparator.UNEQUAL: (TRUE, UNKNOWN, UNKNOWN),
}
MIRRORED = {
    Comparator.AT_LEAST: Comparator.AT_MOST,
    Comparator.ABOVE: Comparator.BELOW,
    Comparator.AT_MOST: Comparator.AT_LEAST,
    Comparator.BELOW: Comparator.ABOVE,
    Comparator.EQUAL: Comparator.EQUAL,
    Comparator.UNEQUAL: Comparator.UNEQUAL,
}


@pytest.mark.parametrize("sign", list(Comparator))
@pytest.mark.parametrize(("place", "other"), list(enumerate((3.0, 5.0, 7.0))))
def test_a_lower_bound_is_compared_as_every_value_that_it_may_be(sign: Comparator, place: int, other: float) -> None:
    low = amount(5, at_least=True)
    assert code(compare(sign, low, amount(other))) == FROM_BELOW[sign][place]
    assert code(compare(MIRRORED[sign], amount(other), low)) == FROM_BELOW[sign][place]


@pytest.mark.parametrize("sign", list(Comparator))
@pytest.mark.parametrize("other", [3.0, 5.0, 7.0])
def test_two_lower_bounds_say_nothing_of_each_other(sign: Comparator, other: float) -> None:
    assert code(compare(sign, amount(5, at_least=True), amount(other, at_least=True))) == UNKNOWN


def calculated(operator: Operator, left: Amount, right: Amount) -> str:
    value, at_least = arithmetic(operator, left, right)
    assert at_least is not None
    return "unknown" if np.isnan(value[0]) else "at least" if at_least[0] else "exact"


@pytest.mark.parametrize(
    ("operator", "left", "right", "found"),
    [
        (Operator.ADD, amount(1, at_least=True), amount(-9), "at least"),
        (Operator.ADD, amount(1), amount(2, at_least=True), "at least"),
        (Operator.ADD, amount(1, at_least=True), amount(2, at_least=True), "at least"),
        (Operator.SUBTRACT, amount(1, at_least=True), amount(9), "at least"),
        (Operator.SUBTRACT, amount(1), amount(2, at_least=True), "unknown"),
        (Operator.SUBTRACT, amount(1, at_least=True), amount(2, at_least=True), "unknown"),
        (Operator.MULTIPLY, amount(1, at_least=True), amount(0), "at least"),
        (Operator.MULTIPLY, amount(2), amount(1, at_least=True), "at least"),
        (Operator.MULTIPLY, amount(1, at_least=True), amount(-1), "unknown"),
        (Operator.MULTIPLY, amount(-1, at_least=True), amount(2), "unknown"),
        (Operator.MULTIPLY, amount(1, at_least=True), amount(1, at_least=True), "unknown"),
        (Operator.DIVIDE, amount(1, at_least=True), amount(2), "at least"),
        (Operator.DIVIDE, amount(1, at_least=True), amount(-2), "unknown"),
        (Operator.DIVIDE, amount(-1, at_least=True), amount(2), "unknown"),
        (Operator.DIVIDE, amount(1, at_least=True), amount(0), "unknown"),
        (Operator.DIVIDE, amount(1), amount(2, at_least=True), "unknown"),
        (Operator.ADD, amount(math.nan, at_least=True), amount(2), "unknown"),
        (Operator.MULTIPLY, amount(1e300, at_least=True), amount(1e300), "unknown"),
        (Operator.ADD, amount(1), amount(2, at_least=False), "exact"),
    ],
)
def test_a_lower_bound_stays_one_where_it_can(operator: Operator, left: Amount, right: Amount, found: str) -> None:
    assert calculated(operator, left, right) == found


# ---- numbers --------------------------------------------------------------------------------------------------------


def test_a_number_with_a_unit_is_rounded_as_readings_are() -> None:
    assert Desk.of("combustible_lel == 20.1 %LEL").says(reading("m1", 0, combustible_lel=20.1)) == [TRUE]


def test_a_rules_own_number_is_rounded_as_readings_are() -> None:
    desk = Desk.of("combustible_lel >= limit", numbers={"limit": "20.1 %LEL"})
    assert desk.says(reading("m1", 0, combustible_lel=20.1)) == [TRUE]
