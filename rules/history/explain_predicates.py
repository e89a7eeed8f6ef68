"""The predicates of a rule at one reading: each comparison and test with its value, its threshold and what it says.

Nothing is computed anew here: values are those of the engine's own Evaluation, thresholds those of the device's class.
"""

import operator
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from devices.quantities import GAS_QUANTITIES, QUALITY_BITS, Flag, Quality, quality_shift
from devices.readings import Rows
from rules.documents.document import Kind, Rule
from rules.evaluation.evaluation import AT_LEAST, NOT_KNOWN, Evaluation
from rules.evaluation.kernels import Compiled, Conditions
from rules.evaluation.selection import parsed_of
from rules.history import explain_words as words
from rules.history.explain_types import Certainty, Predicate, Role, Says
from rules.language.canonical import canonical, quantities, walk
from rules.language.tree import (
    Comparison,
    Condition,
    Count,
    Dose,
    Joined,
    Missing,
    Not,
    Number,
    OfDevice,
    Quantitative,
    Since,
    Stuck,
    Votes,
    Windowed,
    WordTest,
)
from rules.language.units import OF_QUANTITY, unit_text

_NIBBLE = (1 << QUALITY_BITS) - 1
_SAYS = {1: Says.TRUE, 0: Says.FALSE, -1: Says.UNKNOWN}
_COMPARED = {">=": operator.ge, "<=": operator.le, "<": operator.lt, ">": operator.gt}
_CERTAINTY = {NOT_KNOWN: Certainty.UNKNOWN, AT_LEAST: Certainty.AT_LEAST}


class _Text(NamedTuple):
    """One expression of a rule, as its author wrote it."""

    rule: int
    role: Role
    text: str

    def of(self, tree: Condition) -> str:
        """The author's words for a part of it."""
        return " ".join(self.text[tree.span.start : tree.span.end].split()) or canonical(tree)


