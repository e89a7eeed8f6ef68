"""Every error answer is a problem document (RFC 9457). Errors own their status; nothing else decides it.

The text of a problem says what was wrong and what to do. It never holds a stack trace, a token, or SQL.
"""

from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException as StarletteHTTPException

from engine.client import EngineAway, EngineBusy, EngineRefused

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Kind:
    """One `type` of problem: `urn:davy:problem:{slug}`."""

    slug: str
    status: int
    title: str


BAD_REQUEST = Kind("bad-request", 400, "This is no request that can be read")
NOT_SIGNED_IN = Kind("not-signed-in", 401, "No valid token was sent")
NOT_ALLOWED = Kind("not-allowed", 403, "This token may not do this")
NOT_FOUND = Kind("not-found", 404, "There is no such thing")
WRONG_METHOD = Kind("wrong-method", 405, "This path does not take this method")
TOO_SLOW = Kind("body-too-slow", 408, "The body did not arrive in time")
REFUSED = Kind("refused", 409, "The engine refused the instruction")
CONFLICT = Kind("conflict", 409, "The register does not take this")
CHANGED_MEANWHILE = Kind("changed-meanwhile", 412, "Somebody else has changed it")
TOO_LARGE = Kind("too-large", 413, "The request is too large")
UNSUPPORTED_TYPE = Kind("unsupported-type", 415, "This kind of body is not taken")
BAD_PARAMETER = Kind("bad-parameter", 422, "Something in the request is not valid")
TOO_MUCH = Kind("too-much", 422, "The answer would take more than it may")
VERSION_NEEDED = Kind("version-needed", 428, "It has to be said which version is changed")
TOO_MANY = Kind("too-many", 429, "Too many at a time")
FAILED = Kind("failed", 500, "Davy failed to answer")
ENGINE_AWAY = Kind("engine-away", 503, "The engine is away")
ANSWER_LOST = Kind("answer-lost", 503, "The engine's answer did not come")
ENGINE_BUSY = Kind("engine-busy", 503, "The engine takes no more for the moment")
PUSH_BUSY = Kind("push-busy", 503, "Too many pushes are under way")
API_FULL = Kind("api-full", 503, "Too many connections are open")
PROVIDER_AWAY = Kind("provider-away", 503, "The provider that signs people in is away")
DATABASE_AWAY = Kind("database-away", 503, "The database is away")
DATABASE_BUSY = Kind("database-busy", 503, "The database did not answer in time")

#: What may come of asking the database, and of asking the engine to change something.
DATABASE_PROBLEMS = (DATABASE_AWAY, DATABASE_BUSY)
CHANGE_PROBLEMS = (ENGINE_AWAY, ANSWER_LOST, ENGINE_BUSY)
#: What may come of a body, before anybody looks at what it says.
BODY_PROBLEMS = (BAD_REQUEST, TOO_SLOW, TOO_LARGE)
#: What may come of any request (api/edge.py).
EDGE_PROBLEMS = (FAILED, API_FULL)

#: What a client waits before it asks again, seconds: a restarted engine is back within about that time.
RETRY_AFTER_S = 2


class PerhapsTaken(EngineAway):
    """The engine was asked to change something and its answer did not come: it may have been done. Transient: the same
    again with the same Idempotency-Key is done once, and answered."""


class Problem(HTTPException):
    """An error answer. Raised anywhere below a route."""

    def __init__(self, kind: Kind, detail: str, *, retry_after_s: int | None = None) -> None:
        headers: dict[str, str] = {}
        if retry_after_s is not None:
            headers["Retry-After"] = str(retry_after_s)
        if kind is NOT_SIGNED_IN:
            headers["WWW-Authenticate"] = 'Bearer realm="davy"'
        if kind in (TOO_LARGE, TOO_SLOW):
            headers["Connection"] = "close"  # the rest of the body is not wanted
        super().__init__(kind.status, detail, headers or None)
        self.kind = kind


class FieldFault(BaseModel):
    """One parameter or field that is wrong."""

    where: str = Field(description="Path to it, such as `query.limit` or `body.reason`")
    reason: str


class ProblemDocument(BaseModel):
    """RFC 9457. `errors` is there for 422 only."""

    type: str
    title: str
    status: int
    detail: str
    instance: str = Field(description="Path of the request")
    errors: list[FieldFault] | None = None


def problem_response(
    path: str, kind: Kind, detail: str, headers: dict[str, str] | None = None, errors: list[FieldFault] | None = None
) -> Response:
    document = ProblemDocument(
        type=f"urn:davy:problem:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail=detail,
        instance=path,
        errors=errors,
    )
    body = document.model_dump_json(exclude_none=True)
    return Response(body, kind.status, headers=headers, media_type=MEDIA_TYPE)


