"""HTTP readings as a link: what the API hands through the door waits here for the next cycle.

U1  A push is answered after the commit that holds it, or Busy; never from memory (G1).
U2  At most `MOST_WAITING_BYTES` wait; beyond that a push is answered Busy at once and nothing of it is kept (G4).
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from devices.commands import Command
from engine.messages import Busy, Failed, Push, Pushed
from ingest.links import MOST_BYTES, Arrivals, Settled

#: Payload bytes that may wait for a cycle: some seconds of a busy platform, far below the engine's memory.
MOST_WAITING_BYTES = 16 * 1024 * 1024
#: What a refused sender is told to wait. Pressure lasts until a follower catches up: seconds, not milliseconds.
RETRY_AFTER_S = 5

Answer = Callable[[Pushed | Busy | Failed], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    push: Push
    device_no: int
    answer: Answer


@dataclass(slots=True)
class _Handed(Arrivals):
    """Arrivals with the pushes they came from: (push, first message)."""

    pushes: list[tuple[_Waiting, int]] = field(default_factory=list)


class PushLink:
    """The `http` link of ingest.links."""

    name = "http"

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._waiting: deque[_Waiting] = deque()
        self._bytes = 0
        self.refused_busy = 0

    def offer(self, push: Push, device_no: int, answer: Answer) -> None:
        """Take a push whose sender was checked; `answer` is called once, later or at once."""
        size = sum(map(len, push.payloads))
        if self._bytes + size > MOST_WAITING_BYTES:
            self.refused_busy += 1
            why = "readings arrive faster than they can be stored"
            answer(Busy(request=push.request, retry_after_s=RETRY_AFTER_S, reason=why))
            return
        self._bytes += size
        self._waiting.append(_Waiting(push, device_no, answer))
        self._wake()

    def take(self, most: int) -> Arrivals | None:
        if not self._waiting:
            return None
        handed = _Handed(self.name)
        taken_bytes = 0
        while self._waiting and (not handed.pushes or (len(handed.payload) < most and taken_bytes < MOST_BYTES)):
            waiting = self._waiting.popleft()
            push, first = waiting.push, len(handed.payload)
            handed.pushes.append((waiting, first))
            handed.payload += push.payloads
            handed.device_no += [waiting.device_no] * len(push.payloads)
            if push.content_type != "application/json":
                handed.content_type |= dict.fromkeys(range(first, len(handed.payload)), push.content_type)
            if push.key:
                handed.answer_keys.append((f"{push.principal}:{push.key}", first, len(push.payloads)))
            size = sum(map(len, push.payloads))
            taken_bytes += size
            self._bytes -= size
        return handed

    def settle(self, arrivals: Arrivals, settled: Settled) -> None:
        assert isinstance(arrivals, _Handed)
        for waiting, first in arrivals.pushes:
            many = len(waiting.push.payloads)
            if settled.withheld.isdisjoint(range(first, first + many)):
                stored, duplicate, quarantined = settled.totals(first, many)
                answer = Pushed(
                    request=waiting.push.request, stored=stored, duplicate=duplicate, quarantined=quarantined
                )
                waiting.answer(answer)
            else:
                why = "the store is in its reserve: only alarm-relevant readings are taken"
                waiting.answer(Busy(request=waiting.push.request, retry_after_s=RETRY_AFTER_S, reason=why))

    def send(self, device_no: int, command: Command, expires_us: int) -> bool:
        """HTTP devices cannot be reached."""
        return False


def answered_before(body: bytes, request: int) -> Pushed:
    """The answer that was stored under a push's idempotency key."""
    stored, duplicate, quarantined = msgspec.msgpack.decode(body, type=tuple[int, int, int])
    return Pushed(request=request, stored=stored, duplicate=duplicate, quarantined=quarantined)
