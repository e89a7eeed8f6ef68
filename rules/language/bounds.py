"""What can be known of a condition before any reading: that it is always true, never true, or clears while it is true.

B1  Only what is certain is said: everything a device could possibly say (devices/quantities.py) is taken in, and more
    where two numbers depend on each other. So a sound rule is never refused.
B2  A condition of too many numbers for the search is looked at part by part; where that does not tell either it is let
    through. What is found does not depend on luck or order.
"""

import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from rules.language.canonical import canonical, walk
from rules.language.percents import unlike
from rules.language.spans import never_above, span_of
from rules.language.syntax import Fault
from rules.language.tree import (
    Arithmetic,
    Comparator,
    Comparison,
    Condition,
    Connective,
    Count,
    FlagTest,
    Joined,
    Missing,
    Named,
    Not,
    Number,
    Operator,
    Quantitative,
    Since,
    Votes,
    WordTest,
)
from rules.language.vocabulary import WORDS

#: So many combinations are tried at most (product choice: some ten milliseconds a rule).
MOST_TRIED = 4_096
_TURNED = {
    Comparator.AT_LEAST: Comparator.AT_MOST,
    Comparator.ABOVE: Comparator.BELOW,
    Comparator.AT_MOST: Comparator.AT_LEAST,
    Comparator.BELOW: Comparator.ABOVE,
    Comparator.EQUAL: Comparator.EQUAL,
    Comparator.UNEQUAL: Comparator.UNEQUAL,
}
_COMPARE: dict[Comparator, Callable[[float, float], bool]] = {
    Comparator.AT_LEAST: lambda left, right: left >= right,
    Comparator.ABOVE: lambda left, right: left > right,
    Comparator.AT_MOST: lambda left, right: left <= right,
    Comparator.BELOW: lambda left, right: left < right,
    Comparator.EQUAL: lambda left, right: left == right,
    Comparator.UNEQUAL: lambda left, right: left != right,
}
#: What is assumed of a reading: by the text of a term its value, of a flag or another test whether it holds, of a word
#: which one it is (0: none of them).
_Assumed = dict[str, float]
_Test = Callable[[_Assumed], bool]


def condition_faults(condition: Condition, numbers: Mapping[str, float]) -> list[Fault]:
    """Why the condition is no use: true of every possible reading, or of none; likewise for the conditions inside
    count, since and votes. `numbers`: the values of the rule's own, in the unit of their dimension. Empty: nothing
    is known against it."""
    found = _number_faults(condition, numbers)
    inner = [one.condition for one in walk(condition) if isinstance(one, Count | Since | Votes)]
    for one in (condition, *inner):
        possible = _possible(one, numbers)
        if possible == {True}:
            reason = "is true of every possible reading, so it would fire for the whole fleet at once"
            place = _culprit(one, numbers, Connective.OR)
            found.append(Fault(place.span, reason, "see whether the comparison or its limit is the wrong way round"))
        elif possible == {False}:
            place = _culprit(one, numbers, Connective.AND)
            found.append(Fault(place.span, "is true of no possible reading", "see whether the limit can be reached"))
    if isinstance(condition, Missing) and 0 < condition.intervals < 1:
        reason = "is a part of a report interval: true between any two readings"
        found.append(Fault(condition.span, reason, "write 1 * interval or more; 3 is usual"))
    return found


def true_of_clean_air(condition: Condition, numbers: Mapping[str, float]) -> bool:
    """Whether the condition is true of every device that is well, where there is no gas: no flag set, and gas at 0. It
    may be false of one whose sensor drifted below 0, so it is no fault; but nobody means it."""
    return _possible(condition, numbers, clean=True) == {True}


