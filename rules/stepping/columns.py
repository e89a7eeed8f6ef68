"""A whole number per device and rule, kept only for the rules that ever have one: of any other it is zero.

Most rules wait for nothing, so the two times of a hold would be most of a device's memory and always zero.
"""

from collections.abc import Iterable
from typing import overload

import numpy as np
from numpy.typing import NDArray


class Columns:
    """values: shape (slots, kept), i8. rules: the rule of each kept column, ascending. `[slot, rule]` as an array of
    shape (slots, every rule) would have it."""

    __slots__ = ("_many", "_place", "rules", "values")

    def __init__(self, slots: int, many: int, kept: Iterable[int]) -> None:
        """`many`: how many rules there are."""
        self.rules = np.array(sorted(set(kept)), np.intp)
        # Not np.zeros: the machine would find the memory only when it is first written to, in the middle of a cycle.
        self.values = np.full((slots, len(self.rules)), 0, np.int64)
        self._many = many
        self._place = [-1] * many
        for place, rule in enumerate(self.rules.tolist()):
            self._place[rule] = place

    @overload
    def __getitem__(self, at: tuple[int, int]) -> int: ...
    @overload
    def __getitem__(self, at: NDArray[np.int32] | int) -> NDArray[np.int64]: ...
    def __getitem__(self, at: tuple[int, int] | NDArray[np.int32] | int) -> int | NDArray[np.int64]:
        """Of one slot and rule; of one slot or several, shape (rules,) or (n, rules)."""
        if isinstance(at, tuple):
            place = self._place[at[1]]
            return int(self.values[at[0], place]) if place >= 0 else 0
        rows = self.values[at]
        found = np.zeros((*rows.shape[:-1], self._many), np.int64)
        found[..., self.rules] = rows
        return found

    def __setitem__(self, at: tuple[int, int], value: int) -> None:
        """Raises ValueError for a number other than zero of a rule that has none."""
        place = self._place[at[1]]
        if place >= 0:
            self.values[at[0], place] = value
        elif value:
            raise ValueError(f"rule number {at[1]} keeps no such number")

    def put(self, slots: NDArray[np.int32], rows: NDArray[np.int64]) -> None:
        """rows: shape (n, rules), those of `slots`; of rules that keep none they must be zero."""
        self.values[slots] = rows[:, self.rules]

    def some(self, slots: NDArray[np.int32] | list[int]) -> NDArray[np.bool_]:
        """Which of these slots have a number other than zero, shape (n,)."""
        return np.asarray(self.values[slots].any(axis=1))

    def slots(self) -> NDArray[np.bool_]:
        """Which slots have a number other than zero, shape (slots,)."""
        return np.asarray(self.values.any(axis=1))

    def any(self) -> bool:
        return bool(self.values.any())

    def nonzero(self, among: NDArray[np.intp]) -> list[tuple[int, int]]:
        """(slot, rule) of every number other than zero of these slots, in their order."""
        at, places = np.nonzero(self.values[among])
        return list(zip(among[at].tolist(), self.rules[places].tolist(), strict=True))

    def of_rule(self, rule: int) -> NDArray[np.int64]:
        """Shape (slots,), not to be written to."""
        place = self._place[rule]
        return self.values[:, place] if place >= 0 else np.zeros(len(self.values), np.int64)

    def used(self) -> list[int]:
        """The rules of which some number is not zero."""
        found: list[int] = self.rules[self.values.any(axis=0)].tolist()
        return found
