"""`POST /v1/telemetry/{vendor}/{serial}`: readings by HTTP, answered after they are on disk (G1).

The API queues nothing (G4): a push waits for the engine's commit on the sender's own connection, at most
`Limits.pushes` of them at a time; beyond that, and while the engine is away or under pressure, the sender hears 503
with Retry-After and keeps its readings.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Header, Request
from pydantic import Field

from api.parts import Parts, Shared
from api.permits import PublishesReadings
from api.problems import (
    BAD_PARAMETER,
    ENGINE_AWAY,
    ENGINE_BUSY,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    PUSH_BUSY,
    TOO_LARGE,
    TOO_SLOW,
    UNSUPPORTED_TYPE,
    Problem,
    problem_answers,
)
from api.shapes import DeviceId, Shape
from engine.client import EngineRefused
from engine.messages import Pushed
from ingest.push import (
    MOST_BODY_BYTES,
    MOST_KEY_LENGTH,
    MOST_READINGS,
    ContentType,
    Fault,
    Payloads,
    PushRefused,
    check_key,
    read_content_type,
    split_body,
)

router = APIRouter(prefix="/v1/telemetry", tags=["telemetry"])

#: A cycle takes milliseconds; a sender that finds no room need not wait long.
RETRY_AFTER_S = 1

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
    TOO_SLOW,
    TOO_LARGE,
    UNSUPPORTED_TYPE,
    BAD_PARAMETER,
    ENGINE_AWAY,
    ENGINE_BUSY,
    PUSH_BUSY,
)
_OBJECT = {"type": "object"}
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
    key: Annotated[
        str,
        Header(
            alias="Idempotency-Key",
            description=f"1 to {MOST_KEY_LENGTH} characters: the same key gets the same answer, once done",
        ),
    ] = "",
) -> Taken:
    """Hand readings over, signed with the token of the device or of its gateway. 200 means that they are on disk."""
    try:
        kind = read_content_type(content_type, content_encoding)
        check_key(key)
        payloads = split_body(await request.body(), kind)
    except PushRefused as refused:
        raise Problem(_KINDS[refused.fault], str(refused)) from refused
    pushed = await _hand_over(parts, who.name, f"{vendor}/{serial}", payloads, key)
    return Taken(stored=pushed.stored, duplicate=pushed.duplicate, quarantined=pushed.quarantined)


async def _hand_over(parts: Parts, principal: str, identity: str, payloads: Payloads, key: str) -> Pushed:
    counts = parts.counts
    if counts.pushes_in_flight >= parts.config.limits.pushes:
        counts.pushed["refused_busy"] += 1
        detail = f"{counts.pushes_in_flight} pushes are under way; keep the readings and send them again"
        raise Problem(PUSH_BUSY, detail, retry_after_s=RETRY_AFTER_S)
    counts.pushes_in_flight += 1
    try:
        pushed = await parts.door.ask(
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
    finally:
        counts.pushes_in_flight -= 1
    for outcome in ("stored", "duplicate", "quarantined"):
        counts.pushed[outcome] += getattr(pushed, outcome)
    return pushed
