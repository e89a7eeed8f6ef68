"""What every rule says of a batch of readings: first cheaply of all of them, then wholly of those that may matter.

E1  `evaluate` takes the rows of a batch in the order of arrival, once, and advances what expressions remember (windows,
    doses) by the live ones among them. Late and stale rows advance nothing.
E2  `raised` is enough to find the rows that move nothing: where no rule is raised, no alarm or hold of the device
    stands, and the row is not `awake`, judging it in any order gives the same.
E3  `whole` is asked once for every other row, in their order, for rows received at one time together. It takes in what
    depends on other devices and on commands (votes, commanded_closed) as of then.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from devices.readings import Rows
from rules.kernels import Compiled, Conditions, conditions
from rules.windows import Windows


@dataclass(frozen=True, slots=True)
class Evaluation:
    """raised: shape (n, rules), bool: the condition is true. awake: shape (n,), bool: must go through `whole`; it may
    grow by Windows.silent. depends: shape (n,), bool: what a rule says of the row depends on `watched`."""

    raised: NDArray[np.bool_]
    awake: NDArray[np.bool_]
    depends: NDArray[np.bool_]
    _found: Conditions

    def whole(self, at: NDArray[np.intp], watched: NDArray[np.bool_] | None = None) -> Conditions:
        """Of these rows, ascending. watched: shape (slots,), bool: whose closing is wanted, or stands, as of these rows
        (State.watched); where effects of earlier rows of the moment can change it, the moment must be cut before every
        row that `depends`. None: nobody knows."""
        found = self._found
        return Conditions(found.raised[at], found.cleared[at], found.at_once[at], found.priority[at])


def evaluate(compiled: Compiled, windows: Windows, rows: Rows, slots: NDArray[np.int32]) -> Evaluation:
    """rows: shape (n,); slots: shape (n,), i4, none negative."""
    classes = compiled.class_of[slots]
    found = conditions(compiled, rows, compiled.looks[classes], compiled.by_flags[classes])
    return Evaluation(found.raised == 1, np.zeros(len(rows), np.bool_), np.zeros(len(rows), np.bool_), found)


def beyond(compiled: Compiled, rows: Rows, slots: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Which rows say by themselves that something may be wrong, shape (n,): a comparison of a quantity with a limit is
    true in some rule that looks at the device. Remembers nothing."""
    classes = compiled.class_of[slots]
    found = conditions(compiled, rows, compiled.looks[classes], compiled.by_flags[classes])
    says: NDArray[np.bool_] = (found.raised == 1).any(axis=1)
    return says
