"""Workbooks as files of the registry: one sheet per kind, named as it is (in English or Chinese), or sheets with a
column `kind`. The reader is given a workbook only after registry_xlsx_look.py has seen that it may be opened."""

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from xml.etree import ElementTree

import python_calamine

from storage.registry_csv import Table
from storage.registry_kinds import kind_of
from storage.registry_rows import SourceRow
from storage.registry_xlsx_look import Sheet, look

#: Sheets of a template that are for people.
NOT_READ = frozenset({"README", "说明"})
_ROW = re.compile(r"[A-Z]+([0-9]+)")
_RELATED = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}id"


def xlsx_rows(body: bytes) -> Iterator[SourceRow]:
    """Raises ValueError, with the place, when the workbook as a whole cannot be read."""
    seen = look(body)
    try:
        workbook = python_calamine.load_workbook(io.BytesIO(body))
    except (python_calamine.CalamineError, OSError) as wrong:
        raise ValueError(f"the workbook cannot be read: {wrong}; save it anew as .xlsx") from wrong
    entries = _entries(body)
    for name in workbook.sheet_names:
        if name not in NOT_READ:
            yield from _sheet_rows(workbook, name, seen.get(entries.get(name, ""), Sheet()))


def _sheet_rows(workbook: python_calamine.CalamineWorkbook, name: str, seen: Sheet) -> Iterator[SourceRow]:
    try:
        sheet = workbook.get_sheet_by_name(name)
        rows = sheet.to_python(skip_empty_area=False)
    except (python_calamine.CalamineError, OSError, ValueError) as wrong:
        raise ValueError(f"{name}: cannot be read: {wrong}; save the workbook anew as .xlsx") from wrong
    if not rows:
        return
    formulas = {int(found[1]): cell for cell in reversed(seen.formulas) if (found := _ROW.match(cell))}
    if 1 in formulas:
        raise ValueError(f"{name}!1: the header has a formula ({formulas[1]}); write the name itself")
    table = Table([text_of(cell) for cell in rows[0]], f"{name}!1", kind_of(name))
    for number, row in enumerate(rows[1:], 2):
        if number in formulas:
            fault = f"cell {formulas[number]} is a formula; formulas are not evaluated: put its value there"
            yield SourceRow(f"{name}!{number}", "row", "", None, fault)
            continue
        cells = [text_of(cell) for cell in row]
        if any(cells):
            yield table.row(f"{name}!{number}", cells)


def text_of(cell: object) -> str:
    """A cell's value as it would be typed: whole numbers without a fraction, days as YYYY-MM-DD."""
    match cell:
        case str():
            return cell
        case bool():
            return "true" if cell else "false"
        case float():
            return str(int(cell)) if cell.is_integer() and abs(cell) < 1e15 else repr(cell)
        case datetime():
            return cell.date().isoformat() if (cell.hour, cell.minute, cell.second) == (0, 0, 0) else cell.isoformat()
        case date():
            return cell.isoformat()
        case None:
            return ""
        case _:
            return str(cell)


def _entries(body: bytes) -> dict[str, str]:
    """Entry of each sheet by its name. (`look` has seen that both parts are small and have no document type.)"""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314
            related = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314
    except (KeyError, ElementTree.ParseError) as wrong:
        raise ValueError(f"the workbook's list of sheets cannot be read: {wrong}; save it anew as .xlsx") from wrong
    targets = {one.get("Id", ""): one.get("Target", "") for one in related}
    found: dict[str, str] = {}
    for sheet in book.iter():
        if sheet.tag.endswith("}sheet"):
            target = targets.get(sheet.get(_RELATED, ""), "")
            found[sheet.get("name", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return found
