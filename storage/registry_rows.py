"""A row for the registry, and what becomes of it. Frozen; no I/O."""

from dataclasses import dataclass
from enum import StrEnum

import msgspec

from devices.sites import Link, MatrixRow, Site
from storage.registry_facts import Fact, fact_kind, key_text


class Fate(StrEnum):
    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    REMOVED = "removed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class RowFate:
    """What becomes of one row. `reason` says why it is refused, or what a change changes."""

    place: str
    kind: str
    key: str
    fate: Fate
    reason: str = ""


class DeviceGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device as an operator writes it: its number is given by the import."""

    vendor: str
    serial: str
    model: str
    site: str
    gateway: str = ""
    address: str = ""
    tags: tuple[str, ...] = ()
    installed: str = ""
    calibration_due: str = ""
    installer: str = ""

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


class TokenGiven(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device's token by its hash; empty: make one, unless the device has one and it is not to be replaced.
    `former_until_us`: so long the one before is good too (microseconds UTC); 0: it ends at once."""

    identity: str
    sha256: str = ""
    replace: bool = False
    former_until_us: int = 0


class Leaves(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What leaves the registry: `kind` and key as in a RowFate. Files never say this; people do, one at a time."""

    kind: str
    key: str


Given = Site | DeviceGiven | Link | MatrixRow | TokenGiven | Leaves | Fact


def key_of(given: Given) -> str:
    """What a row is known by within its kind."""
    match given:
        case Site(key=key) | Leaves(key=key):
            return key
        case DeviceGiven(identity=identity) | TokenGiven(identity=identity):
            return identity
        case MatrixRow(id=id_):
            return id_
        case Link(detector=detector, valve=valve):
            return f"{detector} -> {valve}"
        case _:
            return key_text(fact_kind(given).key(given))


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row and where it stands (`line 12`, `devices[3]`, `Sheet1!7`). `given` None: nothing could be made of it, and
    `fault` says why. `fault` is set too where it cannot be used whatever the registry holds."""

    place: str
    kind: str
    key: str
    given: Given | None
    fault: str = ""


def kind_name(given: Given) -> str:
    """The word for its kind."""
    match given:
        case Site():
            return "site"
        case DeviceGiven():
            return "device"
        case Link():
            return "link"
        case MatrixRow():
            return "matrix"
        case TokenGiven():
            return "token"
        case Leaves(kind=kind):
            return kind
        case _:
            return fact_kind(given).name
