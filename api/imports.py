"""The register from and to files, as jobs: CSV, workbooks, JSON."""

import tempfile
from pathlib import Path as FilePath
from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import FileResponse
from pydantic import Field, StringConstraints

from access.authorize import Action, enterprises_of, may
from access.principals import Principal
from api.file_jobs import MOST_BYTES, FileJob, FileState
from api.file_work import ExportJob, ImportDone, ImportJob, Party
from api.parts import Parts, Shared
from api.permits import ExportsRegister, GuardedRoute, ImportsRegister
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    DATABASE_AWAY,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    RETRY_AFTER_S,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.shapes import Asked, Shape, example
from api.tenancy import in_whose_name
from api.times import Utc
from storage.registry_export import kinds_of
from storage.registry_rows import Fate
from storage.tenants import Tenant

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["files"])

JobId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
_BEGIN = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, TOO_MANY, *BODY_PROBLEMS, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER)
_BUSY = "An import or an export is under way; they run one at a time"
_KINDS = {".csv": "text/csv", ".json": "application/json"}
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


class ImportedRow(Shape):
    place: str = Field(description="Where it stands in the file", examples=["line 12"])
    kind: str
    key: str
    fate: Fate
    reason: str


class MadeToken(Shape):
    device: str
    token: str


class ImportResult(Shape):
    """With a refused row, or a fault of the whole, nothing was done."""

    applied: bool
    rows_read: int
    counts: dict[str, int] = Field(description="Rows by kind and fate", examples=[{"site added": 12}])
    rows: list[ImportedRow] = Field(description="Rows of which there is something to say, refused ones first")
    rows_left_out: int
    faults: list[str]
    warnings: list[str]


class FileJobShown(Shape):
    job: str
    state: FileState
    step: str | None = Field(description="What is being done")
    begun: Utc
    ended: Utc | None
    failure: str | None


class ImportShown(FileJobShown):
    result: ImportResult | None = Field(description="Null until it is done")
    tokens: list[MadeToken] = Field(description="Made for devices that had none; shown this once")


class ExportShown(FileJobShown):
    bytes: int | None


class ExportAsked(Asked, json_schema_extra=example(format="xlsx", kinds=["site", "device"], lang="zh")):
    format: Literal["csv", "json", "xlsx"] = "csv"
    kinds: list[str] = Field(default=[], max_length=50, description="Only these; empty: all")
    lang: Literal["en", "zh"] = "en"
    purpose: str | None = Field(
        default=None,
        min_length=1,
        max_length=500,
        description="Of personal data in clear; it is recorded. Null: masked, and an import leaves it as it is",
    )


@router.post("/imports", operation_id="begin_import", responses=_BEGIN, status_code=202)
async def begin_import(
    parts: Shared,
    who: ImportsRegister,
    request: Request,
    dry_run: Annotated[bool, Query(description="Say what would become of each row, and do nothing")] = False,
    name: Annotated[str, Query(max_length=200, description="Of the file, for the record")] = "",
) -> ImportShown:
    """Send a file as the body: CSV (UTF-8 or GB18030), a workbook (.xlsx), or JSON. All of it is done or nothing. Ask
    for the job until it is done; a device without a token gets one, which that answer shows once."""
    url = _may_begin(parts)
    body = await request.body()
    if not body:
        raise Problem(BAD_PARAMETER, "body: send the file itself")
    _may_begin(parts)  # while the body came, another may have begun
    now_us, party = parts.config.now_us(), _party(parts, who)
    job = ImportJob(url, MOST_BYTES, party, body, name, who.name, now_us, dry_run, _master(parts))
    return _show_import(parts.files.begin(FileJob(parts.config.new_id(), who.name, party.enterprise, now_us), job))


@router.get("/imports/{job}", operation_id="get_import", responses=_ONE)
async def get_import(parts: Shared, who: ImportsRegister, job: Annotated[JobId, Path()]) -> ImportShown:
    """How far an import is, and what became of every row."""
    one = _found(parts, who, job, Action.IMPORT_REGISTER)
    if one.file is not None:
        raise Problem(NOT_FOUND, "there is no such import")
    return _show_import(one, to=who.name)