def clear_faults(condition: Condition, clear: Condition, numbers: Mapping[str, float]) -> list[Fault]:
    """Why the clear condition is no use: no reading makes it true, or one makes it true together with the condition.
    The latter is looked for where both compare one and the same number; flags and words count as not set there."""
    if isinstance(condition, Missing):
        return [Fault(clear.span, "missing(...) clears when something is heard", "take the clear condition away")]
    found = _number_faults(clear, numbers)
    possible = _possible(clear, numbers)
    both = _both(condition, clear, numbers)
    if possible == {False}:
        reason = "is true of no possible reading, so the alarm would never clear"
        found.append(Fault(clear.span, reason, "see whether the limit can be reached"))
    elif possible == {True} or both:
        reason = f"the alarm would clear while it is true{both and f': {both} makes both true'}"
        found.append(Fault(clear.span, reason, "clear on the other side of the limit, with a gap between the two"))
    return found


def _number_faults(condition: Condition, numbers: Mapping[str, float]) -> list[Fault]:
    """Numbers that do not go together: a division by zero, and percent of two things."""
    pairs = [one for one in walk(condition) if isinstance(one, Arithmetic | Comparison)]
    divisions = (one for one in pairs if isinstance(one, Arithmetic) and one.operator is Operator.DIVIDE)
    zero = [one for one in divisions if span_of(one.right, numbers) == (0.0, 0.0)]
    found = [Fault(one.span, "divides by zero, which is never known", "write another divisor") for one in zero]
    remedy = "compare and add what is percent of the same, or write the number"
    return found + [Fault(one.span, why, remedy) for one in pairs if (why := unlike(one.left, one.right))]


# ---- the search over everything a reading may say -------------------------------------------------------------------


@dataclass(slots=True)
class _Search:
    """What a condition asks of a reading. thresholds: by term, where its comparisons change. tests: everything that is
    true or false whatever the terms are. words: by name, which ones there are."""

    numbers: Mapping[str, float]
    clean: bool = False
    ranges: dict[str, tuple[float, float]] = field(default_factory=dict)
    thresholds: dict[str, set[float]] = field(default_factory=dict)
    tests: set[str] = field(default_factory=set)
    words: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def test(self, node: Condition) -> _Test:
        match node:
            case Joined():
                every = all if node.connective is Connective.AND else any
                parts = [self.test(part) for part in node.parts]
                return lambda assumed: every(part(assumed) for part in parts)
            case Not():
                inner = self.test(node.part)
                return lambda assumed: not inner(assumed)
            case Comparison():
                return self.comparison(node)
            case WordTest():
                word, value, equal = node.word.value, node.value, node.equal
                self.words[word] = tuple(WORDS[node.word].values())
                return lambda assumed: (assumed[word] == value) is equal
            case FlagTest() if self.clean:
                return lambda assumed: False
            case Votes() if self.clean and _possible(node.condition, self.numbers, clean=True) == {False}:
                return lambda assumed: False
        return self.free(canonical(node))

    def span(self, node: Quantitative) -> tuple[float, float]:
        return span_of(node, self.numbers, clean=self.clean)

    def comparison(self, node: Comparison) -> _Test:
        for term, other, comparator in (
            (node.left, node.right, node.comparator),
            (node.right, node.left, _TURNED[node.comparator]),
        ):
            low, high = self.span(other)
            if low == high and not isinstance(term, Number | Named | Arithmetic):
                name = canonical(term)
                self.ranges[name] = self.span(term)
                self.thresholds.setdefault(name, set()).add(low)
                holds = _COMPARE[comparator]
                return lambda assumed: holds(assumed[name], low)
        known = _related(node, self.numbers)
        if known is None:
            known = _decided(node.comparator, self.span(node.left), self.span(node.right))
        return self.free(f"? {canonical(node)}") if known is None else lambda assumed: known

    def free(self, name: str) -> _Test:
        self.tests.add(name)
        return lambda assumed: bool(assumed[name])

    def axes(self) -> dict[str, tuple[float, ...]] | None:
        """Of each thing that is asked for every answer that makes a difference; None: too many together."""
        found: dict[str, tuple[float, ...]] = {}
        for name in sorted(self.thresholds):
            found[name] = _samples(*self.ranges[name], self.thresholds[name])
        for name in sorted(self.tests):
            found[name] = (False, True)
        found.update(self.words)
        return found if math.prod(len(values) for values in found.values()) <= MOST_TRIED else None


