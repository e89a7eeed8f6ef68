"""Who is asking. Frozen; made by whoever checked the credential, never by the one who asks."""

from dataclasses import dataclass


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


Principal = Anonymous | Administrator | DevicePrincipal
