"""Enterprises: the parties of the platform, and so its tenants. Frozen, no I/O."""

from enum import StrEnum

import msgspec


class EnterpriseKind(StrEnum):
    GAS_COMPANY = "gas_company"
    VENDOR = "vendor"  # of devices
    INSTALLER = "installer"
    PROPERTY_MANAGER = "property_manager"
    REGULATOR = "regulator"


class Enterprise(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A party. `key` is ours and never changes. `vendor`: the first word of its devices' identities, for a vendor.
    `area`: what a regulator supervises, or where a gas company supplies; a code of GB/T 2260 (devices/areas.py)."""

    key: str
    kind: EnterpriseKind
    name: str = ""
    name_en: str = ""
    #: 统一社会信用代码, GB 32100-2015; warned about where its check digit does not fit, never refused.
    uscc: str = ""
    vendor: str = ""
    area: str = ""
    contact: str = ""
