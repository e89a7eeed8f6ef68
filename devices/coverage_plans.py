"""Plans: how many sites of an area and class are to be fitted in a month, beside how many were. Pure.

P1  A site is fitted in the month in which the last of what its policy asks for was installed.
P2  late is what the plan had promised until the end of that month and was not there by then: of the sums, not of the
    single month, so that a month's lag that was made good in the next is gone.
P3  Sites of which nobody knows since when they are fitted count as fitted before the plan began.
"""

from collections.abc import Mapping
from datetime import date

import msgspec
import numpy as np

from devices.coverage import Verdicts
from devices.coverage_columns import NO_DAY, Sites
from devices.coverage_policy import Policy


class PlanRow(msgspec.Struct, frozen=True):
    """planned, installed: in this month. late: planned and not installed by its end (P2). month: its first day."""

    area: str
    site_class: str
    month: date
    planned: int
    installed: int
    late: int


#: (area, class, month) -> sites.
ByMonth = Mapping[tuple[str, str, date], int]


def fitted(policy: Policy, sites: Sites, verdicts: Verdicts) -> dict[tuple[str, str, date | None], int]:
    """How many sites were fitted, by the area as registered, class and month; None: not known when (P3)."""
    names = policy.class_names()
    chosen = np.flatnonzero(verdicts.installed & (verdicts.of_class >= 0))
    days = verdicts.installed_on[chosen]
    months = np.where(days == NO_DAY, 0, days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    months = np.where(days == NO_DAY, np.int64(-1) << 40, months)
    rows = np.stack([sites.area.of[chosen], verdicts.of_class[chosen], months], axis=1).astype(np.int64)
    unique, counts = np.unique(rows, axis=0, return_counts=True)
    return {
        (sites.area.all[int(area)], names[int(one)], _month(int(month))): int(count)
        for (area, one, month), count in zip(unique, counts, strict=True)
    }


def _month(number: int) -> date | None:
    return None if number < -(1 << 30) else date(1970 + number // 12, number % 12 + 1, 1)


def plan_rows(planned: ByMonth, done: Mapping[tuple[str, str, date | None], int], until: date) -> tuple[PlanRow, ...]:
    """Every area and class with a plan, month by month from its first until the month of `until`. `done` may name areas
    within that of the plan: they count for it."""
    rows: list[PlanRow] = []
    for area, site_class in sorted({(area, site_class) for area, site_class, _ in planned}):
        mine = {month: n for (a, c, month), n in planned.items() if (a, c) == (area, site_class)}
        theirs: dict[date | None, int] = {}
        for (a, c, month), n in done.items():
            if c == site_class and a.startswith(area):
                theirs[month] = theirs.get(month, 0) + n
        rows += _months(area, site_class, mine, theirs, until)
    return tuple(rows)


def _months(
    area: str, site_class: str, planned: Mapping[date, int], done: Mapping[date | None, int], until: date
) -> list[PlanRow]:
    first = min(planned)
    rows, promised, month = [], 0, first
    # What was fitted before the plan was never part of it.
    there = 0
    while month <= max(until.replace(day=1), max(planned)):
        in_plan, in_fact = planned.get(month, 0), done.get(month, 0)
        promised, there = promised + in_plan, there + in_fact
        late = max(0, promised - there) if month <= until.replace(day=1) else 0
        rows.append(PlanRow(area, site_class, month, in_plan, in_fact, late))
        month = date(month.year + (month.month == 12), month.month % 12 + 1, 1)
    return rows
