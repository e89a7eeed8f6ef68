"""A coverage report written as a file, in each of its formats."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from davy.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from api.coverage_read import Read
    from storage.coverage_making import Gap


class Format(StrEnum):
    JSON = "json"
    CSV = "csv"
    GAPS_CSV = "gaps.csv"
    XLSX = "xlsx"
    PDF = "pdf"


class Lang(StrEnum):
    ZH = "zh"
    EN = "en"


def written(read: "Read", gaps: "Sequence[Gap]", kind: Format, lang: Lang, out: Path | None) -> None:
    """To `out`, or to standard output. Raises CannotGoOn."""
    try:
        if kind is Format.XLSX:
            from api.coverage_xlsx import write_xlsx

            if out is None:
                raise CannotGoOn(Exit.USAGE, "a workbook needs a file: --out report.xlsx")
            write_xlsx(out, read.figures, gaps, lang.value)
            return
        body = _bytes(read, gaps, kind, lang)
        if out is not None:
            out.write_bytes(body)
        else:
            sys.stdout.buffer.write(body)
    except OSError as wrong:
        raise CannotGoOn(Exit.DISK, f"{out or 'standard output'}: {wrong.strerror or wrong}") from wrong


def _bytes(read: "Read", gaps: "Sequence[Gap]", kind: Format, lang: Lang) -> bytes:
    if kind is Format.PDF:
        from api.coverage_pdf import pdf

        return pdf(read.figures, lang.value)
    if kind is Format.CSV:
        from api.coverage_csv import figures_csv

        return figures_csv(read.figures)
    if kind is Format.GAPS_CSV:
        return asyncio.run(_gaps_csv(gaps))
    return json_bytes(read, gaps)


def json_bytes(read: "Read", gaps: "Sequence[Gap]") -> bytes:
    """One document: the figures, and the gap of every site with its reasons as words."""
    from devices.coverage_gaps import reasons_of

    said: list[dict[str, Any]] = [
        {
            "site": gap.site,
            "area": gap.area,
            "department": gap.department,
            "class": gap.site_class,
            "enterprise": gap.enterprise,
            "manager": gap.manager,
            "reasons": reasons_of(gap.reasons),
            "due": gap.due,
            "late": gap.late,
            "devices": gap.devices,
        }
        for gap in gaps
    ]
    return msgspec.json.encode({"figures": read.figures, "gaps": said}) + b"\n"


async def _gaps_csv(gaps: "Sequence[Gap]") -> bytes:
    from api.coverage_csv import gaps_csv

    async def once() -> "AsyncIterator[Sequence[Gap]]":
        yield gaps

    return b"".join([piece async for piece in gaps_csv(once())])
