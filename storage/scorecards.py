"""Scorecards as they are kept: drafts that may be made anew, and published ones that never change. Raises DatabaseAway,
DatabaseRefused.

K1  A published card stays, the database sees to it; a correction is another card that names it, one at a time.
K2  Who reads a card reads its own part: an enterprise its own cards, a regulator what lies in its area.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import msgspec

from access.audit_chain import Plain
from devices.scorecard import Promise, Tally
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.scoped import lies_within
from storage.scorecard_counts import Counted
from storage.text import clean
from storage.times import as_datetime


class CardConflict(ValueError):
    """Not as things stand. Permanent: a card of that month is published already, or what it corrects is not."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whose cards are read (K2): of these enterprises, or of these prefixes of areas; enterprises None: everybody's."""

    enterprises: Collection[str] | None = None
    areas: Collection[str] = ()


EVERYBODYS = Reader()


@dataclass(frozen=True, slots=True)
class Header:
    """A card without its figures. Times are microseconds since 1970 UTC; published None: a draft."""

    scorecard: int
    enterprise: str
    kind: str
    area: str
    month: date
    timezone: str
    known: int
    until: int
    simulated: bool
    promises: tuple[Promise, ...]
    code: str
    sha256: str
    corrects: int | None
    published: int | None
    published_by: str


_HEADERS: LiteralString = """
SELECT s.scorecard, s.enterprise, s.kind, s.area, s.month, s.timezone, davy_us(s.known), davy_us(s.until_at),
    s.simulated, s.promises::text, s.code, s.sha256, s.corrects, davy_us(s.published), s.published_by
FROM scorecard s WHERE """
_CELLS: LiteralString = "SELECT c.area, c.counts::text FROM scorecard_cell c WHERE "
_KEEP: LiteralString = """
INSERT INTO scorecard (enterprise, kind, area, month, timezone, known, until_at, simulated, promises, code, sha256,
    corrects)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING scorecard"""


async def keep(connection: Connection, counted: Counted, *, code: str, corrects: int | None = None) -> int:
    """A draft, in place of the draft there was; its number. Raises CardConflict for a correction of what is not a
    published card of the same."""
    asked = counted.asked
    of = (clean(asked.enterprise), clean(asked.area), asked.month, asked.simulated)
    with translated():
        if corrects is not None:
            cursor = await connection.execute(
                "SELECT FROM scorecard WHERE scorecard = %s AND published IS NOT NULL"
                " AND (enterprise, area, month, simulated) = (%s, %s, %s, %s)",
                (corrects, *of),
            )
            if await cursor.fetchone() is None:
                raise CardConflict(f"there is no published scorecard {corrects} of the same month and area")
        await connection.execute(
            "DELETE FROM scorecard WHERE published IS NULL AND (enterprise, area, month, simulated) = (%s, %s, %s, %s)",
            of,
        )
        promises = msgspec.json.encode(counted.promises).decode()
        said = (asked.timezone, as_datetime(asked.known_us), as_datetime(asked.until_us), asked.simulated, promises)
        cursor = await connection.execute(
            _KEEP, (of[0], asked.kind.value, of[1], asked.month, *said, code, digest(counted), corrects)
        )
        row = await cursor.fetchone()
        assert row is not None
        async with connection.cursor() as many:
            await many.executemany(
                "INSERT INTO scorecard_cell (scorecard, area, enterprise, counts) VALUES (%s, %s, %s, %s)",
                [(row[0], area, of[0], msgspec.json.encode(one).decode()) for area, one in counted.tallies.items()],
            )
    return int(row[0])


def digest(counted: Counted) -> str:
    """SHA-256 of the figures and of what they are of: the same question of the same facts has the same."""
    asked = counted.asked
    of = (asked.enterprise, asked.area, f"{asked.month:%Y-%m}", asked.timezone, asked.known_us, asked.until_us)
    body = msgspec.json.encode([of, asked.simulated, counted.promises, counted.tallies], order="sorted")
    return hashlib.sha256(body).hexdigest()


