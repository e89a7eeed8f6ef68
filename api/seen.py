"""What of an answer its asker may see: which things (access/ownership.py), which of their fields (access/fields.py).

E1  A list is filtered before it is cut into pages, so that a page is full and its cursor says nothing of what is left
    out.
E2  A field that is not shown is null, and its shape says that it may be.
"""

from collections.abc import Iterable
from functools import cache
from typing import TypeVar

from access.authorize import Action, acts_as, scope
from access.fields import Resource, allowed
from access.ownership import Owner
from access.principals import Principal
from access.roles import Role
from access.subjects import OfAlarm, OfCommand, OfDevice, OfIncident, OfPermit, OfSite, Subject
from api.shapes import Shape

ShapeT = TypeVar("ShapeT", bound=Shape)


class Eyes:
    """One asker's, for one action."""

    def __init__(self, who: Principal, action: Action) -> None:
        self._who = who
        self._action = action
        self.scope = scope(who, action)

    def admit(self, owner: Owner) -> bool:
        return self.scope.admits(owner)

    def admit_all(self, owners: Iterable[Owner]) -> bool:
        """Of what has several owners: seen by who may see each (access/authorize.py, A6)."""
        if self.scope.everything:
            return True
        owned = tuple(owners)
        return bool(owned) and all(self.scope.admits(owner) for owner in owned)

    def role(self, owner: Owner) -> Role:
        return Role.PLATFORM_ADMINISTRATOR if self.scope.everything else acts_as(self._who, self._action, owner)

    def see(self, resource: Resource, owner: Owner, shape: ShapeT) -> ShapeT:
        """The thing, with what is not for these eyes null."""
        return masked(self.role(owner), resource, shape)


def owner_of(subject: Subject) -> Owner:
    """Whose it is that the permit admitted to; nobody's where nobody had to look."""
    if isinstance(subject, OfDevice | OfAlarm | OfCommand | OfPermit | OfSite):
        return subject.owner or Owner()
    return subject.owners[0] if isinstance(subject, OfIncident) and subject.owners else Owner()


def masked(role: Role, resource: Resource, shape: ShapeT) -> ShapeT:
    """E2."""
    hidden = _hidden(role, resource, type(shape))
    return shape.model_copy(update=dict.fromkeys(hidden)) if hidden else shape


@cache
def _hidden(role: Role, resource: Resource, kind: type[Shape]) -> frozenset[str]:
    shown = allowed(role, resource)
    return frozenset() if shown is None else frozenset(kind.model_fields) - shown
