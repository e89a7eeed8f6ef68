"""What an administrator does to accounts and keys: each the change and its entry in the record, in the caller's
transaction. One way for the API and for the command line. Raises DatabaseAway, DatabaseRefused, AccountRefused."""

from dataclasses import dataclass

import psycopg

from access.audit_chain import Plain
from access.directory import Account, ApiKey
from access.enterprises import EnterpriseKind
from access.principals import Membership
from access.roles import ROLE_ACTIONS, ROLES_OF_KIND, Role
from access.secrets import Secret, new_secret
from devices.sites import token_sha256
from storage import accounts, api_keys, sessions
from storage.accounts import NewAccount
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.known import account_of
from storage.sign_ins import said_of

#: How long a one-time link is good. Source: product choice.
LINK_LIVES_US = 48 * 3_600 * 1_000_000
#: The longest that a key may live. Source: product choice.
KEY_LIVES_US = 400 * 86_400 * 1_000_000


class AccountRefused(ValueError):
    """The change makes no sense; the text says why and what to do. Permanent."""


@dataclass(frozen=True, slots=True)
class By:
    """Who changes it, and when (microseconds)."""

    name: str
    now_us: int


@dataclass(frozen=True, slots=True)
class Link:
    """A secret that sets a password once, good until `expires_us`."""

    account: str
    secret: str
    expires_us: int


async def create(connection: Connection, new: NewAccount, by: By) -> Link | None:
    """The account, and how its person sets a password; None for who signs in elsewhere."""
    with translated():
        await _require_sound(connection, new.memberships)
        try:
            async with connection.transaction():
                await accounts.create_account(connection, new, by.now_us)
        except psycopg.errors.UniqueViolation as taken:
            raise AccountRefused(f"{new.login}: another account has this login, or is this person elsewhere") from taken
        await _say(connection, new.account, "account_created", by, login=new.login, memberships=_words(new.memberships))
        return None if new.issuer else await _link(connection, new.account, by)


async def reset(connection: Connection, account: str, by: By) -> Link:
    """A link for another password; the sessions end."""
    with translated():
        await sessions.end_others(connection, account, by.now_us, "")
        await _say(connection, account, "password_reset", by)
        return await _link(connection, account, by)


async def set_disabled(connection: Connection, account: str, disabled: bool, by: By) -> None:
    """Ends the sessions too."""
    with translated():
        await accounts.set_disabled(connection, account, disabled)
        if disabled:
            await sessions.end_others(connection, account, by.now_us, "")
        await _say(connection, account, "account_disabled" if disabled else "account_enabled", by)


async def set_memberships(
    connection: Connection, account: str, memberships: tuple[Membership, ...], enterprise: str | None, by: By
) -> None:
    """Of one enterprise, or (None) all."""
    with translated():
        await _require_sound(connection, memberships)
        before = await account_of(connection, account)
        await accounts.set_memberships(connection, account, memberships, enterprise)
        after = await account_of(connection, account)
        assert before is not None
        assert after is not None
        parties = {one.enterprise for one in (*before.memberships, *after.memberships)} or {""}
        body: dict[str, Plain] = {
            "account": account,
            "before": _words(before.memberships),
            "after": _words(after.memberships),
        }
        await record(connection, [Said(party, by.now_us, "role_changed", by.name, body) for party in sorted(parties)])


async def make_key(connection: Connection, key: ApiKey, name: str, by: By) -> None:
    with translated():
        of = key.membership
        await _require_sound(connection, (of,))
        unheld = sorted(word for word in key.scopes if word not in {str(one) for one in ROLE_ACTIONS[of.role]})
        if unheld:
            raise AccountRefused(f"scopes: {', '.join(unheld)}: a {of.role} may not do this; leave it out")
        if not by.now_us < key.expires <= by.now_us + KEY_LIVES_US:
            raise AccountRefused("expires: a key lives 400 days at most; choose a day before that")
        await api_keys.make_key(connection, key, name=name, by=by.name, now_us=by.now_us)
        body: dict[str, Plain] = {"key": key.key, "role": of.role.value, "scopes": [*sorted(key.scopes)]}
        await record(connection, [Said(of.enterprise, by.now_us, "key_created", by.name, body)])


async def revoke_key(connection: Connection, key: str, enterprise: str, by: By) -> bool:
    """False where it is revoked already."""
    with translated():
        done = await api_keys.revoke_key(connection, key, by.now_us)
        if done:
            await record(connection, [Said(enterprise, by.now_us, "key_revoked", by.name, {"key": key})])
        return done


async def _link(connection: Connection, account: str, by: By) -> Link:
    secret, expires_us = new_secret(Secret.PASSWORD_LINK), by.now_us + LINK_LIVES_US
    await accounts.make_password_link(
        connection, account, token_sha256(secret), now_us=by.now_us, expires_us=expires_us
    )
    return Link(account, secret, expires_us)


async def _say(connection: Connection, account: str, kind: str, by: By, **body: Plain) -> None:
    found: Account | None = await account_of(connection, account)
    assert found is not None
    await record(connection, said_of(found, kind, at_us=by.now_us, by=by.name, **body))


async def _require_sound(connection: Connection, memberships: tuple[Membership, ...]) -> None:
    """Raises AccountRefused for a role that does not go with its party, or a site that is not the party's."""
    for one in memberships:
        if one.role is Role.PLATFORM_ADMINISTRATOR:
            if one.enterprise:
                raise AccountRefused("a platform administrator is of no enterprise; leave enterprise empty")
            continue
        kind = await accounts.enterprise_kind(connection, one.enterprise)
        if not kind:
            raise AccountRefused(f"enterprise {one.enterprise!r} is not registered; import it first")
        if one.role not in ROLES_OF_KIND[EnterpriseKind(kind)]:
            fitting = ", ".join(sorted(ROLES_OF_KIND[EnterpriseKind(kind)]))
            raise AccountRefused(f"{one.enterprise} is a {kind}, whose people are: {fitting}")
        if one.role is Role.RESIDENT and not one.sites:
            raise AccountRefused("a resident is at home somewhere; name the site")
        if one.sites and EnterpriseKind(kind) is EnterpriseKind.GAS_COMPANY:
            others = await accounts.sites_of_others(connection, sorted(one.sites), one.enterprise)
            if others:
                raise AccountRefused(f"sites: {', '.join(others[:5])}: none of {one.enterprise}'s")


def _words(memberships: tuple[Membership, ...]) -> list[Plain]:
    return [
        f"{one.role}@{one.enterprise}" + (f":{','.join(sorted(one.sites))}" if one.sites else "") for one in memberships
    ]
