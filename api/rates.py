"""How often somebody may do something: a token bucket per name.

R1  A name that was idle has `burst` at once, and `per_s` more each second.
R2  At most `most_kept` names are remembered; the longest idle are forgotten first, and begin anew with a full bucket.
"""

from collections import OrderedDict
from collections.abc import Callable


class Rates:
    """`clock_s` counts seconds, never backwards."""

    def __init__(self, per_s: float, burst: int, most_kept: int, clock_s: Callable[[], float]) -> None:
        self._per_s = per_s
        self._burst = float(burst)
        self._most_kept = most_kept
        self._clock_s = clock_s
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()  # name -> (left, at what second)

    def wait_s(self, name: str) -> float:
        """Seconds until `name` has one left; 0 when it has one now. Takes nothing."""
        return max(0.0, (1.0 - self._now(name)) / self._per_s)

    def take(self, name: str) -> None:
        """Take one, where there is one."""
        left = max(0.0, self._now(name) - 1.0)
        self._left[name] = (left, self._clock_s())
        self._left.move_to_end(name)
        if len(self._left) > self._most_kept:
            self._left.popitem(last=False)

    def _now(self, name: str) -> float:
        known = self._left.get(name)
        if known is None:
            return self._burst
        left, at_s = known
        return min(self._burst, left + (self._clock_s() - at_s) * self._per_s)
