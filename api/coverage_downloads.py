"""Coverage reports as files. What is long is written piece by piece or by a thread, never by the loop."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Sequence
from pathlib import Path as FilePath
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import Response, StreamingResponse

from access.authorize import Action
from access.principals import Principal
from api.coverage import ONE, ReportNumber, WithinArea, known, read
from api.coverage_csv import figures_csv, gaps_csv
from api.coverage_pdf import pdf
from api.coverage_read import Read, gaps_of
from api.coverage_words import Lang
from api.coverage_xlsx import write_xlsx
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsCoverage
from api.problems import TOO_MUCH, Problem
from api.seen import Eyes
from storage.coverage_making import Gap
from storage.coverage_reports import GapsAsked, report_gaps

router = APIRouter(route_class=GuardedRoute, prefix="/v1/coverage/reports", tags=["coverage"])

#: Gaps in a workbook over HTTP (product choice: some 5 s of a core and 100 MiB). More come as CSV, by area, or by
#: `davy coverage report`.
MOST_GAPS_IN_A_WORKBOOK = 100_000
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CSV = "text/csv; charset=utf-8"
Language = Annotated[Lang, Query(description="zh: Chinese; en: English")]


def _answers(media_type: str, what: str) -> dict[int | str, dict[str, Any]]:
    return ONE | {200: {"description": what, "content": {media_type: {}}}}


def _file(report: int, name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="coverage-{report}-{name}"'}


@router.get(
    "/{report}/figures.csv",
    operation_id="download_coverage_figures",
    responses=_answers("text/csv", "The figures"),
    response_class=Response,
)
async def download_coverage_figures(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, area: WithinArea = None
) -> Response:
    """The figures as CSV (UTF-8 with a byte-order mark)."""
    found = await read(parts, who, report, area or "")
    return Response(figures_csv(found.figures), media_type=_CSV, headers=_file(report, "figures.csv"))


@router.get(
    "/{report}/gaps.csv",
    operation_id="download_coverage_gaps",
    responses=_answers("text/csv", "Every user that is not covered"),
    response_class=Response,
)
async def download_coverage_gaps(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, area: WithinArea = None
) -> StreamingResponse:
    """Every user that is not covered, as CSV, piece by piece."""
    eyes = Eyes(who, Action.READ_COVERAGE)
    async with parts.database(who) as connection:
        await known(connection, eyes, report)
    pieces = gaps_csv(_pieces(parts, who, report, area or ""))
    return StreamingResponse(pieces, media_type=_CSV, headers=_file(report, "gaps.csv"))


@router.get(
    "/{report}/report.pdf",
    operation_id="download_coverage_pdf",
    responses=_answers("application/pdf", "The report on paper"),
    response_class=Response,
)
async def download_coverage_pdf(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, area: WithinArea = None, lang: Language = "zh"
) -> Response:
    """The report on paper."""
    found = await read(parts, who, report, area or "")
    async with parts.printing:
        body = await asyncio.to_thread(pdf, found.figures, lang)
    return Response(body, media_type="application/pdf", headers=_file(report, f"{lang}.pdf"))


@router.get(
    "/{report}/report.xlsx",
    operation_id="download_coverage_xlsx",
    responses=_answers(_XLSX, "The workbook"),
    response_class=Response,
)
async def download_coverage_xlsx(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, area: WithinArea = None, lang: Language = "zh"
) -> Response:
    """The report as a workbook, with every user that is not covered."""
    found, eyes = await read(parts, who, report, area or ""), Eyes(who, Action.READ_COVERAGE)
    if found.figures.whole.uncovered > MOST_GAPS_IN_A_WORKBOOK:
        raise Problem(
            TOO_MUCH,
            f"{found.figures.whole.uncovered:,} users are not covered, and a workbook takes"
            f" {MOST_GAPS_IN_A_WORKBOOK:,}; ask for a smaller `area`, or for gaps.csv",
        )
    async with parts.database(who) as connection:
        gaps = [g async for piece in gaps_of(connection, report, GapsAsked(area=area or ""), eyes.scope) for g in piece]
    async with parts.printing:
        body = await asyncio.to_thread(_workbook, found, gaps, lang)
    return Response(body, media_type=_XLSX, headers=_file(report, f"{lang}.xlsx"))


def _workbook(found: Read, gaps: Sequence[Gap], lang: Lang) -> bytes:
    with tempfile.TemporaryDirectory(prefix="davy-report-") as folder:
        path = FilePath(folder) / "report.xlsx"
        write_xlsx(path, found.figures, gaps, lang)
        return path.read_bytes()


async def _pieces(parts: Parts, who: Principal, report: int, area: str) -> AsyncIterator[Sequence[Gap]]:
    """A connection for each piece, so that a slow reader holds none."""
    eyes, after = Eyes(who, Action.READ_COVERAGE), ""
    while True:
        async with parts.database(who) as connection:
            piece = await report_gaps(
                connection, report, GapsAsked(area=area), limit=5_000, after=after, scope=eyes.scope
            )
        if not piece:
            return
        yield piece
        after = piece[-1].site
