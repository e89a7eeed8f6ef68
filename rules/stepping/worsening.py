"""The worst that devices said while holds run, so that an alarm that a hold raises has a value to be compared by (G13).

W1  Kept of the rules whose shut-offs may have to wait for others: those that act, are held for a time, and are about a
    quantity (worst). It counts from the reading at which the hold began to the one, or the time, at which it ends.
W2  Only values that are good count; a reading without one changes nothing.
W3  What stands in a cell means nothing while no hold runs there, so nobody needs to empty it.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from devices.quantities import QUALITY_BITS, Quality, quality_shift
from devices.readings import Rows
from rules.interlock.worst import By

#: How bad, shape (n, rules that are kept), f4: the lowest is the worst (By.order), infinite: nothing was said.
Orders = NDArray[np.float32]


class Worsening:
    """`by`: of the rules that are kept, by number. orders: shape (slots, kept)."""

    def __init__(self, slots: int, by: Mapping[int, By]) -> None:
        self.by = dict(sorted(by.items()))
        self.rules = np.array(list(self.by), np.intp)
        self.orders: Orders = np.full((slots, len(self.by)), np.inf, np.float32)
        self._place = {rule: place for place, rule in enumerate(self.by)}

    def said(self, rows: Rows, which: NDArray[np.intp], stale: NDArray[np.bool_]) -> Orders:
        """How bad these rows are by themselves. stale: shape (rows,)."""
        found = np.full((len(which), len(self.by)), np.inf, np.float32)
        for place, by in enumerate(self.by.values()):
            value = rows[by.quantity][which]
            quality = (rows["quality"][which] >> quality_shift(by.quantity)) & ((1 << QUALITY_BITS) - 1)
            good = (quality == Quality.GOOD) & np.isfinite(value) & ~stale[which]
            found[good, place] = value[good] if by.falls else -value[good]
        return found

    def value(self, rule: int, orders: Orders) -> float | None:
        """The worst value of a rule that is kept, or None. orders: shape (kept,), of one device."""
        place = self._place.get(rule)
        if place is None or not np.isfinite(orders[place]):
            return None
        return float(orders[place]) if self.by[rule].falls else float(-orders[place])

    def laid_out(self, slots: int, by: Mapping[int, By], old_rules: Sequence[int]) -> "Worsening":
        """The same for other rules; what was said of one that asks of another quantity now is no measure of it."""
        after = Worsening(slots, by)
        for place, (rule, one) in enumerate(after.by.items()):
            before = self._place.get(old_rules[rule])
            if before is not None and self.by[old_rules[rule]] == one:
                after.orders[: len(self.orders), place] = self.orders[:, before]
        return after
