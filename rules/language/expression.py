"""Names and types: an untyped tree becomes the tree of rules/language/tree.py, or every fault that can be known of it.

E1  A comparison is between numbers of one dimension; no number gets or loses a unit silently.
E2  What a node remembers of a device is bounded: windows are literals within limits, and nothing that remembers stands
    inside count(...) or since(...), nor a vote in a vote.
"""

from collections.abc import Mapping

from devices.quantities import QUANTITY_NAMES
from rules.language.calls import call
from rules.language.canonical import walk
from rules.language.syntax import (
    COMPARATORS,
    Call,
    ExpressionFault,
    Fault,
    Infix,
    Joint,
    Literal,
    Name,
    Prefix,
    Untyped,
    parse,
)
from rules.language.tree import (
    Arithmetic,
    Commanded,
    Comparator,
    Comparison,
    Condition,
    Connective,
    Dimension,
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
    Property,
    Quantitative,
    Span,
    Word,
    WordTest,
)
from rules.language.units import DURATION, NUMBER, OF_QUANTITY, measure, nearest, unit_text
from rules.language.vocabulary import COMMANDED, FLAGS, WORDS, number_name_fault, unknown_name

__all__ = ["ExpressionFault", "Fault", "number_name_fault", "parse_condition"]


def parse_condition(text: str, numbers: Mapping[str, Dimension], *, silence: bool = True) -> Condition:
    """The condition that `text` says. `numbers`: the rule's own numbers by name, with their dimensions (their values
    may differ by class of device). `silence`: it may be `missing(...)`, which only a rule's condition can be.

    Raises ExpressionFault."""
    reading = _Reading(numbers)
    found = reading.condition(parse(text))
    if found is not None:
        for node in walk(found):
            if isinstance(node, Missing) and not (silence and node is found):
                remedy = "make a rule of its own of it"
                reading.refuse(node.span, "missing(...) stands alone: it is true without any reading", remedy)
    if found is None or reading.faults:
        raise ExpressionFault(tuple(sorted(reading.faults, key=lambda fault: (fault.span.start, fault.span.end))))
    return found


