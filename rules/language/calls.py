"""The functions of the expression language: what stands between their brackets, checked and made into nodes."""

from collections.abc import Callable
from typing import Protocol

from devices.classes import Group
from devices.quantities import GAS_QUANTITIES, QUANTITY_NAMES
from rules.language.canonical import walk
from rules.language.syntax import Call, Literal, Name, Untyped
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Condition,
    Count,
    Dimension,
    Dose,
    Missing,
    Node,
    Number,
    OfDevice,
    Operator,
    Property,
    Quantitative,
    Since,
    Span,
    Statistic,
    Stuck,
    Votes,
    Windowed,
)
from rules.language.units import DURATION, NUMBER, OF_QUANTITY, measure, nearest
from rules.language.vocabulary import FUNCTIONS, GROUPS

#: Bounds of windows, in microseconds (product choice): shorter than a second is no window of a device that reports, and
#: what lasts longer than a month is a matter for a report. Exposure: what limits are written for (15 min, 8 h, 24 h).
_SECOND = 1_000_000
WINDOW_US = (_SECOND, 31 * 86_400 * _SECOND)
EXPOSURE_US = (60 * _SECOND, 86_400 * _SECOND)
#: So many votes at most, so many report intervals of silence at most (product choices).
MOST_VOTES = 10_000
MOST_INTERVALS = 1_000.0
_REMEMBERS = (Windowed, Dose, Since, Count, Stuck, Votes, Commanded, Missing, OfDevice)


class Reader(Protocol):
    """Who reads the arguments, and collects what is wrong with them."""

    def condition(self, node: Untyped) -> Condition | None: ...
    def number(self, node: Untyped) -> Quantitative | None: ...
    def refuse(self, span: Span, reason: str, remedy: str) -> None: ...


def call(reader: Reader, node: Call) -> Node | None:
    """The node of a function, or None after its faults were told to the reader."""
    build = _BUILDERS.get(node.name)
    if build is None:
        meant = nearest(node.name, tuple(FUNCTIONS))
        remedy = f"did you mean {FUNCTIONS[meant]}?" if meant else f"the functions are {', '.join(FUNCTIONS)}"
        reader.refuse(node.named, f"{node.name!r} is not a function", remedy)
        return None
    needs = FUNCTIONS[node.name].count(",") + 1
    if len(node.arguments) != needs:
        many = "nothing" if not node.arguments else str(len(node.arguments))
        reader.refuse(node.span, f"{node.name} takes {needs}, and {many} is given", f"write {FUNCTIONS[node.name]}")
        return None
    return build(reader, node)


def _statistic(reader: Reader, node: Call) -> Node | None:
    statistic = Statistic(node.name)
    exposure = statistic in (Statistic.TWA, Statistic.STEL)
    quantity = _quantity(reader, node, GAS_QUANTITIES if exposure else QUANTITY_NAMES)
    window_us = _window(reader, node, EXPOSURE_US if exposure else WINDOW_US)
    if quantity is None or window_us is None:
        return None
    dimension = OF_QUANTITY[quantity]
    if statistic is Statistic.RATE:
        dimension = Dimension(dimension.unit, -1)
    return Windowed(statistic, quantity, window_us, dimension, node.span)


def _dose(reader: Reader, node: Call) -> Node | None:
    quantity = _quantity(reader, node, ("co_ppm",))
    return None if quantity is None else Dose(quantity, Dimension("%"), node.span)


def _stuck(reader: Reader, node: Call) -> Node | None:
    quantity, window_us = _quantity(reader, node, QUANTITY_NAMES), _window(reader, node, WINDOW_US)
    return None if quantity is None or window_us is None else Stuck(quantity, window_us, node.span)


def _since(reader: Reader, node: Call) -> Node | None:
    condition = _inner(reader, node, 0, _REMEMBERS)
    return None if condition is None else Since(condition, DURATION, node.span)


def _count(reader: Reader, node: Call) -> Node | None:
    condition, window_us = _inner(reader, node, 0, _REMEMBERS), _window(reader, node, WINDOW_US)
    return None if condition is None or window_us is None else Count(condition, window_us, NUMBER, node.span)


def _any(reader: Reader, node: Call) -> Node | None:
    group, condition = _group(reader, node.arguments[0]), _inner(reader, node, 1, (Votes, Commanded, Missing))
    return None if group is None or condition is None else Votes(1, group, condition, node.span, _heard(node))


def _at_least(reader: Reader, node: Call) -> Node | None:
    asked = node.arguments[0]
    least: int | None = None
    if isinstance(asked, Literal) and not asked.unit and asked.value in range(1, MOST_VOTES + 1):
        least = int(asked.value)
    else:
        reader.refuse(asked.span, f"needs a whole number from 1 to {MOST_VOTES}", f"write {FUNCTIONS[node.name]}")
    group, condition = _group(reader, node.arguments[1]), _inner(reader, node, 2, (Votes, Commanded, Missing))
    if least is None or group is None or condition is None:
        return None
    return Votes(least, group, condition, node.span, _heard(node))


