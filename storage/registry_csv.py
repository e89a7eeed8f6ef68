"""CSV as a file of the registry: which characters it is written in, and its rows.

C1  The encoding is found, not guessed at: UTF-8 with or without its mark, or GB18030 whose characters are those of
    everyday Chinese. Anything else is refused with the place where it cannot be read, and what to do.
"""

import csv
import io
from collections.abc import Iterator

from storage.registry_kinds import KINDS, MOST_CELL, MOST_COLUMNS, ROWS, FileKind, as_meant, column_of, kind_of
from storage.registry_rows import SourceRow

#: Of the Chinese characters of a GB18030 file, at least this share is of GB 2312-1980, whose 6,763 characters are
#: nearly all of modern text. Bytes of another encoding that happen to decode are mostly others. Product choice: rare
#: characters of names have room.
_EVERYDAY = 0.8
_SAVE_AS = "save it as CSV UTF-8"


def csv_rows(body: bytes) -> Iterator[SourceRow]:
    """Raises ValueError, with the line, when the file as a whole cannot be read."""
    reader = csv.reader(io.StringIO(decoded(body), newline=""), strict=True)
    try:
        header = next(reader, [])
        table = Table(header, "line 1")
        for cells in reader:
            if cells:
                yield table.row(f"line {reader.line_num}", cells)
    except csv.Error as wrong:
        raise ValueError(f"line {reader.line_num}: {wrong}; see whether a quotation mark is missing") from wrong


class Table:
    """A header, and the rows below it. `kind` None: each row names its own in the column `kind`."""

    def __init__(self, header: list[str], place: str, kind: FileKind | None = None) -> None:
        """Raises ValueError naming what is wrong with the header."""
        while header and not header[-1].strip():
            header = header[:-1]
        if len(header) > MOST_COLUMNS:
            raise ValueError(f"{place}: {len(header):,} columns; at most {MOST_COLUMNS}")
        self._columns = [column_of(name) for name in header]
        allowed = {name for one in ([kind] if kind else KINDS) for name in one.columns} | {"kind"}
        odd = [name for name, column in zip(header, self._columns, strict=True) if column not in allowed]
        twice = {name for name in self._columns if name and self._columns.count(name) > 1}
        if odd or twice or (kind is None and "kind" not in self._columns):
            wrong = ", ".join(word[:40] for word in odd[:5]) or ", ".join(sorted(twice)) or "no `kind`"
            needed = "a header with `kind` and any of" if kind is None else "a header with any of"
            raise ValueError(f"{place}: {needed} {', '.join(sorted(allowed - {'kind'}))}, each once; got {wrong}")
        self._kind = kind
        self._at = self._columns.index("kind") if "kind" in self._columns else -1
        self._own = {one.name: frozenset(one.columns) for one in KINDS}

    def row(self, place: str, cells: list[str]) -> SourceRow:
        if len(cells) > len(self._columns) and any(map(str.strip, cells[len(self._columns) :])):
            return _refused(place, "more cells than the header has columns; see whether a comma needs quotation marks")
        word = cells[self._at] if 0 <= self._at < len(cells) else ""
        kind = self._kind or kind_of(word)
        if kind is None:
            return _refused(place, f"kind {word[:40]!r} must be one of {', '.join(one.name for one in KINDS)}")
        if self._kind and word.strip() and kind_of(word) is not self._kind:
            return _refused(place, f"kind {word[:40]!r} on the sheet of {kind.plural}; put it on its own sheet")
        given: dict[str, str] = {}
        foreign: list[str] = []
        for column, cell in zip(self._columns, cells, strict=False):
            if not cell or column == "kind" or column is None:
                continue
            if len(cell) > MOST_CELL:
                return _refused(
                    place, f"{column}: a text of {len(cell):,} characters; at most {MOST_CELL:,}", kind.name
                )
            if text := as_meant(cell):
                given[column] = text
                if column not in self._own[kind.name]:
                    foreign.append(column)
        if foreign:
            return _refused(place, f"a {kind.name} has no {', '.join(sorted(foreign))}; leave it empty", kind.name)
        return ROWS[kind.name].of_text(place, given)


def _refused(place: str, fault: str, kind: str = "row") -> SourceRow:
    return SourceRow(place, kind, "", None, fault)


def decoded(body: bytes) -> str:
    """C1. Raises ValueError with place, reason and remedy."""
    if body.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise ValueError(f"line 1: the file is written in UTF-16; {_SAVE_AS}")
    if (at := body.find(b"\x00")) >= 0:
        raise ValueError(f"line {_line(body, at)}: a NUL byte: the file is no text, or in UTF-16 or UTF-32; {_SAVE_AS}")
    try:
        return body.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        not_utf8 = wrong.start
    place = f"line {_line(body, not_utf8)}: byte 0x{body[not_utf8]:02x} is not UTF-8"
    try:
        text = body.decode("gb18030")
    except UnicodeDecodeError as wrong:
        raise ValueError(f"{place}, and line {_line(body, wrong.start)} is not GB18030; {_SAVE_AS}") from wrong
    foreign = [character for character in text if character > "\x7f"]
    everyday = sum(_is_everyday(character) for character in foreign)
    if everyday < _EVERYDAY * len(foreign):
        raise ValueError(f"{place}, and as GB18030 it is no Chinese; {_SAVE_AS}")
    return text


def _is_everyday(character: str) -> bool:
    try:
        return len(character.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False


def _line(body: bytes, at: int) -> int:
    return body.count(b"\n", 0, at) + 1
