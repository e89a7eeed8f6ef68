"""Verdicts counted: cells that add up, shares against targets, rankings. Pure.

N1  A cell is everything that people group by, at its finest: area as registered, department, class, gas company,
    property manager. Every figure of a report is a sum of cells, so the parts add up to the whole by construction.
N2  A share of nothing is no share: a group without sites that must have something has none, and no rank.
N3  Equal shares (as fractions, never as rounded numbers) have equal ranks, and the ranks after them are left out
    (1, 2, 2, 4).
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

import msgspec
import numpy as np
from numpy.typing import NDArray

from devices.areas import prefix
from devices.coverage import Verdicts
from devices.coverage_columns import Sites
from devices.coverage_gaps import REASONS
from devices.coverage_policy import Clause, Policy


class Counts(msgspec.Struct, frozen=True):
    """Numbers of sites. sites: all. required: those that must have something. installed: of them, those that have all
    of it. observed + evidenced: those that are covered. late: those that are not though a day that was set is over.
    gaps: by reason; a site with two reasons is in both."""

    sites: int = 0
    required: int = 0
    installed: int = 0
    observed: int = 0
    evidenced: int = 0
    late: int = 0
    gaps: dict[str, int] = {}

    @property
    def covered(self) -> int:
        return self.observed + self.evidenced

    @property
    def uncovered(self) -> int:
        return self.required - self.covered

    @property
    def share(self) -> Fraction | None:
        """Covered of required (N2)."""
        return Fraction(self.covered, self.required) if self.required else None

    @property
    def installed_share(self) -> Fraction | None:
        return Fraction(self.installed, self.required) if self.required else None


class Cell(msgspec.Struct, frozen=True):
    """`site_class` is a class of the policy, empty for sites that it does not speak of."""

    area: str
    department: str
    site_class: str
    enterprise: str
    manager: str
    counts: Counts


def cells(policy: Policy, sites: Sites, verdicts: Verdicts) -> tuple[Cell, ...]:
    """The cells with sites in them, in the order of their keys."""
    columns = (sites.area, sites.department, sites.enterprise, sites.manager)
    code = verdicts.of_class.astype(np.int64) + 1
    for column in columns:
        code = code * len(column.all) + column.of if column.all else code
    _, first, of = np.unique(code, return_index=True, return_inverse=True)
    size = len(first)

    def count(where: NDArray[np.bool_]) -> list[int]:
        return [int(n) for n in np.bincount(of[where], minlength=size)]

    masks = (np.ones(len(sites), np.bool_), verdicts.required, verdicts.installed, verdicts.observed)
    plain = [count(mask) for mask in (*masks, verdicts.evidenced & verdicts.covered, verdicts.late)]
    present = int(np.bitwise_or.reduce(verdicts.gap)) if len(sites) else 0
    by_reason = {word: count((verdicts.gap & bit) != 0) for bit, word in REASONS.items() if present & bit}
    names = ("", *policy.class_names())
    found = []
    for n, row in enumerate(first):
        gaps = {word: numbers[n] for word, numbers in by_reason.items() if numbers[n]}
        counts = _counts([numbers[n] for numbers in plain], gaps)
        area, department, enterprise, manager = (column.at(int(row)) for column in columns)
        found.append(Cell(area, department, names[int(verdicts.of_class[row]) + 1], enterprise, manager, counts))
    return tuple(
        sorted(found, key=lambda cell: (cell.area, cell.department, cell.site_class, cell.enterprise, cell.manager))
    )


def total(counted: Iterable[Counts]) -> Counts:
    plain, gaps = [0] * 6, dict[str, int]()
    for one in counted:
        for n, value in enumerate((one.sites, one.required, one.installed, one.observed, one.evidenced, one.late)):
            plain[n] += value
        for word, value in one.gaps.items():
            gaps[word] = gaps.get(word, 0) + value
    return _counts(plain, dict(sorted(gaps.items())))


def _counts(plain: Sequence[int], gaps: dict[str, int]) -> Counts:
    sites, required, installed, observed, evidenced, late = plain
    return Counts(sites, required, installed, observed, evidenced, late, gaps)


def grouped(of: Iterable[Cell], key: Callable[[Cell], str]) -> dict[str, Counts]:
    """The totals by any word of a cell, in the order of the words."""
    groups: dict[str, list[Counts]] = {}
    for cell in of:
        groups.setdefault(key(cell), []).append(cell.counts)
    return {word: total(groups[word]) for word in sorted(groups)}


#: Digits of the levels of GB/T 2260 and what continues it, by name.
LEVELS = {"province": 2, "city": 4, "county": 6, "township": 9, "village": 12}


def code_at(level: str) -> Callable[[Cell], str]:
    """The area of a level that a cell lies in; its own where it is registered less finely."""
    digits = LEVELS[level]
    return lambda cell: cell.area[:digits] if len(cell.area) >= digits else cell.area


def inside(of: Iterable[Cell], area: str) -> tuple[Cell, ...]:
    """The cells of an area, by the prefix of its code; of every area where none is named."""
    return tuple(cell for cell in of if not area or cell.area.startswith(prefix(area)))


class Target(msgspec.Struct, frozen=True):
    """What a class was set, and whether it is met: None where nothing was set or nobody is in it."""

    site_class: str
    target_pct: int | None
    due: tuple[str, ...]
    counts: Counts
    met: bool | None


def against_targets(policy: Policy, of: Iterable[Cell]) -> tuple[Target, ...]:
    """Every class of the policy, in its order. due: the days that its clauses set, `gas_on` for when the gas is turned
    on; with a note where only higher buildings have such a day."""
    by_class = grouped(of, lambda cell: cell.site_class)
    found = []
    for one in policy.classes:
        clauses = [clause for clause in policy.clauses if one.key in clause.classes]
        percents = [clause.target_pct for clause in clauses if clause.target_pct is not None and clause.above_m is None]
        days = _days(clause for clause in clauses if clause.above_m is None)
        higher = (_days([clause], f" (> {clause.above_m:g} m)") for clause in clauses if clause.above_m is not None)
        days |= {day for some in higher for day in some if day.split(" ")[0] not in days}
        counts, target = by_class.get(one.key, Counts()), max(percents, default=None)
        share = counts.share
        met = None if target is None or share is None else share * 100 >= target
        found.append(Target(one.key, target, tuple(sorted(days)), counts, met))
    return tuple(found)


def _days(clauses: Iterable[Clause], note: str = "") -> set[str]:
    days = {
        (clause.by.isoformat() if clause.by else "") or ("gas_on" if clause.at_gas_on else "") for clause in clauses
    }
    return {day + note for day in days if day}


@dataclass(frozen=True, slots=True)
class Ranked:
    """rank None: nothing is asked of anybody there (N2)."""

    rank: int | None
    name: str
    counts: Counts


def ranking(groups: Mapping[str, Counts], *, by: Callable[[Counts], Fraction | None]) -> tuple[Ranked, ...]:
    """Best first; equal ones by name; those without a share at the end."""
    shares = {name: by(counts) for name, counts in groups.items()}
    ordered = sorted(
        (name for name in groups if shares[name] is not None), key=lambda name: (-(shares[name] or 0), name)
    )
    found: list[Ranked] = []
    for place, name in enumerate(ordered, 1):
        tied = found and shares[found[-1].name] == shares[name]
        found.append(Ranked(found[-1].rank if tied else place, name, groups[name]))
    return (*found, *(Ranked(None, name, groups[name]) for name in sorted(groups) if shares[name] is None))
