"""Plans: how many sites of an area and class are to be fitted in a month, beside how many were. Pure.

P1  A site is fitted in the month in which the last of what its policy asks for was installed.
P2  late is what the plan had promised until the end of that month and was not there by then: of the sums, not of the
    single month, so that a month's lag that was made good in the next is gone.
P3  Sites of which nobody knows since when they are fitted count as fitted before the plan began.
"""

from collections.abc import Iterable, Mapping
from datetime import date

import msgspec
import numpy as np

from devices.areas import prefix
from devices.coverage import Verdicts
from devices.coverage_columns import NO_DAY, Sites
from devices.coverage_policy import Policy

#: Months from the year 1 until 1970, so that a month is a positive number.
_FIRST_MONTH = 1_970 * 12


class PlanRow(msgspec.Struct, frozen=True):
    """planned, installed: in this month. late: planned and not installed by its end (P2). month: its first day."""

    area: str
    site_class: str
    month: date
    planned: int
    installed: int
    late: int


class Fitted(msgspec.Struct, frozen=True):
    """So many sites of an area as registered were fitted in a month; None: not known when (P3)."""

    area: str
    site_class: str
    enterprise: str
    manager: str
    month: date | None
    sites: int


#: (area, class, month) -> sites.
Planned = Mapping[tuple[str, str, date], int]


def fitted(policy: Policy, sites: Sites, verdicts: Verdicts) -> tuple[Fitted, ...]:
    """How many of the sites that have everything asked of them were fitted when, in the order of their keys."""
    names, chosen = policy.class_names(), np.flatnonzero(verdicts.installed & (verdicts.of_class >= 0))
    days = verdicts.installed_on[chosen]
    months = np.where(days == NO_DAY, 0, days).astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)
    code = verdicts.of_class[chosen].astype(np.int64)
    for column in (sites.area, sites.enterprise, sites.manager):
        code = code * max(1, len(column.all)) + column.of[chosen]
    code = (code << 18) + np.where(days == NO_DAY, 0, months + _FIRST_MONTH)
    _, first, of = np.unique(code, return_index=True, return_inverse=True)
    found = []
    for at, count in zip(first.tolist(), np.bincount(of, minlength=len(first)).tolist(), strict=True):
        row = int(chosen[at])
        where = (
            sites.area.at(row),
            names[int(verdicts.of_class[row])],
            sites.enterprise.at(row),
            sites.manager.at(row),
        )
        month = None if days[at] == NO_DAY else date(1970 + int(months[at]) // 12, int(months[at]) % 12 + 1, 1)
        found.append(Fitted(*where, month, count))
    return tuple(sorted(found, key=lambda row: (row.area, row.site_class, row.enterprise, row.manager, str(row.month))))


def plan_rows(planned: Planned, done: Iterable[Fitted], until: date) -> tuple[PlanRow, ...]:
    """Every area and class with a plan, month by month from its first until its last or the month of `until`. What was
    fitted in areas within that of the plan counts for it; before its first month, for nothing: it was not promised."""
    fitted_rows = list(done)
    rows: list[PlanRow] = []
    for area, site_class in sorted({(area, site_class) for area, site_class, _ in planned}):
        mine = {month: n for (a, c, month), n in planned.items() if (a, c) == (area, site_class)}
        theirs: dict[date | None, int] = {}
        for row in fitted_rows:
            if row.site_class == site_class and row.area.startswith(prefix(area)):
                theirs[row.month] = theirs.get(row.month, 0) + row.sites
        rows += _months(area, site_class, mine, theirs, until)
    return tuple(rows)


def _months(
    area: str, site_class: str, planned: Mapping[date, int], done: Mapping[date | None, int], until: date
) -> list[PlanRow]:
    first = min(planned)
    rows, promised, there, month = [], 0, 0, first
    while month <= max(until.replace(day=1), max(planned)):
        in_plan, in_fact = planned.get(month, 0), done.get(month, 0)
        promised, there = promised + in_plan, there + in_fact
        late = max(0, promised - there) if month <= until.replace(day=1) else 0
        rows.append(PlanRow(area, site_class, month, in_plan, in_fact, late))
        month = date(month.year + (month.month == 12), month.month % 12 + 1, 1)
    return rows