def _possible(condition: Condition, numbers: Mapping[str, float], *, clean: bool = False) -> set[bool]:
    """Which answers a reading may get; both when that cannot be told."""
    search = _Search(numbers, clean)
    test, axes = search.test(condition), search.axes()
    if axes is None:
        return _of_parts(condition, numbers, clean=clean)
    found: set[bool] = set()
    for values in itertools.product(*axes.values()):
        found.add(test(dict(zip(axes, values, strict=True))))
        if len(found) == 2:
            break
    return found


def _of_parts(condition: Condition, numbers: Mapping[str, float], *, clean: bool) -> set[bool]:
    """As _possible, of a condition that is too large to be searched: one part may decide it whatever the others say."""
    if isinstance(condition, Not):
        return {not one for one in _possible(condition.part, numbers, clean=clean)}
    if isinstance(condition, Joined):
        deciding = condition.connective is Connective.OR
        parts = [_possible(part, numbers, clean=clean) for part in condition.parts]
        if {deciding} in parts:
            return {deciding}
        if all(part == {not deciding} for part in parts):
            return {not deciding}
    return {True, False}


def _culprit(condition: Condition, numbers: Mapping[str, float], connective: Connective) -> Condition:
    """The smallest part that makes a whole of `or`s always true, or one of `and`s never."""
    if isinstance(condition, Joined) and condition.connective is connective:
        for part in condition.parts:
            if _possible(part, numbers) == {connective is Connective.OR}:
                return _culprit(part, numbers, connective)
    return condition


def _related(node: Comparison, numbers: Mapping[str, float]) -> bool | None:
    """What a comparison of two numbers is that depend on each other: one with itself, a highest with a lowest."""
    if canonical(node.left, numbers) == canonical(node.right, numbers):
        return _COMPARE[node.comparator](0.0, 0.0)
    for comparator, lower, upper in (
        (node.comparator, node.left, node.right),
        (_TURNED[node.comparator], node.right, node.left),
    ):
        if never_above(lower, upper) and comparator in (Comparator.AT_MOST, Comparator.ABOVE):
            return comparator is Comparator.AT_MOST
    return None


def _both(condition: Condition, clear: Condition, numbers: Mapping[str, float]) -> str:
    """A value of the one number that both compare which makes both true, in words, or empty."""
    search = _Search(numbers)
    first, second = search.test(condition), search.test(clear)
    if len(search.thresholds) != 1 or any(name.startswith("?") for name in search.tests):
        return ""
    (term,) = search.thresholds
    unset = dict.fromkeys((*search.tests, *search.words), 0.0)
    for value in _samples(*search.ranges[term], search.thresholds[term]):
        assumed = {**unset, term: value}
        if first(assumed) and second(assumed):
            return f"{term} at {value:.6g}"
    return ""


def _samples(low: float, high: float, thresholds: set[float]) -> tuple[float, ...]:
    """Every threshold within the range, its ends, and one number in each gap."""
    ends = {end for end in (low, high) if math.isfinite(end)}
    points = sorted(ends | {one for one in thresholds if low <= one <= high}) or [0.0]
    gaps = [left + (right - left) / 2 for left, right in itertools.pairwise(points)]
    beyond = [points[0] - abs(points[0]) - 1] if low == -math.inf else []
    beyond += [points[-1] + abs(points[-1]) + 1] if high == math.inf else []
    return tuple(sorted({*points, *gaps, *beyond}))


def _decided(comparator: Comparator, left: tuple[float, float], right: tuple[float, float]) -> bool | None:
    """Whether a comparison holds of all numbers of two ranges, of none, or (None) of some."""
    holds = _COMPARE[comparator]
    corners = {holds(one, other) for one in left for other in right}
    if len(corners) > 1:
        return None
    crossing = left[0] <= right[1] and right[0] <= left[1]
    single = left[0] == left[1] and right[0] == right[1]
    return None if comparator in (Comparator.EQUAL, Comparator.UNEQUAL) and crossing and not single else corners.pop()