#: What OpenAPI says of the answers of a route.
Answers = dict[int | str, dict[str, Any]]


def problem_answers(*kinds: Kind) -> Answers:
    """What a route declares in OpenAPI; problems that share a status share an entry, each with its example."""
    return with_problems({}, *kinds)


def with_problems(answers: Answers, *kinds: Kind) -> Answers:
    """`answers` and these problems, each once."""
    found = dict(answers)
    for kind in kinds:
        entry = found.get(kind.status, {})
        contents = entry.get("content", {})
        told = contents.get(MEDIA_TYPE, {"schema": {"$ref": "#/components/schemas/ProblemDocument"}, "examples": {}})
        if kind.slug in told["examples"]:
            continue
        examples = told["examples"] | {kind.slug: {"$ref": f"#/components/examples/{kind.slug}"}}
        found[kind.status] = entry | {
            "description": "; ".join(filter(None, (entry.get("description"), kind.title))),
            "content": contents | {MEDIA_TYPE: told | {"examples": examples}},
        }
    return found


def problem_examples() -> dict[str, dict[str, Any]]:
    """The examples that `problem_answers` refers to, by slug: components of the description."""
    kinds = (kind for kind in globals().values() if isinstance(kind, Kind))
    return {kind.slug: {"summary": kind.title, "value": _example_of(kind)} for kind in kinds}


def _example_of(kind: Kind) -> dict[str, Any]:
    faults = [FieldFault(where="query.limit", reason="Input should be less than or equal to 1000")]
    document = ProblemDocument(
        type=f"urn:davy:problem:{kind.slug}",
        title=kind.title,
        status=kind.status,
        detail="query.limit: " + faults[0].reason if kind is BAD_PARAMETER else "What was wrong, and what to do",
        instance="/v1/alarms",
        errors=faults if kind is BAD_PARAMETER else None,
    )
    return document.model_dump(exclude_none=True)


def _http_error(request: Request, error: StarletteHTTPException) -> Response:
    """What the framework refuses gets one of our kinds: clients are promised that there are no others."""
    path, headers = request.url.path, dict(error.headers) if error.headers else None
    if isinstance(error, Problem):
        return problem_response(path, error.kind, str(error.detail), headers)
    by_status = {404: NOT_FOUND, 405: WRONG_METHOD}
    kind = by_status.get(error.status_code, BAD_REQUEST if error.status_code < 500 else FAILED)
    return problem_response(path, kind, str(error.detail), headers)


_UNREACHED = "The engine cannot be reached; nothing was taken. Ask again."
_ANSWER_LOST = (
    "It was perhaps taken, perhaps not. Send it again with the same Idempotency-Key: it is done once, and answered."
)


def _engine_error(request: Request, error: EngineAway | EngineBusy | EngineRefused) -> Response:
    path = request.url.path
    if isinstance(error, EngineRefused):
        return problem_response(path, REFUSED, str(error))
    if isinstance(error, EngineBusy):
        detail = f"{error}; nothing was taken"
        return problem_response(path, ENGINE_BUSY, detail, {"Retry-After": str(max(1, error.retry_after_s))})
    retry = {"Retry-After": str(RETRY_AFTER_S)}
    if isinstance(error, PerhapsTaken):
        return problem_response(path, ANSWER_LOST, _ANSWER_LOST, retry)
    return problem_response(path, ENGINE_AWAY, _UNREACHED, retry)


def field_faults(error: RequestValidationError) -> list[FieldFault]:
    """What is wrong, without what was sent: an error answer does not repeat a secret put in the wrong field."""
    return [
        FieldFault(where=".".join(str(step) for step in fault["loc"]), reason=str(fault["msg"]))
        for fault in error.errors()
    ]


def _invalid_request(request: Request, error: RequestValidationError) -> Response:
    faults = field_faults(error)
    detail = "; ".join(f"{fault.where}: {fault.reason}" for fault in faults[:5])
    return problem_response(request.url.path, BAD_PARAMETER, detail, errors=faults)


def answer_with_problems(app: FastAPI) -> None:
    """Register the error answers of this module. (Failures of ours are answered at the edge.)"""
    app.exception_handler(StarletteHTTPException)(_http_error)
    app.exception_handler(RequestValidationError)(_invalid_request)
    for away in (EngineAway, EngineBusy, EngineRefused):
        app.exception_handler(away)(_engine_error)
