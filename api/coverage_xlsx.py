"""A coverage report as a workbook, written row by row, so that a city's million gaps take little memory.

X1  Text is text: nothing that somebody registered is ever a formula or a link.
X2  The workbook names no time but the report's own, so that the same report gives the same bytes.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.format import Format  # type: ignore[import-untyped]
from xlsxwriter.workbook import Workbook  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from api.coverage_figures import ReportFigures
from api.coverage_tables import Cell, Table, facts, tables, title
from api.coverage_words import Lang, local, word
from devices.coverage_gaps import reasons_of, shown
from storage.coverage_making import Gap

#: Rows of a sheet (ECMA-376; Excel's limit is 1,048,576).
_MOST_ROWS = 1_000_000
_GAP_COLUMNS = ("site", "area", "class", "department", "enterprise", "manager", "reason", "due", "late")
_GAP_WIDTHS = (18, 14, 18, 14, 16, 16, 60, 12, 8)


class _Book:
    """A workbook and its formats."""

    def __init__(self, path: Path, report: ReportFigures) -> None:
        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False}
        self.book = Workbook(str(path), options)
        made = datetime.fromtimestamp(report.header.computed / 1_000_000, UTC).replace(tzinfo=None)
        self.book.set_properties({"created": made, "title": title(report, "zh")})
        plain = {"font_name": "Microsoft YaHei", "font_size": 10, "valign": "vcenter"}
        self.title = self._format(plain | {"bold": True, "font_size": 16})
        self.head = self._format(
            plain | {"bold": True, "bg_color": "#DCE6F1", "border": 1, "text_wrap": True, "align": "center"}
        )
        self.text = self._format(plain | {"border": 1})
        self.wrapped = self._format(plain | {"text_wrap": True, "valign": "top"})
        self.number = self._format(plain | {"border": 1, "num_format": "#,##0"})
        self.share = self._format(plain | {"border": 1, "num_format": '0.00"%"'})

    def _format(self, said: dict[str, object]) -> Format:
        return self.book.add_format(said)

    def sheet(self, name: str, widths: Sequence[int], columns: Sequence[str]) -> Worksheet:
        """A sheet with a head row that stays in view, set to print on A4 across."""
        sheet = self.book.add_worksheet(name)
        for at, width in enumerate(widths):
            sheet.set_column(at, at, width)
        sheet.set_landscape()
        sheet.set_paper(9)
        sheet.fit_to_pages(1, 0)
        sheet.repeat_rows(0)
        sheet.freeze_panes(1, 0)
        sheet.set_footer("&C&P / &N")
        sheet.set_row(0, 32)
        for at, column in enumerate(columns):
            sheet.write_string(0, at, column, self.head)
        return sheet

    def put(self, sheet: Worksheet, row: int, at: int, value: Cell) -> None:
        if value is None:
            sheet.write_string(row, at, "–", self.text)
        elif isinstance(value, str):
            sheet.write_string(row, at, value, self.text)
        else:
            sheet.write_number(row, at, value, self.share if isinstance(value, float) else self.number)


def write_xlsx(path: Path, report: ReportFigures, gaps: Iterable[Gap], lang: Lang) -> None:
    """Raises OSError. `gaps`: in order, any number of them."""
    book = _Book(path, report)
    _summary(book, report, lang)
    for table in tables(report, lang):
        _table(book, table)
    _gaps(book, report, gaps, lang)
    try:
        book.book.close()
    except xlsxwriter.exceptions.FileCreateError as wrong:
        raise OSError(str(wrong)) from wrong


def _summary(book: _Book, report: ReportFigures, lang: Lang) -> None:
    sheet = book.book.add_worksheet(word("summary", lang))
    sheet.set_column(0, 0, 26)
    sheet.set_column(1, 1, 90)
    sheet.set_landscape()
    sheet.set_paper(9)
    sheet.fit_to_pages(1, 0)
    sheet.write_string(0, 0, title(report, lang), book.title)
    sheet.set_row(0, 28)
    row = 2
    for name, value in facts(report, lang):
        sheet.write_string(row, 0, name, book.text)
        sheet.write_string(row, 1, value, book.text)
        row += 1
    row += 1
    whole = report.whole
    for name in ("sites", "required", "installed", "covered", "observed", "evidenced", "uncovered", "late"):
        sheet.write_string(row, 0, word(name, lang), book.text)
        book.put(sheet, row, 1, getattr(whole, name))
        row += 1
    for name in ("installed_pct", "covered_pct"):
        sheet.write_string(row, 0, word(name, lang), book.text)
        book.put(sheet, row, 1, getattr(whole, name))
        row += 1
    sheet.write_string(row, 0, word("not_addressed", lang), book.text)
    book.put(sheet, row, 1, report.not_addressed)
    sheet.write_string(row + 2, 1, word("how", lang), book.wrapped)
    sheet.set_row(row + 2, 64)


def _table(book: _Book, table: Table) -> None:
    widths = [22 if at < table.texts else 13 for at in range(len(table.columns))]
    sheet = book.sheet(table.title, widths, table.columns)
    for n, row in enumerate(table.rows, 1):
        for at, value in enumerate(row):
            book.put(sheet, n, at, value)


def _gaps(book: _Book, report: ReportFigures, gaps: Iterable[Gap], lang: Lang) -> None:
    names = {one.site_class: local(one.name, one.name_en, lang) for one in report.classes}
    places = {one.key: local(one.name, one.name_en, lang) for one in report.townships}
    columns, name = [word(key, lang) for key in _GAP_COLUMNS], word("gaps", lang)
    said: dict[int, str] = {}
    sheet, part, row = book.sheet(name, _GAP_WIDTHS, columns), 1, 0
    for gap in gaps:
        if row == _MOST_ROWS:
            part, row = part + 1, 0
            sheet = book.sheet(f"{name} {part}", _GAP_WIDTHS, columns)
        row += 1
        if gap.reasons not in said:
            said[gap.reasons] = "；".join(shown(one, lang) for one in reasons_of(gap.reasons))
        values: tuple[Cell, ...] = (
            gap.site,
            places.get(gap.area, gap.area),
            names.get(gap.site_class, ""),
            *(gap.department, gap.enterprise, gap.manager),
            said[gap.reasons],
            "" if gap.due is None else gap.due.isoformat(),
            word("yes", lang) if gap.late else "",
        )
        for at, value in enumerate(values):
            book.put(sheet, row, at, value)
