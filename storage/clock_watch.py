"""Whether the wall clock may be believed when something is deleted by it.

W1  The wall clock is compared with one that nobody can set. When one advanced otherwise than the other since the last
    look, the wall clock was set, and nothing is deleted by it until both have gone alike for STEADY_S: long enough for
    a wrong time to be noticed and put right (G2: what was acknowledged is not lost).
W2  A wrong clock that was there before the first look is not seen here; storage/retention.py has the fence against it.
"""

import time

from storage.times import as_datetime

#: A day: an operator or the time service has put a wrong clock right by then.
STEADY_S = 24 * 3600.0
#: The time service slews by at most 500 ppm (adjtime), which is 43 s in a day without a look; one look is seldom
#: more than 5 s after the other.
TOLERANCE_S = 60.0

#: Counts through a suspended machine, where there is such a clock; CLOCK_MONOTONIC stands still there.
_UNSETTABLE = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def since_boot_s() -> float:
    """Seconds on the clock that nobody can set."""
    return time.clock_gettime(_UNSETTABLE)


class ClockWatch:
    """Look at both clocks before each deletion, and often in between."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._stepped_at_s: float | None = None
        self._words = ""

    def doubt(self, wall_us: int, steady_s: float) -> str:
        """Why nothing may be deleted by the wall clock now; empty when it may. wall_us: since 1970 UTC."""
        if self._last is not None:
            step_s = (wall_us - self._last[0]) / 1e6 - (steady_s - self._last[1])
            if abs(step_s) > TOLERANCE_S:
                self._stepped_at_s = steady_s
                self._words = (
                    f"the machine's clock was set by {step_s:+.0f} s, to {as_datetime(wall_us):%Y-%m-%d %H:%M:%S} UTC; "
                    f"retention waits until it has gone steadily for {STEADY_S / 3600:.0f} hours"
                )
        self._last = wall_us, steady_s
        if self._stepped_at_s is not None and steady_s - self._stepped_at_s >= STEADY_S:
            self._stepped_at_s, self._words = None, ""
        return self._words
