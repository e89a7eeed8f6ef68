"""What `davy registry import` reads: one JSON document, or CSV with a `kind` column. Parsed at once into frozen rows.

JSON: {"sites": [{"key", "name", "address", "enterprise", "timezone", "simulated", "area", "building", "riser",
                  "site_class", "tags"}],
       "devices": [{"vendor", "serial", "model", "site", "gateway", "address", "tags", "installed",
                    "calibration_due"}],
       "links": [{"detector", "valve"}],
       "matrix": [{"id", "detectors", "votes", "rules", "valves", "fans"}],
       "tokens": [{"identity", "token" | "token_sha256"}]}
CSV:  a header with `kind` (site, device, link, matrix, token) and the same names as columns, one row per thing; columns
      that a kind does not have stay empty, and what is several (tags, detectors, ...) stands with `;` between.
      `address` is a site's in words, and a device's on its bus (devices/addresses.py).

A token given in clear is hashed here and goes no further. One given neither way is made by the import and shown once.
"""

import csv
import io
import re
from dataclasses import dataclass
from datetime import date
from typing import Any

import msgspec

from devices.sites import Link, MatrixRow, Site, token_sha256

#: A token is 256 random bits; in any usual spelling that is 43 characters or more. Shorter ones can be guessed, and an
#: unsalted hash protects only what cannot.
SHORTEST_TOKEN = 32
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}\Z")
#: Columns of CSV that hold several words.
_SEVERAL = frozenset({"tags", "detectors", "rules", "valves", "fans"})
_TRUE, _FALSE = {"true", "1", "yes"}, {"", "false", "0", "no"}


class DeviceGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device as an operator writes it: its number is given by the import."""

    vendor: str
    serial: str
    model: str
    site: str
    gateway: str = ""
    address: str = ""
    tags: tuple[str, ...] = ()
    installed: str = ""
    calibration_due: str = ""

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


class TokenGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device's token by its hash; empty: make one unless the device has one."""

    identity: str
    sha256: str = ""


Given = Site | DeviceGiven | Link | MatrixRow | TokenGiven


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row and where it stands (`line 12`, `devices[3]`). `fault` is set where it cannot be used whatever the rest
    says."""

    place: str
    given: Given
    fault: str = ""


class _Token(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    identity: str
    token: str = ""
    token_sha256: str = ""


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    sites: tuple[Site, ...] = ()
    devices: tuple[DeviceGiven, ...] = ()
    links: tuple[Link, ...] = ()
    matrix: tuple[MatrixRow, ...] = ()
    tokens: tuple[_Token, ...] = ()


_COLUMNS: dict[str, frozenset[str]] = {
    "site": frozenset(Site.__struct_fields__),
    "device": frozenset(DeviceGiven.__struct_fields__),
    "link": frozenset(Link.__struct_fields__),
    "matrix": frozenset(MatrixRow.__struct_fields__),
    "token": frozenset(_Token.__struct_fields__),
}


def parse_source(body: bytes) -> tuple[SourceRow, ...]:
    """The rows of a file, JSON when it begins with a brace, else CSV, in the order sites, devices, links,
    matrix, tokens. Raises ValueError naming the place and the reason when it is neither."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        rows = _json_rows(body.removeprefix(b"\xef\xbb\xbf"))
    else:
        rows = _csv_rows(body)
    order = (Site, DeviceGiven, Link, MatrixRow, TokenGiven)
    return tuple(sorted(map(_looked_at, rows), key=lambda row: order.index(type(row.given))))


def _looked_at(row: SourceRow) -> SourceRow:
    """The row with its tags in order, so that the same tags are the same row, and with what is wrong with it whatever
    the registry holds."""
    given = row.given
    if isinstance(given, Site | DeviceGiven) and given.tags:
        given = msgspec.structs.replace(given, tags=tuple(sorted({tag.strip() for tag in given.tags} - {""})))
    values = msgspec.structs.astuple(given)
    words = [word for value in values for word in (value if isinstance(value, tuple) else (value,))]
    fault = row.fault
    # PostgreSQL's text takes every character but this.
    if any(isinstance(word, str) and "\x00" in word for word in words):
        fault = "a NUL character; take it out"
    elif isinstance(given, DeviceGiven):
        fault = (
            fault or _day_fault("installed", given.installed) or _day_fault("calibration_due", given.calibration_due)
        )
    return SourceRow(row.place, given, fault)