async def publish(connection: Connection, scorecard: int, *, by: str, now_us: int, tenant: str = "") -> None:
    """K1, and say so in the record of `tenant`. Raises CardConflict when it, or another of the same month, is published
    already, and LookupError where the asker has no such card to publish."""
    with translated():
        cursor = await connection.execute(
            "SELECT enterprise, area, month, simulated, sha256, corrects, published IS NOT NULL FROM scorecard"
            " WHERE scorecard = %s",
            (scorecard,),
        )
        row = await cursor.fetchone()
        if row is None:
            raise LookupError(f"there is no scorecard {scorecard}")
        enterprise, area, month, simulated, sha256, corrects, published = row
        if published:
            raise CardConflict(f"scorecard {scorecard} is published already")
        cursor = await connection.execute(
            "SELECT scorecard FROM scorecard WHERE published IS NOT NULL AND corrects IS NOT DISTINCT FROM %s"
            " AND (enterprise, area, month, simulated) = (%s, %s, %s, %s)",
            (corrects, enterprise, area, month, simulated),
        )
        if (former := await cursor.fetchone()) is not None:
            raise CardConflict(f"scorecard {former[0]} is published for that month; make one that corrects it")
        cursor = await connection.execute(
            "UPDATE scorecard SET published = %s, published_by = %s WHERE scorecard = %s",
            (as_datetime(now_us), clean(by), scorecard),
        )
        if cursor.rowcount == 0:
            raise LookupError(f"there is no scorecard {scorecard} of yours to publish")
        body: dict[str, Plain] = {"scorecard": scorecard, "enterprise": enterprise, "area": area, "corrects": corrects}
        body |= {"month": f"{month:%Y-%m}", "sha256": sha256}
        await record(connection, [Said(tenant, now_us, "scorecard_published", by, body)])


async def headers(
    connection: Connection,
    reader: Reader,
    *,
    limit: int,
    enterprise: str | None = None,
    month: date | None = None,
    published: bool | None = None,
    after: int | None = None,
) -> list[Header]:
    """Newest first."""
    condition, values = _seen(reader)
    query: LiteralString = _HEADERS + condition
    if enterprise is not None:
        query += " AND s.enterprise = %s"
        values.append(clean(enterprise))
    if month is not None:
        query += " AND s.month = %s"
        values.append(month)
    if published is not None:
        query += " AND (s.published IS NOT NULL) = %s"
        values.append(published)
    if after is not None:
        query += " AND s.scorecard < %s"
        values.append(after)
    with translated():
        cursor = await connection.execute(query + " ORDER BY s.scorecard DESC LIMIT %s", (*values, limit))
        return [_header(row) for row in await cursor.fetchall()]


async def header(connection: Connection, scorecard: int, reader: Reader = EVERYBODYS) -> Header | None:
    condition, values = _seen(reader)
    with translated():
        cursor = await connection.execute(_HEADERS + condition + " AND s.scorecard = %s", (*values, scorecard))
        row = await cursor.fetchone()
    return _header(row) if row else None


async def tallies(connection: Connection, scorecard: int, reader: Reader = EVERYBODYS) -> list[tuple[str, Tally]]:
    """By area, in order (K2); all under the empty one to a vendor, who is not told where its devices are."""
    condition, values = _part(reader, "c")
    with translated():
        cursor = await connection.execute(
            _CELLS + condition + " AND c.scorecard = %s ORDER BY c.area",
            (*values, scorecard),
        )
        return [(area, msgspec.json.decode(counts, type=Tally)) for area, counts in await cursor.fetchall()]


def _seen(reader: Reader) -> tuple[LiteralString, list[Any]]:
    """Cards of which the reader may see some part."""
    own, values = _part(reader, "s")
    if reader.enterprises is None or not reader.areas:
        return own, values
    part, more = _part(reader, "c")
    exists: LiteralString = "EXISTS (SELECT FROM scorecard_cell c WHERE c.scorecard = s.scorecard AND " + part + ")"
    return "(" + own + " OR " + exists + ")", values + more


def _part(reader: Reader, row: LiteralString) -> tuple[LiteralString, list[Any]]:
    if reader.enterprises is None:
        return "true", []
    condition: LiteralString = "(" + row + ".enterprise = ANY(%s)"
    values: list[Any] = [[clean(one) for one in reader.enterprises]]
    for area in sorted(reader.areas):
        inside, more = lies_within(row + ".area", clean(area))
        condition, values = condition + " OR " + inside, values + more
    return condition + ")", values


def _header(row: tuple[Any, ...]) -> Header:
    """As _HEADERS has it."""
    values = list(row)
    values[9] = msgspec.json.decode(row[9], type=tuple[Promise, ...])
    return Header(*values)
