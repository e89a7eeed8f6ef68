"""May this principal do this to that? One pure function; every route and every instruction asks it.

A1  What no row of access/roles.py allows is denied. A new action or a new kind of principal starts with no rights.
A2  Who may not know that a thing exists gets NotFound for it, not Denied: the answer is the same as for a thing that
    does not exist (G11). So Denied is said of what the principal may do to nothing at all, and never of one thing.
A3  Only devices publish readings, and only for themselves and those registered behind them: an administrator's token
    cannot invent a reading.
A4  Several memberships unite, action by action: what one of them may do, and only to the things of that one.
A5  A program has its membership's rights, and of these those that its key names: a key gives nothing that its
    enterprise does not have.
A6  An incident may stand over several parties' sites. Only who may see each of them sees it or works on it: a neighbour
    of another company is nobody's business. What lies within one's own sites has an incident of its own.
"""

from access.actions import Action
from access.ownership import EVERYTHING, NOTHING, Owner, Scope
from access.principals import Administrator, Anonymous, DevicePrincipal, Membership, Person, Principal, Service
from access.roles import ANONYMOUS_ACTIONS, DEVICE_ACTIONS, PLATFORM_ACTIONS, ROLE_ACTIONS, SIGNED_IN_ACTIONS, Role
from access.subjects import (
    OfAlarm,
    OfArea,
    OfCommand,
    OfDevice,
    OfEnterprise,
    OfIncident,
    OfPermit,
    OfSite,
    Platform,
    Subject,
)

__all__ = [
    "ADMINISTRATOR_ACTIONS",
    "Action",
    "Denied",
    "NotFound",
    "OfAlarm",
    "OfArea",
    "OfCommand",
    "OfDevice",
    "OfEnterprise",
    "OfIncident",
    "OfPermit",
    "OfSite",
    "Platform",
    "Subject",
    "acts_as",
    "authorize",
    "enterprises_of",
    "may",
    "scope",
]

#: What the installation's own token may do.
ADMINISTRATOR_ACTIONS = PLATFORM_ACTIONS


class Denied(PermissionError):
    """This principal may not do this. Permanent: asking again changes nothing."""


class NotFound(LookupError):
    """For this principal the subject does not exist. Permanent."""


def may(principal: Principal, action: Action) -> bool:
    """Whether there is anything at all that `principal` may do `action` to."""
    match principal:
        case Administrator():
            return action in ADMINISTRATOR_ACTIONS
        case DevicePrincipal():
            return action in DEVICE_ACTIONS
        case Person():
            return action in SIGNED_IN_ACTIONS or any(action in ROLE_ACTIONS[one.role] for one in principal.memberships)
        case Service():
            return action in SIGNED_IN_ACTIONS or bool(_memberships(principal, action))
        case Anonymous():
            return action in ANONYMOUS_ACTIONS


def scope(principal: Principal, action: Action) -> Scope:
    """What `principal` may do `action` to (A4). Nothing for devices: what they publish for is said by A3."""
    if isinstance(principal, Administrator):
        return EVERYTHING if action in ADMINISTRATOR_ACTIONS else NOTHING
    if not isinstance(principal, Person | Service):
        return NOTHING
    found = [_scope_of(one) for one in _memberships(principal, action)]
    if not found:
        return NOTHING
    return found[0] if len(found) == 1 else _united(found)


def authorize(principal: Principal, action: Action, subject: Subject) -> None:
    """Return when `principal` may do `action` to `subject`. Raises Denied, or NotFound where the principal may not
    learn whether the subject exists."""
    if not may(principal, action):
        raise Denied(f"{principal.name} may not {action.replace('_', ' ')}")
    if isinstance(principal, DevicePrincipal):
        _may_publish(principal, action, subject)
    elif not isinstance(subject, Platform) and not isinstance(principal, Anonymous | Administrator):
        _within(principal, action, subject)


