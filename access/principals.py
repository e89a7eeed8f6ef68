"""Who is asking. Frozen; made by whoever checked the credential, never by the one who asks."""

from dataclasses import dataclass

from access.roles import Role


@dataclass(frozen=True, slots=True)
class Anonymous:
    """No credential, or one that is nobody's."""

    name: str = "anonymous"


@dataclass(frozen=True, slots=True)
class Administrator:
    """Holds the installation's administrator token. `name` goes into journals as `by`."""

    name: str = "administrator"


@dataclass(frozen=True, slots=True)
class DevicePrincipal:
    """A device or a gateway that signed in with its token.

    identity: `vendor/serial`, whose token it is.
    may_publish_for: identities it speaks for: itself, and for a gateway the devices registered behind it.
    """

    identity: str
    may_publish_for: frozenset[str]

    @property
    def name(self) -> str:
        return self.identity


@dataclass(frozen=True, slots=True)
class Membership:
    """In what capacity, and where. enterprise: key of the party (empty for the platform's own people). area (a prefix
    of GB/T 2260 codes) and vendor are those of the enterprise; sites: a resident's, or the only ones of somebody who is
    bound to some."""

    role: Role
    enterprise: str = ""
    area: str = ""
    vendor: str = ""
    sites: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who signed in. `name` goes into journals as `by`: `person/<account>`, never a name or a number of the
    person's own, because journals are for ever. `session` names the sign-in."""

    account: str
    memberships: tuple[Membership, ...]
    session: str = ""

    @property
    def name(self) -> str:
        return f"person/{self.account}"


@dataclass(frozen=True, slots=True)
class Service:
    """A program with an API key. It may do what its membership may, and of that only `scopes` (words of
    access.authorize.Action)."""

    key: str
    membership: Membership
    scopes: frozenset[str]

    @property
    def name(self) -> str:
        return f"key/{self.key}"


Principal = Anonymous | Administrator | DevicePrincipal | Person | Service
