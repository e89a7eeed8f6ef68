"""HTTP readings as a link: what the API hands through the door waits here for the next cycle.

U1  A push is answered after the commit that holds it, or Busy; never from memory (G1).
U2  A push is taken as a whole or withheld as a whole; one principal has one push in a cycle, so that none can hold up
    the others' readings.
U3  At most `MOST_WAITING_BYTES` wait; beyond that a push is answered Busy at once and nothing of it is kept (G4).
"""

import hashlib
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec

from devices.commands import Command
from engine.messages import Busy, Failed, Push, Pushed
from ingest.links import MOST_BYTES, Arrivals, Sending, Settled

#: Payload bytes that may wait for a cycle: some seconds of a busy platform, far below the engine's memory.
MOST_WAITING_BYTES = 16 * 1024 * 1024
#: Messages of one take: a share of the cycle's bound that leaves the devices' own connections theirs.
MOST_MESSAGES = 2_048
#: What a refused sender is told to wait. Pressure lasts until a follower catches up: seconds, not milliseconds.
RETRY_AFTER_S = 5

Answer = Callable[[Pushed | Busy | Failed], None]


@dataclass(frozen=True, slots=True)
class _Waiting:
    push: Push
    device_no: int
    answer: Answer
    key: str


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

    def offer(self, push: Push, device_no: int, answer: Answer, key: str = "") -> None:
        """Take a push whose sender was checked; `answer` is called once, later or at once. `key`: its `answer_key`,
        where its answer is to be kept."""
        size = sum(map(len, push.payloads))
        if self._bytes + size > MOST_WAITING_BYTES:
            self.refused_busy += 1
            why = "readings arrive faster than they can be stored"
            answer(Busy(request=push.request, retry_after_s=RETRY_AFTER_S, reason=why))
            return
        self._bytes += size
        self._waiting.append(_Waiting(push, device_no, answer, key))
        self._wake()

    def take(self, most: int) -> Arrivals | None:
        if not self._waiting:
            return None
        handed = _Handed(self.name)
        later: deque[_Waiting] = deque()
        heard: set[str] = set()
        taken_bytes = 0
        while self._waiting and len(handed.payload) < min(most, MOST_MESSAGES) and taken_bytes < MOST_BYTES:
            waiting = self._waiting.popleft()
            if waiting.push.principal in heard:
                later.append(waiting)
                continue
            heard.add(waiting.push.principal)
            taken_bytes += self._hand(waiting, handed)
        self._waiting.extendleft(reversed(later))
        self._bytes -= taken_bytes
        if self._waiting:
            self._wake()
        return handed

    def _hand(self, waiting: _Waiting, handed: _Handed) -> int:
        """Put one push at the end; returns its bytes."""
        push, first, many = waiting.push, len(handed.payload), len(waiting.push.payloads)
        handed.pushes.append((waiting, first))
        handed.payload += push.payloads
        handed.device_no += [waiting.device_no] * many
        handed.wholes.append((first, many))
        if push.content_type != "application/json":
            handed.content_type |= dict.fromkeys(range(first, first + many), push.content_type)
        if waiting.key:
            handed.answer_keys.append((waiting.key, first, many))
        return sum(map(len, push.payloads))

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

    def gauges(self) -> dict[str, float]:
        """Figures for /metrics."""
        return {"pushes_refused_busy_total": self.refused_busy}

    def send(self, device_no: int, command: Command, expires_us: int) -> Sending:
        """HTTP devices cannot be reached."""
        return Sending.UNREACHABLE


def answer_key(push: Push) -> str:
    """Under what a push's answer is kept: who, for whom, its key, and what it said. The same key with other readings
    is another push, and is taken: readings must not be lost for a key that was used twice."""
    said = hashlib.blake2b(push.content_type.encode(), digest_size=16)
    for payload in push.payloads:
        said.update(len(payload).to_bytes(4, "little") + payload)
    return f"push:{push.principal}:{push.identity}:{push.key}:{said.hexdigest()}"


def answered_before(body: bytes, request: int) -> Pushed:
    """The answer that was stored under a push's idempotency key."""
    stored, duplicate, quarantined = msgspec.msgpack.decode(body, type=tuple[int, int, int])
    return Pushed(request=request, stored=stored, duplicate=duplicate, quarantined=quarantined)
