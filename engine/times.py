"""Time in the log, and on the wire."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(us: int) -> str:
    """`2026-11-20T08:00:00.000000Z`: always six digits, always Z."""
    return (_EPOCH + timedelta(microseconds=us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class LogTime:
    """The time that cycles bear: the clock's, except while the clock is behind what was given before (it was set back,
    or the machine started with a wrong one). Then it goes on by the steady clock, a tenth slower, until the clock has
    caught up; so deadlines come, and no time is given twice."""

    def __init__(self, last_us: int, clock: Callable[[], int], steady: Callable[[], int]) -> None:
        """`last_us`: the last time given, by an earlier process too."""
        self._last_us = last_us
        self._clock = clock
        self._steady = steady
        self._steady_us = steady()

    def now(self) -> int:
        """Microseconds since 1970 UTC; never less than before."""
        steady_us = self._steady()
        passed_us = max(0, steady_us - self._steady_us)
        self._steady_us = steady_us
        self._last_us = max(self._clock(), self._last_us + passed_us - passed_us // 10)
        return self._last_us
