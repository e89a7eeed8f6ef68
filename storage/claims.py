"""Putting a device to its place by the code on its label. A device is offered with a claim code; whoever mounts it
claims it for a site; the site's gas company decides, or has decided that it need not.

L1  A code is 80 random bits, kept as its SHA-256 only, good once and until it expires. It says nothing by itself.
L2  The first use takes it. A second use from another place, or by another one, is refused, and both are kept: a label
    that was copied shows. The same use again by the same one is answered as the first.
L3  An approved claim registers the device by the one door (storage/registry.py), with its token, in the same
    transaction: there is no device that is claimed and not registered.
"""

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, LiteralString

from access.audit_chain import Plain
from storage.audit import Said, record
from storage.database import Connection
from storage.registry import Imported, apply_rows
from storage.registry_rows import DeviceGiven, Given, TokenGiven
from storage.text import clean
from storage.times import as_datetime, as_microseconds

#: L1. Base32 (RFC 4648) without the letters that look like digits is what people can type: 16 of them.
_CODE_BYTES = 10


class ClaimState(StrEnum):
    OFFERED = "offered"
    CLAIMED = "claimed"  # and waits for the gas company
    APPROVED = "approved"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"


@dataclass(frozen=True, slots=True)
class Claim:
    """Times are microseconds since 1970 UTC, None where it has not happened. `offerer`: key of the enterprise that
    offered it; `enterprise`: of the gas company whose site it is claimed for; `installer`: of who mounted it."""

    id: str
    vendor: str
    serial: str
    model: str
    state: ClaimState
    offered_us: int
    offered_by: str
    expires_us: int
    offerer: str
    site: str
    enterprise: str
    installer: str
    claimed_us: int | None
    claimed_by: str
    decided_us: int | None
    decided_by: str
    reason: str
    token_sha256: str = ""

    @property
    def identity(self) -> str:
        return f"{self.vendor}/{self.serial}"


class ClaimRefused(ValueError):
    """It cannot be done; the words say why. Permanent."""


_COLUMNS: LiteralString = (
    "claim, vendor, serial, model, state, offered, offered_by, expires, offerer, site, enterprise, installer, claimed,"
    " claimed_by, decided, decided_by, reason, token_sha256 FROM claim"
)


@dataclass(frozen=True, slots=True)
class Offer:
    """What is offered: the device as its vendor knows it, until when its code is good, and in whose name.
    `token_sha256`: of the token that it has already; empty: one is made when it is registered."""

    vendor: str
    serial: str
    model: str
    expires_us: int
    offerer: str
    token_sha256: str = ""


def spoken(code: bytes) -> str:
    """A code as it stands on a label: `ABCD-EFGH-IJKL-MNOP`."""
    text = base64.b32encode(code).decode()
    return "-".join(text[at : at + 4] for at in range(0, len(text), 4))


def code_sha256(code: str) -> str:
    """What is kept of a code, however it was typed: blanks, dashes and small letters do not matter."""
    plain = "".join(letter for letter in code.upper() if letter.isalnum())
    return hashlib.sha256(plain.encode()).hexdigest()


async def offer(
    connection: Connection, offered: Offer, *, id_: str, by: str, now_us: int, random_bytes: Callable[[int], bytes]
) -> tuple[Claim, str]:
    """Offer a device that is registered nowhere; an offer of it that is still open is withdrawn. Returns the claim, and
    its code, which is seen this once. Raises ClaimRefused; psycopg.Error, so call under `translated()`."""
    identity = f"{offered.vendor}/{offered.serial}"
    if await _exists(connection, "SELECT FROM device WHERE identity = %s AND gone IS NULL", identity):
        raise ClaimRefused(f"device {identity} is registered already; remove it from its site first")
    if not await _exists(connection, "SELECT FROM device_model WHERE key = %s", offered.model):
        raise ClaimRefused(f"model {offered.model!r} is not in the catalogue")
    code = spoken(random_bytes(_CODE_BYTES))
    await connection.execute(
        "UPDATE claim SET state = 'withdrawn', decided = %s, decided_by = %s, reason = 'offered anew'"
        " WHERE vendor = %s AND serial = %s AND state = 'offered'",
        (as_datetime(now_us), by, offered.vendor, offered.serial),
    )
    if await _exists(
        connection, "SELECT FROM claim WHERE vendor || '/' || serial = %s AND state = 'claimed'", identity
    ):
        raise ClaimRefused(f"device {identity} is claimed and waits for a decision")
    await connection.execute(
        "INSERT INTO claim (claim, code_sha256, vendor, serial, model, offered, offered_by, expires, offerer,"
        " token_sha256) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        (
            *(id_, code_sha256(code), offered.vendor, offered.serial, offered.model),
            *(as_datetime(now_us), by, as_datetime(offered.expires_us), offered.offerer, offered.token_sha256),
        ),
    )
    claim = await by_id(connection, id_)
    assert claim is not None
    await _say(connection, claim, "claim_offered", by, now_us, parties={offered.offerer})
    return claim, code


