"""Making a coverage report, and keeping it: once, in one transaction, frozen when it is published.

F1  A report's header, cells, gaps and plans are one transaction. `sha256` is of all of them, so that anybody who holds
    an export can see that it is whole.
F2  What is published never changes (the database sees to it: migration 0011). A correction is a report that names it.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, LiteralString

import msgspec
import numpy as np

from devices.coverage import assess
from devices.coverage_columns import day_of
from devices.coverage_counts import Cell, cells
from devices.coverage_plans import Fitted, fitted
from devices.coverage_policy import Policy, encode_policy
from storage.audit import Said, record
from storage.coverage_gather import Gathered, Question
from storage.database import Connection
from storage.text import clean
from storage.times import as_datetime


@dataclass(frozen=True, slots=True)
class Gap:
    """A site that is not covered. reasons: bits (devices/coverage_gaps.py). due: the earliest day that was set.
    devices: identities of those that the reasons are of: of each kind the one that lacks least."""

    site: str
    area: str
    department: str
    site_class: str
    enterprise: str
    manager: str
    reasons: int
    due: date | None
    late: bool
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Made:
    """A report before it is kept."""

    question: Question
    policy: Policy
    rules_sha256: str
    cells: tuple[Cell, ...]
    gaps: tuple[Gap, ...]
    fitted: tuple[Fitted, ...]

    def sha256(self) -> str:
        """Of everything in it but who asked, and when it was computed."""
        question = self.question
        said = (
            question.area,
            question.day,
            question.timezone,
            question.known_us,
            question.simulated,
            question.until_us,
        )
        digest = hashlib.sha256(_line((*said, self.policy.key, self.policy.sha256, self.rules_sha256)))
        for part in (self.cells, self.fitted):
            for row in part:
                digest.update(_line(row))
        for gap in self.gaps:
            digest.update(_line((gap.site, gap.area, gap.site_class, gap.reasons, gap.due, gap.late, gap.devices)))
        return digest.hexdigest()


def _line(row: object) -> bytes:
    return msgspec.json.encode(row, order="sorted") + b"\n"


def make(policy: Policy, gathered: Gathered, question: Question) -> Made:
    """The report of what was gathered. Pure; a second or two for a million sites."""
    sites, verdicts = gathered.sites, assess(policy, gathered.sites, gathered.devices, gathered.at)
    names = ("", *policy.class_names())
    rows = np.flatnonzero(verdicts.gap != 0)
    gaps = tuple(
        Gap(
            sites.keys[row],
            sites.area.at(row),
            sites.department.at(row),
            names[of_class + 1],
            sites.enterprise.at(row),
            sites.manager.at(row),
            reasons,
            day_of(due),
            late,
            tuple(gathered.devices.identities[one] for one in nearest if one >= 0),
        )
        for row, of_class, reasons, due, late, *nearest in zip(
            rows.tolist(),
            verdicts.of_class[rows].tolist(),
            verdicts.gap[rows].tolist(),
            verdicts.due[rows].tolist(),
            verdicts.late[rows].tolist(),
            *(one[rows].tolist() for one in verdicts.nearest),
            strict=True,
        )
    )
    return Made(
        question=question,
        policy=policy,
        rules_sha256=gathered.rules_sha256,
        cells=cells(policy, sites, verdicts),
        gaps=gaps,
        fitted=fitted(policy, sites, verdicts),
    )


@dataclass(frozen=True, slots=True)
class Occasion:
    """Why a report was made. due_us: by schedule, and `phase` of it; missed: long after. corrects: another report."""

    due_us: int | None = None
    phase: str = ""
    missed: bool = False
    corrects: int | None = None


_POLICY: LiteralString = """
INSERT INTO coverage_policy (sha256, policy, document) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"""
_HEADER: LiteralString = """
INSERT INTO coverage_report (area, day, timezone, until_at, known, simulated, policy, policy_sha256, rules_sha256, code,
    sha256, computed, due, phase, missed, corrects)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING report"""


async def keep(connection: Connection, made: Made, occasion: Occasion, *, code: str, now_us: int) -> int:
    """F1, inside the caller's transaction. Returns the report's number. Raises psycopg.Error."""
    question, due = made.question, occasion.due_us
    said: tuple[Any, ...] = (
        *(
            question.area,
            question.day,
            question.timezone,
            as_datetime(question.until_us),
            as_datetime(question.known_us),
        ),
        *(question.simulated, made.policy.key, made.policy.sha256, made.rules_sha256, code, made.sha256()),
        *(as_datetime(now_us), None if due is None else as_datetime(due), occasion.phase, occasion.missed),
        occasion.corrects,
    )
    await connection.execute(_POLICY, (made.policy.sha256, made.policy.key, encode_policy(made.policy)))
    row = await (await connection.execute(_HEADER, said)).fetchone()
    assert row is not None
    report = int(row[0])
    for table, columns, rows in _parts(made):
        async with (
            connection.cursor() as cursor,
            cursor.copy(f"COPY {table} (report, {columns}) FROM STDIN".encode()) as copy,
        ):
            for one in rows:
                await copy.write_row((report, *one))
    return report


def _parts(made: Made) -> Iterator[tuple[str, str, Iterator[tuple[Any, ...]]]]:
    owners = "area, department, site_class, enterprise, manager"
    yield (
        "coverage_cell",
        f"{owners}, counts",
        (
            (c.area, c.department, c.site_class, c.enterprise, c.manager, msgspec.json.encode(c.counts).decode())
            for c in made.cells
        ),
    )
    yield (
        "coverage_gap",
        f"site, {owners}, gap, due, late, devices",
        (
            (
                g.site,
                g.area,
                g.department,
                g.site_class,
                g.enterprise,
                g.manager,
                g.reasons,
                g.due,
                g.late,
                list(g.devices),
            )
            for g in made.gaps
        ),
    )
    yield (
        "coverage_fitted",
        "area, site_class, enterprise, manager, month, sites",
        ((f.area, f.site_class, f.enterprise, f.manager, f.month, f.sites) for f in made.fitted),
    )


async def publish(connection: Connection, report: int, *, by: str, now_us: int, tenant: str = "") -> bool:
    """Freeze it, and say so in the record of `tenant`, in the caller's transaction. False: there is no such report that
    is not published. Raises psycopg.Error."""
    cursor = await connection.execute(
        "UPDATE coverage_report SET published = %s, published_by = %s WHERE report = %s AND published IS NULL"
        " RETURNING area, day, policy, sha256, corrects",
        (as_datetime(now_us), clean(by), report),
    )
    row = await cursor.fetchone()
    if row is None:
        return False
    area, day, policy, sha256, corrects = row
    body: dict[str, Any] = {"report": report, "area": area, "day": str(day), "policy": policy, "sha256": sha256}
    await record(connection, [Said(tenant, now_us, "report", by, body | {"corrects": corrects, "step": "published"})])
    return True
