"""What `davy registry import` reads: JSON, CSV or a workbook, told apart by how they begin. Parsed into frozen rows.

JSON: {"sites": [{"key", "name", ...}], "devices": [...], "links": [...], "matrix": [...], "tokens": [...]}; the kinds
      and their columns are those of storage/registry_kinds.py.
CSV:  a header with `kind` and the same names as columns, one row per thing; columns that a kind does not have stay
      empty, and what is several (tags, detectors, ...) stands with `;` between. `address` is a site's in words, and a
      device's on its bus (devices/addresses.py).
XLSX: a sheet per kind, or the same table as CSV.
Headers are English or Chinese.

A token given in clear is hashed here and goes no further. One given neither way is made by the import and shown once.
"""

from collections.abc import Iterator

import msgspec

from storage.registry_csv import csv_rows
from storage.registry_kinds import KINDS, ORDER, ROWS
from storage.registry_rows import DeviceGiven, Given, SourceRow, TokenGiven
from storage.registry_xlsx import xlsx_rows

__all__ = ["DeviceGiven", "Given", "SourceRow", "TokenGiven", "parse_source"]

#: Bytes of a file, product choice: a million devices as CSV are 120 MiB.
MOST_BYTES = 512 * 1024 * 1024
_PLURALS = {kind.plural: kind.name for kind in KINDS}


def parse_source(body: bytes) -> tuple[SourceRow, ...]:
    """The rows of a file, kinds in the order in which they need each other. What cannot be used of a row is its fault;
    raises ValueError naming the place and the reason when the file as a whole is none of ours."""
    if len(body) > MOST_BYTES:
        raise ValueError(f"the file has {len(body):,} bytes; at most {MOST_BYTES:,}; split it")
    if body.startswith(b"PK\x03\x04"):
        rows = xlsx_rows(body)
    elif body.startswith(b"\xd0\xcf\x11\xe0"):
        raise ValueError(
            "the file is a workbook of the old kind (.xls) or has a password; save it as .xlsx without one"
        )
    elif body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        rows = _json_rows(body.removeprefix(b"\xef\xbb\xbf"))
    else:
        rows = csv_rows(body)
    return tuple(sorted(rows, key=lambda row: ORDER.get(row.kind, len(ORDER))))


def _json_rows(body: bytes) -> Iterator[SourceRow]:
    try:
        document = msgspec.json.decode(body, type=dict[str, list[msgspec.Raw]])
    except RecursionError as wrong:
        raise ValueError("the document is nested too deeply; nothing of ours is") from wrong
    unknown = sorted(document.keys() - _PLURALS.keys())
    if unknown:
        raise ValueError(f"$.{unknown[0][:40]}: must be one of {', '.join(_PLURALS)}")
    for plural, ones in document.items():
        rows = ROWS[_PLURALS[plural]]
        for at, raw in enumerate(ones):
            yield rows.of_json(f"{plural}[{at}]", raw)
