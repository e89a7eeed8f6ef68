"""A coverage report as people and programs read it: the same figures behind the JSON answer, the CSV, the workbook and
the PDF. Pure.

S1  Shares are fractions of whole numbers, rounded once, half to even, to two decimals; ranks come from the fractions.
S2  Everything is in a fixed order, so that the same report gives the same bytes.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from decimal import ROUND_HALF_EVEN, Decimal
from fractions import Fraction

import msgspec

from devices.coverage_counts import (
    LEVELS,
    Cell,
    Counts,
    Ranked,
    against_targets,
    code_at,
    grouped,
    ranking,
    total,
)
from devices.coverage_gaps import REASONS, shown
from devices.coverage_plans import Fitted, Planned, PlanRow, plan_rows
from devices.coverage_policy import Policy
from storage.coverage_reports import Header


class Figures(msgspec.Struct, frozen=True):
    """Numbers of sites (devices/coverage_counts.py). *_pct: of required; None where nothing is."""

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


class ClassFigures(msgspec.Struct, frozen=True):
    """met: None where no share was set, or nobody is in the class. due: days, or `gas_on`."""

    site_class: str
    name: str
    name_en: str
    due: tuple[str, ...]
    target_pct: int | None
    met: bool | None
    figures: Figures


class RankedFigures(msgspec.Struct, frozen=True):
    """rank: equal shares have equal ones; None where nothing is asked of anybody. key: an area or department."""

    rank: int | None
    key: str
    name: str
    name_en: str
    figures: Figures


class ReasonFigures(msgspec.Struct, frozen=True):
    reason: str
    name: str
    name_en: str
    sites: int


class ReportFigures(msgspec.Struct, frozen=True):
    """area_name: of its day, empty where it is not registered."""

    header: Header
    area_name: str
    area_name_en: str
    policy_name: str
    policy_name_en: str
    policy_source: str
    whole: Figures
    classes: tuple[ClassFigures, ...]
    not_addressed: int
    townships: tuple[RankedFigures, ...]
    departments: tuple[RankedFigures, ...]
    reasons: tuple[ReasonFigures, ...]
    plans: tuple[PlanRow, ...]


#: Code of an area -> its name and its name in English, on the report's day.
AreaNames = Mapping[str, tuple[str, str]]


def figures(counts: Counts) -> Figures:
    return Figures(
        sites=counts.sites,
        required=counts.required,
        installed=counts.installed,
        covered=counts.covered,
        observed=counts.observed,
        evidenced=counts.evidenced,
        uncovered=counts.uncovered,
        late=counts.late,
        installed_pct=percent(counts.installed_share),
        covered_pct=percent(counts.share),
    )


def percent(share: Fraction | None) -> float | None:
    if share is None:
        return None
    whole = share * 100
    return float((Decimal(whole.numerator) / Decimal(whole.denominator)).quantize(Decimal("0.01"), ROUND_HALF_EVEN))


def by_covered(counts: Counts) -> Fraction | None:
    return counts.share


def by_installed(counts: Counts) -> Fraction | None:
    return counts.installed_share


def ranked(
    of: Iterable[Cell], key: Callable[[Cell], str], names: AreaNames, by: Callable[[Counts], Fraction | None]
) -> tuple[RankedFigures, ...]:
    return tuple(_ranked(one, names) for one in ranking(grouped(of, key), by=by))


def by_level(level: str) -> Callable[[Cell], str]:
    """What a ranking groups by: a level of areas, or `department`. Raises ValueError."""
    if level == "department":
        return lambda cell: cell.department
    if level not in LEVELS:
        raise ValueError(f"by {level!r}: one of department, {', '.join(LEVELS)}")
    return code_at(level)


def _ranked(one: Ranked, names: AreaNames) -> RankedFigures:
    name, name_en = names.get(one.name, (one.name, one.name))
    return RankedFigures(one.rank, one.name, name or one.name, name_en or name or one.name, figures(one.counts))


def report_figures(
    header: Header, of: tuple[Cell, ...], fitted: Iterable[Fitted], planned: Planned, policy: Policy, names: AreaNames
) -> ReportFigures:
    """Of the cells that the reader may see; figures of others are not in it."""
    whole = total(cell.counts for cell in of)
    names_of = {one.key: one for one in policy.classes}
    name, name_en = names.get(header.area, ("", ""))
    classes = tuple(
        ClassFigures(
            site_class=one.site_class,
            name=names_of[one.site_class].name,
            name_en=names_of[one.site_class].name_en,
            due=one.due,
            target_pct=one.target_pct,
            met=one.met,
            figures=figures(one.counts),
        )
        for one in against_targets(policy, of)
    )
    return ReportFigures(
        header=header,
        area_name=name,
        area_name_en=name_en,
        policy_name=policy.name,
        policy_name_en=policy.name_en,
        policy_source=policy.source,
        whole=figures(whole),
        classes=classes,
        not_addressed=sum(cell.counts.sites for cell in of if not cell.site_class),
        townships=ranked(of, code_at("township"), names, by_covered),
        departments=ranked(of, by_level("department"), {}, by_covered),
        reasons=tuple(
            ReasonFigures(word, shown(word, "zh"), shown(word, "en"), whole.gaps[word])
            for word in REASONS.values()
            if whole.gaps.get(word)
        ),
        plans=plan_rows(planned, fitted, header.day),
    )


def month_words(month: date) -> str:
    return f"{month.year:04}-{month.month:02}"
