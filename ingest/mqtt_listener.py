"""Listening sockets that accept no faster than the endpoint can shake hands.

A1  Accepting is paced before any TLS arithmetic. Over the pace, connections wait in the kernel's queue in the order
    they came: those already connected are served meanwhile, and nobody is sent away to come back at once.
A2  A connection above the bound is accepted and closed at once, at the same pace, so that the device knows.
"""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable

from ingest.mqtt_limits import EndpointCounts, EndpointLimits, Why

#: Accepted in one go at most, so that a storm does not hold the loop. At the bound: the next turn of the loop.
_AT_ONCE = 16
#: How long accepting rests when the pace is reached.
_REST_S = 0.02
#: A peer gone without a word is noticed after 60 s + 3 x 20 s by the kernel, also where MQTT has no keep-alive; what
#: we wrote and it does not acknowledge is given up after 30 s (a valve gets its command on its next connection).
_SOCKET_OPTIONS = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_NODELAY", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 60),
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 20),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 30_000),
)


class Pace:
    """A token bucket of one second's depth. `clock`: monotonic microseconds."""

    def __init__(self, per_s: int, clock: Callable[[], int]) -> None:
        self._per_s = per_s
        self._clock = clock
        self._tokens = float(per_s)
        self._last_us = clock()

    def allows(self) -> bool:
        """May one more be accepted now?"""
        now_us = self._clock()
        self._tokens = min(self._per_s, self._tokens + (now_us - self._last_us) * self._per_s / 1e6)
        self._last_us = now_us
        return self._tokens >= 1

    def spend(self) -> None:
        self._tokens -= 1


class Listener:
    """One listening socket. `protocol` makes the protocol of one connection; `crowded` says that there are too many."""

    def __init__(
        self,
        listening: socket.socket,
        tls: ssl.SSLContext | None,
        protocol: Callable[[], asyncio.BaseProtocol],
        crowded: Callable[[], bool],
        pace: Pace,
        limits: EndpointLimits,
        counts: EndpointCounts,
    ) -> None:
        self._socket = listening
        self._tls = tls
        self._protocol = protocol
        self._crowded = crowded
        self._pace = pace
        self._limits = limits
        self._counts = counts
        self._loop = asyncio.get_running_loop()
        self._shaking: set[asyncio.Task[None]] = set()
        self._rest: asyncio.TimerHandle | None = None
        self._loop.add_reader(listening.fileno(), self._ready)

    @property
    def port(self) -> int:
        return int(self._socket.getsockname()[1])

    @property
    def shaking(self) -> int:
        """Connections accepted whose handshake is not over."""
        return len(self._shaking)

    def close(self) -> None:
        """Accept no more; handshakes under way go on."""
        if self._socket.fileno() < 0:
            return
        if self._rest is not None:
            self._rest.cancel()
        self._loop.remove_reader(self._socket.fileno())
        self._socket.close()

    async def closed(self) -> None:
        """Cancel the handshakes under way, and wait until they are gone."""
        for task in self._shaking:
            task.cancel()
        await asyncio.gather(*self._shaking, return_exceptions=True)

    def _ready(self) -> None:
        for _ in range(_AT_ONCE):
            if not self._pace.allows():
                self._counts.pace_reached += 1
                self._pause()
                return
            try:
                accepted, _peer = self._socket.accept()
            except BlockingIOError:
                return
            except OSError:  # out of file descriptors or memory, or the peer has gone: try again a little later
                self._counts.refused[Why.ACCEPT_FAILED] += 1
                self._pause()
                return
            self._pace.spend()
            self._accepted(accepted)

    def _pause(self) -> None:
        self._loop.remove_reader(self._socket.fileno())
        self._rest = self._loop.call_later(_REST_S, self._go_on)

    def _go_on(self) -> None:
        self._loop.add_reader(self._socket.fileno(), self._ready)

    def _accepted(self, accepted: socket.socket) -> None:
        if self._crowded():
            self._counts.refused[Why.TOO_MANY_CONNECTIONS] += 1
            accepted.close()
            return
        self._counts.accepted += 1
        accepted.setblocking(False)
        for level, name, value in _SOCKET_OPTIONS:
            with contextlib.suppress(AttributeError, OSError):  # not every system has each of them
                accepted.setsockopt(level, getattr(socket, name), value)
        task = self._loop.create_task(self._shake(accepted))
        self._shaking.add(task)
        task.add_done_callback(self._shaking.discard)

    async def _shake(self, accepted: socket.socket) -> None:
        protocol = self._protocol()
        within_s = self._limits.connect_within_s if self._tls is not None else None
        try:
            await self._loop.connect_accepted_socket(
                lambda: protocol, accepted, ssl=self._tls, ssl_handshake_timeout=within_s
            )
        except (OSError, ssl.SSLError, asyncio.IncompleteReadError):  # TimeoutError and resets are OSErrors
            self._counts.refused[Why.TLS_HANDSHAKE] += 1
            accepted.close()
        except asyncio.CancelledError:
            protocol.connection_lost(None)  # uvloop then says connection_made and no more
            accepted.close()
            raise