@dataclass(frozen=True, slots=True)
class Use:
    """A code as it is used: for which site, by whom, in the name of which installer (empty: none)."""

    code: str
    site: str
    by: str
    installer: str = ""


@dataclass(frozen=True, slots=True)
class Used:
    """What came of it. refused: why not, empty where it was taken; then `claim` is said. done: what the registration
    did and made, where no approval was needed."""

    claim: Claim | None
    refused: str = ""
    done: Imported | None = None


async def use(connection: Connection, used: Use, *, now_us: int, random_bytes: Callable[[int], bytes]) -> Used:
    """Claim a device for a site (L2). A refusal is recorded: commit it. Raises psycopg.Error."""
    cursor = await connection.execute(
        "SELECT " + _COLUMNS + " WHERE code_sha256 = %s FOR UPDATE", (code_sha256(used.code),)
    )
    row = await cursor.fetchone()
    if row is None:
        return Used(None, "this code is not good; look at the label again")
    claim = _claim(row)
    same = (claim.site, claim.claimed_by) == (used.site, used.by)
    if same and claim.state in (ClaimState.CLAIMED, ClaimState.APPROVED):
        return Used(claim)
    company = await _company(connection, used.site)
    refused = _why_not(claim, company, now_us)
    await connection.execute(
        "INSERT INTO claim_use (claim, at, by, site, refused) VALUES (%s, %s, %s, %s, %s)",
        (claim.id, as_datetime(now_us), used.by, clean(used.site), refused),
    )
    if refused or company is None:
        parties = {claim.enterprise, company or "", claim.offerer}
        await _say(connection, claim, "claim_refused", used.by, now_us, parties=parties)
        return Used(None, refused)
    await connection.execute(
        "UPDATE claim SET state = 'claimed', site = %s, enterprise = %s, installer = %s, claimed = %s, claimed_by = %s"
        " WHERE claim = %s",
        (used.site, company, used.installer, as_datetime(now_us), used.by, claim.id),
    )
    claim = await _again(connection, claim.id)
    await _say(connection, claim, "claim_used", used.by, now_us, parties={claim.enterprise, claim.offerer})
    if await needs_approval(connection, claim.enterprise):
        return Used(claim)
    approved, done = await approve(connection, claim.id, by=used.by, now_us=now_us, random_bytes=random_bytes)
    return Used(approved, "", done)


def _why_not(claim: Claim, company: str | None, now_us: int) -> str:
    if company is None:
        return "there is no such site"
    if claim.state is not ClaimState.OFFERED:
        return "this code was used already, from another place or by another one; both are recorded"
    if now_us >= claim.expires_us:
        return "this code has expired; ask for a new one"
    return ""


async def approve(
    connection: Connection, id_: str, *, by: str, now_us: int, random_bytes: Callable[[int], bytes]
) -> tuple[Claim, Imported]:
    """Register the claimed device at its site, with a token (L3). Raises ClaimRefused with the reasons."""
    claim = await _waiting(connection, id_)
    if await _exists(connection, "SELECT FROM device WHERE identity = %s AND gone IS NULL", claim.identity):
        raise ClaimRefused(f"device {claim.identity} was registered already since it was offered")
    device = DeviceGiven(
        claim.vendor,
        claim.serial,
        claim.model,
        claim.site,
        installed=as_datetime(now_us).date().isoformat(),
        installer=claim.installer,
    )
    rows: list[Given] = [device, TokenGiven(claim.identity, claim.token_sha256, replace=True)]
    done = await apply_rows(connection, rows, by=by, now_us=now_us, random_bytes=random_bytes)
    if not done.applied:
        raise ClaimRefused("; ".join([*(fate.reason for fate in done.fates if fate.fate == "refused"), *done.faults]))
    return await _decide(connection, claim, ClaimState.APPROVED, by, now_us, ""), done


async def refuse(connection: Connection, id_: str, *, by: str, now_us: int, reason: str) -> Claim:
    """The gas company does not take it. The device may be offered anew. Raises ClaimRefused."""
    return await _decide(connection, await _waiting(connection, id_), ClaimState.REFUSED, by, now_us, reason)


