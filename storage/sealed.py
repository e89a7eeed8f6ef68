"""Personal data at rest: sealed with a key of its tenant, which is itself wrapped by the installation's master key. No
I/O; randomness is an argument.

S1  Authenticated (AES-256-GCM, NIST SP 800-38D), and bound to its place: bytes that are moved to another tenant, person
    or field do not open there.
S2  What is sealed says under which version of its tenant's key; without that key it is noise for ever. To destroy the
    key is to forget the people.
S3  A look-up needs no opening: the blind index of a number is a keyed hash (HMAC-SHA-256) under a key of its own, so
    that who has the database but no key cannot try numbers out.
S4  The master key never seals data, and a tenant's key neither seals nor indexes as it stands: each use has a key
    derived for it (HKDF-SHA-256, RFC 5869).
"""

import hmac
import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

#: AES-256; the master key and a tenant's key are as long.
KEY_BYTES = 32
#: SP 800-38D, 8.2: 96 bits; random ones are good for 2^32 messages of one key, more than a tenant has fields.
_NONCE_BYTES = 12
_VERSION_BYTES = 4
#: The first byte of what is sealed: this very layout (form, version, nonce, ciphertext with tag).
_FORM = 1
#: Of the HMAC's 32 bytes; among a million numbers 128 bits have no two alike.
_INDEX_BYTES = 16

RandomBytes = Callable[[int], bytes]


class Unreadable(ValueError):
    """It was sealed under a key that is gone, or at another place, or was altered. Permanent."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something sealed belongs: a field of a person of a tenant (`telephone`, `contact/sms/1`)."""

    tenant: str
    person: str
    field: str

    def bytes(self) -> bytes:
        """Each part with its length, so that no two places are written alike."""
        parts = (b"davy personal data", self.tenant.encode(), self.person.encode(), self.field.encode())
        return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


@dataclass(frozen=True, slots=True)
class TenantKey:
    """One version of a tenant's key. `plain`: its KEY_BYTES; never printed."""

    tenant: str
    version: int
    plain: bytes = field(repr=False)

    def seal(self, place: Place, text: str, random_bytes: RandomBytes) -> bytes:
        """`text` as bytes that only this key opens, and only at `place`. Raises ValueError for another tenant's."""
        if place.tenant != self.tenant:
            raise ValueError(f"{place} is not of {self.tenant}")
        nonce = random_bytes(_NONCE_BYTES)
        head = bytes([_FORM]) + self.version.to_bytes(_VERSION_BYTES, "big")
        cipher = AESGCM(_derived(self.plain, b"seal"))
        return head + nonce + cipher.encrypt(nonce, text.encode(), head + place.bytes())

    def open(self, place: Place, sealed: bytes) -> str:
        """Raises Unreadable."""
        head, rest = sealed[: 1 + _VERSION_BYTES], sealed[1 + _VERSION_BYTES :]
        if version_of(sealed) != self.version:
            raise Unreadable(f"{place} was sealed under another version of the key")
        cipher = AESGCM(_derived(self.plain, b"seal"))
        try:
            plain = cipher.decrypt(rest[:_NONCE_BYTES], rest[_NONCE_BYTES:], head + place.bytes())
        except (InvalidTag, ValueError) as wrong:
            raise Unreadable(f"{place} does not open: it was altered, or moved from elsewhere") from wrong
        return plain.decode()

    def index(self, kind: str, text: str) -> bytes:
        """The blind index of `text` as a `kind` of number (S3), the same however it is written. `kind` is `telephone`,
        `id_number`, ...: equal numbers of two kinds are not seen to be equal."""
        said = f"{kind}\0{normal(text)}".encode()
        return hmac.digest(_derived(self.plain, b"index"), said, "sha256")[:_INDEX_BYTES]


@dataclass(frozen=True, slots=True)
class Keyring:
    """A tenant's keys, by version; `current` is the newest, None where the tenant has none."""

    tenant: str
    versions: Mapping[int, TenantKey]

    @property
    def current(self) -> TenantKey | None:
        return self.versions[max(self.versions)] if self.versions else None

    def open(self, place: Place, sealed: bytes) -> str:
        """Under whichever version it was sealed. Raises Unreadable."""
        key = self.versions.get(version_of(sealed))
        if key is None:
            raise Unreadable(f"the key of {place} is gone")
        return key.open(place, sealed)


@dataclass(frozen=True, slots=True)
class MasterKey:
    """Wraps tenants' keys. `plain`: KEY_BYTES, from a file that only Davy may read (davy/master_key.py)."""

    plain: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.plain) != KEY_BYTES:
            raise ValueError(f"a master key has {KEY_BYTES} bytes, not {len(self.plain)}")

    def wrap(self, key: TenantKey, random_bytes: RandomBytes) -> bytes:
        nonce = random_bytes(_NONCE_BYTES)
        return nonce + AESGCM(_derived(self.plain, b"wrap")).encrypt(nonce, key.plain, _label(key.tenant, key.version))

    def unwrap(self, tenant: str, version: int, wrapped: bytes) -> TenantKey:
        """Raises Unreadable: another master key wrapped it, or another tenant's row was copied here."""
        cipher = AESGCM(_derived(self.plain, b"wrap"))
        try:
            plain = cipher.decrypt(wrapped[:_NONCE_BYTES], wrapped[_NONCE_BYTES:], _label(tenant, version))
        except (InvalidTag, ValueError) as wrong:
            raise Unreadable(
                f"version {version} of the key of {tenant!r} was not wrapped by this installation's master key; put"
                " back the file that DAVY_MASTER_KEY_FILE names"
            ) from wrong
        return TenantKey(tenant, version, plain)


def new_key(tenant: str, version: int, random_bytes: RandomBytes) -> TenantKey:
    return TenantKey(tenant, version, random_bytes(KEY_BYTES))


def version_of(sealed: bytes) -> int:
    """The version of the key that `sealed` was sealed under. Raises Unreadable for what was never sealed."""
    if len(sealed) < 1 + _VERSION_BYTES + _NONCE_BYTES or sealed[0] != _FORM:
        raise Unreadable("these bytes were not sealed by Davy")
    return int.from_bytes(sealed[1 : 1 + _VERSION_BYTES], "big")


#: What people write into numbers and is no part of them.
_FILLING = re.compile(r"[\s().\-/]+")
_CHINA = re.compile(r"(?:\+|00)86(?=1[0-9]{10}\Z|0)")


def normal(text: str) -> str:
    """A number as it is compared: full-width digits as others, nothing between them, no prefix of this country."""
    plain = _FILLING.sub("", unicodedata.normalize("NFKC", text)).upper()
    return _CHINA.sub("", plain)


def _label(tenant: str, version: int) -> bytes:
    return b"davy tenant key" + version.to_bytes(_VERSION_BYTES, "big") + tenant.encode()


def _derived(key: bytes, use: bytes) -> bytes:
    return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"davy " + use).derive(key)
