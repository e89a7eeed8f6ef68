"""Coverage reports as they are asked for. All of these raise DatabaseAway and DatabaseRefused.

F3  Who reads a report reads sums of the cells that are his to see, and the gaps of the sites that are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import msgspec

from access.ownership import EVERYTHING, Scope
from devices.coverage_counts import Cell, Counts
from devices.coverage_gaps import BIT_OF
from devices.coverage_plans import Fitted
from devices.coverage_policy import Policy, decode_policy
from storage.coverage_gather import within
from storage.coverage_making import Gap
from storage.database import Connection, translated
from storage.scoped import OwnerColumns, condition
from storage.text import clean
from storage.times import as_microseconds

#: Whose a row of a report's parts is. They say nothing of devices.
_OF_PART = OwnerColumns("''", "p.enterprise", "p.manager", "p.area", "''", "''")
_OF_GAP = OwnerColumns("p.site", "p.enterprise", "p.manager", "p.area", "''", "''")


@dataclass(frozen=True, slots=True)
class Header:
    """A report without its figures. Times are microseconds since 1970 UTC; due, published: None where it is not."""

    report: int
    area: str
    day: date
    timezone: str
    until: int
    known: int
    simulated: bool
    policy: str
    policy_sha256: str
    rules_sha256: str
    code: str
    sha256: str
    computed: int
    due: int | None
    phase: str
    missed: bool
    corrects: int | None
    published: int | None
    published_by: str


_HEADERS: LiteralString = """
SELECT report, area, day, timezone, until_at, known, simulated, policy, policy_sha256, rules_sha256, code, sha256,
    computed, due, phase, missed, corrects, published, published_by FROM coverage_report """
_PART: LiteralString = "SELECT FROM coverage_cell p WHERE report = %s AND "
_CELLS: LiteralString = """
SELECT area, department, site_class, enterprise, manager, counts::text FROM coverage_cell p
WHERE report = %s AND area LIKE %s AND """
_FITTED: LiteralString = """
SELECT area, site_class, enterprise, manager, month, sites FROM coverage_fitted p
WHERE report = %s AND area LIKE %s AND """
_GAPS: LiteralString = """
SELECT site, area, department, site_class, enterprise, manager, gap, due, late, devices FROM coverage_gap p
WHERE report = %s AND area LIKE %s AND site > %s AND """


async def header(connection: Connection, report: int) -> Header | None:
    with translated():
        cursor = await connection.execute(_HEADERS + "WHERE report = %s", (report,))
        row = await cursor.fetchone()
    return _header(row) if row else None


async def headers(
    connection: Connection,
    *,
    limit: int,
    area: str | None = None,
    policy: str | None = None,
    published: bool | None = None,
    after: tuple[int, ...] | None = None,
) -> list[Header]:
    """Newest first. area: reports on exactly this one."""
    query: LiteralString = _HEADERS + "WHERE true"
    values: list[Any] = []
    if area is not None:
        query += " AND area = %s"
        values.append(clean(area))
    if policy is not None:
        query += " AND policy = %s"
        values.append(clean(policy))
    if published is not None:
        query += " AND (published IS NOT NULL) = %s"
        values.append(published)
    if after is not None:
        query += " AND report < %s"
        values.append(after[0])
    with translated():
        cursor = await connection.execute(query + " ORDER BY report DESC LIMIT %s", (*values, limit))
        return [_header(row) for row in await cursor.fetchall()]


def _header(row: Sequence[Any]) -> Header:
    report, area, day, zone, until, known, simulated, policy, policy_sha256, rules, code, sha256, *rest = row
    computed, due, phase, missed, corrects, published, published_by = rest
    return Header(
        report=report,
        area=area,
        day=day,
        timezone=zone,
        until=as_microseconds(until),
        known=as_microseconds(known),
        simulated=simulated,
        policy=policy,
        policy_sha256=policy_sha256,
        rules_sha256=rules,
        code=code,
        sha256=sha256,
        computed=as_microseconds(computed),
        due=None if due is None else as_microseconds(due),
        phase=phase,
        missed=missed,
        corrects=corrects,
        published=None if published is None else as_microseconds(published),
        published_by=published_by,
    )


async def policy_of(connection: Connection, sha256: str) -> Policy | None:
    """As it was when a report was made by it. Raises ValueError for one of another Davy that this one cannot read."""
    with translated():
        cursor = await connection.execute("SELECT document::text FROM coverage_policy WHERE sha256 = %s", (sha256,))
        row = await cursor.fetchone()
    return decode_policy(row[0]) if row else None


async def report_cells(connection: Connection, report: int, *, area: str = "", scope: Scope = EVERYTHING) -> list[Cell]:
    """F3: those within an area (all for an empty one)."""
    seen, values = condition(scope, _OF_PART)
    with translated():
        cursor = await connection.execute(
            _CELLS + seen + " ORDER BY area, department, site_class, enterprise, manager",
            (report, within(area), *values),
        )
        return [
            Cell(where, department, one, company, manager, msgspec.json.decode(counts, type=Counts))
            for where, department, one, company, manager, counts in await cursor.fetchall()
        ]


async def has_part(connection: Connection, report: int, scope: Scope) -> bool:
    """Whether anything in it is for somebody to see."""
    seen, values = condition(scope, _OF_PART)
    with translated():
        cursor = await connection.execute(_PART + seen + " LIMIT 1", (report, *values))
        return await cursor.fetchone() is not None


async def report_fitted(
    connection: Connection, report: int, *, area: str = "", scope: Scope = EVERYTHING
) -> list[Fitted]:
    seen, values = condition(scope, _OF_PART)
    with translated():
        cursor = await connection.execute(
            _FITTED + seen,
            (report, within(area), *values),
        )
        return [Fitted(*row) for row in await cursor.fetchall()]


@dataclass(frozen=True, slots=True)
class GapsAsked:
    """What a list of gaps is narrowed to; empty or None: not. reasons: words; a gap with any of them."""

    area: str = ""
    site: str = ""
    site_class: str | None = None
    department: str | None = None
    reasons: Iterable[str] = ()
    late: bool | None = None


async def report_gaps(
    connection: Connection,
    report: int,
    asked: GapsAsked,
    *,
    limit: int | None,
    after: str = "",
    scope: Scope = EVERYTHING,
) -> list[Gap]:
    """In the order of the sites' keys, beginning after `after`. limit None: all."""
    seen, mine = condition(scope, _OF_GAP)
    query: LiteralString = _GAPS + seen
    values: list[Any] = [report, within(asked.area), clean(after), *mine]
    named: tuple[tuple[LiteralString, object], ...] = (
        (" AND site = %s", clean(asked.site) or None),
        (" AND site_class = %s", asked.site_class),
        (" AND department = %s", asked.department),
        (" AND late = %s", asked.late),
        (" AND gap & %s <> 0", sum({BIT_OF[word] for word in asked.reasons}) or None),
    )
    for part, value in named:
        if value is not None:
            query += part
            values.append(value)
    with translated():
        cursor = await connection.execute(query + " ORDER BY site LIMIT %s", (*values, limit))
        return [
            Gap(site, where, department, one, company, manager, reasons, due, late, tuple(devices))
            for site, where, department, one, company, manager, reasons, due, late, devices in await cursor.fetchall()
        ]
