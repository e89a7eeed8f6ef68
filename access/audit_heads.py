"""Signed heads: how far each chain of the record was at a time, so that its end cannot be cut off unseen.

S1  A document names, for every chain that grew since the last one, its last entry's number and hash. Documents are
    numbered, and each holds the SHA-256 of the one before: one that is missing shows.
S2  It is signed with Ed25519 (RFC 8032) by the installation's key, over the document's UTF-8 text as it is kept.
S3  A head says something only where it is kept by somebody else. Publishing is davy/'s and storage/'s work.
"""

import base64
import hashlib
from dataclasses import dataclass

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from access.audit_chain import FIRST_PREV, canonical_json


class Head(msgspec.Struct, frozen=True):
    """Where a tenant's chain ended."""

    tenant: str
    n: int
    sha256: str


class HeadsDocument(msgspec.Struct, frozen=True):
    """at: microseconds since 1970 UTC. prev: SHA-256 of the document before; 64 zeros in the first."""

    number: int
    at: int
    prev: str
    heads: tuple[Head, ...]


class SignedHeads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document as published. key: `key_id` of who signed. signature: base64."""

    document: str
    key: str
    signature: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.document.encode()).hexdigest()

    def parsed(self) -> HeadsDocument:
        """Raises ValueError (msgspec.ValidationError is one) where the text is no document of heads."""
        return msgspec.json.decode(self.document, type=HeadsDocument)

    @property
    def file_name(self) -> str:
        """The name under which it is published: names sort as numbers do."""
        return f"heads-{self.parsed().number:012d}.json"


@dataclass(frozen=True, slots=True)
class Signer:
    """The installation's key."""

    private: Ed25519PrivateKey

    @property
    def key(self) -> str:
        return key_id(self.private.public_key())

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def private_pem(self) -> bytes:
        return self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

    def sign(self, document: HeadsDocument) -> SignedHeads:
        text = canonical_json(
            {
                "at": document.at,
                "heads": [{"n": h.n, "sha256": h.sha256, "tenant": h.tenant} for h in document.heads],
                "number": document.number,
                "prev": document.prev,
            }
        )
        signature = base64.b64encode(self.private.sign(text.encode())).decode()
        return SignedHeads(document=text, key=self.key, signature=signature)


def read_signer(pem: bytes) -> Signer:
    """Raises ValueError where it is no Ed25519 private key."""
    private = load_pem_private_key(pem, password=None)
    if not isinstance(private, Ed25519PrivateKey):
        raise ValueError("not an Ed25519 private key")
    return Signer(private)


def read_public(pem: bytes) -> Ed25519PublicKey:
    """Raises ValueError where it is no Ed25519 public key."""
    public = load_pem_public_key(pem)
    if not isinstance(public, Ed25519PublicKey):
        raise ValueError("not an Ed25519 public key")
    return public


def key_id(public: Ed25519PublicKey) -> str:
    """The first 16 hex digits of the SHA-256 of the key's 32 bytes."""
    return hashlib.sha256(public.public_bytes(Encoding.Raw, PublicFormat.Raw)).hexdigest()[:16]


def next_document(last: SignedHeads | None, at: int, heads: tuple[Head, ...]) -> HeadsDocument:
    """The document that follows `last`."""
    if last is None:
        return HeadsDocument(number=1, at=at, prev=FIRST_PREV, heads=heads)
    return HeadsDocument(number=last.parsed().number + 1, at=at, prev=last.sha256, heads=heads)


def heads_faults(published: list[SignedHeads], keys: list[Ed25519PublicKey]) -> list[str]:
    """What is wrong with a series of published documents, in the order of their numbers: a signature by none of `keys`,
    one that is missing, one that was put in another's place."""
    faults: list[str] = []
    known = {key_id(key): key for key in keys}
    last: SignedHeads | None = None
    for signed in published:
        try:
            document = signed.parsed()
        except ValueError as wrong:
            faults.append(f"a document of heads cannot be read: {wrong}")
            continue
        at = f"heads {document.number}"
        if signed.key not in known:
            faults.append(f"{at}: signed by key {signed.key}, which is not one of those given")
        elif not _signed_by(known[signed.key], signed):
            faults.append(f"{at}: the signature does not fit the document")
        if last is None and document.number == 1 and document.prev != FIRST_PREV:
            faults.append(f"{at}: is the first and names one before it")
        if last is not None and document.number != last.parsed().number + 1:
            faults.append(f"{at}: follows heads {last.parsed().number}; what is between them is missing")
        elif last is not None and document.prev != last.sha256:
            faults.append(f"{at}: does not follow the heads {last.parsed().number} that are here")
        last = signed
    return faults


def _signed_by(key: Ed25519PublicKey, signed: SignedHeads) -> bool:
    try:
        key.verify(base64.b64decode(signed.signature, validate=True), signed.document.encode())
    except (InvalidSignature, ValueError):
        return False
    return True
