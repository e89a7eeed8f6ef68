"""Who may sign in and what each may say: the registry as the MQTT endpoint and the door need it.

D1  An identity signs in by its token (compared in constant time against its SHA-256) or by a client certificate that
    the TLS layer verified and whose common name is `vendor/serial`. Anonymous clients are refused.
D2  An identity publishes and hears for itself and for the devices registered behind it, on exact topics only.
D3  An unknown identity and a wrong token look alike from outside, in words and in work done.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from devices.sites import Registry
from devices.topics import Kind, parse_topic
from ingest.mqtt_limits import Why
from ingest.mqtt_packets import Connect

#: Compared with when there is no such identity, so that the work done is the same (D3).
_NOBODY = "0" * 64


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


@dataclass(frozen=True, slots=True)
class Directory:
    """token_sha256: identity -> hex digest. device_no: identity -> its number. behind: gateway -> the identities it
    speaks for."""

    token_sha256: Mapping[str, str]
    device_no: Mapping[str, int]
    behind: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, registry: Registry) -> "Directory":
        behind: dict[str, list[str]] = {}
        for device in registry.devices:
            if device.gateway:
                behind.setdefault(device.gateway, []).append(device.identity)
        return cls(
            token_sha256={c.identity: c.token_sha256.lower() for c in registry.credentials},
            device_no={device.identity: device.device_no for device in registry.devices},
            behind={gateway: tuple(identities) for gateway, identities in behind.items()},
        )

    def sign_in(self, connect: Connect, certified: str | None) -> Grant | Refused:
        """Whom this CONNECT speaks for. `certified`: the common name of a verified client certificate, if any."""
        if certified is not None:
            if connect.username not in (None, "", certified):
                return Refused(Why.CERTIFICATE_MISMATCH, "the user name is not the certificate's common name")
            if certified not in self.device_no:
                return Refused(
                    Why.BAD_CREDENTIALS, f"no device is registered as {certified[:130]!r}, its certificate's name"
                )
            return self.grant(certified, "")
        if not connect.username or connect.password is None:
            return Refused(Why.ANONYMOUS, "no user name and password; sign in as vendor/serial with the device's token")
        if not self.proves(connect.username, connect.password):
            return Refused(Why.BAD_CREDENTIALS, f"no device {connect.username[:130]!r}, or not its token")
        return self.grant(connect.username, self.token_sha256[connect.username])

    def proves(self, identity: str, token: bytes) -> bool:
        """Whether this is a registered device and its token (D1, D3)."""
        expected = self.token_sha256.get(identity, _NOBODY)
        offered = hashlib.sha256(token).hexdigest()
        return hmac.compare_digest(offered.encode(), expected.encode()) and identity in self.device_no

    def speaks_for(self, identity: str) -> tuple[str, ...]:
        """The identity itself and those registered behind it."""
        return (identity, *self.behind.get(identity, ()))

    def grant(self, identity: str, token_sha256: str) -> Grant:
        """Raises KeyError for an identity that is not registered."""
        members = self._members(identity)
        topics = ((f"davy/v1/{member}/{Kind.TELEMETRY}".encode(), number) for member, number in members.items())
        telemetry = {len(topic).to_bytes(2, "big") + topic: number for topic, number in topics}
        return Grant(identity, token_sha256, members, telemetry)

    def renew(self, grant: Grant) -> Grant | None:
        """The grant under this directory; None when the identity has left, changed its number, or its token changed."""
        if self.device_no.get(grant.identity) != grant.members[grant.identity]:
            return None
        if grant.token_sha256 and self.token_sha256.get(grant.identity) != grant.token_sha256:
            return None
        if self._members(grant.identity) == grant.members:
            return grant
        return self.grant(grant.identity, grant.token_sha256)

    def _members(self, identity: str) -> dict[str, int]:
        members = {identity: self.device_no[identity]}
        for other in self.behind.get(identity, ()):
            members[other] = self.device_no[other]
        return members
