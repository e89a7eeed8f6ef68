"""`POST /v1/telemetry/{vendor}/{serial}`: readings by HTTP, answered after they are on disk (G1).

The API queues nothing (G4): a push waits for the engine's commit on the sender's own connection, with a place of
api/push_places.py; without one, and while the engine is away or under pressure, the sender hears 429 or 503 with
Retry-After and keeps its readings.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field

from api.instructions import IdempotencyKey
from api.parts import Parts, Shared
from api.permits import GuardedRoute, PublishesReadings
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CHANGE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    PUSH_BUSY,
    TOO_LARGE,
    TOO_MANY,
    UNSUPPORTED_TYPE,
    Problem,
    problem_answers,
)
from api.shapes import DeviceId, Shape
from engine.client import EngineRefused
from engine.messages import Pushed
from ingest.push import (
    MOST_BODY_BYTES,
    MOST_READINGS,
    ContentType,
    Fault,
    Payloads,
    PushRefused,
    read_content_type,
    split_body,
)

router = APIRouter(route_class=GuardedRoute, prefix="/v1/telemetry", tags=["telemetry"])

_KINDS = {
    Fault.UNSUPPORTED_TYPE: UNSUPPORTED_TYPE,
    Fault.COMPRESSED: UNSUPPORTED_TYPE,
    Fault.TOO_LARGE: TOO_LARGE,
    Fault.EMPTY: BAD_PARAMETER,
    Fault.BAD_KEY: BAD_PARAMETER,
}
_RESPONSES = problem_answers(
    NOT_SIGNED_IN,
    NOT_ALLOWED,
    NOT_FOUND,
    *BODY_PROBLEMS,
    UNSUPPORTED_TYPE,
    BAD_PARAMETER,
    TOO_MANY,
    *CHANGE_PROBLEMS,
    PUSH_BUSY,
)
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": f"Readings as docs/WIRE.md has them: at most {MOST_READINGS} and {MOST_BODY_BYTES} bytes",
        "content": {
            ContentType.JSON: {
                "schema": {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}
            },
            ContentType.NDJSON: {"schema": {"type": "string", "description": "One JSON object or array per line"}},
            ContentType.CBOR: {"schema": {"type": "string", "format": "binary"}},
        },
    }
}


class Taken(Shape):
    """What became of the readings of one push; all of it is on disk."""

    stored: int
    duplicate: int = Field(description="Known already: sent before, here or over another link")
    quarantined: int = Field(description="Undecodable payloads, kept with their reason; sending them again is no use")


@router.post("/{vendor}/{serial}", operation_id="push_telemetry", responses=_RESPONSES, openapi_extra=_BODY)
async def push_telemetry(
    request: Request,
    parts: Shared,
    who: PublishesReadings,
    vendor: DeviceId,
    serial: DeviceId,
    content_type: Annotated[str, Header()] = "",
    content_encoding: Annotated[str, Header()] = "",
    key: IdempotencyKey = None,
) -> Taken:
    """Hand readings over, signed with the token of the device or of its gateway. 200 means that they are on disk."""
    try:
        kind = read_content_type(content_type, content_encoding)
        with parts.places.taken(who.name, _body_bytes(request)):
            payloads = split_body(await request.body(), kind)
            pushed = await _hand_over(parts, who.name, f"{vendor}/{serial}", payloads, key or "")
    except PushRefused as refused:
        raise Problem(_KINDS[refused.fault], str(refused)) from refused
    return Taken(stored=pushed.stored, duplicate=pushed.duplicate, quarantined=pushed.quarantined)


async def _hand_over(parts: Parts, principal: str, identity: str, payloads: Payloads, key: str) -> Pushed:
    try:
        with parts.places.at_the_door():
            pushed = await parts.door.change(
                lambda door: door.push(
                    principal=principal,
                    identity=identity,
                    payloads=payloads.payloads,
                    content_type=payloads.content_type,
                    key=key,
                )
            )
    except EngineRefused as refused:  # the registry changed after the token was looked at
        raise Problem(NOT_FOUND, str(refused)) from refused
    counted = parts.counts.pushed
    counted["stored"] += pushed.stored
    counted["duplicate"] += pushed.duplicate
    counted["quarantined"] += pushed.quarantined
    return pushed


def _body_bytes(request: Request) -> int:
    """What the body may come to hold: its Content-Length, the most a body may have where it has none."""
    announced = request.headers.get("content-length")
    return MOST_BODY_BYTES if announced is None else min(int(announced), MOST_BODY_BYTES)
