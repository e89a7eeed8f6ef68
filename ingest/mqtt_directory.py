"""Who may sign in and what each may say: the registry as the MQTT endpoint and the door need it.

D1  An identity signs in by its token (compared in constant time against its SHA-256) or by a client certificate that
    the TLS layer verified and whose common name is `vendor/serial`. Anonymous clients are refused.
D2  An identity publishes and hears for itself and for the devices registered behind it, on exact topics only.
D3  An unknown identity and a wrong token look alike from outside, in words and in work done.
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from devices.registry_book import RegistryBook
from devices.sites import Credential, Registry, RegistryChange
from devices.topics import Kind, parse_topic
from ingest.mqtt_limits import Why
from ingest.mqtt_packets import Connect

#: Compared with when there is no such identity, so that the work done is the same (D3).
_NOBODY = Credential("", "0" * 64)


class Refused(NamedTuple):
    """A CONNECT that is not let in."""

    why: Why
    words: str


@dataclass(frozen=True, slots=True)
class Grant:
    """What one connection may do.

    token_sha256: the token it signed in with; empty for a certificate. When the registry no longer says the same, the
        connection ends.
    members: identity -> device_no of itself and those behind it.
    telemetry: topic as it stands in a PUBLISH, its two length bytes first -> device_no.
    """

    identity: str
    token_sha256: str
    members: Mapping[str, int]
    telemetry: Mapping[bytes, int]

    def published(self, topic: str) -> tuple[int, Kind] | None:
        """Device and kind, when this identity may publish to `topic`."""
        return self._device(topic, (Kind.TELEMETRY, Kind.REPLY))

    def heard(self, topic: str) -> int | None:
        """Whose commands are on `topic`, when this identity may subscribe to it: exact topics, no wildcards."""
        found = self._device(topic, (Kind.COMMAND,))
        return None if found is None else found[0]

    def _device(self, topic: str, kinds: tuple[Kind, ...]) -> tuple[int, Kind] | None:
        parsed = parse_topic(topic)
        if parsed is None or parsed.kind not in kinds:
            return None
        number = self.members.get(f"{parsed.vendor}/{parsed.serial}")
        return None if number is None else (number, parsed.kind)


class Changed(NamedTuple):
    """Identities whose grant may be another now; those of them that were left without a token."""

    about: frozenset[str]
    revoked: frozenset[str]


class Directory:
    """Reads a registry's book as it stands, so that a change of one device costs what it touches. `now_us`:
    microseconds UTC, by which former tokens run out."""

    def __init__(self, book: RegistryBook) -> None:
        self._book = book
        self._gateway_of = {one.identity: one.gateway for one in book.devices.values() if one.gateway}

    @classmethod
    def of(cls, registry: Registry) -> "Directory":
        return cls(RegistryBook.of(registry))

    @property
    def book(self) -> RegistryBook:
        return self._book

    @property
    def identities(self) -> Mapping[int, str]:
        """By device number, as it stands."""
        return self._book.identity_of

    def number(self, identity: str) -> int:
        """Its device number; 0: nobody is registered so."""
        device = self._book.devices.get(identity)
        return device.device_no if device else 0

    def numbers(self) -> dict[str, int]:
        """Of all devices, now."""
        return {identity: device.device_no for identity, device in self._book.devices.items()}

    def changed(self, changes: Iterable[RegistryChange]) -> Changed:
        """The book has taken these changes."""
        about: set[str] = set()
        revoked: set[str] = set()
        for change in changes:
            revoked |= set(change.gone.credentials)
            about |= {one.identity for one in change.put.credentials} | set(change.gone.credentials)
            for identity in (*(one.identity for one in change.put.devices), *change.gone.devices):
                device = self._book.devices.get(identity)
                gateway = device.gateway if device else ""
                about |= {identity, gateway, self._gateway_of.pop(identity, "")}
                if gateway:
                    self._gateway_of[identity] = gateway
        return Changed(frozenset(about), frozenset(one for one in revoked if one not in self._book.credentials))

    def sign_in(self, connect: Connect, certified: str | None, now_us: int) -> Grant | Refused:
        """Whom this CONNECT speaks for. `certified`: the common name of a verified client certificate, if any."""
        if certified is not None:
            if connect.username not in (None, "", certified):
                return Refused(Why.CERTIFICATE_MISMATCH, "the user name is not the certificate's common name")
            if certified not in self._book.devices:
                return Refused(
                    Why.BAD_CREDENTIALS, f"no device is registered as {certified[:130]!r}, its certificate's name"
                )
            return self.grant(certified, "")
        if not connect.username or connect.password is None:
            return Refused(Why.ANONYMOUS, "no user name and password; sign in as vendor/serial with the device's token")
        if not self.proves(connect.username, connect.password, now_us):
            return Refused(Why.BAD_CREDENTIALS, f"no device {connect.username[:130]!r}, or not its token")
        return self.grant(connect.username, hashlib.sha256(connect.password).hexdigest())

    def proves(self, identity: str, token: bytes, now_us: int) -> bool:
        """Whether this is a registered device and its token, or its former one for as long as that is good (D1, D3)."""
        offered = hashlib.sha256(token).hexdigest()
        return bool(self.still_good(identity, offered, now_us) and identity in self._book.devices)

    def good_until(self, grant: Grant) -> int:
        """When the token that a grant was given for runs out; 0: it does not."""
        known = self._book.credentials.get(grant.identity)
        former = known is not None and grant.token_sha256 not in ("", known.token_sha256.lower())
        return known.former_until_us if known is not None and former else 0

    def speaks_for(self, identity: str) -> tuple[str, ...]:
        """The identity itself and those registered behind it."""
        return (identity, *self._book.behind.get(identity, ()))

    def grant(self, identity: str, token_sha256: str) -> Grant:
        """Raises KeyError for an identity that is not registered."""
        members = self._members(identity)
        topics = ((f"davy/v1/{member}/{Kind.TELEMETRY}".encode(), number) for member, number in members.items())
        telemetry = {len(topic).to_bytes(2, "big") + topic: number for topic, number in topics}
        return Grant(identity, token_sha256, members, telemetry)

    def renew(self, grant: Grant, now_us: int) -> Grant | None:
        """The grant under this directory; None when the identity has left, changed its number, or its token is good no
        longer."""
        if self.number(grant.identity) != grant.members[grant.identity]:
            return None
        if grant.token_sha256 and not self.still_good(grant.identity, grant.token_sha256, now_us):
            return None
        if self._members(grant.identity) == grant.members:
            return grant
        return self.grant(grant.identity, grant.token_sha256)

    def still_good(self, identity: str, offered: str, now_us: int) -> bool:
        """Whether a token, as its SHA-256 in hex, is this identity's, or its former one and good yet."""
        known = self._book.credentials.get(identity, _NOBODY)
        former = known.former_sha256 if now_us < known.former_until_us else ""
        # Both are compared always, whatever the first one says (D3).
        said = [hmac.compare_digest(offered.encode(), one.lower().encode()) for one in (known.token_sha256, former)]
        return any(said)

    def _members(self, identity: str) -> dict[str, int]:
        devices = self._book.devices
        members = {identity: devices[identity].device_no}
        for other in self._book.behind.get(identity, ()):
            members[other] = devices[other].device_no
        return members
