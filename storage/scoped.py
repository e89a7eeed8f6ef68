"""A Scope (access/ownership.py) as a condition in SQL: of many rows at once what `Scope.admits` says of one.

W1  Tests hold the two to each other. Nothing is admitted by being empty.
W2  Of one dimension, which is the usual case, the condition is one comparison that an index serves; areas are ranges of
    codes (`~>=~` and `~<~` are the operators of text_pattern_ops), because a pattern in a parameter serves no index.
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
        parts.append("(" + of.area + " ~>=~ %s AND " + of.area + " ~<~ %s)")
        values += [area, area[:-1] + chr(ord(area[-1]) + 1)]
    return ("(" + " OR ".join(parts) + ")" if parts else "(false)"), values
