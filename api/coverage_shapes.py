"""Coverage as JSON. Counts are numbers of users (sites); shares are percent of those that must have something."""

from datetime import date
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from api.coverage_figures import RankedFigures, ReportFigures
from api.shapes import Asked, Page, Shape, example
from api.times import Utc
from devices.coverage_gaps import reasons_of, shown
from devices.coverage_policy import Policy
from storage.coverage_making import Gap
from storage.coverage_orders import Ordered
from storage.coverage_plans import Notice, Scheduled
from storage.coverage_reports import Header

AreaCode = Annotated[str, StringConstraints(pattern=r"^([0-9]{6}|[0-9]{9}|[0-9]{12})$")]
Month = Annotated[str, StringConstraints(pattern=r"^[0-9]{4}-(0[1-9]|1[0-2])$"), Field(examples=["2022-05"])]


class _Read(Shape):
    """Made of the attributes of what it shows."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ClauseShown(_Read):
    classes: tuple[str, ...]
    device: str
    above_m: float | None
    by: date | None
    at_gas_on: bool
    target_pct: int | None
    source: str
    quote: str


class ClassShown(_Read):
    key: str
    name: str
    name_en: str


class PolicyShown(_Read):
    """Who must have which device by when; each clause with its place and its words."""

    key: str
    sha256: str
    name: str
    name_en: str
    source: str
    area: str
    timezone: str
    classes: tuple[ClassShown, ...]
    clauses: tuple[ClauseShown, ...]


class Policies(Shape):
    policies: list[PolicyShown]


class ReportHead(_Read):
    """until: readings before then count. known: the register counts as it was recorded by then. sha256: of all figures.
    missed: a schedule asked for it, and it was made only long after."""

    report: int
    area: str
    day: date
    timezone: str
    until: Utc
    known: Utc
    simulated: bool
    policy: str
    policy_sha256: str
    rules_sha256: str
    code: str
    sha256: str
    computed: Utc
    due: Utc | None
    phase: str
    missed: bool
    corrects: int | None
    published: Utc | None


class Reports(Page):
    reports: list[ReportHead]


class FiguresShown(_Read):
    """observed + evidenced = covered: seen by us, or by a dated record from the site."""

    sites: int
    required: int
    installed: int
    covered: int
    observed: int
    evidenced: int
    uncovered: int
    late: int
    installed_pct: float | None
    covered_pct: float | None


class ClassFiguresShown(_Read):
    site_class: str
    name: str
    name_en: str
    due: tuple[str, ...]
    target_pct: int | None
    met: bool | None
    figures: FiguresShown


class RankShown(_Read):
    """rank: equal shares have equal ones; null where nothing is asked of anybody."""

    rank: int | None
    key: str
    name: str
    name_en: str
    figures: FiguresShown


class ReasonShown(_Read):
    reason: str
    name: str
    name_en: str
    sites: int


class PlanShown(Shape):
    area: str
    site_class: str
    month: str
    planned: int
    installed: int
    late: int


class ReportShown(Shape):
    """Of what the asker may see of it."""

    report: ReportHead
    area_name: str
    area_name_en: str
    whole: FiguresShown
    classes: list[ClassFiguresShown]
    not_addressed: int
    reasons: list[ReasonShown]
    plans: list[PlanShown]


class Ranking(Shape):
    by: str
    ranks: list[RankShown]


class ReasonOfGap(Shape):
    reason: str
    name: str
    name_en: str


class GapShown(Shape):
    """A user that is not covered. devices: those that the reasons are of. due: the earliest day that was set."""

    site: str
    area: str
    department: str
    site_class: str
    enterprise: str
    manager: str
    reasons: list[ReasonOfGap]
    devices: list[str]
    due: date | None
    late: bool


class Gaps(Page):
    gaps: list[GapShown]


class OrderGiven(Asked, json_schema_extra=example(policy="wulong_2022_targets", day="2022-01-31")):
    """known_now: the register as it is now, not as it was at the end of that day. corrects: a published report."""

    policy: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    day: date
    known_now: bool = False
    simulated: bool = False
    corrects: Annotated[int, Field(ge=1, lt=2**63)] | None = None


class OrderShown(Shape):
    """report: once it is made; because: why it could not be."""

    order: int
    area: str
    day: date
    policy: str
    asked: Utc
    ended: Utc | None
    report: int | None
    because: str


class PlanGiven(Asked, json_schema_extra=example(site_class="hardship", month="2022-05", planned=40)):
    site_class: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    month: Month
    planned: Annotated[int, Field(ge=0, le=100_000_000)]


class PlansGiven(
    Asked, json_schema_extra=example(plans=[{"site_class": "hardship", "month": "2022-05", "planned": 40}])
):
    plans: Annotated[list[PlanGiven], Field(min_length=1, max_length=1_000)]


class PlannedShown(Shape):
    area: str
    site_class: str
    month: str
    planned: int


class Plans(Shape):
    plans: list[PlannedShown]


class ScheduleGiven(Asked, json_schema_extra=example(simulated=False)):
    simulated: bool = False


class ScheduleShown(_Read):
    area: str
    policy: str
    timezone: str
    simulated: bool
    done: Utc


class Schedules(Shape):
    schedules: list[ScheduleShown]


class NoticeShown(Shape):
    notice: int
    at: Utc
    kind: str
    area: str
    body: dict[str, str | list[str]]


class Notices(Page):
    notices: list[NoticeShown]


def show_policy(policy: Policy) -> PolicyShown:
    return PolicyShown.model_validate(policy)


def show_head(header: Header) -> ReportHead:
    return ReportHead.model_validate(header)


def show_report(figures: ReportFigures) -> ReportShown:
    return ReportShown(
        report=show_head(figures.header),
        area_name=figures.area_name,
        area_name_en=figures.area_name_en,
        whole=FiguresShown.model_validate(figures.whole),
        classes=[ClassFiguresShown.model_validate(one) for one in figures.classes],
        not_addressed=figures.not_addressed,
        reasons=[ReasonShown.model_validate(one) for one in figures.reasons],
        plans=[
            PlanShown(
                area=row.area,
                site_class=row.site_class,
                month=f"{row.month:%Y-%m}",
                planned=row.planned,
                installed=row.installed,
                late=row.late,
            )
            for row in figures.plans
        ],
    )


def show_rank(one: RankedFigures) -> RankShown:
    return RankShown.model_validate(one)


def show_gap(gap: Gap) -> GapShown:
    return GapShown(
        site=gap.site,
        area=gap.area,
        department=gap.department,
        site_class=gap.site_class,
        enterprise=gap.enterprise,
        manager=gap.manager,
        reasons=[
            ReasonOfGap(reason=word, name=shown(word, "zh"), name_en=shown(word, "en"))
            for word in reasons_of(gap.reasons)
        ],
        devices=list(gap.devices),
        due=gap.due,
        late=gap.late,
    )


def show_order(one: Ordered) -> OrderShown:
    return OrderShown(
        order=one.number,
        area=one.order.area,
        day=one.order.day,
        policy=one.order.policy,
        asked=one.asked,
        ended=one.ended,
        report=one.report,
        because=one.because,
    )


def show_schedule(one: Scheduled) -> ScheduleShown:
    return ScheduleShown.model_validate(one)


def show_notice(one: Notice) -> NoticeShown:
    body = {name: value for name, value in one.body.items() if isinstance(value, str | list)}
    return NoticeShown.model_validate(
        {"notice": one.number, "at": one.at, "kind": one.kind, "area": one.area, "body": body}
    )
