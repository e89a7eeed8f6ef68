"""Accounts of people: made, changed, listed. Each of these is one step of the caller's transaction, with its entry in
the record (storage/audit.py) beside it. All of them raise psycopg.Error; call under `translated()`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, LiteralString

from msgspec.structs import replace

from access.directory import Account
from access.principals import Membership
from access.roles import Role
from storage.database import Connection
from storage.times import as_datetime


@dataclass(frozen=True, slots=True)
class NewAccount:
    """`password`: an argon2id hash, or empty."""

    account: str
    login: str
    memberships: tuple[Membership, ...]
    password: str = ""
    issuer: str = ""
    subject: str = ""


async def create_account(connection: Connection, new: NewAccount, now_us: int) -> None:
    """Raises psycopg.errors.UniqueViolation where the login, or who it is elsewhere, is another account's."""
    await connection.execute(
        "INSERT INTO account (account, login, password, issuer, subject, created) VALUES (%s, %s, %s, %s, %s, %s)",
        (new.account, new.login, new.password, new.issuer, new.subject, as_datetime(now_us)),
    )
    await _join(connection, new.account, new.memberships)


async def set_memberships(
    connection: Connection, account: str, memberships: Sequence[Membership], enterprise: str | None
) -> None:
    """These in place of those it has: of `enterprise` alone, or (None) of all."""
    await connection.execute(
        "DELETE FROM membership WHERE account = %s AND (%s::text IS NULL OR enterprise = %s)",
        (account, enterprise, enterprise),
    )
    await _join(connection, account, memberships)


async def _join(connection: Connection, account: str, memberships: Sequence[Membership]) -> None:
    for one in memberships:
        await connection.execute(
            "INSERT INTO membership (account, role, enterprise, sites) VALUES (%s, %s, %s, %s)",
            (account, one.role.value, one.enterprise, sorted(one.sites)),
        )


async def set_disabled(connection: Connection, account: str, disabled: bool) -> None:
    await connection.execute("UPDATE account SET disabled = %s WHERE account = %s", (disabled, account))


async def set_password(connection: Connection, account: str, password: str) -> None:
    """`password`: an argon2id hash."""
    await connection.execute("UPDATE account SET password = %s WHERE account = %s", (password, account))


async def list_accounts(
    connection: Connection, *, enterprises: frozenset[str] | None, after: str, limit: int
) -> list[Account]:
    """Those with a membership in these enterprises (None: all there are), by login, without their passwords' hashes:
    so may be asked in a tenant's name, who then sees its own memberships of them."""
    query: LiteralString = _LISTED + " WHERE b.login > %s"
    values: list[Any] = [after]
    if enterprises is not None:
        query += _OF
        values.append(sorted(enterprises))
    return await _listed(connection, query + " ORDER BY b.login LIMIT %s) ORDER BY a.login", [*values, limit])


async def find_account(connection: Connection, account: str, enterprises: frozenset[str] | None) -> Account | None:
    """One of those."""
    query: LiteralString = _LISTED + " WHERE b.account = %s"
    values: list[Any] = [account]
    if enterprises is not None:
        query += _OF
        values.append(sorted(enterprises))
    return next(iter(await _listed(connection, query + ") ORDER BY a.login", values)), None)


_LISTED: LiteralString = (
    "SELECT a.account, a.login, a.issuer, a.subject, a.disabled, m.role, m.enterprise, m.sites"
    " FROM account a LEFT JOIN membership m USING (account) WHERE a.login IN (SELECT b.login FROM account b"
)
_OF: LiteralString = " AND EXISTS (SELECT FROM membership o WHERE o.account = b.account AND o.enterprise = ANY(%s))"


async def _listed(connection: Connection, query: LiteralString, values: list[Any]) -> list[Account]:
    found: dict[str, Account] = {}
    for account, login, issuer, subject, disabled, role, *of in await (
        await connection.execute(query, values)
    ).fetchall():
        one = found.get(account) or Account(account, login, "", issuer, subject, disabled)
        if role is not None:
            member = Membership(Role(role), of[0], sites=frozenset(of[1]))
            one = replace(one, memberships=(*one.memberships, member))
        found[account] = one
    return list(found.values())


async def make_password_link(
    connection: Connection, account: str, secret_sha256: str, *, now_us: int, expires_us: int
) -> None:
    """One that sets the password once; the ones before it are used up."""
    now = as_datetime(now_us)
    await connection.execute("UPDATE password_link SET used = %s WHERE account = %s AND used IS NULL", (now, account))
    await connection.execute(
        "INSERT INTO password_link (secret_sha256, account, made, expires) VALUES (%s, %s, %s, %s)",
        (secret_sha256, account, now, as_datetime(expires_us)),
    )


async def use_password_link(connection: Connection, secret_sha256: str, now_us: int) -> str:
    """The account that it is for, and it is used up; empty where there is none, or it is used or too old."""
    now = as_datetime(now_us)
    cursor = await connection.execute(
        "UPDATE password_link SET used = %s WHERE secret_sha256 = %s AND used IS NULL AND expires > %s"
        " RETURNING account",
        (now, secret_sha256, now),
    )
    row = await cursor.fetchone()
    return str(row[0]) if row else ""


async def enterprise_kind(connection: Connection, enterprise: str) -> str:
    """The kind of a party; empty where there is none of this key."""
    row = await (await connection.execute("SELECT kind FROM enterprise WHERE key = %s", (enterprise,))).fetchone()
    return str(row[0]) if row else ""


async def sites_of_others(connection: Connection, sites: Sequence[str], enterprise: str) -> list[str]:
    """Those of `sites` that are not this enterprise's, or not there."""
    cursor = await connection.execute(
        "SELECT one FROM unnest(%s::text[]) AS one WHERE NOT EXISTS"
        " (SELECT FROM site s WHERE s.key = one AND s.enterprise = %s) ORDER BY one",
        (list(sites), enterprise),
    )
    return [str(row[0]) for row in await cursor.fetchall()]
