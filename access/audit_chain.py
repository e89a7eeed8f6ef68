"""The record that nobody can alter unseen: a chain of SHA-256 per tenant (G12). Pure; no I/O, no clock.

H1  hash(n) = SHA-256 of the canonical bytes of entry n, which hold hash(n - 1). The first entry's `prev` is 64 zeros.
H2  Canonical bytes: JSON as RFC 8785 has it for what we write (objects with their keys sorted, strings, integers,
    booleans, null, arrays; no floats: a number that is none is text), UTF-8, no white space.
H3  An edit, a deletion, an insertion or another order breaks the chain. A truncation does not: it is found by a head
    (tenant, n, hash) that was signed and published elsewhere.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

FIRST_PREV = "0" * 64

#: Ten times as quick as the standard library's, and the same bytes (a test compares them).
_canonical = msgspec.json.Encoder(order="sorted")

#: What an entry may say of itself, below the first level too.
Plain = str | int | bool | None | list["Plain"] | dict[str, "Plain"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One link. n counts from 1 in each tenant. at: microseconds since 1970 UTC. kind: `alarm`, `login`, `grant`, ...
    by: who did it, empty where a rule did. body: canonical JSON text."""

    tenant: str
    n: int
    at: int
    kind: str
    by: str
    body: str
    prev: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.canonical()).hexdigest()

    def canonical(self) -> bytes:
        """The bytes that are hashed (H2); the body goes in as text, so that it is hashed exactly as it is kept."""
        return _canonical.encode(
            {
                "at": self.at,
                "body": self.body,
                "by": self.by,
                "kind": self.kind,
                "n": self.n,
                "prev": self.prev,
                "tenant": self.tenant,
            }
        )


def canonical_json(value: Mapping[str, Plain]) -> str:
    """H2. Raises ValueError for a float, so that no figure depends on how it was printed."""
    _no_floats(value)
    return _canonical.encode(value).decode()


def _no_floats(value: object) -> None:
    if isinstance(value, float):
        raise ValueError(f"{value!r}: numbers in the record are integers or text")
    if isinstance(value, Mapping):
        for one in value.values():
            _no_floats(one)
    elif isinstance(value, list | tuple):
        for one in value:
            _no_floats(one)
