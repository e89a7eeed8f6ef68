"""Verifying an export of the record, offline, without trust in whoever made it.

An export is text: a first line that says what it is meant to be, then one line an entry. The bytes of an entry's line
are the bytes that were hashed, so a stranger's verifier is: SHA-256 of each line, compared with `prev` in the next.

V1  Every edit, deletion, insertion or other order breaks a link, and the first break of each run is named by its line.
V2  Whoever can write the database can make a whole new chain with fitting links. It then differs from a head that was
    signed and is kept elsewhere: every head is compared that speaks of an entry which is here.
V3  A cut-off end is found by a head that speaks of a later entry, and by the first line.
V4  What no head covers yet is said, not passed over: those entries are linked, but nobody has vouched for them.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from access.audit_chain import FIRST_PREV
from access.audit_heads import Head, SignedHeads

FORMAT = 1
#: Faults that are told one by one; a chain with more is broken anyhow.
MOST_FAULTS = 20


class ExportHeader(msgspec.Struct, frozen=True):
    """The first line. from_n and to_n: the entries that follow, inclusive; to_n = from_n - 1: none."""

    davy_audit: int
    tenant: str
    from_n: int
    to_n: int


class _Link(msgspec.Struct, frozen=True):
    tenant: str
    n: int
    prev: str


_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError)
_header = msgspec.json.Decoder(ExportHeader)
_link = msgspec.json.Decoder(_Link)


@dataclass(frozen=True, slots=True)
class Fault:
    """line: of the export, from 1; 0: not at one line."""

    line: int
    reason: str


@dataclass(slots=True)
class Verified:
    """What was found. covered_to: the last entry that a head vouches for, 0: none. Sound when `faults` is empty."""

    tenant: str = ""
    from_n: int = 0
    to_n: int = 0
    heads: int = 0
    covered_to: int = 0
    faults: list[Fault] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not self.faults

    def _fault(self, line: int, reason: str) -> None:
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(line, reason))


def verify_export(lines: Iterable[bytes], published: Iterable[SignedHeads], *, part: bool = False) -> Verified:
    """`published`: documents of heads whose signatures were looked at (access.audit_heads.heads_faults). part: the
    export was asked for from or up to some entry only, so what is beyond it is no fault."""
    found = Verified()
    entries = iter(lines)
    try:
        header = _header.decode(next(entries, b""))
    except _UNREADABLE as wrong:
        found._fault(1, f"the first line does not say what this is: {wrong}")
        return found
    if header.davy_audit != FORMAT:
        found._fault(1, f"format {header.davy_audit}; this Davy reads format {FORMAT}")
        return found
    found.tenant, found.from_n, found.to_n = header.tenant, header.from_n, header.from_n - 1
    heads = _heads_of(header.tenant, published)
    if header.from_n != 1 and not part:
        found._fault(1, f"begins with entry {header.from_n}: what is before it was left out")
    _follow(entries, header, heads, found)
    if found.to_n != header.to_n:
        found._fault(0, f"ends with entry {found.to_n}, and was made with entries up to {header.to_n}: cut off")
    later = max((head.n for head in heads), default=0)
    if later > found.to_n and not part:
        found._fault(0, f"ends with entry {found.to_n}, and a signed head speaks of entry {later}: cut off")
    return found


def _follow(entries: Iterable[bytes], header: ExportHeader, heads: list[Head], found: Verified) -> None:
    expected: dict[int, set[str]] = {}
    for head in heads:
        expected.setdefault(head.n, set()).add(head.sha256)
    tenant, n = header.tenant, header.from_n - 1
    prev = FIRST_PREV if header.from_n == 1 else None
    sha256, decode = hashlib.sha256, _link.decode
    at = 1
    for raw in entries:
        at += 1
        line = raw.rstrip(b"\n")
        try:
            link = decode(line)
        except _UNREADABLE as wrong:
            found._fault(at, f"is no entry: {wrong}")
            prev, n = None, n + 1
            continue
        if link.n != n + 1 or link.tenant != tenant:
            found._fault(at, f"is entry {link.n} of {link.tenant!r}; entry {n + 1} of {tenant!r} belongs here")
        elif prev is not None and link.prev != prev:
            found._fault(at, f"entry {link.n} does not follow entry {n} as it stands here: one of the two was altered")
        n, prev = link.n, sha256(line).hexdigest()
        if n in expected:
            found.heads += len(expected[n])
            if expected[n] == {prev}:
                found.covered_to = max(found.covered_to, n)
            else:
                found._fault(at, f"entry {n} is not the one that a signed head vouches for")
    found.to_n = n


def _heads_of(tenant: str, published: Iterable[SignedHeads]) -> list[Head]:
    return [head for signed in published for head in signed.parsed().heads if head.tenant == tenant]
