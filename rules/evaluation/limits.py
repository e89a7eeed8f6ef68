"""Rules with a limit: those of one quantity and direction together, so that a hundred of them cost a few comparisons.

Limits are compared as the 4-byte floats that readings are. NaN is never at a limit and never clear of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rules.documents.document import Kind, Rule


@dataclass(frozen=True, slots=True)
class Limits:
    """columns: the rules, by number, ascending. limit, clear: shape (classes, columns), f4, or (1, columns) when they
    are the same for every class. rising: it is dangerous when the value rises. outermost: the limit that is reached
    first, of all classes and rules."""

    quantity: str
    rising: bool
    columns: NDArray[np.intp]
    limit: NDArray[np.float32]
    clear: NDArray[np.float32]
    outermost: np.float32

    def reached(self, value: NDArray[np.float32], classes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each value is at or beyond each limit, shape (n, columns). value, classes: shape (n,)."""
        limit = self.limit if len(self.limit) == 1 else self.limit[classes]
        return value[:, None] >= limit if self.rising else value[:, None] <= limit

    def cleared(self, value: NDArray[np.float32], classes: NDArray[np.int32]) -> NDArray[np.bool_]:
        """Whether each value is on the safe side of each clear limit, shape (n, columns)."""
        clear = self.clear if len(self.clear) == 1 else self.clear[classes]
        return value[:, None] < clear if self.rising else value[:, None] > clear

    def may(self, value: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Where any limit may be reached, shape (n,)."""
        return value >= self.outermost if self.rising else value <= self.outermost


def gather(
    rules: Sequence[Rule], skipped: frozenset[int], limit: NDArray[np.float32], clear: NDArray[np.float32]
) -> tuple[Limits, ...]:
    """Every rule with a limit, save those `skipped`. limit, clear: shape (classes, rules)."""
    columns: dict[tuple[str, bool], list[int]] = {}
    for column, rule in enumerate(rules):
        if rule.kind is Kind.MEASURED and rule.quantity and column not in skipped:
            columns.setdefault((rule.quantity, rule.at_or_above is not None), []).append(column)
    found = []
    for (quantity, rising), mine in columns.items():
        limits, clears = limit[:, mine], clear[:, mine]
        outermost = limits.min(initial=np.inf) if rising else limits.max(initial=-np.inf)
        found.append(
            Limits(quantity, rising, np.array(mine, np.intp), _one(limits), _one(clears), np.float32(outermost))
        )
    return tuple(found)


def _one(table: NDArray[np.float32]) -> NDArray[np.float32]:
    """One row, when all are the same."""
    same = len(table) and (table == table[0]).all()
    return np.ascontiguousarray(table[:1] if same else table)
