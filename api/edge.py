"""What surrounds every request, as plain ASGI: bounds on the body, safe headers, counting.

E1  A body larger than its route takes (MOST_BODY_BYTES for readings and rules, MOST_ROWS_BYTES for rows of the
    register, MOST_WORDS_BYTES for what else people send) is refused by its Content-Length, or while it arrives where it
    has none; one that does not arrive within `body_within_s` ends with 408. So a request holds at most that much memory
    for that long. Nothing of this is looked at before somebody asks for the body, which is after the permit: a stranger
    hears 401 and no body of his is read.
E2  Every answer forbids sniffing, framing, scripts, referrers and storing.
E3  A failure of ours ends as a problem document and a line in the log, and nowhere else. The log gets the stack without
    its variables: among them are tokens.
"""

import asyncio
import contextlib
import time
import traceback
from urllib.parse import quote

import structlog
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.connections import FULL
from api.http_counts import HttpCounts
from api.problems import API_FULL, FAILED, RETRY_AFTER_S, TOO_LARGE, TOO_SLOW, Problem, problem_response
from ingest.push import MOST_BODY_BYTES

_log = structlog.get_logger()

#: Headers of every answer, unless a route says otherwise. This API serves no documents, so nothing may load anything.
SAFE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
#: Of a body that is refused, so much is read before the answer (source: product choice; a photo sent by mistake).
MOST_THROWN_AWAY_BYTES = 4 * 1024 * 1024
#: One year, in seconds; sent over TLS only, where RFC 6797 gives it a meaning.
STRICT_TRANSPORT = "max-age=31536000"
#: Methods that get a count of their own; what else a client invents is counted together.
_METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
#: Where bodies are readings, or rule documents (the default packs are 24 KiB); and what any other body may have: a
#: reason of 1,000 characters fits many times.
_LARGE = ("/v1/telemetry/", "/v1/rules/")
MOST_WORDS_BYTES = 16 * 1024
#: Where a body is rows of the register, 1,000 at most (api/register_changes.py): a row of 1 KiB is a full one.
_ROWS = frozenset({"/v1/sites", "/v1/devices", "/v1/enterprises", "/v1/areas"})
MOST_ROWS_BYTES = 1024 * 1024
#: Where a file of the register comes in: 100,000 devices with sites, links and tokens are 21 MiB of CSV.
_FILES = "/v1/imports"
MOST_FILE_BYTES = 64 * 1024 * 1024


class BoundedBodies:
    """E1."""

    def __init__(self, app: ASGIApp, within_s: float) -> None:
        self._app = app
        self._within_s = within_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            receive = self._bounded(receive, _most_bytes(scope["path"]), _announced_bytes(scope))
        await self._app(scope, receive, send)

    def _bounded(self, receive: Receive, most: int, announced: int) -> Receive:
        seen, complete = 0, False
        due = asyncio.get_running_loop().time() + self._within_s

        async def bounded() -> Message:
            nonlocal seen, complete
            if complete:
                return await receive()  # from here on only the end of the connection is awaited
            if announced > most:
                if announced <= MOST_THROWN_AWAY_BYTES:
                    await _throw_away(receive, due)
                raise _too_large(most)
            try:
                async with asyncio.timeout_at(due):
                    message = await receive()
            except TimeoutError:
                raise Problem(TOO_SLOW, f"The body must arrive within {self._within_s:g} s") from None
            seen += len(message.get("body", b""))
            complete = not message.get("more_body", False)
            if seen > most:
                if not complete:
                    await _throw_away(receive, due)
                raise _too_large(most)
            return message

        return bounded


def _most_bytes(path: str) -> int:
    if path == _FILES:
        return MOST_FILE_BYTES
    if path in _ROWS:
        return MOST_ROWS_BYTES
    return MOST_BODY_BYTES if path.startswith(_LARGE) else MOST_WORDS_BYTES


def _too_large(most: int) -> Problem:
    return Problem(TOO_LARGE, f"Send at most {most} bytes in one request")


def _announced_bytes(scope: Scope) -> int:
    """Content-Length, which the server has checked to be a number; 0 where there is none."""
    return int(dict(scope["headers"]).get(b"content-length", b"0"))


async def _throw_away(receive: Receive, due: float) -> None:
    """Read on without keeping, up to a bound: a connection that is closed on unread bytes is reset, and its sender
    would never read why it was refused."""
    seen = 0
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout_at(due):
            while seen < MOST_THROWN_AWAY_BYTES:
                message = await receive()
                seen += len(message.get("body", b""))
                if not message.get("more_body", False):
                    return


class Failures:
    """E3. The one place of the API that catches what nobody expected."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def noticed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, noticed)
        except ClientDisconnect:
            return  # nobody is there to be answered
        except Exception as error:
            if scope["type"] != "http":
                raise
            stack = "".join(traceback.format_exception(error))
            _log.error("request failed", method=scope["method"], path=scope["path"], exception=stack)
            if begun:
                return  # half an answer cannot be taken back; the server closes the connection
            detail = "The failure is in the log. Report it if it comes back."
            await problem_response(quote(scope["path"]), FAILED, detail)(scope, receive, send)


class Room:
    """E4. `PunctualConnection` knows how many there are."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope.get("state", {}).get(FULL):
            await self._app(scope, receive, send)
            return
        headers = {"Connection": "close", "Retry-After": str(RETRY_AFTER_S)}
        answer = problem_response(quote(scope["path"]), API_FULL, "Close one, or ask again later", headers)
        await answer(scope, receive, send)


class Surroundings:
    """E2, and the counts."""

    def __init__(self, app: ASGIApp, counts: HttpCounts) -> None:
        self._app = app
        self._counts = counts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_s = time.monotonic()

        async def surrounded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SAFE_HEADERS.items():
                    headers.setdefault(name, value)
                if scope["scheme"] == "https":
                    headers.setdefault("Strict-Transport-Security", STRICT_TRANSPORT)
                self._count(scope, message["status"], time.monotonic() - began_s)
            await send(message)

        self._counts.in_flight += 1
        try:
            await self._app(scope, receive, surrounded)
        finally:
            self._counts.in_flight -= 1

    def _count(self, scope: Scope, status: int, took_s: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else "OTHER"
        self._counts.answered(method, getattr(scope.get("route"), "path", "unmatched"), status, took_s)
