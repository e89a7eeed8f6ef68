"""What is registered of sites and devices beyond what the engine judges by (that is in devices/sites.py): facts for
coverage, inspection and court. Frozen, no I/O, no personal data. Days are YYYY-MM-DD, or empty: not known.

Of each kind the key is said; a row with a known key takes the place of what was, and what was is kept
(storage/register_history.py).
"""

from enum import StrEnum

import msgspec


class Neighbourhood(StrEnum):
    """As seed rules tell them apart. OLD: 老旧小区, on the town's list of old neighbourhoods."""

    NEW = "new"
    EXISTING = "existing"
    OLD = "old"
    UNKNOWN = ""


class GasSupply(StrEnum):
    NATURAL_GAS = "natural_gas"
    PIPED_LPG = "piped_lpg"
    CYLINDERS = "cylinders"
    MANUFACTURED_GAS = "manufactured_gas"
    NONE = "none"
    UNKNOWN = ""


class SiteFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a site, by its key. Household or unit user, and its trade, are one word: Site.site_class."""

    site: str
    #: The department that supervises it (商务, 教育, 卫健, ...), as the area calls it.
    department: str = ""
    neighbourhood: Neighbourhood = Neighbourhood.UNKNOWN
    #: The list of hardship that it stands on (困难群众: 低保, 特困, ...), in the area's words; empty: none.
    hardship: str = ""
    #: Who pays for its device (财政, 企业, 用户, ...).
    funding: str = ""
    #: Of the building, from the ground to the highest floor; None: not known.
    building_height_m: float | None = None
    gas_supply: GasSupply = GasSupply.UNKNOWN
    #: The day the gas was turned on (通气): what makes a user new or existing.
    gas_on: str = ""


class IdentifierKind(StrEnum):
    """Of an industrial-internet identifier. PASSIVE: printed, read by something. ACTIVE: in a chip or module, and able
    to start a connection to the resolver itself (工业互联网标识解析)."""

    PASSIVE = "passive"
    ACTIVE = "active"
    UNKNOWN = ""


class DeviceFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a device, by its identity. Its price tier is its model's."""

    identity: str
    #: Industrial-internet identifier (工业互联网标识), `88.x.y/suffix`.
    identifier: str = ""
    identifier_kind: IdentifierKind = IdentifierKind.UNKNOWN
    #: Where and how it is mounted, in words.
    mounting: str = ""
    made: str = ""
    #: As printed on it; empty: what follows from its installation and model (devices/fleet.py).
    life_end: str = ""


class Certificate(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A certificate, by scheme and number. It is of one device (`identity`), or of all devices of a model (`model`)."""

    #: CCC, CPA, Ex, fire, CJ/T 447, calibration, ...
    scheme: str
    number: str
    identity: str = ""
    model: str = ""
    issuer: str = ""
    issued: str = ""
    expires: str = ""


class Installation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A device at a site from a day on, by its key (the work order). Of one device at most one is open, and its site is
    then the device's site."""

    key: str
    identity: str
    site: str
    since: str
    #: The first day on which it was there no longer; empty: it is there.
    until: str = ""
    #: Key of the enterprise that did it.
    installer: str = ""
    mounting: str = ""
    #: Where the evidence is (photographs, the signed order), one reference each.
    evidence: tuple[str, ...] = ()
    #: The day it was seen working in the gas-on acceptance (通气验收).
    gas_on_check: str = ""
    #: The last day somebody was there and saw it work: evidence for a device that cannot report.
    inspected: str = ""
    #: Identity of the device it took the place of, and why.
    replaces: str = ""
    reason: str = ""
    #: Why it ended, where it did.
    ended_because: str = ""


class LinkFacts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of a link of detector and valve: the day they were wired or paired on site, and by whom."""

    detector: str
    valve: str
    since: str = ""
    installer: str = ""
