"""What the API counts of itself. Labels are route templates and statuses, so their number is bounded by the code."""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field

#: Upper bounds in seconds of the time until an answer begins (source: product choice).
BUCKETS_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


@dataclass(slots=True)
class Durations:
    """buckets: how many fell into each bound, and last how many took longer."""

    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_S) + 1))
    sum_s: float = 0.0
    count: int = 0

    def add(self, took_s: float) -> None:
        self.buckets[bisect_left(BUCKETS_S, took_s)] += 1
        self.sum_s += took_s
        self.count += 1


@dataclass(slots=True)
class HttpCounts:
    """requests: (method, route, status) -> how many. durations: (method, route) -> until the answer began.
    pushed: `stored`, `duplicate`, `quarantined` readings, and pushes `refused_busy`."""

    requests: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    durations: dict[tuple[str, str], Durations] = field(default_factory=dict)
    pushed: Counter[str] = field(default_factory=Counter)
    in_flight: int = 0
    pushes_in_flight: int = 0

    def answered(self, method: str, route: str, status: int, took_s: float) -> None:
        self.requests[method, route, status] += 1
        self.durations.setdefault((method, route), Durations()).add(took_s)
