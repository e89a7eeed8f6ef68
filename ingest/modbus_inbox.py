"""What all buses have read and the cycle has not taken yet.

B1  At most one frame of each device waits: its station is not polled again before that one was taken (G4). So what
    waits is bounded by the number of devices, and nothing is ever dropped.
B2  A `sent` of a valve of which a frame waits goes into the take after that frame's: no reading from before a write can
    confirm it (G7). What becomes of a command is never told before its `sent`.
B3  The cycle is woken once until its next take.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ingest.links import Arrivals, Encoding, fitting

SOURCE = "modbus"


@dataclass(slots=True)
class _Frames:
    """The frames of one poll; `taken` is told when the last of them is."""

    left: int
    taken: Callable[[], None]


@dataclass(slots=True)
class _Told:
    """What is said besides frames."""

    sent: list[str] = field(default_factory=list)
    acknowledged: list[str] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.sent or self.acknowledged or self.failed)


class Inbox:
    """One for a link; its buses fill it."""

    def __init__(self, wake: Callable[[], None]) -> None:
        self._wake = wake
        self._woken = False
        self._frames: deque[tuple[int, bytes, _Frames]] = deque()
        self._waiting: set[int] = set()
        self._now = _Told()
        #: (device whose frame goes first, what is told after it), in the order in which it happened (B2).
        self._later: deque[tuple[int, str, str, str]] = deque()
        self._held: set[str] = set()
        self._connected: dict[int, None] = {}
        self._state: dict[int, str | None] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def frames(self, frames: list[tuple[int, bytes]], taken: Callable[[], None]) -> None:
        """The frames of one poll, by device number; `taken` is called when none of them waits any more. A device that
        has just moved to another station may have one waiting: then this poll of it is not kept (B1)."""
        fresh = [(device_no, body) for device_no, body in frames if device_no not in self._waiting]
        if not fresh:
            taken()
            return
        poll = _Frames(len(fresh), taken)
        for device_no, body in fresh:
            self._waiting.add(device_no)
            self._frames.append((device_no, body, poll))
        self._announce()

    def sent(self, device_no: int, command: str) -> None:
        """The bytes of a command have left."""
        self._say(device_no, "sent", command, "")

    def acknowledged(self, device_no: int, command: str) -> None:
        self._say(device_no, "acknowledged", command, "")

    def failed(self, device_no: int, command: str, reason: str) -> None:
        self._say(device_no, "failed", command, reason)

    def down(self, gateway_no: int, reason: str) -> None:
        self._state[gateway_no] = reason
        self._announce()

    def up(self, gateway_no: int) -> None:
        self._state[gateway_no] = None
        self._announce()

    def connected(self, device_no: int) -> None:
        """A valve can be reached again."""
        self._connected[device_no] = None
        self._announce()

    def take(self, most: int) -> Arrivals | None:
        """At most `most` frames, oldest first, and everything else that may be told."""
        self._woken = False
        if not (self._frames or self._now or self._connected or self._state):
            return None
        oldest = [body for _, body, _ in self._frames] if len(self._frames) <= most else self._first(most)
        arrivals = Arrivals(SOURCE, encoding=Encoding.FRAMES)
        done: list[Callable[[], None]] = []
        for _ in range(fitting(oldest, most) if oldest else 0):
            device_no, body, poll = self._frames.popleft()
            arrivals.device_no.append(device_no)
            arrivals.payload.append(body)
            self._waiting.discard(device_no)
            poll.left -= 1
            if poll.left == 0:
                done.append(poll.taken)
        told, self._now = self._now, _Told()
        arrivals.sent, arrivals.acknowledged, arrivals.failed = told.sent, told.acknowledged, told.failed
        arrivals.connected = list(self._connected)
        arrivals.down = [(number, why) for number, why in self._state.items() if why is not None]
        arrivals.up = [number for number, why in self._state.items() if why is None]
        self._connected.clear()
        self._state.clear()
        self._bring_forward()
        for taken in done:
            taken()
        if self._frames or self._now:
            self._announce()
        return arrivals

    def _first(self, most: int) -> list[bytes]:
        return [self._frames[at][1] for at in range(most)]

    def _say(self, device_no: int, what: str, command: str, reason: str) -> None:
        """Now, or after the frame of this valve that waits, and after what waits for it already (B2)."""
        if command in self._held or (what == "sent" and device_no in self._waiting):
            self._held.add(command)
            self._later.append((device_no, what, command, reason))
            return
        self._put(what, command, reason)
        self._announce()

    def _put(self, what: str, command: str, reason: str) -> None:
        if what == "sent":
            self._now.sent.append(command)
        elif what == "acknowledged":
            self._now.acknowledged.append(command)
        else:
            self._now.failed.append((command, reason))

    def _bring_forward(self) -> None:
        """What waited for a frame that this take holds is told in the next one."""
        still: deque[tuple[int, str, str, str]] = deque()
        for device_no, what, command, reason in self._later:
            if device_no in self._waiting:
                still.append((device_no, what, command, reason))
            else:
                self._put(what, command, reason)
                self._held.discard(command)
        self._later = still

    def _announce(self) -> None:
        if not self._woken:
            self._woken = True
            self._wake()
