"""The API for programs, typed: `await davy.ask(alarms.list_alarms)` is an `Alarms`.

C1  Every operation is there (api/client/operations, written from the application's routes), with the types that the
    server itself uses.
C2  Only what is safe is tried again: what reads, and what takes an Idempotency-Key, with the same key. What may not be
    tried again and may have been done is said so (Unavailable.perhaps_done).
C3  The token goes to `base_url` and nowhere else: redirects are not followed.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from types import TracebackType
from typing import Self
from urllib.parse import quote

import httpx
from pydantic import BaseModel, TypeAdapter, ValidationError

from api.client.failures import Refused, Unavailable
from api.client.operation import AnswerT, BodyT, Operation
from api.problems import ProblemDocument

#: Of a query: a list is repeated.
Value = str | int | float | bool | list[str]

#: How often what is safe is asked, the first time included; and how long is waited at most (product choice).
ATTEMPTS = 4
LONGEST_WAIT_S = 30.0
#: How long an answer may take; exports and reports take seconds (product choice).
WITHIN_S = 30.0
_AGAIN = frozenset({429, 503})


class Davy:
    """A client. `token`: a session's or a key's; empty: only what is public. `wait`: another in a test."""

    def __init__(
        self,
        base_url: str,
        token: str = "",
        *,
        within_s: float = WITHIN_S,
        wait: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.AsyncClient(base_url=base_url, headers=headers, timeout=within_s, follow_redirects=False)
        self._wait = wait

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        await self._http.aclose()

    async def ask(
        self,
        operation: Operation[BodyT, AnswerT],
        *path: str | int,
        body: BodyT | None = None,
        query: Mapping[str, Value] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str = "",
    ) -> AnswerT:
        """path: what stands for each `{...}` of the operation's path, in order. headers: such as `If-Match`, or a
        body's `Content-Type`. key: an Idempotency-Key; one is made where the operation takes one. Raises Refused,
        Unavailable; ValueError for a query that the operation does not have."""
        unknown = set(query or ()) - set(operation.query)
        if unknown:
            raise ValueError(f"{operation.name} has no parameter {', '.join(sorted(unknown))}")
        named = key or (uuid.uuid4().hex if operation.keyed else "")
        request = self._http.build_request(
            operation.method,
            _filled(operation.path, path),
            params=dict(query or {}),
            content=_encoded(body),
            headers=_headers(operation, body, named, headers),
        )
        return _decoded(operation, await self._answered(request, operation, named))

    async def pages(
        self, operation: Operation[BodyT, AnswerT], *path: str | int, query: Mapping[str, Value] | None = None
    ) -> AsyncIterator[AnswerT]:
        """Every page of a list, one after the other. Raises as `ask`."""
        if not operation.cursor:
            raise ValueError(f"{operation.name} has no pages")
        asked = dict(query or {})
        while True:
            page = await self.ask(operation, *path, query=asked)
            yield page
            following = getattr(page, "next", None)
            if following is None or following == asked.get(operation.cursor) or getattr(page, "more", True) is False:
                return
            asked[operation.cursor] = following

    async def lines(
        self, operation: Operation[None, bytes], *path: str | int, query: Mapping[str, Value] | None = None
    ) -> AsyncIterator[str]:
        """An answer without an end, line by line: the stream of alarms as server-sent events. Raises as `ask`."""
        url = _filled(operation.path, path)
        try:
            async with self._http.stream(operation.method, url, params=dict(query or {}), timeout=None) as answer:
                if answer.status_code >= 300:
                    await answer.aread()
                    raise _failure(answer, "")
                async for line in answer.aiter_lines():
                    yield line
        except httpx.TransportError as lost:
            raise Unavailable(f"the stream broke: {lost!r}", 1.0) from lost

    async def _answered(self, request: httpx.Request, operation: Operation[BodyT, AnswerT], key: str) -> httpx.Response:
        safe = operation.method == "GET" or bool(key)
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await self._once(request, safe, key)
            except Unavailable as away:
                if not safe or attempt == ATTEMPTS:
                    raise
                await self._wait(min(LONGEST_WAIT_S, max(away.retry_after_s, 0.5 * 2.0**attempt)))
        raise AssertionError

    async def _once(self, request: httpx.Request, safe: bool, key: str) -> httpx.Response:
        try:
            answer = await self._http.send(request)
        except httpx.ConnectError as away:
            raise Unavailable(f"cannot connect: {away!r}", 1.0, key=key) from away
        except httpx.TransportError as lost:
            changes = request.method != "GET"
            raise Unavailable(f"no answer came: {lost!r}", 1.0, perhaps_done=changes, key=key) from lost
        if answer.status_code >= 300:
            raise _failure(answer, key)
        return answer


def _filled(path: str, values: tuple[str | int, ...]) -> str:
    """The path with its values, each in one piece. Raises ValueError for too few or too many."""
    pieces = path.split("/")
    left = [quote(str(value), safe="") for value in values]
    named = [n for n, piece in enumerate(pieces) if piece.startswith("{")]
    if len(named) != len(left):
        raise ValueError(f"{path} takes {len(named)} values, got {len(left)}")
    for n, value in zip(named, left, strict=True):
        pieces[n] = value
    return "/".join(pieces)


def _encoded(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    assert isinstance(body, BaseModel)
    return body.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _headers(
    operation: Operation[BodyT, AnswerT], body: object, key: str, more: Mapping[str, str] | None
) -> dict[str, str]:
    kind = {"Content-Type": "application/json"} if body is not None else {}
    named = {"Idempotency-Key": key} if key and operation.keyed else {}
    return kind | named | dict(more or {})


def _decoded(operation: Operation[BodyT, AnswerT], answer: httpx.Response) -> AnswerT:
    if operation.answer is None:
        return None  # type: ignore[return-value]  # AnswerT is None then
    if operation.answer is bytes:
        return answer.content  # type: ignore[return-value]  # AnswerT is bytes then
    return TypeAdapter(operation.answer).validate_json(answer.content)


def _failure(answer: httpx.Response, key: str) -> Refused | Unavailable:
    try:
        problem = ProblemDocument.model_validate_json(answer.content)
    except ValidationError:  # of something between us and Davy
        text = answer.text[:200]
        problem = ProblemDocument(
            type="about:blank", title="No problem document", status=answer.status_code, detail=text, instance=""
        )
    if answer.status_code not in _AGAIN and answer.status_code < 502:
        return Refused(problem)
    after = answer.headers.get("retry-after", "")
    lost = problem.type == "urn:davy:problem:answer-lost"
    seconds = float(after) if after.isdigit() else 1.0
    return Unavailable(f"{problem.status} {problem.title}: {problem.detail}", seconds, perhaps_done=lost, key=key)
