"""By what the shut-offs of a rule are compared when not all of them may leave at once: worst first (G13).

The quantity of the rule's limit, or the first one that its condition compares; the highest value is the worst, or the
lowest where the condition is about something that falls. Source: product choice.
"""

import math
from typing import NamedTuple

from devices.quantities import QUALITY_BITS, Flag, Quality, quality_shift
from devices.readings import Rows
from rules.documents.document import RulePack
from rules.language.tree import (
    Arithmetic,
    Comparator,
    Comparison,
    Dose,
    Joined,
    Measured,
    Node,
    Not,
    Stuck,
    Votes,
    Windowed,
)

_FALLING = (Comparator.AT_MOST, Comparator.BELOW)


class By(NamedTuple):
    """`quantity` empty: nothing to compare."""

    quantity: str
    falls: bool

    @property
    def least_bad(self) -> float:
        """Of one whose value is not known: everybody else goes first."""
        return float("inf") if self.falls else float("-inf")

    def worse(self, one: float, other: float) -> bool:
        return one < other if self.falls else one > other

    def order(self, value: float) -> float:
        """Sorts the worst first."""
        return value if self.falls else -value


def good(row: Rows, quantity: str) -> float | None:
    """The value of a quantity in one reading, shape (1,), if it is good."""
    says = (int(row["quality"][0]) >> quality_shift(quantity)) & ((1 << QUALITY_BITS) - 1)
    value = float(row[quantity][0])
    live = not int(row["flags"][0]) & int(Flag.STALE)
    return value if live and says == Quality.GOOD and math.isfinite(value) else None


def worst_by(pack: RulePack, rule: int) -> By:
    """Of a rule by its number."""
    spec = pack.rules[rule]
    if spec.quantity:
        return By(spec.quantity, spec.at_or_below is not None)
    parsed = pack.parsed[rule] if rule < len(pack.parsed) else None
    found = _compared(parsed.condition) if parsed is not None and parsed.condition is not None else None
    return found or By("", False)


def _compared(node: Node) -> By | None:
    match node:
        case Joined(parts=parts):
            return next((found for part in parts if (found := _compared(part)) is not None), None)
        case Votes(condition=condition):
            return _compared(condition)
        case Not(part=part):
            found = _compared(part)
            return By(found.quantity, not found.falls) if found is not None else None
        case Comparison(comparator=comparator, left=left, right=right):
            falling = comparator in _FALLING
            if (quantity := _quantity(left)) is not None:
                return By(quantity, falling)
            if (quantity := _quantity(right)) is not None:
                return By(quantity, not falling)
            return None
        case Stuck(quantity=quantity):
            return By(quantity, False)
        case _:
            return None


def _quantity(node: Node) -> str | None:
    match node:
        case Measured(quantity=quantity) | Windowed(quantity=quantity) | Dose(quantity=quantity):
            return quantity
        case Arithmetic(left=left, right=right):
            return _quantity(left) or _quantity(right)
        case _:
            return None
