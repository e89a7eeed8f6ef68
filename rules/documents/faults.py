"""What is wrong with a rule document: where, what, and what to do about it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """key: dotted, or empty when the fault is the whole table's. `text` is an expression of which the columns
    [start, end) (from 0) are at fault; empty: the fault is about no expression. `weighed`: the table can be judged by,
    and is refused for what it would mean, or for what this machine does not know; one that is in force stays so."""

    key: str
    reason: str
    text: str = ""
    start: int = 0
    end: int = 0
    weighed: bool = False

    @property
    def caret(self) -> str:
        """The line of the expression at fault and one that points at it; empty without an expression."""
        if not self.text:
            return ""
        first = self.text.rfind("\n", 0, self.start) + 1
        line = self.text[first:].split("\n", 1)[0].replace("\t", " ")
        many = max(1, min(self.end - first, len(line)) - (self.start - first))
        return f"    {line}\n    {' ' * (self.start - first)}{'^' * many}"


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """`place`: `file:line` as far as it is known. `called`: the table: "rule 'ch4-low'"; empty: the whole document."""

    place: str
    called: str
    fault: Fault

    def __str__(self) -> str:
        column = f"column {self.fault.start + 1}" if self.fault.text else ""
        parts = (self.place, self.called, self.fault.key, column, self.fault.reason)
        return ": ".join(part for part in parts if part)


class PackRefused(ValueError):
    """A rule document that may not be used. As text: one line per fault."""

    def __init__(self, faults: Sequence[PlacedFault]) -> None:
        super().__init__("\n".join(str(fault) for fault in faults))
        self.faults = tuple(faults)


#: Of a document whose brackets only end a reader's stack.
TOO_DEEP = "brackets within brackets, too many to be read"
#: Begins the part of a merged document that came from one pack (rules/documents/merged.py); its lines count from here.
PART = "#:::: pack "
_KEY = re.compile(r"[.\[]")
_TABLE = re.compile(r"\s*\[\[\s*([a-z_]+)\s*\]\]")


class Places:
    """Where the tables of a document stand. A place that is not sure is not named: a document may be written in
    another way than one `[[rule]]` per rule."""

    def __init__(self, name: str, text: str, tables: dict[str, int]) -> None:
        """tables: how many there are of each array of tables ("rule", "override")."""
        self.name, self._lines = name, text.splitlines()
        heads = [(at, match[1]) for at, line in enumerate(self._lines) if (match := _TABLE.match(line))]
        ends = [*(at for at, _ in heads[1:]), len(self._lines)][: len(heads)]
        self._tables: dict[str, list[tuple[int, int]]] = {table: [] for table in tables}
        for (at, table), end in zip(heads, ends, strict=True):
            self._tables.setdefault(table, []).append((at, end))
        for table, many in tables.items():
            if len(self._tables[table]) != many:
                self._tables[table] = []

    def of(self, table: str, index: int, key: str = "") -> str:
        """`file:line` of a key of the table, else of the table's head, else only the file."""
        if not self._tables[table]:
            return self.name
        first, end = self._tables[table][index]
        wanted = re.compile(rf"\s*{re.escape(_KEY.split(key)[0])}\s*[.=]")
        at = next((n for n in range(first, end) if key and wanted.match(self._lines[n])), first)
        part = next((n for n in range(at, -1, -1) if self._lines[n].startswith(PART)), None)
        if part is None:
            return f"{self.name}:{at + 1}"
        return f"{self._lines[part].removeprefix(PART).strip()}:{at - part}"