def acts_as(principal: Principal, action: Action, owner: Owner) -> Role:
    """In what capacity `principal` does `action` to a thing of `owner`'s: the one with the most rights of those that
    admit it; where none does, the one with the fewest."""
    if not isinstance(principal, Person | Service):
        return Role.PLATFORM_ADMINISTRATOR
    allowing = _memberships(principal, action)
    admitting = [one.role for one in allowing if _scope_of(one).admits(owner)]
    if admitting:
        return max(admitting, key=_rights)
    return min((one.role for one in allowing), key=_rights, default=Role.VENDOR)


def enterprises_of(principal: Principal, action: Action) -> frozenset[str] | None:
    """The parties whose own affairs (accounts, keys, reports) `principal` may do `action` to; None: every one's."""
    if isinstance(principal, Administrator):
        return None if action in ADMINISTRATOR_ACTIONS else frozenset()
    if not isinstance(principal, Person | Service):
        return frozenset()
    members = _memberships(principal, action)
    if any(one.role is Role.PLATFORM_ADMINISTRATOR for one in members):
        return None
    return frozenset(one.enterprise for one in members if one.enterprise)


def _memberships(principal: Person | Service, action: Action) -> list[Membership]:
    """Those that allow the action (A4, A5)."""
    if isinstance(principal, Service):
        named = action in principal.scopes and action in ROLE_ACTIONS[principal.membership.role]
        return [principal.membership] if named else []
    return [one for one in principal.memberships if action in ROLE_ACTIONS[one.role]]


def _scope_of(membership: Membership) -> Scope:
    """The things of one membership. Who is bound to some sites has those and no others."""
    if membership.sites:
        return Scope(sites=membership.sites)
    match membership.role:
        case Role.PLATFORM_ADMINISTRATOR:
            return EVERYTHING
        case Role.RESIDENT:
            return NOTHING
        case Role.VENDOR:
            return Scope(vendors=_named(membership.vendor))
        case Role.REGULATOR:
            return Scope(areas=_named(membership.area))
        case Role.INSTALLER:
            return Scope(installers=_named(membership.enterprise))
        case Role.PROPERTY_MANAGER:
            return Scope(managers=_named(membership.enterprise))
        case Role.OPERATOR | Role.COMPANY_ADMINISTRATOR | Role.FIELD_CREW:
            return Scope(enterprises=_named(membership.enterprise))


def _rights(role: Role) -> int:
    return len(ROLE_ACTIONS[role])


def _named(word: str) -> frozenset[str]:
    return frozenset({word}) if word else frozenset()


def _united(scopes: list[Scope]) -> Scope:
    return Scope(
        everything=any(one.everything for one in scopes),
        enterprises=frozenset().union(*(one.enterprises for one in scopes)),
        managers=frozenset().union(*(one.managers for one in scopes)),
        areas=frozenset().union(*(one.areas for one in scopes)),
        vendors=frozenset().union(*(one.vendors for one in scopes)),
        installers=frozenset().union(*(one.installers for one in scopes)),
        sites=frozenset().union(*(one.sites for one in scopes)),
    )


def _may_publish(principal: DevicePrincipal, action: Action, subject: Subject) -> None:
    """A3."""
    if action is not Action.PUBLISH_READINGS:
        return
    if not isinstance(subject, OfDevice):
        raise Denied(f"{principal.name} publishes for devices only")
    if subject.identity not in principal.may_publish_for:
        raise NotFound(f"no device {subject.identity} for {principal.name}")


def _within(principal: Person | Service, action: Action, subject: Subject) -> None:
    """A2, A6."""
    if isinstance(subject, OfEnterprise):
        own = enterprises_of(principal, action)
        admitted = own is None or subject.enterprise in own
    else:
        allowed = scope(principal, action)
        owners = subject.owners if isinstance(subject, OfIncident) else _only(subject)
        admitted = allowed.everything or (bool(owners) and all(allowed.admits(owner) for owner in owners))
    if not admitted:
        raise NotFound(f"there is no {subject.words}")


def _only(subject: OfDevice | OfAlarm | OfCommand | OfPermit | OfSite | OfArea | Platform) -> tuple[Owner, ...]:
    if isinstance(subject, Platform) or subject.owner is None:
        return ()
    return (subject.owner,)
