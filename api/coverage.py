"""Coverage over HTTP: reports, down to the single reason of a single gap. Each sees its own part of a report: a gas
company its users, a property manager its buildings, a regulator its area."""

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query

from access.authorize import Action
from access.ownership import Owner
from access.principals import Principal
from api.coverage_figures import by_covered, by_installed, by_level, ranked
from api.coverage_read import Read, area_names, read_header, read_report
from api.coverage_shapes import (
    AreaCode,
    Gaps,
    GapShown,
    Policies,
    Ranking,
    Reports,
    ReportShown,
    show_gap,
    show_head,
    show_policy,
    show_rank,
    show_report,
)
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsCoverage
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.seen import Eyes
from devices.coverage_gaps import BIT_OF
from storage.coverage_reports import GapsAsked, Header, has_part, headers, report_cells, report_gaps
from storage.database import Connection

router = APIRouter(route_class=GuardedRoute, prefix="/v1/coverage", tags=["coverage"])

_LIST = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)

ReportNumber = Annotated[int, Path(ge=1, lt=2**63)]
WithinArea = Annotated[AreaCode | None, Query(description="Only what lies in this area of it")]
Level = Literal["department", "province", "city", "county", "township", "village"]


@router.get("/policies", operation_id="list_coverage_policies", responses=_LIST)
async def list_coverage_policies(parts: Shared, who: ReadsCoverage) -> Policies:
    """Who must have which device by when: policies as data, with versions; each clause with its place and its words."""
    return Policies(policies=[show_policy(one) for one in parts.config.policies.values()])


@router.get("/reports", operation_id="list_coverage_reports", responses=_LIST)
async def list_coverage_reports(
    parts: Shared,
    who: ReadsCoverage,
    area: Annotated[AreaCode | None, Query(description="On exactly this one")] = None,
    policy: Annotated[str | None, Query(max_length=100)] = None,
    published: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Reports:
    """Reports that are kept, newest first. A published one never changes; a correction names it."""
    after, eyes = decode_cursor(cursor, tuple[int]), Eyes(who, Action.READ_COVERAGE)
    found: list[Header] = []
    async with parts.database(who) as connection:
        while len(found) <= limit:
            asked = limit + 1
            piece = await headers(connection, limit=asked, area=area, policy=policy, published=published, after=after)
            found += [one for one in piece if await may_see(connection, eyes, one)]
            if len(piece) < asked:
                break
            after = (piece[-1].report,)
    following = encode_cursor((found[limit - 1].report,)) if len(found) > limit else None
    return Reports(reports=[show_head(one) for one in found[:limit]], next=following)


@router.get("/reports/{report}", operation_id="get_coverage_report", responses=ONE)
async def get_coverage_report(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, area: WithinArea = None
) -> ReportShown:
    """The figures: whole, by class against its target, by reason, plans; of an area of it with `area`."""
    return show_report((await read(parts, who, report, area or "")).figures)


@router.get("/reports/{report}/ranking", operation_id="rank_coverage", responses=ONE)
async def rank_coverage(
    parts: Shared,
    who: ReadsCoverage,
    report: ReportNumber,
    by: Level = "township",
    share: Literal["covered", "installed"] = "covered",
    area: WithinArea = None,
) -> Ranking:
    """Townships, departments or other areas by their share. Equal shares have equal ranks; where nothing is asked of
    anybody there is none."""
    eyes = Eyes(who, Action.READ_COVERAGE)
    async with parts.database(who) as connection:
        header = await known(connection, eyes, report)
        cells = await report_cells(connection, report, area=area or "", scope=eyes.scope)
        names = await area_names(connection, header)
    found = ranked(cells, by_level(by), names, by_installed if share == "installed" else by_covered)
    return Ranking(by=by, ranks=[show_rank(one) for one in found])


@router.get("/reports/{report}/gaps", operation_id="list_coverage_gaps", responses=ONE)
async def list_coverage_gaps(
    parts: Shared,
    who: ReadsCoverage,
    report: ReportNumber,
    area: WithinArea = None,
    site_class: Annotated[str | None, Query(max_length=100)] = None,
    department: Annotated[str | None, Query(max_length=200)] = None,
    reason: Annotated[list[str] | None, Query(description="A gap with any of them", max_length=30)] = None,
    late: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Gaps:
    """Users that are not covered, each with its reasons."""
    if unknown := [word for word in reason or () if word not in BIT_OF]:
        raise Problem(BAD_PARAMETER, f"reason: {unknown[0][:40]!r} is none of {', '.join(BIT_OF)}")
    after, eyes = decode_cursor(cursor, tuple[str]), Eyes(who, Action.READ_COVERAGE)
    asked = GapsAsked(
        area=area or "", site_class=site_class, department=department, reasons=tuple(reason or ()), late=late
    )
    async with parts.database(who) as connection:
        await known(connection, eyes, report)
        found = await report_gaps(
            connection, report, asked, limit=limit + 1, after=after[0] if after else "", scope=eyes.scope
        )
    following = encode_cursor((found[limit - 1].site,)) if len(found) > limit else None
    return Gaps(gaps=[show_gap(gap) for gap in found[:limit]], next=following)


@router.get("/reports/{report}/gaps/{user}", operation_id="get_coverage_gap", responses=ONE)
async def get_coverage_gap(
    parts: Shared, who: ReadsCoverage, report: ReportNumber, user: Annotated[str, Path(max_length=200)]
) -> GapShown:
    """Why one user is not covered. 404 also for one that is."""
    eyes = Eyes(who, Action.READ_COVERAGE)
    async with parts.database(who) as connection:
        await known(connection, eyes, report)
        found = await report_gaps(connection, report, GapsAsked(site=user), limit=1, scope=eyes.scope)
    if not found:
        raise Problem(NOT_FOUND, f"report {report} has no gap of {user}")
    return show_gap(found[0])


# ---- what these routes and their neighbours share --------------------------------------------------------------------


async def may_see(connection: Connection, eyes: Eyes, header: Header) -> bool:
    """Whose the area is sees the report; others see it when a part of it is theirs."""
    if eyes.scope.everything or eyes.admit(Owner(area=header.area)):
        return True
    return await has_part(connection, header.report, eyes.scope)


async def known(connection: Connection, eyes: Eyes, report: int) -> Header:
    """Raises Problem (404) for a report of which nothing is for these eyes, as for one that is not there."""
    found = await read_header(connection, report)
    if found is None or not await may_see(connection, eyes, found[0]):
        raise Problem(NOT_FOUND, f"there is no report {report}")
    return found[0]


async def read(parts: Parts, who: Principal, report: int, area: str) -> Read:
    """What one may see of a report. Raises Problem (404)."""
    eyes = Eyes(who, Action.READ_COVERAGE)
    async with parts.database(who) as connection:
        await known(connection, eyes, report)
        found = await read_report(connection, report, area=area, scope=eyes.scope)
    if found is None:
        raise Problem(NOT_FOUND, f"there is no report {report}")
    return found
