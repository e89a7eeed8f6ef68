"""What a party may say of the register in a file: of its own things only. Row-level security has the last word; this
says it by row, with the remedy. Pure."""

from collections.abc import Iterable

from access.enterprises import Enterprise
from access.people import Contact, Person, RoleAtSite
from devices.areas import Area
from devices.register import Certificate
from devices.sites import Site
from storage.registry_rows import SourceRow


def own_rows(rows: Iterable[SourceRow], enterprise: str) -> list[SourceRow]:
    """The rows, those with a fault that are not `enterprise`'s to say. An empty enterprise is the platform: all are."""
    if not enterprise:
        return list(rows)
    return [SourceRow(row.place, row.kind, row.key, row.given, row.fault or _foreign(row, enterprise)) for row in rows]


def _foreign(row: SourceRow, enterprise: str) -> str:
    match row.given:
        case Enterprise() | Area():
            return f"only the platform's people register a {row.kind}; ask them"
        case Site(enterprise=said) if said != enterprise:
            return f"enterprise {said!r} is not your own; write {enterprise!r}"
        case Person(tenant=said) | Contact(tenant=said) | RoleAtSite(tenant=said) if said != enterprise:
            return f"tenant {said!r} is not your own; write {enterprise!r}"
        case Certificate(model=model) if model:
            return "only the platform's people register a certificate of a model; ask them"
        case _:
            return ""
