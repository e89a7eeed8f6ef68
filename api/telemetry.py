"""`POST /v1/telemetry/{vendor}/{serial}`: readings by HTTP, answered after they are on disk (G1).

The API queues nothing (G4): a push waits for the engine's commit on the sender's own connection, with a place of
api/push_places.py; without one, and while the engine is away or under pressure, the sender hears 429 or 503 with
Retry-After and keeps its readings.
"""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import Field

from api.parts import Parts, parts_of
from api.permits import GuardedRoute, PublishesReadings, token_of
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
from api.shapes import Shape
from devices.sites import token_sha256
from devices.topics import ID_PATTERN
from engine.client import EngineRefused, TokenRefused
from engine.messages import Pushed
from ingest.push import (
    KEY_PATTERN,
    MOST_BODY_BYTES,
    MOST_READINGS,
    ContentType,
    Fault,
    Payloads,
    PushRefused,
    check_key,
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
_NAME = {"type": "string", "pattern": f"^{ID_PATTERN.pattern.removesuffix(chr(92) + 'Z')}$"}
_ASKED: dict[str, Any] = {
    "parameters": [
        {"name": "vendor", "in": "path", "required": True, "schema": _NAME},
        {"name": "serial", "in": "path", "required": True, "schema": _NAME},
        {
            "name": "Idempotency-Key",
            "in": "header",
            "description": "The same readings sent again with the same key get the same answer, once done",
            "schema": {"type": "string", "pattern": f"^{KEY_PATTERN}$"},
        },
    ],
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
    },
}


class Taken(Shape):
    """What became of the readings of one push; all of it is on disk."""

    stored: int
    duplicate: int = Field(description="Known already: sent before, here or over another link")
    quarantined: int = Field(description="Undecodable payloads, kept with their reason; sending them again is no use")


@router.post(
    "/{vendor}/{serial}",
    operation_id="push_telemetry",
    responses=_RESPONSES,
    response_model=Taken,
    openapi_extra=_ASKED,
)
async def push_telemetry(request: Request, who: PublishesReadings) -> Response:
    """Hand readings over, signed with the token of the device or of its gateway. 200 means that they are on disk."""
    # The busiest route by far reads its headers and writes its answer itself: a fifth less CPU per push.
    parts, headers, path = parts_of(request), request.headers, request.path_params
    try:
        kind = read_content_type(headers.get("content-type", ""), headers.get("content-encoding", ""))
        key = headers.get("idempotency-key")
        key = "" if key is None else check_key(key)
        with parts.places.taken(who.name, _body_bytes(request)):
            payloads = split_body(await request.body(), kind)
            pushed = await _hand_over(
                parts, who.name, token_of(request), f"{path['vendor']}/{path['serial']}", payloads, key
            )
    except PushRefused as refused:
        raise Problem(_KINDS[refused.fault], str(refused)) from refused
    taken = Taken(stored=pushed.stored, duplicate=pushed.duplicate, quarantined=pushed.quarantined)
    return Response(taken.model_dump_json(), media_type="application/json")


async def _hand_over(parts: Parts, principal: str, token: str, identity: str, payloads: Payloads, key: str) -> Pushed:
    try:
        with parts.places.at_the_door():
            pushed = await parts.door.change(
                lambda door: door.push(
                    principal=principal,
                    identity=identity,
                    payloads=payloads.payloads,
                    content_type=payloads.content_type,
                    key=key,
                    token_sha256=token_sha256(token),
                )
            )
    except TokenRefused as revoked:  # since it was believed (tokens T2)
        raise Problem(NOT_SIGNED_IN, "This token is good no longer") from revoked
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