class Look:
    """One reading, asked wholly, of a device in a class. `found`: an Evaluation of that row alone."""

    def __init__(
        self,
        compiled: Compiled,
        found: Evaluation,
        conditions: Conditions,
        row: Rows,
        slot: int,
        watched: NDArray[np.bool_],
    ) -> None:
        self.compiled, self.found, self.conditions = compiled, found, conditions
        self.row, self.slot, self.watched = row, slot, watched
        self.of = int(compiled.class_of[slot])
        self.flags = int(row["flags"][0])
        self.quality = int(row["quality"][0])

    def predicates(self, rule: int) -> tuple[Predicate, ...]:
        """In the order of the rule: flags, its condition, its clear condition, what escalates it."""
        spec, parsed = self.compiled.rules[rule], parsed_of(self.compiled.pack, rule)
        found = [self._flag(name, Role.FLAG) for name in spec.flags]
        if not self.compiled.by_flags[self.of, rule]:
            if spec.kind is Kind.QUALITY:
                found += [self._believed(name) for name in GAS_QUANTITIES]
            elif parsed.condition is not None:
                found += self._tree(_Text(rule, Role.CONDITION, spec.condition), parsed.condition)
            elif spec.quantity:
                found += self._limits(spec, rule)
            if parsed.clear is not None:
                found += self._tree(_Text(rule, Role.CLEAR, spec.clear_condition), parsed.clear)
        for tree, escalation in zip(parsed.escalate, spec.escalate, strict=False):
            found += self._tree(_Text(rule, Role.ESCALATE, escalation.when), tree)
        return tuple(found)

    def _flag(self, name: str, role: Role) -> Predicate:
        return Predicate(role, name, Says.TRUE if self.flags & Flag[name.upper()] else Says.FALSE)

    def _believed(self, name: str) -> Predicate:
        quality = Quality(self.quality >> quality_shift(name) & _NIBBLE)
        broken = quality in (Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL)
        hidden = quality in (Quality.WARM_UP, Quality.INHIBITED, Quality.STALE)
        says = Says.TRUE if broken else Says.UNKNOWN if hidden else Says.FALSE
        return Predicate(Role.CONDITION, f"{name} cannot be believed", says, why=quality.name.lower())

    def _limits(self, spec: Rule, rule: int) -> Iterator[Predicate]:
        rising = spec.at_or_above is not None
        limit, clear = float(self.compiled.limit[self.of, rule]), float(self.compiled.clear[self.of, rule])
        value = self._good(spec.quantity)
        raises = ">=" if rising else "<="
        clears = "<" if rising else ">"
        for role, comparator, threshold in ((Role.CONDITION, raises, limit), (Role.CLEAR, clears, clear)):
            true = value is not None and _COMPARED[comparator](value, threshold)
            yield Predicate(
                role,
                f"{spec.quantity} {comparator} {threshold:g}",
                Says.UNKNOWN if value is None else Says.TRUE if true else Says.FALSE,
                value,
                Certainty.UNKNOWN if value is None else Certainty.EXACT,
                comparator,
                threshold,
                OF_QUANTITY[spec.quantity].unit,
                why=self._why((spec.quantity,)) if value is None else "",
            )

    def _good(self, name: str) -> float | None:
        value = float(self.row[name][0])
        good = self.quality >> quality_shift(name) & _NIBBLE == Quality.GOOD and not self.flags & Flag.STALE
        return value if good and np.isfinite(value) else None

    def _why(self, names: tuple[str, ...]) -> str:
        """The first of these quantities that cannot be believed, and why not."""
        for name in names:
            quality = Quality(self.quality >> quality_shift(name) & _NIBBLE)
            if quality is not Quality.GOOD:
                return words.of_quality(name, quality)
        return words.STALE if self.flags & Flag.STALE else ""

    def _tree(self, text: "_Text", tree: Condition) -> Iterator[Predicate]:
        if isinstance(tree, Joined):
            for part in tree.parts:
                yield from self._tree(text, part)
        elif isinstance(tree, Not):
            yield from self._tree(text, tree.part)
        elif not isinstance(tree, Missing):
            yield self._leaf(text, tree)

    def _leaf(self, text: "_Text", tree: Condition) -> Predicate:
        says = _SAYS[int(self.found.says(text.rule, tree, self.watched)[0])]
        why = self._why(quantities(tree)) or _lacking(tree) if says is Says.UNKNOWN else ""
        if not isinstance(tree, Comparison):
            return Predicate(text.role, text.of(tree), says, why=why)
        value, certainty = self._number(text.rule, tree.left)
        threshold, _ = self._number(text.rule, tree.right)
        # Rates are said per minute, as people say them; within, they are per second.
        per_minute = tree.left.dimension.unit != "" and tree.left.dimension.seconds == -1
        scale = 60.0 if per_minute else 1.0
        unit = f"{tree.left.dimension.unit}/min" if per_minute else unit_text(tree.left.dimension)
        return Predicate(
            text.role,
            text.of(tree),
            says,
            None if value is None else value * scale,
            certainty,
            str(tree.comparator),
            None if threshold is None else threshold * scale,
            unit,
            not isinstance(tree.right, Number),
            why,
        )

    def _number(self, rule: int, node: Quantitative) -> tuple[float | None, Certainty]:
        value, certainty = self.found.values(rule, node)
        known = float(value[0])
        return None if np.isnan(known) else known, _CERTAINTY.get(int(certainty[0]), Certainty.EXACT)


def _lacking(tree: Condition) -> str:
    """Why something that is remembered, voted or registered is unknown though the reading itself is good."""
    for node in walk(tree):
        if isinstance(node, Votes):
            return words.FEW_VOTES
        if isinstance(node, Windowed | Count | Since | Stuck | Dose):
            return words.SHORT_WINDOW
        if isinstance(node, OfDevice):
            return words.NOT_REGISTERED
        if isinstance(node, WordTest):
            return words.NOT_SAID
    return ""
