"""The record: a tenant reads and takes along its own chain; the signed heads are for everybody, because they are worth
something only where others keep them."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse
from pydantic import Field

from access.audit_chain import Entry
from access.audit_heads import SignedHeads
from access.principals import Principal
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsAudit, ReadsPublic
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    problem_answers,
)
from api.shapes import Shape
from api.times import Utc, UtcParameter
from storage.audit_export import Part, export_part
from storage.audit_heads import heads_after
from storage.audit_read import Asked, entries
from storage.database import translated

router = APIRouter(route_class=GuardedRoute, tags=["record"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_PUBLIC = problem_answers(BAD_PARAMETER, *DATABASE_PROBLEMS)
#: Documents of heads in one answer at most; one of 1,000 tenants is some 130 KiB (product choice).
_MOST_HEADS = 24


class EntryShown(Shape):
    """An entry of the record (docs/AUDIT.md)."""

    n: int = Field(description="Its place in the chain, from 1")
    at: Utc
    kind: str = Field(examples=["alarm_raised"])
    by: str = Field(description="Who did it; empty where a rule or a device did", examples=["person/7"])
    body: str = Field(description="Canonical JSON as text, because it is hashed as it stands")
    prev: str = Field(description="SHA-256 of the entry before")
    sha256: str


class Record(Shape):
    tenant: str
    entries: list[EntryShown]
    next: str | None


class HeadsShown(Shape):
    """A signed document of heads. `signature`: Ed25519 over the UTF-8 text of `document`, base64."""

    document: str
    key: str
    signature: str


class HeadsPage(Shape):
    heads: list[HeadsShown]
    next: int | None = Field(description="The number to ask `after` for the next page")


Kind = Annotated[str | None, Query(max_length=64)]
By = Annotated[str | None, Query(max_length=200)]
From = Annotated[UtcParameter | None, Query(alias="from", description="At or after")]
To = Annotated[UtcParameter | None, Query(description="Before")]


@router.get("/v1/audit", operation_id="read_platform_record", responses=_PAGE)
async def read_platform_record(
    parts: Shared,
    who: ReadsAudit,
    from_: From = None,
    to: To = None,
    kind: Kind = None,
    by: By = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Record:
    """The platform's own chain, oldest first: rules, refused instructions, what belongs to no party. Others than the
    platform's people find nothing in it."""
    return await _record(parts, who, Asked("", 0, from_, to, kind, by), cursor, limit)


@router.get("/v1/enterprises/{enterprise}/audit", operation_id="read_record", responses=_PAGE)
async def read_record(
    parts: Shared,
    who: ReadsAudit,
    enterprise: str,
    from_: From = None,
    to: To = None,
    kind: Kind = None,
    by: By = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Record:
    """A party's chain, oldest first."""
    return await _record(parts, who, Asked(enterprise, 0, from_, to, kind, by), cursor, limit)


@router.get(
    "/v1/enterprises/{enterprise}/audit/export",
    operation_id="export_record",
    responses=_PAGE | {200: {"content": {"application/jsonl": {}}, "description": "The export, one entry a line"}},
    response_class=StreamingResponse,
)
async def export_record(
    parts: Shared,
    who: ReadsAudit,
    enterprise: str,
    from_n: Annotated[int, Query(ge=1, description="First entry")] = 1,
) -> StreamingResponse:
    """The chain as a file that can be verified anywhere, with `davy audit verify` or a page of one's own
    (docs/AUDIT.md). An answer that is cut off is known by its first line."""
    async with parts.database(who) as connection:
        first = await export_part(connection, enterprise, from_n, None)
    return StreamingResponse(_lines(parts, who, enterprise, from_n, first), media_type="application/jsonl")


async def _lines(parts: Parts, who: Principal, tenant: str, from_n: int, part: Part) -> AsyncIterator[bytes]:
    """Part by part, each in a transaction of its own: a slow reader holds none."""
    to_n = part.to_n
    yield part.lines[0]
    while len(part.lines) > 1:
        yield b"".join(part.lines[1:])
        from_n += len(part.lines) - 1
        async with parts.database(who) as connection:
            part = await export_part(connection, tenant, from_n, to_n)


@router.get("/v1/public/audit/heads", operation_id="list_record_heads", responses=_PUBLIC)
async def list_record_heads(
    parts: Shared,
    who: ReadsPublic,
    after: Annotated[int, Query(ge=0, description="The number of the last document one has")] = 0,
) -> HeadsPage:
    """Signed heads of every chain, oldest first: keep them where nobody here can alter them."""
    async with parts.database(who) as connection:
        with translated():
            found = await heads_after(connection, after, limit=_MOST_HEADS + 1)
    page = found[:_MOST_HEADS]
    return HeadsPage(
        heads=[_heads(one) for one in page],
        next=page[-1].parsed().number if len(found) > _MOST_HEADS else None,
    )


async def _record(parts: Parts, who: Principal, asked: Asked, cursor: str | None, limit: int) -> Record:
    after = decode_cursor(cursor, tuple[int])
    begun = Asked(asked.tenant, after[0] if after else 0, asked.from_us, asked.to_us, asked.kind, asked.by)
    async with parts.database(who) as connection:
        found = await entries(connection, begun, limit=limit + 1)
    page = found[:limit]
    return Record(
        tenant=asked.tenant,
        entries=[_entry(one) for one in page],
        next=encode_cursor((page[-1].n,)) if len(found) > limit else None,
    )


def _entry(one: Entry) -> EntryShown:
    return EntryShown(n=one.n, at=one.at, kind=one.kind, by=one.by, body=one.body, prev=one.prev, sha256=one.sha256)


def _heads(one: SignedHeads) -> HeadsShown:
    return HeadsShown(document=one.document, key=one.key, signature=one.signature)