@router.post("/exports", operation_id="begin_export", responses=_BEGIN, status_code=202)
async def begin_export(parts: Shared, who: ExportsRegister, body: ExportAsked) -> ExportShown:
    """Write all that one's party has registered into a file that an import takes again, as unchanged."""
    if body.purpose is not None and not may(who, Action.UNMASK):
        raise Problem(NOT_ALLOWED, f"{who.name} may not have personal data in clear; leave the purpose out")
    url = _may_begin(parts)
    try:
        kinds = tuple(kind.name for kind in kinds_of(body.kinds, tokens=False, people=True))
    except ValueError as wrong:
        raise Problem(BAD_PARAMETER, f"body.kinds: {wrong}") from wrong
    with tempfile.NamedTemporaryFile(prefix="davy-export-", suffix=f".{body.format}", delete=False) as made:
        file = FilePath(made.name)
    party = _party(parts, who)
    now_us = parts.config.now_us()
    job = ExportJob(
        *(url, MOST_BYTES, party, str(file), kinds, body.lang, who.name, now_us),
        master=_master(parts),
        purpose=body.purpose or "",
    )
    one = FileJob(parts.config.new_id(), who.name, party.enterprise, now_us, file)
    return _show_export(parts.files.begin(one, job))


@router.get("/exports/{job}", operation_id="get_export", responses=_ONE)
async def get_export(parts: Shared, who: ExportsRegister, job: Annotated[JobId, Path()]) -> ExportShown:
    """How far an export is."""
    return _show_export(_exported(parts, who, job))


@router.get(
    "/exports/{job}/file",
    operation_id="get_export_file",
    response_class=FileResponse,
    responses=_ONE | {200: {"description": "The file", "content": {"text/csv": {}, "application/json": {}, _XLSX: {}}}},
)
async def get_export_file(parts: Shared, who: ExportsRegister, job: Annotated[JobId, Path()]) -> FileResponse:
    """The file, once it is written."""
    one = _exported(parts, who, job)
    if one.exported is None or one.file is None:
        raise Problem(NOT_FOUND, "the file is not written yet; ask for the job")
    kind = _KINDS.get(one.file.suffix, _XLSX)
    return FileResponse(one.file, media_type=kind, filename=f"register{one.file.suffix}")


def _may_begin(parts: Parts) -> str:
    """The database's URL. Raises Problem."""
    if parts.config.database_url is None:
        raise Problem(DATABASE_AWAY, "This installation runs without a database")
    if parts.files.running is not None:
        raise Problem(TOO_MANY, _BUSY, retry_after_s=RETRY_AFTER_S)
    return parts.config.database_url


def _master(parts: Parts) -> bytes:
    return parts.config.master_key.plain if parts.config.master_key is not None else b""


def _party(parts: Parts, who: Principal) -> Party:
    named = in_whose_name(parts.judges.fenced(who))
    return Party(named.enterprise, named.kind) if isinstance(named, Tenant) else Party()


def _found(parts: Parts, who: Principal, id_: str, action: Action) -> FileJob:
    own, one = enterprises_of(who, action), parts.files.all.get(id_)
    if one is None or not (own is None or one.enterprise in own):
        raise Problem(NOT_FOUND, "there is no such job; one that is too old is forgotten")
    return one


def _exported(parts: Parts, who: Principal, id_: str) -> FileJob:
    one = _found(parts, who, id_, Action.EXPORT_REGISTER)
    if one.file is None:
        raise Problem(NOT_FOUND, "there is no such export")
    return one


def _show_import(one: FileJob, to: str = "") -> ImportShown:
    done = one.imported
    tokens: list[MadeToken] = []
    if done is not None and done.tokens and one.by == to:
        tokens = [MadeToken(device=identity, token=token) for identity, token in done.tokens]
        done = one.imported = msgspec.structs.replace(done, tokens=())
    return ImportShown(
        job=one.id,
        state=one.state,
        step=one.step if one.state is FileState.RUNNING else None,
        begun=one.begun_us,
        ended=one.ended_us or None,
        failure=one.failure or None,
        result=_result(done) if done is not None else None,
        tokens=tokens,
    )


def _result(done: ImportDone) -> ImportResult:
    return ImportResult(
        applied=done.applied,
        rows_read=done.rows_read,
        counts=done.counts,
        rows=[
            ImportedRow(place=row.place, kind=row.kind, key=row.key, fate=row.fate, reason=row.reason)
            for row in done.rows
        ],
        rows_left_out=done.rows_left_out,
        faults=list(done.faults),
        warnings=list(done.warnings),
    )


def _show_export(one: FileJob) -> ExportShown:
    return ExportShown(
        job=one.id,
        state=one.state,
        step=one.step if one.state is FileState.RUNNING else None,
        begun=one.begun_us,
        ended=one.ended_us or None,
        failure=one.failure or None,
        bytes=one.exported.bytes if one.exported else None,
    )
