"""Administrative areas: the tree of GB/T 2260 codes as it was on any day. Pure, no I/O.

A1  A code is found by its prefix: 500000 (Chongqing) is "50", 500100 is "5001", 500156 (Wulong) is "500156"; longer
    codes (townships of 9 digits, villages of 12, of the statistical code) are themselves. So "lies within" is
    "begins with", in Python as in PostgreSQL.
A2  Codes change: an area is (code, since), and of one code at most one row holds on any day. `until` is the first day
    on which it holds no longer.
A3  Parents are said, not guessed: a parent is there on every day on which its child is, and nothing is its own
    ancestor. What breaks this is refused by row (`area_faults`).
"""

import itertools
import re
from collections.abc import Iterable, Mapping
from datetime import date

import msgspec

#: GB/T 2260-2007 (6 digits), GB/T 10114-2003 (9, townships), 统计用区划代码 (12, villages).
_CODE = re.compile(r"[0-9]{6}([0-9]{3}){0,2}\Z")
#: The earliest day that PostgreSQL and Python both know; "" in an Area.
FIRST_DAY = "0001-01-01"


class Area(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A province, city, county, township or village while it had this code. Days as YYYY-MM-DD, or empty: from ever,
    for ever."""

    code: str
    name: str = ""
    name_en: str = ""
    #: Code of the area that it is part of; empty: of none (a province).
    parent: str = ""
    since: str = ""
    until: str = ""

    def holds_on(self, day: str) -> bool:
        """Whether this is how it was on `day` (YYYY-MM-DD)."""
        return self.since <= day and (not self.until or day < self.until)


def prefix(code: str) -> str:
    """What the codes of all that lies within `code` begin with (A1); empty for an empty code."""
    if len(code) != 6:
        return code
    if code.endswith("0000"):
        return code[:2]
    return code[:4] if code.endswith("00") else code


def within(code: str, area: str) -> bool:
    """Whether `code` is `area` or lies in it. Nothing lies in an empty area, and an empty code in none."""
    return bool(area) and bool(code) and code.startswith(prefix(area))


def looks_like_code(code: str) -> bool:
    """Whether it is written as GB/T 2260 and its longer relatives are."""
    return _CODE.match(code) is not None


class AreaTree:
    """The areas of many days, by code."""

    def __init__(self, areas: Iterable[Area]) -> None:
        self._by_code: dict[str, list[Area]] = {}
        for area in areas:
            self._by_code.setdefault(area.code, []).append(area)

    def on(self, code: str, day: str) -> Area | None:
        """What `code` was on `day`."""
        return next((area for area in self._by_code.get(code, ()) if area.holds_on(day)), None)

    def ancestors(self, code: str, day: str) -> tuple[Area, ...]:
        """The areas that `code` was part of on `day`, nearest first, without itself. Ends where a parent is missing,
        and never runs in a ring."""
        found: list[Area] = []
        seen = {code}
        area = self.on(code, day)
        while area is not None and area.parent and area.parent not in seen:
            seen.add(area.parent)
            area = self.on(area.parent, day)
            if area is not None:
                found.append(area)
        return tuple(found)


def area_faults(areas: Iterable[Area]) -> dict[tuple[str, str], str]:
    """What is wrong with a set of areas, by (code, since) of the row at fault: place is the row, the text is reason and
    remedy. Empty when A1 to A3 hold of all of them."""
    rows = list(areas)
    by_code: dict[str, list[Area]] = {}
    faults: dict[tuple[str, str], str] = {}
    for row in rows:
        by_code.setdefault(row.code, []).append(row)
        if fault := _row_fault(row):
            faults[row.code, row.since] = fault
    for same in by_code.values():
        faults |= _overlaps(same)
    for row in rows:
        if (row.code, row.since) not in faults and (fault := _parent_fault(row, by_code)):
            faults[row.code, row.since] = fault
    return faults | {at: fault for at, fault in _rings(rows, by_code).items() if at not in faults}


def _row_fault(row: Area) -> str:
    if not looks_like_code(row.code):
        return f"code {row.code!r} is none of GB/T 2260; write 6, 9 or 12 digits"
    for name, day in (("since", row.since), ("until", row.until)):
        if day and not _is_day(day):
            return f"{name} {day!r} is no day; write it as YYYY-MM-DD, or leave it empty"
    if row.until and row.until <= row.since:
        return f"until {row.until} is not after since {row.since}"
    if row.parent == row.code:
        return "it is its own parent; leave the parent empty, or name the area that it is part of"
    return ""


def _overlaps(same: list[Area]) -> dict[tuple[str, str], str]:
    faults: dict[tuple[str, str], str] = {}
    ordered = sorted(same, key=lambda row: row.since)
    for before, after in itertools.pairwise(ordered):
        if not before.until or after.since < before.until:
            until = before.until or "for ever"
            faults[after.code, after.since] = (
                f"{after.code} is {before.name or before.code} already (from {before.since or 'ever'} until {until});"
                " end that first"
            )
    return faults


def _parent_fault(row: Area, by_code: Mapping[str, list[Area]]) -> str:
    """A parent has to be there on every day of its child, in one row of its own or in several that follow on."""
    if not row.parent:
        return ""
    if row.parent not in by_code:
        return f"parent {row.parent} is no area; import it too"
    day = row.since
    for above in sorted(by_code[row.parent], key=lambda one: one.since):
        if above.since <= day and (not above.until or day < above.until):
            if not above.until or (row.until and row.until <= above.until):
                return ""
            day = above.until
    since = day or "the beginning"
    return f"parent {row.parent} is not there from {since} on; give it a row for those days, or end this one"


def _rings(rows: list[Area], by_code: Mapping[str, list[Area]]) -> dict[tuple[str, str], str]:
    """Rows that are their own ancestors on the first day of some row in the ring."""
    tree = AreaTree(row for same in by_code.values() for row in same)
    faults: dict[tuple[str, str], str] = {}
    for row in rows:
        day, seen, code = row.since or FIRST_DAY, [row.code], row.parent
        while code and code not in seen:
            seen.append(code)
            above = tree.on(code, day)
            code = above.parent if above is not None else ""
        if code == row.code:
            faults[row.code, row.since] = (
                f"it is part of itself: {' in '.join([*seen, row.code])}; give one of them another parent"
            )
    return faults


def _is_day(day: str) -> bool:
    try:
        return len(day) == 10 and date.fromisoformat(day).isoformat() == day
    except ValueError:
        return False