async def by_id(connection: Connection, id_: str) -> Claim | None:
    cursor = await connection.execute("SELECT " + _COLUMNS + " WHERE claim = %s", (clean(id_),))
    row = await cursor.fetchone()
    return None if row is None else _claim(row)


async def claims(
    connection: Connection, *, limit: int, before: tuple[int, str] | None = None, state: ClaimState | None = None
) -> list[Claim]:
    """Those that the connection's role may see, newest offer first. `before`: (offered_us, id) of the last seen."""
    at, id_ = (as_datetime(before[0]), before[1]) if before else (None, None)
    cursor = await connection.execute(
        "SELECT " + _COLUMNS + " WHERE (%s::timestamptz IS NULL OR (offered, claim) < (%s, %s))"
        " AND (%s::text IS NULL OR state = %s) ORDER BY offered DESC, claim DESC LIMIT %s",
        (at, at, id_, state, state, limit),
    )
    return [_claim(row) for row in await cursor.fetchall()]


async def needs_approval(connection: Connection, enterprise: str) -> bool:
    cursor = await connection.execute("SELECT approval FROM claim_policy WHERE enterprise = %s", (enterprise,))
    row = await cursor.fetchone()
    return True if row is None else bool(row[0])


async def set_policy(connection: Connection, enterprise: str, *, approval: bool, by: str, now_us: int) -> None:
    await connection.execute(
        "INSERT INTO claim_policy (enterprise, approval) VALUES (%s, %s)"
        " ON CONFLICT (enterprise) DO UPDATE SET approval = excluded.approval",
        (enterprise, approval),
    )
    await record(connection, [Said(enterprise, now_us, "claim_policy", by, {"approval": approval})])


async def _waiting(connection: Connection, id_: str) -> Claim:
    cursor = await connection.execute("SELECT " + _COLUMNS + " WHERE claim = %s FOR UPDATE", (clean(id_),))
    row = await cursor.fetchone()
    if row is None:
        raise ClaimRefused("there is no such claim")
    claim = _claim(row)
    if claim.state is not ClaimState.CLAIMED:
        raise ClaimRefused(f"this claim is {claim.state}; only one that waits can be decided")
    return claim


async def _decide(connection: Connection, claim: Claim, state: ClaimState, by: str, now_us: int, reason: str) -> Claim:
    await connection.execute(
        "UPDATE claim SET state = %s, decided = %s, decided_by = %s, reason = %s WHERE claim = %s",
        (state, as_datetime(now_us), by, clean(reason), claim.id),
    )
    decided = await _again(connection, claim.id)
    await _say(connection, decided, f"claim_{state}", by, now_us, parties={claim.enterprise, claim.offerer})
    return decided


async def _again(connection: Connection, id_: str) -> Claim:
    claim = await by_id(connection, id_)
    assert claim is not None
    return claim


async def _company(connection: Connection, site: str) -> str | None:
    """The gas company whose site it is; None: there is no such site."""
    cursor = await connection.execute("SELECT enterprise FROM site WHERE key = %s AND gone IS NULL", (clean(site),))
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def _exists(connection: Connection, query: LiteralString, *values: str) -> bool:
    return await (await connection.execute(query, values)).fetchone() is not None


async def _say(connection: Connection, claim: Claim, kind: str, by: str, now_us: int, *, parties: set[str]) -> None:
    body: dict[str, Plain] = {
        "claim": claim.id,
        "device": claim.identity,
        "site": claim.site,
        "state": str(claim.state),
    }
    await record(connection, [Said(party, now_us, kind, by, body) for party in sorted(parties)])


def _claim(row: tuple[Any, ...]) -> Claim:
    id_, vendor, serial, model, state, offered, offered_by, expires, *rest = row
    offerer, site, enterprise, installer, claimed, claimed_by, decided, decided_by, reason, token = rest
    return Claim(
        id=id_,
        vendor=vendor,
        serial=serial,
        model=model,
        state=ClaimState(state),
        offered_us=as_microseconds(offered),
        offered_by=offered_by,
        expires_us=as_microseconds(expires),
        offerer=offerer,
        site=site,
        enterprise=enterprise,
        installer=installer,
        claimed_us=as_microseconds(claimed) if claimed else None,
        claimed_by=claimed_by,
        decided_us=as_microseconds(decided) if decided else None,
        decided_by=decided_by,
        reason=reason,
        token_sha256=token,
    )
