"""Operations: coverage. Written by api/client/source.py."""

from api.client.operation import (
    Operation,
)
from api.coverage_shapes import (
    Gaps,
    GapShown,
    Notices,
    OrderGiven,
    OrderShown,
    Plans,
    PlansGiven,
    Policies,
    Ranking,
    ReportHead,
    Reports,
    ReportShown,
    ScheduleGiven,
    Schedules,
)

list_coverage_policies: Operation[None, Policies] = Operation(
    "list_coverage_policies",
    "GET",
    "/v1/coverage/policies",
    None,
    Policies,
)

list_coverage_reports: Operation[None, Reports] = Operation(
    "list_coverage_reports",
    "GET",
    "/v1/coverage/reports",
    None,
    Reports,
    query=(
        "area",
        "policy",
        "published",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_coverage_report: Operation[None, ReportShown] = Operation(
    "get_coverage_report",
    "GET",
    "/v1/coverage/reports/{report}",
    None,
    ReportShown,
    query=("area",),
)

rank_coverage: Operation[None, Ranking] = Operation(
    "rank_coverage",
    "GET",
    "/v1/coverage/reports/{report}/ranking",
    None,
    Ranking,
    query=(
        "by",
        "share",
        "area",
    ),
)

list_coverage_gaps: Operation[None, Gaps] = Operation(
    "list_coverage_gaps",
    "GET",
    "/v1/coverage/reports/{report}/gaps",
    None,
    Gaps,
    query=(
        "area",
        "site_class",
        "department",
        "reason",
        "late",
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

get_coverage_gap: Operation[None, GapShown] = Operation(
    "get_coverage_gap",
    "GET",
    "/v1/coverage/reports/{report}/gaps/{user}",
    None,
    GapShown,
)

order_coverage_report: Operation[OrderGiven, OrderShown] = Operation(
    "order_coverage_report",
    "POST",
    "/v1/coverage/areas/{area}/reports",
    OrderGiven,
    OrderShown,
    keyed=True,
)

get_coverage_order: Operation[None, OrderShown] = Operation(
    "get_coverage_order",
    "GET",
    "/v1/coverage/orders/{order}",
    None,
    OrderShown,
)

publish_coverage_report: Operation[None, ReportHead] = Operation(
    "publish_coverage_report",
    "POST",
    "/v1/coverage/reports/{report}/publish",
    None,
    ReportHead,
    keyed=True,
)

list_coverage_plans: Operation[None, Plans] = Operation(
    "list_coverage_plans",
    "GET",
    "/v1/coverage/plans",
    None,
    Plans,
    query=("area",),
)

put_coverage_plans: Operation[PlansGiven, None] = Operation(
    "put_coverage_plans",
    "PUT",
    "/v1/coverage/areas/{area}/plans",
    PlansGiven,
    None,
)

list_coverage_schedules: Operation[None, Schedules] = Operation(
    "list_coverage_schedules",
    "GET",
    "/v1/coverage/schedules",
    None,
    Schedules,
)

put_coverage_schedule: Operation[ScheduleGiven, None] = Operation(
    "put_coverage_schedule",
    "PUT",
    "/v1/coverage/areas/{area}/schedules/{policy}",
    ScheduleGiven,
    None,
)

end_coverage_schedule: Operation[None, None] = Operation(
    "end_coverage_schedule",
    "DELETE",
    "/v1/coverage/areas/{area}/schedules/{policy}",
    None,
    None,
)

list_notices: Operation[None, Notices] = Operation(
    "list_notices",
    "GET",
    "/v1/coverage/notices",
    None,
    Notices,
    query=(
        "cursor",
        "limit",
    ),
    cursor="cursor",
)

download_coverage_figures: Operation[None, bytes] = Operation(
    "download_coverage_figures",
    "GET",
    "/v1/coverage/reports/{report}/figures.csv",
    None,
    bytes,
    query=("area",),
)

download_coverage_gaps: Operation[None, bytes] = Operation(
    "download_coverage_gaps",
    "GET",
    "/v1/coverage/reports/{report}/gaps.csv",
    None,
    bytes,
    query=("area",),
)

download_coverage_pdf: Operation[None, bytes] = Operation(
    "download_coverage_pdf",
    "GET",
    "/v1/coverage/reports/{report}/report.pdf",
    None,
    bytes,
    query=(
        "area",
        "lang",
    ),
)

download_coverage_xlsx: Operation[None, bytes] = Operation(
    "download_coverage_xlsx",
    "GET",
    "/v1/coverage/reports/{report}/report.xlsx",
    None,
    bytes,
    query=(
        "area",
        "lang",
    ),
)
