"""Chains of the record as an export holds them, and signed heads of them, without a database."""

import random
from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from access.audit_chain import FIRST_PREV, Entry, canonical_json
from access.audit_heads import Head, SignedHeads, Signer, next_document

KEY = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
OTHER_KEY = Signer(Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33))))
T0 = 1_764_633_600_000_000


def chain(tenant: str, many: int, *, rng: random.Random | None = None, prev: str = FIRST_PREV) -> list[Entry]:
    rng = rng or random.Random(many)
    entries: list[Entry] = []
    for n in range(1, many + 1):
        body = canonical_json({"alarm": f"{rng.getrandbits(64):x}", "note": rng.choice(("阀门已关", 'a "b"\\\n', ""))})
        entry = Entry(tenant, n, T0 + n, rng.choice(("alarm_raised", "login", "grant")), "person/7", body, prev)
        entries.append(entry)
        prev = entry.sha256
    return entries


def export(entries: Sequence[Entry], tenant: str = "gas-1") -> list[bytes]:
    """The lines of an export of these."""
    first = entries[0].n if entries else 1
    last = entries[-1].n if entries else 0
    head = canonical_json({"davy_audit": 1, "from_n": first, "tenant": tenant, "to_n": last})
    return [head.encode() + b"\n", *(entry.canonical() + b"\n" for entry in entries)]


def heads(at_entries: Sequence[Entry], signer: Signer = KEY) -> list[SignedHeads]:
    """One document for each of these entries as its chain's end, in a series."""
    series: list[SignedHeads] = []
    for entry in at_entries:
        head = Head(entry.tenant, entry.n, entry.sha256)
        series.append(signer.sign(next_document(series[-1] if series else None, entry.at, (head,))))
    return series
