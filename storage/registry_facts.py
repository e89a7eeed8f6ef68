"""The kinds of the register that the engine does not judge by, each as one table's columns: parties, areas, facts of
sites and devices, certificates, installations. Pure.

Y1  '' in a frozen type is NULL in the table where a day or a reference is not known, and the first day of all where it
    is part of a key.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, LiteralString

import msgspec

from access.enterprises import Enterprise
from access.people import Contact, Person, RoleAtSite
from devices.areas import FIRST_DAY, Area
from devices.register import Certificate, DeviceFacts, Installation, LinkFacts, SiteFacts

Fact = (
    Enterprise | Area | SiteFacts | DeviceFacts | Certificate | Installation | LinkFacts | Person | Contact | RoleAtSite
)
Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FactKind:
    """columns: the table's, in the order of the type's fields. keys: the fields that name a row. days: fields that are
    NULL while they are empty; of keys it is FIRST_DAY. references: field -> kind of what must be registered. part_of:
    the rows stand in a table of another kind, which must have them already."""

    name: str
    type: type[msgspec.Struct]
    table: LiteralString
    columns: tuple[LiteralString, ...]
    keys: tuple[str, ...]
    days: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    references: Mapping[str, str] = field(default_factory=dict)
    part_of: bool = False
    #: It is about people: read and written by storage/registry_people.py, and never told of in clear.
    of_people: bool = False
    #: Removed rows are kept, with the time, because others name them.
    has_gone: bool = False

    def key(self, fact: msgspec.Struct) -> Key:
        return tuple(str(getattr(fact, name)) for name in self.keys)

    def key_values(self, key: Key) -> tuple[Any, ...]:
        return tuple(self._value(name, word) for name, word in zip(self.keys, key, strict=True))

    def values(self, fact: msgspec.Struct) -> tuple[Any, ...]:
        """As the table's columns."""
        return tuple(self._value(name, getattr(fact, name)) for name in fact.__struct_fields__)

    def _value(self, name: str, value: Any) -> Any:
        if name in self.days and not value:
            return FIRST_DAY if name in self.keys else None
        if name in self.nullable and not value:
            return None
        return list(value) if isinstance(value, tuple) else value

    def of_row(self, row: tuple[Any, ...]) -> msgspec.Struct:
        """The inverse of `values`."""
        said = zip(self.type.__struct_fields__, (self._said(one) for one in row), strict=True)
        given = {name: value for name, value in said if value is not None}
        found: msgspec.Struct = msgspec.convert(given, self.type)
        return found

    def _said(self, value: Any) -> Any:
        if isinstance(value, date):
            day = value.isoformat()
            return "" if day == FIRST_DAY else day
        return value

    def empty(self, fact: msgspec.Struct) -> bool:
        """Whether it says no more than its key."""
        return fact == self.type(**{name: getattr(fact, name) for name in self.keys})


#: In the order in which they need each other.
FACTS: tuple[FactKind, ...] = (
    FactKind(
        "enterprise",
        Enterprise,
        "enterprise",
        ("key", "kind", "name", "name_en", "uscc", "vendor", "area", "contact"),
        ("key",),
        has_gone=True,
    ),
    FactKind(
        "area",
        Area,
        "area",
        ("code", "name", "name_en", "parent", "since", "until"),
        ("code", "since"),
        days=frozenset({"since", "until"}),
    ),
    FactKind(
        "site_facts",
        SiteFacts,
        "site",
        (
            *("key", "department", "neighbourhood", "hardship", "funding"),
            *("building_height_m", "gas_supply", "gas_on"),
        ),
        ("site",),
        days=frozenset({"gas_on"}),
        references={"site": "site"},
        part_of=True,
    ),
    FactKind(
        "person",
        Person,
        "person",
        (),
        ("tenant", "key"),
        references={"tenant": "enterprise"},
        of_people=True,
    ),
    FactKind(
        "contact",
        Contact,
        "contact",
        (),
        ("tenant", "person", "channel", "rank"),
        references={"tenant": "enterprise"},
        of_people=True,
    ),
    FactKind(
        "site_role",
        RoleAtSite,
        "site_role",
        (),
        ("tenant", "person", "site", "role", "since"),
        references={"tenant": "enterprise", "site": "site"},
        of_people=True,
    ),
    FactKind(
        "device_facts",
        DeviceFacts,
        "device",
        ("identity", "identifier", "identifier_kind", "mounting", "made", "life_end"),
        ("identity",),
        days=frozenset({"made", "life_end"}),
        references={"identity": "device"},
        part_of=True,
    ),
    FactKind(
        "certificate",
        Certificate,
        "certificate",
        ("scheme", "number", "identity", "model", "issuer", "issued", "expires"),
        ("scheme", "number"),
        days=frozenset({"issued", "expires"}),
        nullable=frozenset({"identity", "model"}),
        references={"identity": "device", "model": "model"},
    ),
    FactKind(
        "installation",
        Installation,
        "installation",
        (
            *("key", "identity", "site", "since", "until", "installer", "mounting", "evidence", "gas_on_check"),
            *("inspected", "replaces", "reason", "ended_because"),
        ),
        ("key",),
        days=frozenset({"since", "until", "gas_on_check", "inspected"}),
        references={"identity": "device", "site": "site"},
    ),
    FactKind(
        "link_facts",
        LinkFacts,
        "link",
        ("detector", "valve", "since", "installer"),
        ("detector", "valve"),
        days=frozenset({"since"}),
        references={"detector": "device", "valve": "device"},
        part_of=True,
    ),
)
FACT_BY_NAME = {kind.name: kind for kind in FACTS}
_KIND_OF_TYPE = {kind.type: kind for kind in FACTS}


def fact_kind(fact: msgspec.Struct) -> FactKind:
    return _KIND_OF_TYPE[type(fact)]


def key_text(key: Key) -> str:
    """For people, and for Leaves."""
    return " / ".join(word for word in key if word)
