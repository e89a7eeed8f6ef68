"""People at sites: who lives, works and keeps keys there, and how they are reached. Frozen, no I/O.

P1  A person belongs to one tenant (`tenant`, the enterprise whose customer it is), and its key counts within that
    tenant: two companies may both have a customer 1001.
P2  `name`, `telephone`, `id_number` and the address of a contact are personal data: they are sealed before they are
    written (storage/sealed.py), masked wherever they are shown (access/masks.py), and never in a log, in the engine's
    registry or in its journal. Everything else here is no secret, and is as little as it can be.
Days are YYYY-MM-DD, or empty: not known, not ended.
"""

from enum import StrEnum

import msgspec


class SiteRole(StrEnum):
    """What a person is to a site."""

    RESIDENT = "resident"
    OWNER = "owner"
    TENANT = "tenant"
    KEYHOLDER = "keyholder"
    SAFETY_OFFICER = "safety_officer"
    LEGAL_PERSON = "legal_person"
    CARETAKER = "caretaker"
    #: Lives elsewhere and is told when something is wrong: a son of an old mother.
    RELATIVE = "relative"


class Channel(StrEnum):
    """By what a person can be reached."""

    TELEPHONE = "telephone"
    SMS = "sms"
    WECHAT = "wechat"
    APP = "app"
    EMAIL = "email"


class Need(StrEnum):
    """What whoever comes or calls has to know of a household."""

    DEAF = "deaf"
    BLIND = "blind"
    BEDRIDDEN = "bedridden"
    ALONE = "alone"
    ELDERLY = "elderly"
    CHILDREN = "children"


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """By (tenant, key). The first three are in clear only on their way in, and out after an unmasking."""

    tenant: str
    key: str
    name: str = ""
    telephone: str = ""
    #: 公民身份号码, GB 11643.
    id_number: str = ""
    #: BCP 47; what messages are written in.
    language: str = "zh"
    needs: tuple[Need, ...] = ()


class Contact(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A way to a person, by (tenant, person, channel, rank). `rank` counts from 1, the first to be tried."""

    tenant: str
    person: str
    channel: Channel
    rank: int = 1
    #: A number, an address, an id at the channel: personal data (P2).
    address: str = ""
    #: The last day on which the person was reached by it, and how that is known; empty: never proven.
    proven: str = ""
    proven_by: str = ""


class RoleAtSite(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A person's role at a site, by (tenant, person, site, role, since)."""

    tenant: str
    person: str
    site: str
    role: SiteRole
    since: str = ""
    until: str = ""

    def holds_on(self, day: str) -> bool:
        return self.since <= day and (not self.until or day < self.until)