def _day_fault(name: str, day: str) -> str:
    try:
        if not day or (_DAY.match(day) and date.fromisoformat(day)):
            return ""
    except ValueError:
        pass
    return f"{name} {day!r} is no day; write it as YYYY-MM-DD, or leave it empty where it is not known"


def _json_rows(body: bytes) -> list[SourceRow]:
    document = msgspec.json.decode(body, type=_Document)
    rows = [SourceRow(f"sites[{at}]", site) for at, site in enumerate(document.sites)]
    rows += [SourceRow(f"devices[{at}]", device) for at, device in enumerate(document.devices)]
    rows += [SourceRow(f"links[{at}]", link) for at, link in enumerate(document.links)]
    rows += [SourceRow(f"matrix[{at}]", row) for at, row in enumerate(document.matrix)]
    return rows + [_token_row(f"tokens[{at}]", token) for at, token in enumerate(document.tokens)]


def _csv_rows(body: bytes) -> list[SourceRow]:
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise ValueError(f"the file is neither JSON nor UTF-8 text: {wrong}") from wrong
    reader = csv.DictReader(io.StringIO(text, newline=""), restkey="", strict=True)
    columns = set(reader.fieldnames or ())
    known = {"kind"}.union(*_COLUMNS.values())
    if "kind" not in columns or not columns <= known:
        wrong_ones = ", ".join(sorted(columns - known)) or "no `kind`"
        raise ValueError(f"line 1: a header with `kind` and any of {', '.join(sorted(known))}; got {wrong_ones}")
    rows: list[SourceRow] = []
    try:
        for line in reader:
            rows.append(_csv_row(f"line {reader.line_num}", line))
    except csv.Error as wrong:
        raise ValueError(f"line {reader.line_num}: {wrong}") from wrong
    return rows


def _csv_row(place: str, line: dict[str, str]) -> SourceRow:
    if "" in line:
        raise ValueError(f"{place}: more fields than the header has columns")
    given = {name: (value or "").strip() for name, value in line.items()}
    kind = given.pop("kind")
    if kind not in _COLUMNS:
        raise ValueError(f"{place}: kind {kind!r} must be one of {', '.join(_COLUMNS)}")
    foreign = sorted(name for name, value in given.items() if value and name not in _COLUMNS[kind])
    if foreign:
        raise ValueError(f"{place}: a {kind} has no {', '.join(foreign)}")
    mine: dict[str, Any] = {name: given[name] for name in _COLUMNS[kind] if given.get(name)}
    for name in _SEVERAL & mine.keys():
        mine[name] = [word for word in map(str.strip, mine[name].split(";")) if word]
    try:
        if kind == "matrix":
            # Not strict: CSV has no numbers.
            return SourceRow(place, msgspec.convert(mine, MatrixRow, strict=False))
        if kind == "site":
            simulated = mine.pop("simulated", "").lower()
            if simulated not in _TRUE | _FALSE:
                raise ValueError(f"simulated {simulated!r} must be true or false")
            return SourceRow(place, msgspec.convert({**mine, "simulated": simulated in _TRUE}, Site))
        if kind == "device":
            return SourceRow(place, msgspec.convert(mine, DeviceGiven))
        if kind == "link":
            return SourceRow(place, msgspec.convert(mine, Link))
        return _token_row(place, msgspec.convert(mine, _Token))
    except ValueError as wrong:
        raise ValueError(f"{place}: {wrong}") from wrong


def _token_row(place: str, token: _Token) -> SourceRow:
    if token.token and token.token_sha256:
        return SourceRow(place, TokenGiven(token.identity), "give `token` or `token_sha256`, not both")
    if token.token and len(token.token) < SHORTEST_TOKEN:
        fault = f"a token has at least {SHORTEST_TOKEN} characters (256 random bits); leave it empty to have one made"
        return SourceRow(place, TokenGiven(token.identity), fault)
    if token.token_sha256 and not _SHA256.match(token.token_sha256):
        return SourceRow(place, TokenGiven(token.identity), "token_sha256 is 64 lower-case hexadecimal digits")
    return SourceRow(
        place, TokenGiven(token.identity, token_sha256(token.token) if token.token else token.token_sha256)
    )
