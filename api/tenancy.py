"""In whose name a principal asks the database: the second fence behind access.authorize (G11).

N1  Who has not signed in, and a device, ask in nobody's name, and see what is published. Only the platform's own people
    ask in the name of the platform.
N2  A resident asks in the name of the site's gas company; that it is this resident's site is the application's to see.
N3  Who acts for several parties asks in the name of one of them at a time: of one that the thing belongs to where it is
    known whose it is, else of the first by its key.
"""

from access.enterprises import EnterpriseKind
from access.ownership import Owner, Scope
from access.principals import Administrator, Membership, Person, Principal, Service
from access.roles import Role
from storage.tenants import As, Standing, Tenant

_KINDS = {
    Role.RESIDENT: EnterpriseKind.GAS_COMPANY,
    Role.OPERATOR: EnterpriseKind.GAS_COMPANY,
    Role.COMPANY_ADMINISTRATOR: EnterpriseKind.GAS_COMPANY,
    Role.FIELD_CREW: EnterpriseKind.GAS_COMPANY,
    Role.VENDOR: EnterpriseKind.VENDOR,
    Role.INSTALLER: EnterpriseKind.INSTALLER,
    Role.PROPERTY_MANAGER: EnterpriseKind.PROPERTY_MANAGER,
    Role.REGULATOR: EnterpriseKind.REGULATOR,
}


def in_whose_name(who: Principal, owner: Owner | None = None) -> As:
    """`owner`: whose the thing is that is asked for, where that is known."""
    match who:
        case Administrator():
            return Standing.PLATFORM
        case Person(memberships=memberships) if memberships:
            return _as(_chosen(memberships, owner))
        case Service(membership=membership):
            return _as(membership)
        case _:
            return Standing.PUBLIC


def as_party(who: Principal, enterprise: str) -> As:
    """For the affairs of one party as a whole: in its name where `who` acts for it, else as for anything."""
    memberships = who.memberships if isinstance(who, Person) else ()
    for one in memberships:
        if one.enterprise == enterprise:
            return _as(one)
    return in_whose_name(who)


def _chosen(memberships: tuple[Membership, ...], owner: Owner | None) -> Membership:
    ordered = sorted(memberships, key=lambda one: (one.role is not Role.PLATFORM_ADMINISTRATOR, one.enterprise))
    if owner is not None:
        for one in ordered:
            if _everything_of(one).admits(owner):
                return one
    return ordered[0]


def _everything_of(membership: Membership) -> Scope:
    """What the membership's party sees; who is bound to some sites sees no more of it by asking in its name."""
    named = frozenset({membership.enterprise}) if membership.enterprise else frozenset()
    match membership.role:
        case Role.PLATFORM_ADMINISTRATOR:
            return Scope(everything=True)
        case Role.VENDOR:
            return Scope(vendors=frozenset({membership.vendor}) if membership.vendor else frozenset())
        case Role.REGULATOR:
            return Scope(areas=frozenset({membership.area}) if membership.area else frozenset())
        case Role.INSTALLER:
            return Scope(installers=named)
        case Role.PROPERTY_MANAGER:
            return Scope(managers=named)
        case Role.RESIDENT | Role.OPERATOR | Role.COMPANY_ADMINISTRATOR | Role.FIELD_CREW:
            return Scope(enterprises=named)


def _as(membership: Membership) -> As:
    if membership.role is Role.PLATFORM_ADMINISTRATOR:
        return Standing.PLATFORM
    return Tenant(membership.enterprise, _KINDS[membership.role])


def fence_of(who: Principal) -> Scope:
    """What the parties in whose names `who` may ask see, one and all: what row-level security says of a row, for what
    comes from elsewhere."""
    match who:
        case Administrator():
            return Scope(everything=True)
        case Person(memberships=memberships):
            each = [_everything_of(one) for one in memberships]
        case Service(membership=membership):
            each = [_everything_of(membership)]
        case _:
            each = []
    return Scope(
        everything=any(one.everything for one in each),
        enterprises=frozenset().union(*(one.enterprises for one in each)),
        managers=frozenset().union(*(one.managers for one in each)),
        areas=frozenset().union(*(one.areas for one in each)),
        vendors=frozenset().union(*(one.vendors for one in each)),
        installers=frozenset().union(*(one.installers for one in each)),
    )
