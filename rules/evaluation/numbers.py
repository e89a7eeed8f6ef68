"""Numbers that may be unknown or only bounded from below, truths that may be unknown, and what can be said of them.

V1  A value that is NaN or infinite, or that comes from one, is unknown, and a comparison with it is unknown, never
    false (G9). Division by zero is unknown.
V2  A value that is known only to be at least so much makes a comparison true or false only where every value that it
    may be does.
V3  `and`, `or`, `not` are Kleene's: unknown where what is not known could change the answer.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rules.language.tree import Comparator, Operator

Values = NDArray[np.float64]
Mask = NDArray[np.bool_]


class Amount(NamedTuple):
    """value: shape (n,) or (), f8; NaN: unknown. at_least: shape as value, bool: the true one may be higher; None: all
    are exact."""

    value: Values
    at_least: Mask | None = None


class Truth(NamedTuple):
    """true, false: shape (n,) or (), bool, never both; neither: unknown."""

    true: Mask
    false: Mask


def finite(value: Values) -> Values:
    """V1: what is not finite is NaN."""
    bad = ~np.isfinite(value)
    return np.where(bad, np.nan, value) if bad.any() else value


def arithmetic(operator: Operator, left: Amount, right: Amount) -> Amount:
    """The operation, value by value, in 8-byte floats."""
    a, b = left.value, right.value
    with np.errstate(all="ignore"):
        match operator:
            case Operator.ADD:
                value = a + b
            case Operator.SUBTRACT:
                value = a - b
            case Operator.MULTIPLY:
                value = a * b
            case Operator.DIVIDE:
                value = np.where(b == 0, np.nan, a / b)
    value = finite(np.asarray(value, np.float64))
    if left.at_least is None and right.at_least is None:
        return Amount(value)
    at_least, lost = _bounded(operator, left, right)
    return Amount(np.where(lost, np.nan, value), at_least & ~lost)


def _bounded(operator: Operator, left: Amount, right: Amount) -> tuple[Mask, Mask]:
    """Where the result is a lower bound, and where nothing is left to say, because it could lie on either side."""
    low, high = _mask(left), _mask(right)
    either = low | high
    with np.errstate(invalid="ignore"):
        match operator:
            case Operator.ADD:
                return either, np.zeros_like(either)
            case Operator.SUBTRACT:
                return low, high
            case Operator.MULTIPLY:
                stays = (low & ~high & (left.value >= 0) & (right.value >= 0)) | (
                    high & ~low & (right.value >= 0) & (left.value >= 0)
                )
            case Operator.DIVIDE:
                stays = low & ~high & (left.value >= 0) & (right.value > 0)
    return either, either & ~stays


def _mask(one: Amount) -> Mask:
    return np.zeros(np.shape(one.value), np.bool_) if one.at_least is None else one.at_least


def compare(comparator: Comparator, left: Amount, right: Amount) -> Truth:
    """V2. Comparisons are of 8-byte floats."""
    a, b = left.value, right.value
    with np.errstate(invalid="ignore"):
        match comparator:
            case Comparator.AT_LEAST:
                found = Truth(a >= b, a < b)
            case Comparator.ABOVE:
                found = Truth(a > b, a <= b)
            case Comparator.AT_MOST:
                found = Truth(a <= b, a > b)
            case Comparator.BELOW:
                found = Truth(a < b, a >= b)
            case Comparator.EQUAL:
                found = Truth(a == b, (a < b) | (a > b))
            case Comparator.UNEQUAL:
                found = Truth((a < b) | (a > b), a == b)
    if left.at_least is None and right.at_least is None:
        return found
    return _sure(comparator, found, left, right)


_RISING = (Comparator.AT_LEAST, Comparator.ABOVE)
_FALLING = (Comparator.AT_MOST, Comparator.BELOW)


def _sure(comparator: Comparator, found: Truth, left: Amount, right: Amount) -> Truth:
    """What of a comparison stays sure when one side may be higher than it is known to be."""
    low, high = _mask(left), _mask(right)
    exact = ~low & ~high
    with np.errstate(invalid="ignore"):
        apart = (low & ~high & (left.value > right.value)) | (high & ~low & (right.value > left.value))
    if comparator in _RISING or comparator in _FALLING:
        grows, shrinks = (low & ~high, high & ~low) if comparator in _RISING else (high & ~low, low & ~high)
        return Truth(found.true & (exact | grows), found.false & (exact | shrinks))
    if comparator is Comparator.EQUAL:
        return Truth(found.true & exact, (found.false & exact) | apart)
    return Truth((found.true & exact) | apart, found.false & exact)


def both(parts: list[Truth]) -> Truth:
    """`and`."""
    true, false = parts[0]
    for part in parts[1:]:
        true, false = true & part.true, false | part.false
    return Truth(true, false)


def either(parts: list[Truth]) -> Truth:
    """`or`."""
    true, false = parts[0]
    for part in parts[1:]:
        true, false = true | part.true, false & part.false
    return Truth(true, false)


def opposite(part: Truth) -> Truth:
    """`not`."""
    return Truth(part.false, part.true)


def as_codes(truth: Truth) -> NDArray[np.int8]:
    """1 true, 0 false, -1 unknown."""
    return truth.true.astype(np.int8) - (~(truth.true | truth.false)).astype(np.int8)
