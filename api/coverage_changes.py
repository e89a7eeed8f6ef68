"""What regulators do about coverage: order and publish reports, set plans and schedules; and what was missed."""

from datetime import date
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from access.authorize import Action
from access.ownership import EVERYTHING, Owner
from access.principals import Principal
from api.coverage import ONE, ReportNumber, known
from api.coverage_shapes import (
    AreaCode,
    Notices,
    OrderGiven,
    OrderShown,
    PlannedShown,
    Plans,
    PlansGiven,
    ReportHead,
    ScheduleGiven,
    Schedules,
    show_head,
    show_notice,
    show_order,
    show_schedule,
)
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import GovernsCoverage, GuardedRoute, ReadsCoverage
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.seen import Eyes
from api.tenancy import in_whose_name
from devices.coverage_policy import Policy
from storage.coverage_gather import question_of
from storage.coverage_making import publish
from storage.coverage_orders import Order, ask, ordered
from storage.coverage_plans import end_schedule, notices, plans, put_plans, put_schedule, scheduled
from storage.coverage_reports import header
from storage.tenants import Tenant

router = APIRouter(route_class=GuardedRoute, prefix="/v1/coverage", tags=["coverage"])

_CHANGE = problem_answers(
    *(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER), *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
_LIST = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
PolicyName = Annotated[str, Path(max_length=100)]


@router.post("/areas/{area}/reports", operation_id="order_coverage_report", status_code=202, responses=_CHANGE)
async def order_coverage_report(parts: Shared, who: GovernsCoverage, area: AreaCode, body: OrderGiven) -> OrderShown:
    """Ask for a report on any day that has begun; the storage process makes it. It is not published by that."""
    policy, now_us = _policy(parts, body.policy), parts.config.now_us()
    try:
        question_of(area, body.day, policy.timezone, now_us)
    except ValueError as wrong:
        raise Problem(BAD_PARAMETER, f"day: {wrong}") from wrong
    order = Order(
        area=area,
        day=body.day,
        timezone=policy.timezone,
        policy=policy.key,
        asked_by=who.name,
        simulated=body.simulated,
        known_us=now_us if body.known_now or body.corrects is not None else None,
        corrects=body.corrects,
    )
    async with parts.database(who, Owner(area=area), writing=True) as connection:
        if body.corrects is not None:
            former = await header(connection, body.corrects)
            if former is None or former.published is None or former.area != area:
                raise Problem(CONFLICT, f"corrects: there is no published report {body.corrects} on {area}")
        number = await ask(connection, order, now_us=now_us)
        assert number is not None  # only what a schedule asks for can be there already
        made = await ordered(connection, number)
    assert made is not None
    return show_order(made)


@router.get("/orders/{order}", operation_id="get_coverage_order", responses=ONE)
async def get_coverage_order(
    parts: Shared, who: GovernsCoverage, order: Annotated[int, Path(ge=1, lt=2**63)]
) -> OrderShown:
    """What became of an order: its report, or why there is none."""
    async with parts.database(who) as connection:
        found = await ordered(connection, order)
    if found is None or not Eyes(who, Action.GOVERN_COVERAGE).admit(Owner(area=found.order.area)):
        raise Problem(NOT_FOUND, f"there is no order {order}")
    return show_order(found)


@router.post("/reports/{report}/publish", operation_id="publish_coverage_report", responses=_CHANGE)
async def publish_coverage_report(parts: Shared, who: GovernsCoverage, report: ReportNumber) -> ReportHead:
    """Freeze a report. Its figures never change again; a correction is a report beside it. 409 when it is published."""
    eyes = Eyes(who, Action.GOVERN_COVERAGE)
    async with parts.database(who, writing=True) as connection:
        said = await known(connection, eyes, report)
        if not eyes.admit(Owner(area=said.area)) and not eyes.scope.everything:
            raise Problem(NOT_FOUND, f"there is no report {report}")
        done = await publish(connection, report, by=who.name, now_us=parts.config.now_us(), tenant=_tenant(parts, who))
        if not done:
            raise Problem(CONFLICT, f"report {report} is published already")
        now = await header(connection, report)
    assert now is not None
    return show_head(now)


@router.get("/plans", operation_id="list_coverage_plans", responses=_LIST)
async def list_coverage_plans(
    parts: Shared, who: ReadsCoverage, area: Annotated[AreaCode | None, Query()] = None
) -> Plans:
    """How many users are to be fitted, by area, class and month; a regulator sees its area's. What was installed beside
    it is in a report."""
    scope = Eyes(who, Action.READ_COVERAGE).scope
    async with parts.database(who) as connection:
        found = await plans(connection, area=area or "", scope=scope if scope.areas else EVERYTHING)
    return Plans(
        plans=[
            PlannedShown(area=where, site_class=one, month=f"{month:%Y-%m}", planned=planned)
            for (where, one, month), planned in sorted(found.items())
        ]
    )


@router.put("/areas/{area}/plans", operation_id="put_coverage_plans", status_code=204, responses=_CHANGE)
async def put_coverage_plans(parts: Shared, who: GovernsCoverage, area: AreaCode, body: PlansGiven) -> Response:
    """Set these months; what is not named stays, and what was said before is kept."""
    planned: dict[tuple[str, str, date], int] = {}
    for one in body.plans:
        try:
            key = (area, one.site_class, date.fromisoformat(f"{one.month}-01"))
        except ValueError as wrong:
            raise Problem(BAD_PARAMETER, f"month {one.month}: {wrong}") from wrong
        if key in planned:
            raise Problem(BAD_PARAMETER, f"{one.site_class} {one.month} stands there twice")
        planned[key] = one.planned
    async with parts.database(who, Owner(area=area), writing=True) as connection:
        await put_plans(connection, planned, by=who.name, now_us=parts.config.now_us(), tenant=_tenant(parts, who))
    return Response(status_code=204)


@router.get("/schedules", operation_id="list_coverage_schedules", responses=_LIST)
async def list_coverage_schedules(parts: Shared, who: GovernsCoverage) -> Schedules:
    """Of which areas reports are made and published by their policy's schedule."""
    eyes = Eyes(who, Action.GOVERN_COVERAGE)
    async with parts.database(who) as connection:
        found = await scheduled(connection)
    return Schedules(schedules=[show_schedule(one) for one in found if eyes.admit(Owner(area=one.area))])


@router.put(
    "/areas/{area}/schedules/{policy}", operation_id="put_coverage_schedule", status_code=204, responses=_CHANGE
)
async def put_coverage_schedule(
    parts: Shared, who: GovernsCoverage, area: AreaCode, policy: PolicyName, body: ScheduleGiven
) -> Response:
    """Have reports made and published from now on, as the policy says (Fridays at 12:00, the 15th)."""
    zone, now_us = _policy(parts, policy).timezone, parts.config.now_us()
    async with parts.database(who, Owner(area=area), writing=True) as connection:
        await put_schedule(
            connection,
            area,
            policy,
            zone,
            simulated=body.simulated,
            by=who.name,
            now_us=now_us,
            tenant=_tenant(parts, who),
        )
    return Response(status_code=204)


@router.delete(
    "/areas/{area}/schedules/{policy}", operation_id="end_coverage_schedule", status_code=204, responses=_CHANGE
)
async def end_coverage_schedule(parts: Shared, who: GovernsCoverage, area: AreaCode, policy: PolicyName) -> Response:
    """No more reports by schedule; those that there are stay."""
    now_us = parts.config.now_us()
    async with parts.database(who, Owner(area=area), writing=True) as connection:
        done = await end_schedule(connection, area, policy, by=who.name, now_us=now_us, tenant=_tenant(parts, who))
    if not done:
        raise Problem(NOT_FOUND, f"nothing is scheduled for {area} by {policy[:100]}")
    return Response(status_code=204)


@router.get("/notices", operation_id="list_notices", responses=_LIST)
async def list_notices(
    parts: Shared, who: GovernsCoverage, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> Notices:
    """What somebody has to know and is no alarm, newest first: a scheduled report that was missed, or could not be
    made."""
    after, eyes = decode_cursor(cursor, tuple[int]), Eyes(who, Action.GOVERN_COVERAGE)
    async with parts.database(who) as connection:
        found = await notices(connection, limit=limit + 1, after=after, scope=eyes.scope)
    following = encode_cursor((found[limit - 1].number,)) if len(found) > limit else None
    return Notices(notices=[show_notice(one) for one in found[:limit]], next=following)


def _policy(parts: Parts, key: str) -> Policy:
    found = parts.config.policies.get(key)
    if found is None:
        raise Problem(BAD_PARAMETER, f"policy: there are {', '.join(sorted(parts.config.policies))}")
    return found


def _tenant(parts: Parts, who: Principal) -> str:
    """In whose record it stands."""
    named = in_whose_name(parts.judges.fenced(who))
    return named.enterprise if isinstance(named, Tenant) else ""
