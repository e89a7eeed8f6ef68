"""Whose a thing is, and what of all things a principal may see: two frozen types and one test between them.

W1  `Scope.admits(owner)` says of one thing what storage/ says of many by a WHERE clause made of the same Scope, and
    what PostgreSQL's row-level security says by the tenant's role. The three are compared with each other in tests.
W2  Nothing is admitted by being empty: a site without an enterprise belongs to the platform only.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a site, a device, an alarm, a command or an incident is. Empty: nobody's.

    enterprise: the gas company (its key) whose site it is. manager: the property manager's key. area: the site's
    GB/T 2260 code. vendor: of the device, as in its identity. installer: key of who installed it.
    """

    site: str = ""
    enterprise: str = ""
    manager: str = ""
    area: str = ""
    vendor: str = ""
    installer: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """The things a principal may do an action to: all of them, or those that any of these names.

    areas are prefixes: a code lies within each code that it begins with.
    """

    everything: bool = False
    enterprises: frozenset[str] = frozenset()
    managers: frozenset[str] = frozenset()
    areas: frozenset[str] = frozenset()
    vendors: frozenset[str] = frozenset()
    installers: frozenset[str] = frozenset()
    sites: frozenset[str] = frozenset()

    @property
    def nothing(self) -> bool:
        return self == Scope()

    def admits(self, owner: Owner) -> bool:
        return (
            self.everything
            or bool(owner.enterprise and owner.enterprise in self.enterprises)
            or bool(owner.manager and owner.manager in self.managers)
            or bool(owner.vendor and owner.vendor in self.vendors)
            or bool(owner.installer and owner.installer in self.installers)
            or bool(owner.site and owner.site in self.sites)
            or bool(owner.area and any(area and owner.area.startswith(area) for area in self.areas))
        )


EVERYTHING = Scope(everything=True)
NOTHING = Scope()
