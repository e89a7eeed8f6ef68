"""`GET /v1/alarms/stream`: what the engine decides, as it decides it, by server-sent events."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Header, Query
from fastapi.responses import StreamingResponse
from starlette.types import Message, Receive, Scope, Send

from api.event_shapes import EVENTS
from api.feed import EventId, Show, parse_event_id
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsAlarms
from api.problems import BAD_PARAMETER, ENGINE_AWAY, NOT_SIGNED_IN, RETRY_AFTER_S, TOO_MANY, Problem, problem_answers
from api.stream_seen import shown_to

_log = structlog.get_logger()

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms", tags=["alarms"])

_STREAM: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Server-sent events without end. `data` of each is one of the schemas; `id` is engine:cycle:n",
        "content": {
            "text/event-stream": {
                "schema": {"type": "string"},
                "itemSchema": {
                    "type": "object",
                    "properties": {
                        "id": {"type": "string"},
                        "event": {"type": "string"},
                        "data": {
                            "type": "string",
                            "contentMediaType": "application/json",
                            "contentSchema": {
                                "oneOf": [{"$ref": f"#/components/schemas/{one.__name__}"} for one in EVENTS]
                            },
                        },
                    },
                },
            }
        },
    }
}


class EventStream(StreamingResponse):
    """A stream whose client must keep reading: a write that does not get through in `write_within_s` closes it, so a
    client that has stopped reading holds a place for that long and no longer. It resumes by its last event id."""

    media_type = "text/event-stream"

    def __init__(self, parts: Parts, after: EventId | None, show: Show, may_go_on: Callable[[], bool]) -> None:
        limits = parts.config.limits
        self._feed = parts.feed
        self._write_within_s = limits.write_within_s
        self._events = parts.feed.stream(after, limits.heartbeat_s, show, may_go_on)
        # X-Accel-Buffering: reverse proxies of the nginx family hold a stream back without it.
        super().__init__(self._events, headers={"X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._feed.streams += 1
        try:
            async with contextlib.aclosing(self._events):
                await super().__call__(scope, receive, send)
        finally:
            self._feed.streams -= 1

    async def stream_response(self, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(self._write_within_s):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            _log.warning("alarm stream closed: its client does not read", within_s=self._write_within_s)


def _place(header: str | None, after: str | None) -> EventId | None:
    """A browser that reconnects sends the header and the old address, so the header is the newer."""
    text = header or after
    try:
        return parse_event_id(text) if text else None
    except ValueError as wrong:
        raise Problem(BAD_PARAMETER, f"Last-Event-ID, after: {wrong}") from wrong


@router.get(
    "/stream",
    operation_id="stream_alarms",
    status_code=200,
    response_class=EventStream,
    responses={**_STREAM, **problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, TOO_MANY, ENGINE_AWAY)},
)
async def stream_alarms(
    parts: Shared,
    who: ReadsAlarms,
    last_event_id: Annotated[str | None, Header(max_length=128)] = None,
    after: Annotated[
        str | None, Query(max_length=128, description="An event id, or `as_of` of the alarm list; else from now on")
    ] = None,
) -> EventStream:
    """Read `/v1/alarms`, then follow from its `as_of`: nothing is missed. After `reset` read the list anew. Comments
    say that the stream is alive, or that the engine is away; it goes on by itself."""
    place = _place(last_event_id, after)
    if parts.feed.stopped:
        raise Problem(ENGINE_AWAY, "This API is stopping; connect again", retry_after_s=RETRY_AFTER_S)
    if parts.feed.streams >= parts.config.limits.streams:
        raise Problem(TOO_MANY, "Too many alarm streams are open", retry_after_s=RETRY_AFTER_S)
    return EventStream(parts, place, shown_to(parts.live(who), who), lambda: parts.still(who))