class _Reading:
    """One walk. A part that is wrong becomes None, and its faults are collected, so that the rest is still read."""

    def __init__(self, numbers: Mapping[str, Dimension]) -> None:
        self.numbers = numbers
        self.faults: list[Fault] = []

    def refuse(self, span: Span, reason: str, remedy: str) -> None:
        self.faults.append(Fault(span, reason, remedy))

    def condition(self, node: Untyped) -> Condition | None:
        found = self.node(node)
        if found is None or isinstance(found, Condition):
            return found
        one = unit_text(found.dimension)
        remedy = "compare it with another, such as combustible_lel >= 20 %LEL"
        self.refuse(node.span, f"is a number{f' of {one}' if one else ''}, where a condition is needed", remedy)
        return None

    def number(self, node: Untyped) -> Quantitative | None:
        found = self.node(node)
        if found is None or isinstance(found, Quantitative):
            return found
        name = node.text if isinstance(node, Name) else "it"
        remedy = f"write {name} or not {name} by itself" if name != "it" else "join conditions with and, or, not"
        self.refuse(node.span, "is true or false, where a number is needed", remedy)
        return None

    def node(self, node: Untyped) -> Node | None:
        match node:
            case Literal():
                return self.literal(node)
            case Name():
                return self.name(node)
            case Call():
                return call(self, node)
            case Prefix(sign="not"):
                part = self.condition(node.operand)
                return None if part is None else Not(part, node.span)
            case Prefix():
                return self.negative(node)
            case Joint():
                parts = tuple(self.condition(part) for part in node.parts)
                known = tuple(part for part in parts if part is not None)
                return Joined(Connective(node.sign), known, node.span) if len(known) == len(parts) else None
            case Infix() if node.sign in COMPARATORS:
                return self.comparison(node)
            case Infix():
                return self.arithmetic(node)

    def literal(self, node: Literal) -> Number | None:
        try:
            return Number(*measure(node.value, node.unit), node.span)
        except ValueError as wrong:
            reason, _, remedy = str(wrong).partition("; ")
            self.refuse(node.span, reason, remedy)
            return None

    def name(self, node: Name) -> Node | None:
        name, span = node.text, node.span
        if name in QUANTITY_NAMES:
            return Measured(name, OF_QUANTITY[name], span)
        if name in FLAGS:
            return FlagTest(name, span)
        if name in tuple(Property):
            return OfDevice(Property(name), DURATION, span)
        if name == COMMANDED:
            return Commanded(span)
        if name in tuple(Word):
            self.refuse(span, f"{name!r} is a word, not a number", f"write {name} == {next(iter(WORDS[Word(name)]))}")
        elif name in self.numbers:
            return Named(name, self.numbers[name], span)
        else:
            self.refuse(span, *unknown_name(name, tuple(self.numbers)))
        return None

    def negative(self, node: Prefix) -> Quantitative | None:
        part = self.number(node.operand)
        if part is None:
            return None
        if isinstance(part, Number):
            # 0.0 - v, so that there is one zero.
            return Number(0.0 - part.value, part.dimension, node.span)
        minus = Number(-1.0, NUMBER, Span(node.span.start, node.span.start + 1))
        return Arithmetic(Operator.MULTIPLY, minus, part, part.dimension, node.span)

    def comparison(self, node: Infix) -> Condition | None:
        for one, other in ((node.left, node.right), (node.right, node.left)):
            if isinstance(one, Name) and one.text in tuple(Word):
                return self.word_test(node, Word(one.text), other, turned=one is node.right)
        left, right = self.number(node.left), self.number(node.right)
        if left is None or right is None:
            return None
        if left.dimension != right.dimension:
            self.refuse(node.span, *_unequal(left, right))
            return None
        return Comparison(Comparator(node.sign), left, right, node.span)

    def word_test(self, node: Infix, word: Word, other: Untyped, *, turned: bool) -> WordTest | None:
        words = WORDS[word]
        said = other.text if isinstance(other, Name) else ""
        if node.sign not in ("==", "!="):
            self.refuse(node.at, f"{word} is a word: it is equal to another or not", "write == or !=")
        elif said == "unknown":
            reason = f"a device that does not say its {word} is unknown to every rule, and equals nothing"
            self.refuse(other.span, reason, f"write one of {', '.join(words)}")
        elif said not in words:
            meant = nearest(said, tuple(words))
            remedy = f"did you mean {meant}?" if meant else f"write one of {', '.join(words)}"
            self.refuse(other.span, f"is not a word that {word} can be", remedy)
        elif turned:
            self.refuse(node.span, f"{word} stands on the left", f"write {word} {node.sign} {said}")
        else:
            return WordTest(word, words[said], node.sign == "==", node.span)
        return None

    def arithmetic(self, node: Infix) -> Arithmetic | None:
        left, right = self.number(node.left), self.number(node.right)
        if left is None or right is None:
            return None
        operator = Operator(node.sign)
        if operator in (Operator.ADD, Operator.SUBTRACT):
            dimension = left.dimension if left.dimension == right.dimension else None
        else:
            dimension = _product(operator, left.dimension, right.dimension)
        if dimension is None and operator in (Operator.ADD, Operator.SUBTRACT):
            self.refuse(node.span, *_unequal(left, right))
        elif dimension is None:
            reason = f"{_called(left)} {operator} {_called(right)} is a unit that means nothing here"
            self.refuse(node.span, reason, "multiply and divide by mere numbers, durations, or what has the same unit")
        else:
            return Arithmetic(operator, left, right, dimension, node.span)
        return None


def _product(operator: Operator, left: Dimension, right: Dimension) -> Dimension | None:
    if operator is Operator.MULTIPLY:
        one_unit = not (left.unit and right.unit)
        return Dimension(left.unit or right.unit, left.seconds + right.seconds) if one_unit else None
    if right.unit and left.unit != right.unit:
        return None
    return Dimension("" if right.unit else left.unit, left.seconds - right.seconds)


def _called(part: Quantitative) -> str:
    return unit_text(part.dimension) or "a mere number"


def _unequal(left: Quantitative, right: Quantitative) -> tuple[str, str]:
    """Reason and remedy: a number that lacks its unit is the usual one."""
    reason = f"{_called(left)} and {_called(right)} are not the same unit"
    for one, other in ((left, right), (right, left)):
        unit = unit_text(other.dimension)
        if isinstance(one, Number) and one.dimension == NUMBER and unit:
            return reason, f"write {one.value:g} {unit}"
    return reason, "compare and add what has the same unit"
