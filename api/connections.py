"""A connection must bring a whole request head in time, or it is closed; there are so many connections and no more; and
what is answered leaves at once.

uvicorn bounds how long an idle connection is kept between two requests, but neither how long the first request may
take to come nor how slowly a head may drip in: a few thousand silent connections would hold every place there is, and
the operator who wants to close a valve would find none. Its own bound on connections answers in plain text, so ours
stands in its place: every error is a problem document.
"""

import asyncio
import socket

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from api.problems import BAD_REQUEST, problem_response

#: In the scope's `state` of a connection above the bound; what it asks is answered 503 (api/edge.py).
FULL = "davy.full"


class PunctualConnection(H11Protocol):
    """uvicorn's connection with a deadline, counted while no request is being answered, and a number.

    most: connections that are served. Those above it are marked FULL, those above twice as many are closed unheard."""

    head_within_s: float = 10.0
    most: int = 4_096
    _due: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > 2 * self.most:
            transport.abort()
            return
        if len(self.connections) > self.most:
            self.app_state = {**self.app_state, FULL: True}
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

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP is answered as every error is."""
        answer = problem_response("", BAD_REQUEST, msg, {"Connection": "close"})
        try:
            for event in (
                h11.Response(status_code=answer.status_code, headers=answer.raw_headers, reason=b"Bad Request"),
                h11.Data(data=bytes(answer.body)),
                h11.EndOfMessage(),
            ):
                self.transport.write(self.conn.send(event))
        except h11.LocalProtocolError:
            pass  # an answer is on its way already; it cannot be taken back
        self.transport.close()

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
