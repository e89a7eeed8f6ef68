"""What a grant may name: the fields of each resource, and which of them a party of each kind has to give. No I/O.

H1  Fields are written out. A new one is shared by nobody until it stands here, and then by grants that name it.
H2  Nobody gives on what its own role does not see (access/fields.py): a vendor not where its devices stand, a regulator
    and a property manager nothing that was measured, and only a gas company who did something and what was written.
H3  A grant narrows further: by the fields it names, by its area, by its time.
"""

from collections.abc import Mapping

from access.enterprises import EnterpriseKind as Kind
from devices.quantities import QUANTITY_NAMES

ALARMS = (
    "alarm", "rule", "priority", "state", "site", "device", "area", "onset", "raised", "quantity", "value", "by",
    "comment", "resolution",
)  # fmt: skip
COMMANDS = ("command", "verb", "attempt", "site", "device", "area", "reason", "note")
DEVICES = (
    "device", "model", "kind", "site", "area", "building", "installed", "calibration_due", "made", "life_end",
)  # fmt: skip
READINGS = ("ts", "received", "flags", "valve", "quality", *QUANTITY_NAMES)

#: Resource -> what of it a grant may name.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "alarms": ALARMS,
    "commands": COMMANDS,
    "devices": DEVICES,
    "readings": READINGS,
}

_WORDS_OF_PEOPLE = frozenset({"by", "comment", "reason", "note"})
_WHERE = frozenset({"site", "area", "building"})
#: H2: what each kind of grantor has not to give.
_NOT: Mapping[Kind, frozenset[str]] = {
    Kind.GAS_COMPANY: frozenset(),
    Kind.VENDOR: _WORDS_OF_PEOPLE | _WHERE,
    Kind.INSTALLER: _WORDS_OF_PEOPLE | {"area", "building"},
    Kind.PROPERTY_MANAGER: _WORDS_OF_PEOPLE | {"value"},
    Kind.REGULATOR: _WORDS_OF_PEOPLE | {"value"},
}
#: Kinds that see no readings at all.
_NO_READINGS = frozenset({Kind.PROPERTY_MANAGER, Kind.REGULATOR})


def shareable(kind: Kind, resource: str) -> tuple[str, ...]:
    """What of a resource a party of this kind may let others see (H2); nothing of one that does not exist."""
    if resource == "readings" and kind in _NO_READINGS:
        return ()
    return tuple(name for name in FIELDS.get(resource, ()) if name not in _NOT[kind])


def given(kind: Kind, fields: Mapping[str, tuple[str, ...]], resource: str) -> tuple[str, ...]:
    """What a grant with these fields lets its receiver see of a resource, in the order of FIELDS."""
    named = fields.get(resource, ())
    return tuple(name for name in shareable(kind, resource) if name in named)


def faults(kind: Kind, fields: Mapping[str, tuple[str, ...]]) -> str:
    """What is wrong with the fields of a new grant by a party of this kind; empty: nothing."""
    if not any(fields.values()):
        return "name at least one field of one resource"
    for resource, named in fields.items():
        if resource not in FIELDS:
            return f"there is no {resource[:60]!r} to share; there are {', '.join(FIELDS)}"
        for name in named:
            if name not in FIELDS[resource]:
                return f"{resource} have no field {name[:60]!r}; they have {', '.join(FIELDS[resource])}"
            if name not in shareable(kind, resource):
                return f"{resource}.{name} is not a {kind.replace('_', ' ')}'s to share"
    return ""
