"""One text for every tree: what people read back, and the name under which what an expression remembers is kept.

C1  Trees of the same shape have the same text, whatever their spans, and different ones different texts.
C2  The text is an expression of the language, and is parsed to the same tree (rules/language/syntax.py bounds its
length).
"""

from collections.abc import Iterator, Mapping

from devices.quantities import QUANTITY_NAMES, ValveCause, ValvePosition
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparison,
    Connective,
    Count,
    Dose,
    FlagTest,
    Joined,
    Measured,
    Missing,
    Named,
    Node,
    Not,
    Number,
    OfDevice,
    Operator,
    Since,
    Stuck,
    Votes,
    Windowed,
    Word,
    WordTest,
)
from rules.language.units import DURATION, NUMBER, number_text

#: How tightly each sort binds; a part that binds less tightly stands in brackets.
_OR, _AND, _NOT, _COMPARISON, _SUM, _TERM, _PRIMARY = range(7)
_MICROSECONDS = 1_000_000


def children(node: Node) -> tuple[Node, ...]:
    """The nodes right below, in the order of the text."""
    if isinstance(node, Arithmetic | Comparison):
        return node.left, node.right
    if isinstance(node, Joined):
        return node.parts
    if isinstance(node, Not):
        return (node.part,)
    if isinstance(node, Since | Count | Votes):
        return (node.condition,)
    return ()


def walk(node: Node) -> Iterator[Node]:
    """The node and all below it, each before its children."""
    yield node
    for child in children(node):
        yield from walk(child)


def quantities(node: Node) -> tuple[str, ...]:
    """Every quantity that it names, each once, in the order of devices/quantities.py."""
    found = {one.quantity for one in walk(node) if isinstance(one, Measured | Windowed | Dose | Stuck)}
    return tuple(name for name in QUANTITY_NAMES if name in found)


def windowed(node: Node) -> tuple[Windowed | Count | Stuck | Dose | Since, ...]:
    """Every node that remembers something of a device, each shape once, in the order of the text."""
    found: dict[str, Windowed | Count | Stuck | Dose | Since] = {}
    for one in walk(node):
        if isinstance(one, Windowed | Count | Stuck | Dose | Since):
            found.setdefault(canonical(one), one)
    return tuple(found.values())


def canonical(node: Node, numbers: Mapping[str, float] | None = None) -> str:
    """The text of a tree. With `numbers` the rule's own numbers stand as what they are there, so that the texts of two
    rules say whether they mean the same."""
    return _text(node, numbers or {})[0]


def _text(node: Node, numbers: Mapping[str, float]) -> tuple[str, int]:
    """The text, and how tightly it binds."""

    def within(part: Node, least: int) -> str:
        text, binds = _text(part, numbers)
        return text if binds >= least else f"({text})"

    match node:
        case Joined():
            binds = _AND if node.connective is Connective.AND else _OR
            return f" {node.connective} ".join(within(part, binds + 1) for part in node.parts), binds
        case Not():
            return f"not {within(node.part, _NOT)}", _NOT
        case Comparison():
            return f"{within(node.left, _SUM)} {node.comparator} {within(node.right, _SUM)}", _COMPARISON
        case Arithmetic():
            binds = _SUM if node.operator in (Operator.ADD, Operator.SUBTRACT) else _TERM
            return f"{within(node.left, binds)} {node.operator} {within(node.right, binds + 1)}", binds
        case Since():
            return f"since({within(node.condition, _OR)})", _PRIMARY
        case Count():
            return f"count({within(node.condition, _OR)}, {_duration(node.window_us)})", _PRIMARY
        case Votes():
            inner = within(node.condition, _OR)
            heard = "_heard" if node.heard else ""
            if node.least == 1:
                return f"any{heard}({node.group}, {inner})", _PRIMARY
            return f"at_least{heard}({node.least}, {node.group}, {inner})", _PRIMARY
        case _:
            return _leaf(node, numbers), _PRIMARY


def _leaf(node: Node, numbers: Mapping[str, float]) -> str:
    match node:
        case Number():
            return number_text(node.value, node.dimension)
        case Named():
            own = numbers.get(node.name)
            return node.name if own is None else number_text(own, node.dimension)
        case Measured():
            return node.quantity
        case OfDevice():
            return node.property
        case Windowed():
            return f"{node.statistic}({node.quantity}, {_duration(node.window_us)})"
        case Dose():
            return f"cohb({node.quantity})"
        case Stuck():
            return f"stuck({node.quantity}, {_duration(node.window_us)})"
        case FlagTest():
            return node.flag
        case WordTest():
            words = ValvePosition if node.word is Word.VALVE else ValveCause
            return f"{node.word} {'==' if node.equal else '!='} {words(node.value).name.lower()}"
        case Commanded():
            return "commanded_closed"
        case Missing():
            parts = [f"{number_text(node.intervals, NUMBER)} * interval"] if node.intervals else []
            return f"missing({' + '.join([*parts, *([_duration(node.fixed_us)] if node.fixed_us else [])])})"
        case _:
            raise TypeError(f"{type(node).__name__} is no leaf of an expression")


def _duration(window_us: int) -> str:
    return number_text(window_us / _MICROSECONDS, DURATION)
