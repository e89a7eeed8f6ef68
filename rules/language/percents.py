"""Percent of what: a relative humidity, a battery's charge and a share of blood have one unit, and are three things."""

from rules.language.tree import Arithmetic, Dose, Measured, Operator, Quantitative, Windowed

_PERCENT = "%"
_SAID = {"humidity_pct": "relative humidity", "battery_pct": "a battery's charge"}
_DOSE = "carboxyhaemoglobin"


def percents(node: Quantitative) -> frozenset[str]:
    """What a number in percent is percent of, in words; empty: a number that is written, or one in another unit. More
    than one: they do not go together."""
    match node:
        case Measured() | Windowed() if node.dimension.unit == _PERCENT:
            return frozenset((_SAID[node.quantity],))
        case Dose():
            return frozenset((_DOSE,))
        case Arithmetic():
            # A quotient of two is a mere number: how many times the one is the other.
            if node.operator is Operator.DIVIDE and node.dimension.unit != _PERCENT:
                return frozenset()
            return percents(node.left) | percents(node.right)
    return frozenset()


def unlike(left: Quantitative, right: Quantitative) -> str:
    """Why these two cannot be compared, added or divided; empty: nothing is against it."""
    found = percents(left) | percents(right)
    return f"{' and '.join(sorted(found))} are both percent, and not of the same" if len(found) > 1 else ""
