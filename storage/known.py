"""What signs people and programs in, read from the database: all of it at first, and then what has changed.

Y1  No change is missed: rows carry the transaction that wrote them, and a look asks for all that were written by a
    transaction that had not ended at the look before. Some rows come twice, which changes nothing.
Y2  Of residents, who are many, only those with a living session are read.
All of these raise psycopg.Error; call under `translated()`.
"""

from typing import Any, LiteralString

from msgspec.structs import replace

from access.directory import Account, ApiKey, Changes, Session
from access.principals import Membership
from access.roles import Role
from devices.areas import prefix
from storage.database import Connection

#: A membership as one row of text, with what of its enterprise it needs.
_ACCOUNTS: LiteralString = (
    "SELECT a.account, a.login, a.password, a.issuer, a.subject, a.disabled, m.role, m.enterprise,"
    " coalesce(e.area, ''), coalesce(e.vendor, ''), m.sites"
    " FROM account a LEFT JOIN membership m USING (account) LEFT JOIN enterprise e ON e.key = m.enterprise"
)
_LIVING: LiteralString = (
    "EXISTS (SELECT FROM session s WHERE s.account = a.account AND s.ended IS NULL AND s.expires > now())"
)
_STAFF: LiteralString = "EXISTS (SELECT FROM membership n WHERE n.account = a.account AND n.role <> 'resident')"
_SESSIONS: LiteralString = (
    "SELECT session, account, secret_sha256, how, davy_us(began), davy_us(expires), coalesce(davy_us(ended), 0)"
    " FROM session s"
)
_KEYS: LiteralString = (
    "SELECT k.key, k.secret_sha256, k.role, k.enterprise, coalesce(e.area, ''), coalesce(e.vendor, ''), k.sites,"
    " k.scopes, davy_us(k.expires), coalesce(davy_us(k.revoked), 0)"
    " FROM api_key k LEFT JOIN enterprise e ON e.key = k.enterprise"
)


async def changes(connection: Connection, mark: int) -> Changes:
    """What was written since the look that gave `mark`; 0: everything that lives. In one snapshot."""
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        cursor = await connection.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        row = await cursor.fetchone()
        assert row is not None
        if mark:
            since: Any = str(mark)
            sessions = await _sessions(connection, " WHERE s.changed >= %s::xid8", [since])
            met = [one.account for one in sessions if not one.ended]
            found = await accounts(
                connection,
                f" WHERE (a.changed >= %s::xid8 AND ({_STAFF} OR {_LIVING})) OR a.account = ANY(%s)",
                [since, met],
            )
            keys = await _keys(connection, " WHERE k.changed >= %s::xid8", [since])
        else:
            sessions = await _sessions(connection, " WHERE s.ended IS NULL AND s.expires > now()", [])
            found = await accounts(connection, f" WHERE {_STAFF} OR {_LIVING}", [])
            keys = await _keys(connection, " WHERE k.revoked IS NULL AND k.expires > now()", [])
    return Changes(found, sessions, keys, int(row[0]))


async def accounts(connection: Connection, where: LiteralString, values: list[Any]) -> tuple[Account, ...]:
    """Accounts with their memberships."""
    cursor = await connection.execute(_ACCOUNTS + where + " ORDER BY a.account, m.role, m.enterprise", values)
    found: dict[str, Account] = {}
    members: dict[str, list[Membership]] = {}
    for account, login, password, issuer, subject, disabled, *of in await cursor.fetchall():
        found[account] = Account(account, login, password, issuer, subject, disabled)
        if of[0] is not None:
            members.setdefault(account, []).append(_membership(*of))
    return tuple(replace(one, memberships=tuple(members.get(account, ()))) for account, one in found.items())


async def account_of(connection: Connection, account: str) -> Account | None:
    return next(iter(await accounts(connection, " WHERE a.account = %s", [account])), None)


async def account_by_login(connection: Connection, login: str) -> Account | None:
    return next(iter(await accounts(connection, " WHERE a.login = %s", [login])), None)


async def account_elsewhere(connection: Connection, issuer: str, subject: str) -> Account | None:
    where: LiteralString = " WHERE a.issuer <> '' AND a.issuer = %s AND a.subject = %s"
    return next(iter(await accounts(connection, where, [issuer, subject])), None)


def _membership(role: str, enterprise: str, area: str, vendor: str, sites: list[str]) -> Membership:
    return Membership(Role(role), enterprise, prefix(area), vendor, frozenset(sites))


async def _sessions(connection: Connection, where: LiteralString, values: list[Any]) -> tuple[Session, ...]:
    cursor = await connection.execute(_SESSIONS + where, values)
    return tuple(Session(*row) for row in await cursor.fetchall())


async def _keys(connection: Connection, where: LiteralString, values: list[Any]) -> tuple[ApiKey, ...]:
    cursor = await connection.execute(_KEYS + where, values)
    return tuple(
        ApiKey(key, secret, _membership(role, enterprise, area, vendor, sites), frozenset(scopes), expires, revoked)
        for key, secret, role, enterprise, area, vendor, sites, scopes, expires, revoked in await cursor.fetchall()
    )