def _heard(node: Call) -> bool:
    return node.name.endswith("_heard")


def _missing(reader: Reader, node: Call) -> Node | None:
    found = reader.number(node.arguments[0])
    if found is None:
        return None
    sums = _intervals(found)
    if sums is None:
        reader.refuse(found.span, "is not a sum of `k * interval` and durations", f"write {FUNCTIONS[node.name]}")
        return None
    intervals, fixed_us = sums
    if not (0 <= intervals <= MOST_INTERVALS and 0 <= fixed_us <= WINDOW_US[1]):
        reader.refuse(found.span, "is too long or negative", f"at most {MOST_INTERVALS:g} * interval + 31 d")
        return None
    if intervals < 1 and fixed_us < WINDOW_US[0]:
        remedy = "write 1 * interval or more; 3 is usual"
        reader.refuse(found.span, "is shorter than a report interval: true between any two readings", remedy)
        return None
    return Missing(intervals, fixed_us, node.span)


_BUILDERS: dict[str, Callable[[Reader, Call], Node | None]] = {
    **dict.fromkeys(Statistic, _statistic),
    "cohb": _dose,
    "count": _count,
    "since": _since,
    "stuck": _stuck,
    "missing": _missing,
    "any": _any,
    "at_least": _at_least,
    "any_heard": _any,
    "at_least_heard": _at_least,
}


def _quantity(reader: Reader, node: Call, allowed: tuple[str, ...]) -> str | None:
    asked = node.arguments[0]
    if isinstance(asked, Name) and asked.text in allowed:
        return asked.text
    if not isinstance(asked, Name):
        remedy = f"write the name of one quantity: {', '.join(allowed)}"
        reader.refuse(asked.span, f"{node.name}(...) remembers one quantity, not a calculation", remedy)
    elif asked.text in QUANTITY_NAMES:
        remedy = f"it is of {' or '.join(allowed)}"
        reader.refuse(asked.span, f"{node.name}({asked.text}) means nothing: an exposure is to a gas", remedy)
    else:
        meant = nearest(asked.text, allowed)
        remedy = f"did you mean {meant}?" if meant else f"write one of {', '.join(allowed)}"
        reader.refuse(asked.span, f"{asked.text!r} is not a quantity", remedy)
    return None


def _window(reader: Reader, node: Call, bounds_us: tuple[int, int]) -> int | None:
    asked = node.arguments[1]
    lowest, highest = (f"{one // _SECOND} s" for one in bounds_us)
    try:
        value, dimension = measure(asked.value, asked.unit) if isinstance(asked, Literal) else (0.0, NUMBER)
    except ValueError as wrong:
        reason, _, remedy = str(wrong).partition("; ")
        reader.refuse(asked.span, reason, remedy)
        return None
    if dimension != DURATION:
        reason = "the window must be a duration written here: its memory is laid out when the rules are loaded"
        reader.refuse(asked.span, reason, f"write {FUNCTIONS[node.name]}")
        return None
    window_us = round(value * _SECOND)
    if not bounds_us[0] <= window_us <= bounds_us[1]:
        reader.refuse(asked.span, f"a window of {node.name} is {lowest} to {highest}", "write one within")
        return None
    return window_us


def _group(reader: Reader, asked: Untyped) -> Group | None:
    if isinstance(asked, Name) and asked.text in GROUPS:
        return Group(asked.text)
    meant = nearest(asked.text, GROUPS) if isinstance(asked, Name) else ""
    remedy = f"did you mean {meant}?" if meant else f"write one of {', '.join(GROUPS)}"
    reader.refuse(asked.span, "is not a group of devices", remedy)
    return None


def _inner(reader: Reader, node: Call, at: int, refused: tuple[type, ...]) -> Condition | None:
    """The condition between brackets. `refused`: what must not stand in it."""
    found = reader.condition(node.arguments[at])
    wrong = [one for one in walk(found) if isinstance(one, refused)] if found is not None else []
    for one in wrong:
        may = "comparisons, flags and words of the reading itself" if refused is _REMEMBERS else "no other vote"
        reader.refuse(one.span, f"cannot stand inside {node.name}(...)", f"it holds {may}; make a rule of its own")
    return None if wrong else found


def _intervals(node: Quantitative) -> tuple[float, int] | None:
    """(report intervals, microseconds) of a sum, or None if it is something else."""
    match node:
        case OfDevice(property=Property.INTERVAL):
            return 1.0, 0
        case Number() if node.dimension == DURATION:
            return 0.0, round(node.value * _SECOND)
        case Arithmetic(operator=Operator.ADD):
            left, right = _intervals(node.left), _intervals(node.right)
            return None if left is None or right is None else (left[0] + right[0], left[1] + right[1])
        case Arithmetic(operator=Operator.MULTIPLY):
            factor, of = (node.left, node.right) if isinstance(node.left, Number) else (node.right, node.left)
            if isinstance(factor, Number) and factor.dimension == NUMBER and isinstance(of, OfDevice):
                return (factor.value, 0) if of.property is Property.INTERVAL else None
    return None
