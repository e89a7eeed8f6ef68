"""A Scope (access/ownership.py) as a condition in SQL: of many rows at once what `Scope.admits` says of one.

W1  Tests hold the two to each other. Nothing is admitted by being empty.
W2  Of one dimension, which is the usual case, the condition is one comparison that an index serves; areas are first
    digits, or ranges of codes (`~>=~` and `~<~` are the operators of text_pattern_ops), because a pattern in a
    parameter serves no index.
"""

from dataclasses import dataclass
from typing import Any, LiteralString

from access.ownership import Scope


@dataclass(frozen=True, slots=True)
class OwnerColumns:
    """Where a query has the parts of an owner."""

    site: LiteralString
    enterprise: LiteralString
    manager: LiteralString
    area: LiteralString
    vendor: LiteralString
    installer: LiteralString


#: Of a device `d`: it carries its site's owner.
OF_DEVICE = OwnerColumns("d.site", "d.enterprise", "d.manager", "d.area", "d.vendor", "d.installer")
#: Of what names a site, with its device `d`: the site is that of the time, also when the device has moved since.
OF_ALARM = OwnerColumns("a.site", "a.enterprise", "a.manager", "a.area", "a.vendor", "d.installer")
OF_PERMIT = OwnerColumns("p.site", "p.enterprise", "p.manager", "p.area", "p.vendor", "d.installer")
OF_HELD = OwnerColumns("h.site", "h.enterprise", "h.manager", "h.area", "h.vendor", "d.installer")

#: Of one site `o` of an incident. Devices are no part of it.
OF_INCIDENT = OwnerColumns("o.site", "o.enterprise", "o.manager", "o.area", "''", "''")


#: The first digits by which indexes find the rows of an area, as the policies of regulators do (migration 0013).
_FIRST: dict[int, LiteralString] = {2: "2", 4: "4", 6: "6"}


def lies_within(column: LiteralString, first: str) -> tuple[LiteralString, list[Any]]:
    """That a code begins with `first`, which is not empty, and the values of that. Said as the policies say it, where
    they do: the planner knows then that the two are one, and how many rows that is."""
    digits = _FIRST.get(len(first))
    if digits is not None:
        return "left(" + column + ", " + digits + ") = %s", [first]
    return "(" + column + " ~>=~ %s AND " + column + " ~<~ %s)", [first, first[:-1] + chr(ord(first[-1]) + 1)]


def condition(scope: Scope, of: OwnerColumns) -> tuple[LiteralString, list[Any]]:
    """The condition, in parentheses, and its values. NULL counts as false to a WHERE, which admits nothing."""
    if scope.everything:
        return "(true)", []
    parts: list[LiteralString] = []
    values: list[Any] = []
    named: tuple[tuple[LiteralString, frozenset[str]], ...] = (
        (of.enterprise, scope.enterprises),
        (of.manager, scope.managers),
        (of.vendor, scope.vendors),
        (of.installer, scope.installers),
        (of.site, scope.sites),
    )
    for column, keys in named:
        if found := sorted(keys - {""}):
            parts.append(column + " = ANY(%s)")
            values.append(found)
    for area in sorted(scope.areas - {""}):
        within, said = lies_within(of.area, area)
        parts.append(within)
        values += said
    return ("(" + " OR ".join(parts) + ")" if parts else "(false)"), values
