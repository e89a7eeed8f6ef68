"""What a number of an expression can be before any reading: the lowest and the highest, and which of two is never more.

N1  Nothing that a device could say lies outside (devices/quantities.py, devices/model_check.py): wider is allowed,
    narrower is not.
"""

import math
from collections.abc import Mapping

from devices.model_check import LEAST_S, LONGEST_S
from devices.quantities import GAS_QUANTITIES, QUANTITIES, QUANTITY_NAMES
from rules.evaluation.doses import ENDOGENOUS, HALDANE
from rules.language.tree import (
    Arithmetic,
    Count,
    Dose,
    Measured,
    Named,
    Number,
    OfDevice,
    Operator,
    Property,
    Quantitative,
    Since,
    Statistic,
    Windowed,
)
from rules.language.units import kept

_SECOND_US = 1_000_000
#: What a dose tends to in air without gas: percent COHb that the body makes itself (rules/evaluation/doses.py).
_CLEAN_DOSE_PCT = HALDANE * ENDOGENOUS


def span_of(node: Quantitative, numbers: Mapping[str, float], *, clean: bool = False) -> tuple[float, float]:
    """The lowest and highest value that a number of the tree can have; infinite where there is no end. `numbers`: the
    values of the rule's own. `clean`: where the air is, and has been, without gas."""
    match node:
        case Number():
            value = kept(node.value, node.dimension)
            return value, value
        case Named():
            value = kept(numbers[node.name], node.dimension)
            return value, value
        case Measured() | Windowed() if clean and node.quantity in GAS_QUANTITIES:
            return 0.0, 0.0
        case Measured():
            return _of_quantity(node.quantity)
        case OfDevice():
            return (LEAST_S, LONGEST_S) if node.property is Property.INTERVAL else (-math.inf, math.inf)
        case Dose():
            return 0.0, _CLEAN_DOSE_PCT if clean else 100.0
        case Since() | Count():
            return 0.0, math.inf
        case Windowed():
            return _of_window(node)
        case Arithmetic():
            left, right = (span_of(part, numbers, clean=clean) for part in (node.left, node.right))
            return _of_arithmetic(node.operator, left, right)


def never_above(lower: Quantitative, upper: Quantitative) -> bool:
    """Whether at every reading of which both are known `lower` is at most `upper`: both windows hold that reading."""
    if isinstance(lower, Windowed) and lower.statistic is Statistic.MIN:
        return isinstance(upper, Measured | Windowed) and _reaches(upper) and upper.quantity == lower.quantity
    if isinstance(lower, Measured) and isinstance(upper, Windowed):
        return upper.statistic is Statistic.MAX and upper.quantity == lower.quantity
    return False


def _reaches(upper: Measured | Windowed) -> bool:
    return isinstance(upper, Measured) or upper.statistic is Statistic.MAX


def _of_quantity(name: str) -> tuple[float, float]:
    quantity = QUANTITIES[QUANTITY_NAMES.index(name)]
    return quantity.lowest, quantity.highest


def _of_window(node: Windowed) -> tuple[float, float]:
    low, high = _of_quantity(node.quantity)
    match node.statistic:
        case Statistic.RATE:
            # The two readings are at least half a window apart.
            steepest = (high - low) / (node.window_us / 2 / _SECOND_US)
            return -steepest, steepest
        case Statistic.DELTA:
            return low - high, high - low
        case Statistic.TWA | Statistic.STEL:
            return min(low, 0.0), high
        case _:
            return low, high


def _of_arithmetic(operator: Operator, left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    if operator is Operator.DIVIDE and right[0] <= 0 <= right[1]:
        return -math.inf, math.inf
    match operator:
        case Operator.ADD:
            corners = [left[0] + right[0], left[1] + right[1]]
        case Operator.SUBTRACT:
            corners = [left[0] - right[1], left[1] - right[0]]
        case Operator.MULTIPLY:
            corners = [one * other for one in left for other in right]
        case Operator.DIVIDE:
            corners = [one / other for one in left for other in right]
    if any(math.isnan(corner) for corner in corners):
        return -math.inf, math.inf
    return min(corners), max(corners)
