"""The sending loop: every connection keeps a window of unacknowledged messages full, one epoll for all of them.

W1  A connection has at most `in_flight` messages sent and not acknowledged.
W2  Acknowledgements are counted by their bytes, and each is checked to be a PUBACK; anything else ends the run.
W3  With a rate, messages leave at that rate over all connections together, each connection in its turn.
W4  A lost connection ends the run, unless the run is patient: then it is made again, and everything it had not seen
    acknowledged is sent again, the same bytes in the same order.
"""

import select
import socket
import time
from array import array
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from simulators.load.prepared import Lines
from simulators.load.wire import PUBACK, PUBACK_BYTES, Gone, Refused

RECEIVE_BYTES = 65_536
#: How long the last acknowledgements are waited for after the sending ends.
DRAIN_S = 15.0
#: Latencies kept; more than any run of one message in flight makes in a minute on this path.
MOST_LATENCIES = 20_000_000


class Connection:
    """One logged-in socket and its place in its stream of messages, counted in bytes."""

    __slots__ = ("acked", "base", "block", "lines", "queued", "sent_bytes", "sent_ns", "sock", "tail")

    def __init__(self, sock: socket.socket, lines: Lines) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.lines = lines
        self.sent_bytes = 0
        self.acked = 0
        #: Acknowledgement bytes received beyond whole packets.
        self.tail = b""
        self.sent_ns = 0
        self.queued = False
        self.block, self.base = lines.ready(0, _now_ms())

    @property
    def begun(self) -> int:
        """Messages sent, the last perhaps in part."""
        return -(-self.sent_bytes // self.lines.length)

    def send(self, upto_messages: int) -> bool:
        """Send until message `upto_messages` (exclusive) has left; False when the socket took less. Raises OSError."""
        length = self.lines.length
        upto = upto_messages * length
        while self.sent_bytes < upto:
            start = self.sent_bytes - self.base * length
            if start >= len(self.block):
                self.block, self.base = self.lines.ready(self.sent_bytes // length, _now_ms())
                start = self.sent_bytes - self.base * length
            try:
                self.sent_bytes += self.sock.send(self.block[start : upto - self.base * length])
            except BlockingIOError:
                return False
        return True

    def take_over(self, sock: socket.socket) -> int:
        """Go on over a new socket from the first unacknowledged message; how many are to be sent again."""
        sock.setblocking(False)
        again = self.begun - self.acked
        self.sock = sock
        self.tail = b""
        self.sent_bytes = self.acked * self.lines.length
        self.block, self.base = self.lines.ready(self.acked, _now_ms())
        return again

    def receive(self) -> int:
        """Read acknowledgements; how many came. Raises Refused for anything else, or the end."""
        return self._count(self.sock.recv(RECEIVE_BYTES))

    def exchange(self) -> tuple[int, bool]:
        """One PUBACK in and the next message out, in two system calls and little else: with one message in flight
        there is nothing to spread the cost of `receive` and `send` over. (acknowledgements, whether one was sent)."""
        got = self.sock.recv(RECEIVE_BYTES)
        length = self.lines.length
        start = self.sent_bytes - self.base * length
        if len(got) != PUBACK_BYTES or got[0] != PUBACK or self.tail or start >= len(self.block):
            return self._count(got), False
        self.acked += 1
        try:
            self.sent_ns = time.perf_counter_ns()
            self.sent_bytes += self.sock.send(self.block[start : start + length])
        except OSError:
            return 1, False  # full or lost: `send` will find out which
        return 1, self.sent_bytes % length == 0

    def _count(self, got: bytes) -> int:
        if not got:
            raise Gone(f"the endpoint closed a connection after {self.acked} acknowledgements")
        if self.tail:
            got, self.tail = self.tail + got, b""
        whole = len(got) & -PUBACK_BYTES
        if whole != len(got):
            got, self.tail = got[:whole], got[whole:]
        count = whole // PUBACK_BYTES
        if got[::PUBACK_BYTES].count(PUBACK) != count:
            raise Refused(f"not a PUBACK among {got[:16].hex(' ')} ...")
        self.acked += count
        return count


@dataclass(frozen=True, slots=True)
class Sent:
    """What a run did.

    sent: distinct messages; sent_again: repeats after a lost connection. acked_in_time: acknowledged within
    `elapsed_s`, the sending time without the drain: what a rate is made of. `latency_ns` is filled where one message
    is in flight: from its send to its PUBACK.
    """

    sent: int
    sent_again: int
    acked: int
    acked_in_time: int
    elapsed_s: float
    reconnects: int
    latency_ns: "array[int]"
    acked_by_connection: tuple[int, ...]


class Window:
    """`rate`: messages per second over all connections, 0 for as many as the windows allow. `again(i)` gives a new
    logged-in socket for connection i, and makes the run patient; without it a lost connection raises Gone or OSError.
    An answer that is no PUBACK raises Refused in any run."""

    def __init__(
        self,
        connections: Sequence[Connection],
        in_flight: int,
        rate: float = 0.0,
        again: Callable[[int], socket.socket] | None = None,
    ) -> None:
        self._connections = connections
        self._in_flight = in_flight
        self._rate = rate
        self._again = again
        self._poll = select.epoll()
        self._number = {connection.sock.fileno(): i for i, connection in enumerate(connections)}
        for fd in self._number:
            self._poll.register(fd, select.EPOLLIN)
        #: Connections whose window has room, longest waiting first.
        self._ready: deque[Connection] = deque()
        self._sent = 0
        self._sent_again = 0
        self._acked = 0
        self._reconnects = 0
        self._latency: array[int] = array("q")
        #: One message in flight and no rate to keep: an acknowledgement is answered by the next message at once.
        self._flowing = in_flight == 1 and not rate

    def run(self, seconds: float) -> Sent:
        """Send for `seconds`, then wait for what is in flight."""
        for connection in self._connections:
            self._make_ready(connection)
        began = time.perf_counter()
        ends = began + seconds
        while (now := time.perf_counter()) < ends:
            self._send_ready(now - began)
            self._turn(self._patience_s(now, ends))
        acked_in_time = self._acked
        elapsed_s = time.perf_counter() - began
        self._flowing = False
        self._drain()
        self._poll.close()
        return Sent(
            sent=self._sent,
            sent_again=self._sent_again,
            acked=self._acked,
            acked_in_time=acked_in_time,
            elapsed_s=elapsed_s,
            reconnects=self._reconnects,
            latency_ns=self._latency,
            acked_by_connection=tuple(connection.acked for connection in self._connections),
        )

    def _patience_s(self, now: float, ends: float) -> float:
        """With a rate the next message may be due in a moment; without, only acknowledgements can bring news."""
        if self._rate and self._ready:
            return min(0.001, ends - now)
        return min(0.1, ends - now)

    def _turn(self, patience_s: float) -> None:
        for fd, event in self._poll.poll(max(patience_s, 0.0)):
            connection = self._connections[self._number[fd]]
            if event & select.EPOLLOUT:
                self._poll.modify(fd, select.EPOLLIN)
                self._make_ready(connection)
            if not event & ~select.EPOLLOUT:
                continue
            try:
                self._receive(connection)
            except (Gone, OSError) as lost:
                self._reconnect(fd, lost)

    def _receive(self, connection: Connection) -> None:
        if self._in_flight > 1:
            self._acked += connection.receive()
            self._make_ready(connection)
            return
        sent_ns, begun = connection.sent_ns, connection.begun
        count, sent = connection.exchange() if self._flowing else (connection.receive(), False)
        self._acked += count
        self._sent += connection.begun - begun
        if count and len(self._latency) < MOST_LATENCIES:
            self._latency.append(time.perf_counter_ns() - sent_ns)
        if not sent:
            self._make_ready(connection)

    def _make_ready(self, connection: Connection) -> None:
        if not connection.queued:
            connection.queued = True
            self._ready.append(connection)

    def _send_ready(self, elapsed_s: float) -> None:
        """Give every waiting connection its turn, as far as the rate allows."""
        allowed = int(self._rate * elapsed_s) - self._sent if self._rate else 1 << 62
        for _ in range(len(self._ready)):
            if allowed <= 0:
                return
            connection = self._ready.popleft()
            connection.queued = False
            allowed -= self._send(connection, allowed)

    def _send(self, connection: Connection, allowed: int) -> int:
        """Fill one window; how many messages left, whole or begun."""
        before = connection.begun
        room = connection.acked + self._in_flight - before
        if self._in_flight == 1:
            connection.sent_ns = time.perf_counter_ns()
        if self._push(connection, before + min(room, allowed)) and room > allowed:
            self._make_ready(connection)
        return max(connection.begun - before, 0)

    def _push(self, connection: Connection, upto: int) -> bool:
        """Send until message `upto` (exclusive) has left; False when the socket took less, or was lost."""
        before, fd = connection.begun, connection.sock.fileno()
        try:
            whole = connection.send(upto)
        except OSError as lost:
            self._sent += connection.begun - before
            self._reconnect(fd, lost)
            return False
        self._sent += connection.begun - before
        if not whole:
            # The kernel's buffer is full: wait until it drains.
            self._poll.modify(fd, select.EPOLLIN | select.EPOLLOUT)
        return whole

    def _reconnect(self, fd: int, lost: Exception) -> None:
        if self._again is None:
            raise lost
        number = self._number.pop(fd)
        connection = self._connections[number]
        self._poll.unregister(fd)
        connection.sock.close()
        again = connection.take_over(self._again(number))
        self._sent -= again  # they will be counted when they leave again
        self._sent_again += again
        self._reconnects += 1
        fresh = connection.sock.fileno()
        self._number[fresh] = number
        self._poll.register(fresh, select.EPOLLIN)
        self._make_ready(connection)

    def _drain(self) -> None:
        """Finish what was begun (half a message is never acknowledged), then wait for what is in flight."""
        give_up = time.perf_counter() + DRAIN_S
        ends = [(connection, connection.begun) for connection in self._connections]
        while time.perf_counter() < give_up:
            waiting = [(connection, end) for connection, end in ends if connection.acked < end]
            if not waiting:
                return
            for connection, end in waiting:
                self._push(connection, end)
            self._turn(0.02)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
