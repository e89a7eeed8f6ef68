"""The live feed of decisions: every committed decision, in order, to everybody who follows; resumable.

F1  A follower gets each decision after the place it named exactly once and in order, or is told that the place is
    gone; history and live events join without a gap because both are read on the engine's loop.
F2  A follower that does not read is cut off at `MOST_UNREAD_BYTES`; it resumes by its last event id (G4).
"""

from collections.abc import Callable, Sequence
from typing import Protocol

import structlog

from access.ownership import Owner
from engine.journal import JournalReader
from engine.messages import FeedEvent, FeedGone
from rules.decisions import Answered, Decision, IncidentChanged, RuleNoted

_log = structlog.get_logger()

#: Bytes a follower may leave unread: about 20,000 decisions.
MOST_UNREAD_BYTES = 4 * 1024 * 1024
#: Cycles of history read at one go, so that a long resume does not hold up the loop.
HISTORY_CYCLES = 500

#: What is about something else than one device.
_OF_NO_DEVICE = (Answered, IncidentChanged, RuleNoted)


class Follower(Protocol):
    """One stream: its request number, how to write to it, what waits unread (bytes), how to close it."""

    request: int

    def send(self, answer: FeedEvent | FeedGone) -> None: ...

    def unread_bytes(self) -> int: ...

    def cut(self) -> None: ...


class Feed:
    """Keeps the followers of one engine."""

    def __init__(
        self,
        engine: str,
        journal: JournalReader,
        identity: Callable[[int], str],
        owners: Callable[[Decision], tuple[Owner, ...]] = lambda _: (),
    ) -> None:
        """`identity` names a device number (`vendor/serial`, or empty when it left the registry); `owners` says whose a
        decision is."""
        self._engine = engine
        self._journal = journal
        self._identity = identity
        self._owners = owners
        self._live: set[Follower] = set()

    def publish(self, cycle: int, decisions: Sequence[Decision]) -> None:
        """Called after each commit that decided something."""
        for follower in tuple(self._live):
            if follower.unread_bytes() > MOST_UNREAD_BYTES:
                _log.warning("feed follower cut off: it does not read")
                self.leave(follower)
                follower.cut()
                continue
            self._send(follower, cycle, -1, decisions)

    def catch_up(self, follower: Follower, cycle: int, n: int) -> tuple[int, int] | None:
        """Send a piece of history after (cycle, n). Returns where to go on, or None when the follower is live."""
        if cycle >= 0:
            if self._journal.decisions_gone() >= cycle:
                follower.send(FeedGone(request=follower.request, oldest=self._journal.oldest_decision()))
                return None
            pieces = self._journal.decisions(cycle - 1, HISTORY_CYCLES)
            for at, decisions in pieces:
                self._send(follower, at, n if at == cycle else -1, decisions)
            if len(pieces) == HISTORY_CYCLES:
                return pieces[-1][0] + 1, -1
        self._live.add(follower)
        return None

    def leave(self, follower: Follower) -> None:
        self._live.discard(follower)

    @property
    def followers(self) -> int:
        return len(self._live)

    def _send(self, follower: Follower, cycle: int, after_n: int, decisions: Sequence[Decision]) -> None:
        for n, decision in enumerate(decisions):
            if n > after_n:
                identity = "" if isinstance(decision, _OF_NO_DEVICE) else self._identity(decision.device_no)
                event = FeedEvent(
                    request=follower.request,
                    engine=self._engine,
                    cycle=cycle,
                    n=n,
                    decision=decision,
                    identity=identity,
                    owners=self._owners(decision),
                )
                follower.send(event)
