"""Setting a password: by one who knows the old one, or by an administrator's one-time link."""

from access.principals import Person
from access.secrets import password_fault
from api.parts import Parts
from api.problems import BAD_PARAMETER, NOT_FOUND, NOT_SIGNED_IN, Problem
from api.tokens import network_of
from devices.sites import token_sha256
from storage import accounts as stored
from storage import sessions
from storage.audit import record
from storage.database import Connection, translated
from storage.known import account_of
from storage.sign_ins import said_of
from storage.tenants import Standing

_NO_LINK = "That link is used, too old, or none of ours; ask an administrator for another"


async def change_password(parts: Parts, who: Person, old: str, new: str, address: str) -> None:
    """Raises Problem: 401 for a wrong old one, 422 for one that may not be, 429, 503."""
    network = network_of(address)
    parts.throttle.admit(who.account, network)
    async with parts.database(Standing.PLATFORM) as connection:
        with translated():
            account = await account_of(connection, who.account)
    if account is None or not await parts.passwords.right(account.password, old):
        parts.throttle.failed(who.account, network)
        raise Problem(NOT_SIGNED_IN, "That is not the password of this account")
    _require_good(new, account.login)
    hashed = await parts.passwords.hashed(new)
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        with translated():
            await _set(connection, who.account, hashed, parts.config.now_us(), by=who.name, but=who.session)
    await parts.known.look()


async def password_by_link(parts: Parts, secret: str, new: str, address: str) -> None:
    """Raises Problem: 404 for a link that is none, 422, 429, 503. A password that may not be uses no link up."""
    parts.throttle.admit("", network_of(address))
    _require_good(new, "\0")
    hashed = await parts.passwords.hashed(new)
    now_us = parts.config.now_us()
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        with translated():
            account = await stored.use_password_link(connection, token_sha256(secret), now_us)
            if account:
                await _set(connection, account, hashed, now_us, by=f"person/{account}", but="")
    if not account:
        raise Problem(NOT_FOUND, _NO_LINK)
    await parts.known.look()


async def _set(connection: Connection, account: str, hashed: str, now_us: int, *, by: str, but: str) -> None:
    """The password, the end of every session but one, and both in the record."""
    await stored.set_password(connection, account, hashed)
    await sessions.end_others(connection, account, now_us, but)
    known = await account_of(connection, account)
    if known is not None:
        await record(connection, said_of(known, "password_changed", at_us=now_us, by=by))


def _require_good(password: str, login: str) -> None:
    fault = password_fault(password, login)
    if fault:
        raise Problem(BAD_PARAMETER, f"password: {fault}")
