"""A connection must bring a whole request head in time, or it is closed; and what is answered leaves at once.

uvicorn bounds how long an idle connection is kept between two requests, but neither how long the first request may
take to come nor how slowly a head may drip in: a few thousand silent connections would hold every place there is, and
the operator who wants to close a valve would find none.
"""

import asyncio
import socket

from uvicorn.protocols.http.h11_impl import H11Protocol


class PunctualConnection(H11Protocol):
    """uvicorn's connection with a deadline, counted while no request is being answered."""

    head_within_s: float = 10.0
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        # asyncio does this only for sockets made with proto=IPPROTO_TCP. Without it the body of an answer waits for
        # the client's delayed acknowledgement of the head: 40 ms per request.
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Bytes alone do not move the deadline; only a request that is being answered lifts it."""
        if self.cycle is not None and not self.cycle.response_complete:
            self._forget()
        elif self._due is None and not self.transport.is_closing():
            self._due = self.loop.call_later(self.head_within_s, self._too_late)

    def _forget(self) -> None:
        if self._due is not None:
            self._due.cancel()
            self._due = None

    def _too_late(self) -> None:
        self._due = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()
