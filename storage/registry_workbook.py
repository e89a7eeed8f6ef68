"""The registry as a workbook: an export, and the template that people fill in. Cells are text; none is a formula."""

from collections.abc import Sequence
from pathlib import Path

import msgspec
import xlsxwriter  # type: ignore[import-untyped]
from xlsxwriter.worksheet import Worksheet  # type: ignore[import-untyped]

from storage.database import Connection
from storage.registry_export import PeopleOut, cells_of, written_rows
from storage.registry_kinds import KINDS, ZH, FileKind

#: Rows of a sheet less its header (ECMA-376 part 1: 2^20).
MOST_ROWS = (1 << 20) - 1
#: Rows of a template that are told what may stand there.
_TEMPLATE_ROWS = 5_000
_WIDTH = 18

_HOW = {
    "en": (
        "One sheet per kind; fill in the ones that you need and leave the others empty.",
        "Bold columns must be filled in. Days are written YYYY-MM-DD. Several words stand with ; between them.",
        "First try: davy registry import FILE --dry-run shows what would become of every row and changes nothing.",
        "Formulas are not evaluated: a row with one is refused. Put values.",
    ),
    "zh": (
        "每类一个工作表;只填需要的表,其余留空。",
        "粗体列必填。日期写成 YYYY-MM-DD。多个值之间用 ; 隔开。",
        "先试运行:davy registry import 文件 --dry-run 显示每一行的结果,不改动任何数据。",
        "不计算公式:含公式的行会被拒绝,请填写数值。",
    ),
}


class TooManyRows(ValueError):
    """More rows of a kind than a sheet can have. Permanent: take CSV or JSON."""


async def write_workbook(
    connection: Connection, kinds: Sequence[FileKind], path: Path, *, lang: str = "en", people: PeopleOut | None = None
) -> int:
    """An export as a workbook in a file of its own; the number of rows. Raises TooManyRows, psycopg.Error; call under
    `translated()`."""
    book = xlsxwriter.Workbook(str(path), {"constant_memory": True, **_PLAIN})
    rows = 0
    try:
        text = book.add_format({"num_format": "@"})
        for kind in kinds:
            sheet = book.add_worksheet(kind.zh if lang == "zh" else kind.name)
            _header(book, sheet, kind, lang)
            number = 0
            async for written in written_rows(connection, kind, people):
                number += 1
                if number > MOST_ROWS:
                    raise TooManyRows(f"more than {MOST_ROWS:,} rows of kind {kind.name}; take CSV or JSON")
                for column, cell in enumerate(cells_of(written)):
                    if cell:
                        sheet.write_string(number, column, cell, text)
            rows += number
    finally:
        book.close()
    return rows


#: Nothing that is written becomes anything but text.
_PLAIN = {"strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}


def write_template(path: Path, *, lang: str = "en") -> None:
    """An empty workbook with a sheet for each kind, and a page that says how it is filled in."""
    book = xlsxwriter.Workbook(str(path), dict(_PLAIN))
    try:
        readme = book.add_worksheet("说明" if lang == "zh" else "README")
        readme.set_column(0, 0, 100)
        for number, line in enumerate(_HOW[lang]):
            readme.write_string(number, 0, line)
        text = book.add_format({"num_format": "@"})
        for kind in KINDS:
            sheet = book.add_worksheet(kind.zh if lang == "zh" else kind.name)
            _header(book, sheet, kind, lang)
            sheet.set_column(0, len(kind.columns) - 1, _WIDTH, text)
            for column, words in _choices(kind):
                sheet.data_validation(
                    *(1, column, _TEMPLATE_ROWS, column), {"validate": "list", "source": words, "ignore_blank": True}
                )
    finally:
        book.close()


def _header(book: xlsxwriter.Workbook, sheet: Worksheet, kind: FileKind, lang: str) -> None:
    required = {field.name for field in msgspec.structs.fields(kind.written) if field.required}
    bold, plain = book.add_format({"bold": True}), book.add_format({"italic": True})
    sheet.freeze_panes(1, 0)
    for column, name in enumerate(kind.columns):
        sheet.write_string(0, column, ZH[name] if lang == "zh" else name, bold if name in required else plain)


def _choices(kind: FileKind) -> list[tuple[int, list[str]]]:
    """Columns that take one of a few words."""
    found: list[tuple[int, list[str]]] = []
    for column, field in enumerate(msgspec.structs.fields(kind.written)):
        described = msgspec.inspect.type_info(field.type)
        if isinstance(described, msgspec.inspect.EnumType):
            found.append((column, [str(one.value) for one in described.cls if one.value]))
        elif isinstance(described, msgspec.inspect.BoolType):
            found.append((column, ["true", "false"]))
    return found
