"""Room for pushes: what may be under way at a time, so that memory is bounded and one sender does not take it all (G4).

P1  One sender (a device, or a gateway with all behind it) has at most `of_one` pushes under way, counted from before
    its body is read until it is answered.
P2  The bodies that are arriving or waiting for the engine hold at most `body_bytes`; a body counts with what its
    Content-Length says, or with the most a body may have. A slow sender of little takes little of it.
P3  At most `pushes` wait for the engine.
Nothing of a push that finds no room is taken.
"""

import contextlib
from collections import Counter
from collections.abc import Iterator

from api.config import Limits
from api.http_counts import HttpCounts
from api.problems import PUSH_BUSY, TOO_MANY, Problem

#: A cycle takes milliseconds; a sender that finds no room need not wait long.
RETRY_AFTER_S = 1


class PushPlaces:
    def __init__(self, limits: Limits, counts: HttpCounts) -> None:
        self._limits = limits
        self._counts = counts
        self._of: Counter[str] = Counter()
        self._body_bytes = 0

    @contextlib.contextmanager
    def taken(self, sender: str, body_bytes: int) -> Iterator[None]:
        """A place for one push of `sender`. Raises Problem: 429 (P1), 503 (P2)."""
        if self._of.get(sender, 0) >= self._limits.pushes_of_one:
            detail = f"{self._of[sender]} pushes of {sender} are under way; nothing was taken: send it again"
            raise self._refusal(Problem(TOO_MANY, detail, retry_after_s=RETRY_AFTER_S))
        if self._body_bytes + body_bytes > self._limits.body_bytes:
            raise self._refusal(_busy(f"{self._body_bytes} bytes of pushes are under way"))
        self._of[sender] += 1
        self._body_bytes += body_bytes
        try:
            yield
        finally:
            self._body_bytes -= body_bytes
            self._of[sender] -= 1
            if not self._of[sender]:
                del self._of[sender]

    @contextlib.contextmanager
    def at_the_door(self) -> Iterator[None]:
        """A place among those who wait for the engine (P3). Raises Problem (503)."""
        counts = self._counts
        if counts.pushes_in_flight >= self._limits.pushes:
            raise self._refusal(_busy(f"{counts.pushes_in_flight} pushes are under way"))
        counts.pushes_in_flight += 1
        try:
            yield
        finally:
            counts.pushes_in_flight -= 1

    def _refusal(self, problem: Problem) -> Problem:
        self._counts.pushed["refused_busy"] += 1
        return problem


def _busy(why: str) -> Problem:
    detail = f"{why}; nothing was taken: keep the readings and send them again"
    return Problem(PUSH_BUSY, detail, retry_after_s=RETRY_AFTER_S)
