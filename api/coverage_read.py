"""A coverage report with everything that its figures need, for one reader."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from access.ownership import EVERYTHING, Scope
from api.coverage_figures import AreaNames, ReportFigures, report_figures
from devices.coverage_policy import Policy
from storage.areas import areas
from storage.coverage_making import Gap, Made
from storage.coverage_plans import plans
from storage.coverage_reports import (
    GapsAsked,
    Header,
    header,
    policy_of,
    report_cells,
    report_fitted,
    report_gaps,
)
from storage.database import Connection

#: Gaps read at once.
_PIECE = 10_000
#: Areas that are named in one report, product choice: a province has some 15,000 townships.
_MOST_AREAS = 50_000


@dataclass(frozen=True, slots=True)
class Read:
    """`policy`: as it was when the report was made."""

    header: Header
    policy: Policy
    figures: ReportFigures


async def read_header(connection: Connection, report: int) -> tuple[Header, Policy] | None:
    """None: there is no such report. Raises DatabaseAway, DatabaseRefused; ValueError for one of another Davy."""
    found = await header(connection, report)
    if found is None:
        return None
    policy = await policy_of(connection, found.policy_sha256)
    return None if policy is None else (found, policy)


async def read_report(connection: Connection, report: int, *, area: str = "", scope: Scope = EVERYTHING) -> Read | None:
    """What one may see of a report, within an area of it. Raises as read_header does."""
    known = await read_header(connection, report)
    if known is None:
        return None
    said, policy = known
    seen = await report_cells(connection, report, area=area, scope=scope)
    fitted = await report_fitted(connection, report, area=area, scope=scope)
    planned = await plans(connection, area=area or said.area, as_of_us=said.computed, scope=scope)
    names = await area_names(connection, said)
    return Read(said, policy, report_figures(said, tuple(seen), fitted, planned, policy, names))


async def unkept(connection: Connection, made: Made, code: str) -> Read:
    """A report that nobody keeps, for the command line: it has no number, and names no time but its own, so that
    the same question gives the same bytes."""
    question = made.question
    said = Header(
        report=0,
        area=question.area,
        day=question.day,
        timezone=question.timezone,
        until=question.until_us,
        known=question.known_us,
        simulated=question.simulated,
        policy=made.policy.key,
        policy_sha256=made.policy.sha256,
        rules_sha256=made.rules_sha256,
        code=code,
        sha256=made.sha256(),
        computed=question.known_us,
        due=None,
        phase="",
        missed=False,
        corrects=None,
        published=None,
        published_by="",
    )
    planned = await plans(connection, area=question.area, as_of_us=question.known_us)
    names = await area_names(connection, said)
    return Read(said, made.policy, report_figures(said, made.cells, made.fitted, planned, made.policy, names))


async def area_names(connection: Connection, said: Header) -> AreaNames:
    """As they were called on the report's day, as it was known when it was made."""
    found = await areas(
        connection, limit=_MOST_AREAS, within=said.area or None, day=said.day.isoformat(), as_of_us=said.computed
    )
    return {one.area.code: (one.area.name, one.area.name_en) for one in found}


async def gaps_of(
    connection: Connection, report: int, asked: GapsAsked, scope: Scope = EVERYTHING
) -> AsyncIterator[Sequence[Gap]]:
    """All of them, piece by piece."""
    after = ""
    while piece := await report_gaps(connection, report, asked, limit=_PIECE, after=after, scope=scope):
        yield piece
        after = piece[-1].site
