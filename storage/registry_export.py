"""The registry out again, as the rows that an import would take: the same file, imported, changes nothing.

Y1  Rows come from the tables one by one, in the order of their keys, so that no export is held in memory; what is seen
    is what the connection's role may see. Call it in a transaction of repeatable reads for one moment's registry.
Y2  No export holds a token; with `tokens` it holds their hashes, by which devices stay signed in after a restore.
"""

import csv
import io
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, LiteralString

import msgspec

from access.enterprises import Enterprise
from devices.sites import Device, Link
from storage.database import Connection
from storage.registry_facts import FACT_BY_NAME, FACTS
from storage.registry_kinds import KIND_BY_NAME, KINDS, EnterpriseWritten, FileKind, TokenWritten, harmless, joined
from storage.registry_people import exported_people
from storage.registry_read import CREDENTIALS, DEVICES, MATRIX, SITES, device_of, matrix_row_of, site_of
from storage.registry_rows import DeviceGiven
from storage.sealed import MasterKey

_OF_PEOPLE = frozenset(kind.name for kind in FACTS if kind.of_people)
#: Rows that are fetched, and written, at a time.
_AT_A_TIME = 2_000
#: One table for all kinds: `kind`, then each column once, in the order in which kinds have them.
TABLE_COLUMNS: tuple[str, ...] = ("kind", *dict.fromkeys(name for kind in KINDS for name in kind.columns))


@dataclass(frozen=True, slots=True)
class PeopleOut:
    """That people are exported too. plain: in clear, which the caller has recorded with its purpose; else masked."""

    master: MasterKey
    plain: bool = False


def kinds_of(names: Sequence[str] | None, *, tokens: bool, people: bool = False) -> tuple[FileKind, ...]:
    """The kinds to export, in the order in which they need each other. Raises ValueError for a word that is none."""
    for name in names or ():
        if name not in KIND_BY_NAME:
            raise ValueError(f"kind {name!r} must be one of {', '.join(KIND_BY_NAME)}")
    return tuple(kind for kind in KINDS if (kind.name in names if names else True) and (tokens or kind.name != "token"))


async def written_rows(
    connection: Connection, kind: FileKind, people: PeopleOut | None = None
) -> AsyncIterator[msgspec.Struct]:
    """All rows of a kind as files give them (Y1). Raises psycopg.Error; call under `translated()`."""
    if kind.name in _OF_PEOPLE:
        if people is not None:
            async for fact in exported_people(connection, people.master, kind.name, plain=people.plain):
                yield fact
        return
    async with connection.cursor(name="davy_export") as cursor:
        cursor.itersize = _AT_A_TIME
        await cursor.execute(_query(kind))
        async for row in cursor:
            written = _written(kind, row)
            if written is not None:
                yield written


def _query(kind: FileKind) -> LiteralString:
    match kind.name:
        case "site":
            return SITES + " ORDER BY key"
        case "device":
            return DEVICES + " ORDER BY device_no"
        case "link":
            return "SELECT detector, valve FROM link ORDER BY detector, valve"
        case "matrix":
            return MATRIX + " ORDER BY id"
        case "token":
            return CREDENTIALS + " ORDER BY identity"
        case name:
            fact = FACT_BY_NAME[name]
            columns: LiteralString = ", ".join(fact.columns)
            there: LiteralString = " WHERE gone IS NULL" if fact.has_gone or fact.table in ("site", "device") else ""
            key: LiteralString = ", ".join(fact.columns[fact.type.__struct_fields__.index(one)] for one in fact.keys)
            return "SELECT " + columns + " FROM " + fact.table + there + " ORDER BY " + key  # noqa: S608


def _written(kind: FileKind, row: tuple[Any, ...]) -> msgspec.Struct | None:
    match kind.name:
        case "site":
            return site_of(row)
        case "device":
            return _device(device_of(row))
        case "link":
            return Link(*row)
        case "matrix":
            return matrix_row_of(row)
        case "token":
            return TokenWritten(row[0], "", row[1])
        case name:
            fact = FACT_BY_NAME[name].of_row(row)
            if FACT_BY_NAME[name].part_of and FACT_BY_NAME[name].empty(fact):
                return None
            return EnterpriseWritten(*msgspec.structs.astuple(fact)) if isinstance(fact, Enterprise) else fact


def _device(device: Device) -> DeviceGiven:
    return DeviceGiven(*msgspec.structs.astuple(device)[1:])


def cells_of(written: msgspec.Struct) -> list[str]:
    """As text, by the columns of its kind; what a spreadsheet would take for a formula made harmless."""
    return [harmless(_text(value)) for value in msgspec.structs.astuple(written)]


def _text(value: Any) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Enum():
            return str(value.value)
        case str():
            return value
        case tuple():
            return joined(str(one.value) if isinstance(one, Enum) else str(one) for one in value)
        case _:
            return repr(value)


async def as_csv(
    connection: Connection,
    kinds: Sequence[FileKind],
    header: Sequence[str] | None = None,
    people: PeopleOut | None = None,
) -> AsyncIterator[bytes]:
    """One table of all kinds, UTF-8 with its mark, so that spreadsheets read it as such. `header`: other names for
    TABLE_COLUMNS."""
    lines = _Lines()
    lines.put(header or TABLE_COLUMNS)
    yield b"\xef\xbb\xbf"
    for kind in kinds:
        at = [TABLE_COLUMNS.index(name) for name in kind.columns]
        async for written in written_rows(connection, kind, people):
            row = [""] * len(TABLE_COLUMNS)
            row[0] = kind.name
            for place, cell in zip(at, cells_of(written), strict=True):
                row[place] = cell
            lines.put(row)
            for chunk in lines.full():
                yield chunk
    yield lines.rest()


class _Lines:
    """CSV (RFC 4180) on its way out."""

    def __init__(self) -> None:
        self._text = io.StringIO()
        self._writer = csv.writer(self._text)
        self._held = 0

    def put(self, row: Sequence[str]) -> None:
        self._writer.writerow(row)
        self._held += 1

    def full(self) -> Iterator[bytes]:
        if self._held >= _AT_A_TIME:
            yield self.rest()

    def rest(self) -> bytes:
        body = self._text.getvalue().encode()
        self._text.seek(0)
        self._text.truncate()
        self._held = 0
        return body


async def as_json(
    connection: Connection, kinds: Sequence[FileKind], people: PeopleOut | None = None
) -> AsyncIterator[bytes]:
    """The document that an import reads."""
    yield b"{"
    for number, kind in enumerate(kinds):
        yield (b",\n" if number else b"\n") + msgspec.json.encode(kind.plural) + b": ["
        held: list[bytes] = []
        first = True
        async for written in written_rows(connection, kind, people):
            held.append((b"\n" if first else b",\n") + msgspec.json.encode(_less_empty(written)))
            first = False
            if len(held) >= _AT_A_TIME:
                yield b"".join(held)
                held.clear()
        yield b"".join(held) + b"]"
    yield b"\n}\n"


def _less_empty(written: msgspec.Struct) -> dict[str, Any]:
    """What is as it is by itself need not be said."""
    fields = msgspec.structs.fields(type(written))
    values = msgspec.structs.astuple(written)
    return {
        field.name: value
        for field, value in zip(fields, values, strict=True)
        if field.required or value != field.default
    }
