"""A coverage report as CSV: UTF-8 with a byte-order mark, because spreadsheets guess otherwise; CRLF (RFC 4180).

X1  Text that begins as a formula would gets a `'` before it, as in exports of the registry (registry_kinds.py, T1).
"""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence

from api.coverage_figures import Figures, ReportFigures, month_words
from devices.coverage_gaps import reasons_of
from storage.coverage_making import Gap

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_FIGURES = tuple(Figures.__struct_fields__)
_COLUMNS = (
    "report",
    "area",
    "day",
    "policy",
    "table",
    "rank",
    "key",
    "name",
    "name_en",
    "target_pct",
    "met",
    *_FIGURES,
)
_GAP_COLUMNS = ("site", "area", "department", "class", "enterprise", "manager", "reasons", "due", "late")


def harmless(text: str) -> str:
    """X1."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def figures_csv(report: ReportFigures) -> bytes:
    """One row for the whole, each class, township, department, reason and month of a plan."""
    said = report.header
    where = (said.report, said.area, said.day.isoformat(), said.policy)
    return _bytes([_COLUMNS, *((*where, *row) for row in _rows(report))])


def _rows(report: ReportFigures) -> Iterator[Sequence[object]]:
    yield ("whole", "", "", "", "", "", "", *_numbers(report.whole))
    for one in report.classes:
        met = "" if one.met is None else str(one.met).lower()
        yield ("class", "", one.site_class, one.name, one.name_en, _said(one.target_pct), met, *_numbers(one.figures))
    for table, ranks in (("township", report.townships), ("department", report.departments)):
        for place in ranks:
            names = (place.key, place.name, place.name_en)
            yield (table, _said(place.rank), *(harmless(name) for name in names), "", "", *_numbers(place.figures))
    blank = [""] * len(_FIGURES)
    for reason in report.reasons:
        yield ("reason", "", reason.reason, reason.name, reason.name_en, "", "", reason.sites, *blank[1:])
    for row in report.plans:
        key = f"{row.area} {row.site_class} {month_words(row.month)}"
        numbers = {"required": row.planned, "installed": row.installed, "late": row.late}
        yield ("plan", "", harmless(key), "", "", "", "", *(_said(numbers.get(name)) for name in _FIGURES))


def _numbers(one: Figures) -> list[object]:
    return [_said(getattr(one, name)) for name in _FIGURES]


def _said(value: object) -> object:
    return "" if value is None else value


async def gaps_csv(gaps: AsyncIterator[Sequence[Gap]]) -> AsyncIterator[bytes]:
    """Piece by piece. reasons: with `;` between."""
    yield _bytes([_GAP_COLUMNS])
    async for piece in gaps:
        yield _bytes([_gap(gap) for gap in piece], mark=False)


def _gap(gap: Gap) -> Sequence[object]:
    owners = (gap.site, gap.area, gap.department, gap.site_class, gap.enterprise, gap.manager)
    due = "" if gap.due is None else gap.due.isoformat()
    return (*(harmless(one) for one in owners), ";".join(reasons_of(gap.reasons)), due, str(gap.late).lower())


def _bytes(rows: Sequence[Sequence[object]], *, mark: bool = True) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8-sig" if mark else "utf-8")
