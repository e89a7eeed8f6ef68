"""Whether a workbook may be opened: looked at piece by piece before any of it is unpacked as a whole.

X1  Nothing is taken on the archive's own word: every entry is unpacked in pieces, counted, and thrown away; the bounds
    stop it (a bomb says that it is small).
X2  A sheet is as large as its farthest cell, however few it has, because the reader makes a table of it: so the names
    of all cells are read here, and a sheet whose cells stand too far apart is refused.
X3  A formula is found and its row refused: what it shows is another program's answer, and we evaluate nothing.
"""

import io
import re
import zipfile
from dataclasses import dataclass, field

from storage.registry_kinds import MOST_CELL, MOST_COLUMNS

#: Product choices. A workbook of 100,000 devices with their sites and tokens has 25 entries and 120 MiB of XML.
MOST_ENTRIES = 1_000
MOST_UNPACKED = 512 * 1024 * 1024
#: Deflate cannot do better than 1,032 to 1; a sheet of real rows is within 40. Below _SMALL nothing is a bomb.
MOST_RATIO = 250
_SMALL = 4 * 1024 * 1024
#: Rows of a sheet (ECMA-376 part 1: 2^20), and cells of all of them as a table.
MOST_ROWS = 1 << 20
MOST_CELLS = 24_000_000
_PIECE = 1 << 20
#: Bytes between two `<`: a cell's text with each character as long as XML can write it (`&#1114111;`).
_LONGEST_RUN = 10 * MOST_CELL

_REFERENCE = re.compile(rb"""[\s"']r\s*=\s*["']([^"'<]*)["']""")
_CELL = re.compile(rb"([A-Z]{1,3})?([0-9]{1,7})\Z")
_FORMULA = re.compile(rb"""<(?:\w+:)?c\s[^<>]*?r\s*=\s*["']([A-Z]{1,3}[0-9]{1,7})["'][^<>]*>\s*<(?:\w+:)?f[\s/>]""")
_ENCODING = re.compile(rb"""\A(?:\xef\xbb\xbf)?\s*<\?xml[^>]*encoding\s*=\s*["']([^"']*)["']""")


@dataclass(slots=True)
class Sheet:
    """What was seen of one sheet's file. formulas: cells (`C5`)."""

    rows: int = 0
    columns: int = 0
    formulas: list[str] = field(default_factory=list)


def look(body: bytes) -> dict[str, Sheet]:
    """What stands in the workbook's sheets, by the name of their entry (`xl/worksheets/sheet1.xml`). Raises ValueError
    with place, reason and remedy when it may not be opened."""
    try:
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            return _look(archive)
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError) as wrong:
        raise ValueError(f"the workbook cannot be unpacked: {wrong}; save it anew as .xlsx") from wrong
    except Exception as wrong:  # zlib.error, lzma's and struct's have no common parent
        if type(wrong).__module__ in ("zlib", "lzma", "_lzma", "struct", "_bz2"):
            raise ValueError(f"the workbook cannot be unpacked: {wrong}; save it anew as .xlsx") from wrong
        raise


def _look(archive: zipfile.ZipFile) -> dict[str, Sheet]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise ValueError(f"the workbook has {len(entries):,} entries; at most {MOST_ENTRIES:,}")
    if len({entry.filename for entry in entries}) != len(entries):
        raise ValueError("the workbook has two entries of one name; save it anew as .xlsx")
    if "xl/workbook.xml" not in archive.namelist():
        raise ValueError("the file is an archive, but no workbook (.xlsx)")
    sheets: dict[str, Sheet] = {}
    left = MOST_UNPACKED
    for entry in entries:
        name = entry.filename
        if entry.flag_bits & 1:
            raise ValueError(f"{name}: the workbook has a password; save it without one")
        if entry.file_size > MOST_RATIO * max(entry.compress_size, 1) and entry.file_size > _SMALL:
            raise ValueError(f"{name}: unpacks to {entry.file_size:,} bytes, more than {MOST_RATIO} times its size")
        if entry.file_size > left:
            raise ValueError(f"{name}: the workbook unpacks to more than {MOST_UNPACKED:,} bytes; split it")
        sheet = sheets.setdefault(name, Sheet()) if name.startswith("xl/worksheets/") else None
        left -= _look_at(archive, entry, sheet, left)
    cells = sum(sheet.rows * sheet.columns for sheet in sheets.values())
    if cells > MOST_CELLS:
        raise ValueError(f"the workbook's tables have {cells:,} cells; at most {MOST_CELLS:,}; split it")
    return sheets


def _look_at(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, sheet: Sheet | None, left: int) -> int:
    """Bytes of one entry, unpacked piece by piece (X1)."""
    name, size, carried = entry.filename, 0, b""
    is_xml = name.endswith((".xml", ".rels"))
    allowed = max(_SMALL, MOST_RATIO * len_of(entry))
    with archive.open(entry) as stream:
        while piece := stream.read(_PIECE):
            first = size == 0
            size += len(piece)
            if size > min(left, allowed):
                raise ValueError(f"{name}: unpacks to more than it says; the file is damaged or hostile")
            if is_xml:
                carried = _look_at_xml(name, carried + piece, sheet, first=first)
    if is_xml and carried:
        _look_at_xml(name, carried + b"<", sheet, first=False)
    return size


def len_of(entry: zipfile.ZipInfo) -> int:
    return max(entry.compress_size, 1)


def _look_at_xml(name: str, text: bytes, sheet: Sheet | None, *, first: bool) -> bytes:
    """Look at all up to the last `<`, and give back the rest, which may be cut."""
    if first and (said := _ENCODING.match(text)) and said[1].lower() not in (b"utf-8", b"us-ascii"):
        raise ValueError(f"{name}: is written in {said[1][:40]!r}; a workbook's XML is UTF-8")
    if b"\x00" in text or b"<!DOCTYPE" in text or b"<!ENTITY" in text:
        raise ValueError(f"{name}: holds what no workbook needs (a document type or NUL); save it anew as .xlsx")
    # Two marks back: a formula stands in the tag after its cell's.
    end = text.rfind(b"<", 0, max(text.rfind(b"<"), 0))
    end = max(end, 0)
    if _longest_run(text) > _LONGEST_RUN:
        raise ValueError(f"{name}: a cell of more than {MOST_CELL:,} characters")
    if sheet is not None:
        _measure(name, text, end or len(text), sheet)
    return text[end:]


def _longest_run(text: bytes) -> int:
    if len(text) <= _LONGEST_RUN:
        return 0
    return max(map(len, text.split(b"<")))


def _measure(name: str, text: bytes, end: int, sheet: Sheet) -> None:
    columns: set[bytes] = set()
    for reference in _REFERENCE.findall(text):
        cell = _CELL.match(reference)
        if cell is None:
            raise ValueError(f"{name}: a cell calls itself {reference[:20]!r}; save the workbook anew as .xlsx")
        columns.add(cell[1] or b"A")
        sheet.rows = max(sheet.rows, int(cell[2]))
    sheet.columns = max(sheet.columns, max(map(_number, columns), default=0))
    if sheet.columns > MOST_COLUMNS:
        raise ValueError(f"{name}: {sheet.columns:,} columns; at most {MOST_COLUMNS}")
    if sheet.rows > MOST_ROWS:
        raise ValueError(f"{name}: {sheet.rows:,} rows; at most {MOST_ROWS:,}")
    sheet.formulas += [found[1].decode() for found in _FORMULA.finditer(text) if found.start() < end]


def _number(letters: bytes) -> int:
    """A is 1, Z is 26, AA is 27."""
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
