"""Signing in: who it is, and the session that follows. Routes are in api/sessions.py.

B1  A wrong login, a wrong password and a disabled account are answered alike, after the same work.
B2  With PostgreSQL down those sign in whom this process knows: the staff of every party (api/known.py). Their session
    is on disk before they hear of it, and in the record when the database is back.
B3  A session is believed by its token alone, of which the hash is kept.
"""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

import structlog

from access.directory import Account, Session
from access.secrets import Secret, new_id, new_secret
from api.external import Elsewhere, NotGenuine, ProviderAway
from api.parts import Parts
from api.problems import (
    DATABASE_AWAY,
    DATABASE_BUSY,
    NOT_FOUND,
    NOT_SIGNED_IN,
    PROVIDER_AWAY,
    RETRY_AFTER_S,
    Problem,
)
from api.tokens import network_of
from devices.sites import token_sha256
from storage.audit import record
from storage.database import translated
from storage.known import account_by_login, account_elsewhere
from storage.sign_ins import said_of, write_sign_in
from storage.tenants import Standing

_log = structlog.get_logger()

#: How long a session lasts: a shift and some, for staff; a month for a resident. Source: product choice.
STAFF_SESSION_US = 12 * 3_600 * 1_000_000
RESIDENT_SESSION_US = 30 * 86_400 * 1_000_000

_WRONG = "That is no login with this password"


@dataclass(frozen=True, slots=True)
class Begun:
    """`token` is shown once."""

    token: str
    session: Session
    account: Account


async def by_password(parts: Parts, login: str, password: str, address: str) -> Begun:
    """Raises Problem: 401, 429, 503."""
    network = network_of(address)
    parts.throttle.admit(login, network)
    account = await _known(parts, login)
    usable = account is not None and not account.disabled
    right = await parts.passwords.right(account.password if account and usable else "", password)
    if account is None or not right:
        parts.throttle.failed(login, network)
        if account is not None:
            await _note_failure(parts, account, network)
        raise Problem(NOT_SIGNED_IN, _WRONG)
    parts.throttle.succeeded(login, network)
    return await _begin(parts, account, "password", network)


async def by_provider(parts: Parts, id_token: str, nonce: str, address: str) -> Begun:
    """Raises Problem: 401, 404 where there is no provider, 429, 503."""
    if parts.external is None:
        raise Problem(NOT_FOUND, "This installation has no external provider; sign in with a password")
    network = network_of(address)
    parts.throttle.admit("", network)
    try:
        who = await parts.external.id_token(id_token, nonce, parts.config.now_us())
    except NotGenuine as wrong:
        _log.info("an ID token was refused", why=str(wrong))
        raise Problem(NOT_SIGNED_IN, "The provider's token does not prove who you are") from wrong
    except ProviderAway as away:
        raise Problem(PROVIDER_AWAY, str(away), retry_after_s=RETRY_AFTER_S) from away
    account = await account_there(parts, who)
    if account is None or account.disabled:
        raise Problem(NOT_SIGNED_IN, "The provider knows you, and no account here is yours; ask an administrator")
    return await _begin(parts, account, "external", network)


async def account_there(parts: Parts, who: Elsewhere) -> Account | None:
    """The account of whom a provider names; from the database where this process does not know of one."""
    found = parts.known.directory.elsewhere(who.issuer, who.subject)
    if found is not None:
        return found
    with _while_it_answers():
        async with parts.database(Standing.PLATFORM) as connection:
            with translated():
                return await account_elsewhere(connection, who.issuer, who.subject)
    return None


async def _known(parts: Parts, login: str) -> Account | None:
    found = parts.known.directory.by_login(login)
    if found is not None:
        return found
    with _while_it_answers():
        async with parts.database(Standing.PLATFORM) as connection:
            with translated():
                return await account_by_login(connection, login)
    return None


@contextlib.contextmanager
def _while_it_answers() -> Iterator[None]:
    """What is asked of the database, and left where it is away."""
    try:
        yield
    except Problem as problem:
        if problem.kind not in (DATABASE_AWAY, DATABASE_BUSY):
            raise


async def _begin(parts: Parts, account: Account, how: str, network: str) -> Begun:
    token, now_us = new_secret(Secret.SESSION), parts.config.now_us()
    lasts_us = STAFF_SESSION_US if account.is_staff else RESIDENT_SESSION_US
    session = Session(new_id(), account.account, token_sha256(token), how, now_us, now_us + lasts_us)
    try:
        async with parts.database(Standing.PLATFORM, writing=True) as connection:
            # Where a resident is on the network is nobody's business.
            written = await write_sign_in(connection, session, network if account.is_staff else "")
    except Problem as problem:
        if problem.kind not in (DATABASE_AWAY, DATABASE_BUSY) or not account.is_staff:
            raise
        await parts.known.remember(session)
    else:
        if not written:
            raise Problem(NOT_SIGNED_IN, _WRONG)  # disabled a moment ago
        parts.known.began(account, session)
    return Begun(token, session, account)


async def _note_failure(parts: Parts, account: Account, network: str) -> None:
    """In the record, as far as it can be written now; the throttle bounds how many there are."""
    said = said_of(account, "login_failed", at_us=parts.config.now_us(), by="", network=network)
    with _while_it_answers():
        async with parts.database(Standing.PLATFORM, writing=True) as connection:
            with translated():
                await record(connection, said)
