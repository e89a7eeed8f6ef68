"""What numbers come to, and what may be said of them, worked out value by value by the words of the language:
of a sum it is known what of both sides is, a product keeps a lower bound by a factor that is known and not negative."""

import itertools
import math
import operator as python

import numpy as np
import pytest

from rules.evaluation.numbers import Amount, arithmetic, as_codes, compare
from rules.language.tree import Comparator, Operator

VALUES = (-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, math.nan)
KNOWN = tuple(itertools.product(VALUES, (False, True)))
PAIRS = tuple(itertools.product(KNOWN, KNOWN))
UNKNOWN = (math.nan, False)
SIGNS = {
    Comparator.AT_LEAST: python.ge,
    Comparator.ABOVE: python.gt,
    Comparator.AT_MOST: python.le,
    Comparator.BELOW: python.lt,
    Comparator.EQUAL: python.eq,
    Comparator.UNEQUAL: python.ne,
}
Number = tuple[float, bool]


def plainly(operator: Operator, left: Number, right: Number) -> Number:
    """(value, whether the true one may be higher); UNKNOWN."""
    (a, low), (b, high) = left, right
    if math.isnan(a) or math.isnan(b):
        return UNKNOWN
    match operator:
        case Operator.ADD:
            return a + b, low or high
        case Operator.SUBTRACT:
            return UNKNOWN if high else (a - b, low)
        case Operator.MULTIPLY:
            stays = not (low or high) or (low != high and a >= 0 and b >= 0)
            return (a * b, low or high) if stays else UNKNOWN
        case Operator.DIVIDE:
            stays = not (low or high) or (low and not high and a >= 0 and b > 0)
            return (a / b, low) if stays and b != 0 else UNKNOWN


def sides(pairs: tuple[tuple[Number, Number], ...]) -> tuple[Amount, Amount]:
    """All of them at once."""
    left, right = zip(*pairs, strict=True)
    return _amount(left), _amount(right)


def _amount(numbers: tuple[Number, ...]) -> Amount:
    return Amount(np.array([value for value, _ in numbers]), np.array([bound for _, bound in numbers]))


def same(found: Amount, expected: list[Number]) -> None:
    """Of what is unknown it does not matter whether it might be higher."""
    np.testing.assert_array_equal(found.value, [value for value, _ in expected])
    assert found.at_least is not None
    known = ~np.isnan(found.value)
    assert (found.at_least & known).tolist() == [bound for _, bound in expected]


@pytest.mark.parametrize("operator", list(Operator))
def test_what_two_numbers_come_to(operator: Operator) -> None:
    same(arithmetic(operator, *sides(PAIRS)), [plainly(operator, left, right) for left, right in PAIRS])


@pytest.mark.parametrize("operator", list(Operator))
def test_of_exact_numbers_the_result_is_exact(operator: Operator) -> None:
    pairs = tuple(((a, False), (b, False)) for a, b in itertools.product(VALUES, VALUES))
    left, right = sides(pairs)
    value, at_least = arithmetic(operator, Amount(left.value), Amount(right.value))
    assert at_least is None
    np.testing.assert_array_equal(value, [plainly(operator, *pair)[0] for pair in pairs])


@pytest.mark.parametrize("operator", list(Operator))
@pytest.mark.parametrize("bounded", ["left", "right"])
def test_one_side_alone_may_be_a_bound(operator: Operator, bounded: str) -> None:
    mine = tuple(pair for pair in PAIRS if not pair[1 if bounded == "left" else 0][1])
    left, right = sides(mine)
    if bounded == "left":
        right = Amount(right.value)
    else:
        left = Amount(left.value)
    same(arithmetic(operator, left, right), [plainly(operator, *pair) for pair in mine])


def test_what_is_too_large_to_be_a_number_is_unknown_and_its_neighbours_are_not() -> None:
    found = arithmetic(Operator.MULTIPLY, Amount(np.array([1e300, 2.0])), Amount(np.array([1e300, 3.0])))
    np.testing.assert_array_equal(found.value, [math.nan, 6.0])


@pytest.mark.parametrize("sign", list(Comparator))
def test_exact_numbers_are_compared_as_they_are(sign: Comparator) -> None:
    pairs = tuple(itertools.product(VALUES, VALUES))
    left, right = (Amount(np.array(side)) for side in zip(*pairs, strict=True))
    expected = [-1 if math.isnan(a) or math.isnan(b) else int(SIGNS[sign](a, b)) for a, b in pairs]
    assert as_codes(compare(sign, left, right)).tolist() == expected


@pytest.mark.parametrize("sign", list(Comparator))
def test_a_bound_is_compared_as_every_number_that_it_may_be(sign: Comparator) -> None:
    """Whatever the true value is, from the bound up: a step of a half is as good as any here."""

    def may_be(one: Number) -> list[float]:
        return [one[0] + step / 2 for step in range(20)] if one[1] else [one[0]]

    mine = tuple(pair for pair in PAIRS if not (pair[0][1] and pair[1][1]))
    expected = []
    for left, right in mine:
        says = {SIGNS[sign](a, b) for a in may_be(left) for b in may_be(right)}
        unknown = math.isnan(left[0]) or math.isnan(right[0]) or len(says) > 1
        expected.append(-1 if unknown else int(says.pop()))
    assert as_codes(compare(sign, *sides(mine))).tolist() == expected


@pytest.mark.parametrize("sign", list(Comparator))
@pytest.mark.parametrize("bounded", ["left", "right"])
def test_a_bound_is_compared_alike_with_what_is_said_to_be_exact_and_with_what_is(
    sign: Comparator, bounded: str
) -> None:
    mine = tuple(pair for pair in PAIRS if not pair[1 if bounded == "left" else 0][1])
    left, right = sides(mine)
    exact = (left, Amount(right.value)) if bounded == "left" else (Amount(left.value), right)
    assert as_codes(compare(sign, *exact)).tolist() == as_codes(compare(sign, left, right)).tolist()
