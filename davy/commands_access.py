"""`davy account` and `davy key`: who may sign in, from the machine itself. What they may do is in docs/ACCESS.md."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from access.directory import Account
    from access.principals import Membership
    from storage.account_changes import By, Link
    from storage.api_keys import ListedKey
    from storage.database import Connection

account_app = typer.Typer(help="Accounts of people (docs/ACCESS.md).", no_args_is_help=True)
key_app = typer.Typer(help="Keys of programs (docs/ACCESS.md).", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Login = Annotated[str, typer.Argument(help="the account's login")]
Role = Annotated[str, typer.Option(help="operator, company_administrator, field_crew, resident, vendor, ...")]
Enterprise = Annotated[str, typer.Option(help="key of the party; none: the platform's own people")]
Sites = Annotated[list[str] | None, typer.Option("--site", help="only this site; repeatable")]
_DAY_US = 86_400_000_000


def register(app: typer.Typer) -> None:
    account_app.command("create")(create_account)
    account_app.command("list")(list_accounts)
    account_app.command("disable")(disable_account)
    account_app.command("enable")(enable_account)
    account_app.command("reset")(reset_account)
    key_app.command("create")(create_key)
    key_app.command("list")(list_keys)
    key_app.command("revoke")(revoke_key)
    app.add_typer(account_app, name="account")
    app.add_typer(key_app, name="key")


def create_account(
    ctx: typer.Context,
    login: Login,
    role: Role = "platform_administrator",
    enterprise: Enterprise = "",
    site: Sites = None,
) -> None:
    """Make an account, and print a one-time secret by which its person sets a password (good for 48 hours)."""
    of = _membership(role, enterprise, site)
    _print_link(login, asyncio.run(_create(ctx.obj.settings(), login, of)))


def list_accounts(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List accounts, and what they may act as."""
    from davy.output import write_json, write_table

    found = asyncio.run(_accounts(ctx.obj.settings()))
    rows = [(one.login, one.account, "disabled" if one.disabled else "", _roles(one)) for one in found]
    if as_json:
        names = ("login", "account", "state", "roles")
        write_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        write_table(("LOGIN", "ACCOUNT", "STATE", "ROLES"), rows)


def disable_account(ctx: typer.Context, login: Login) -> None:
    """Nobody signs in with it any more, and its sessions end, at once."""
    asyncio.run(_set_disabled(ctx.obj.settings(), login, disabled=True))


def enable_account(ctx: typer.Context, login: Login) -> None:
    """It may sign in again."""
    asyncio.run(_set_disabled(ctx.obj.settings(), login, disabled=False))


def reset_account(ctx: typer.Context, login: Login) -> None:
    """Print a one-time secret by which its person sets another password; its sessions end."""
    _print_link(login, asyncio.run(_reset(ctx.obj.settings(), login)))


def create_key(
    ctx: typer.Context,
    name: Annotated[str, typer.Argument(help="what it is for, for people")],
    scope: Annotated[list[str], typer.Option(help="what it may do, such as read_devices; repeatable")],
    role: Role = "platform_administrator",
    enterprise: Enterprise = "",
    site: Sites = None,
    days: Annotated[int, typer.Option(min=1, max=400, help="how long it is good")] = 90,
) -> None:
    """Make a key for a program and print its secret, which is shown this once."""
    from access.secrets import Secret, new_id, new_secret

    key = new_id()
    secret = new_secret(Secret.KEY, key)
    asyncio.run(_make_key(ctx.obj.settings(), secret, key, name, _membership(role, enterprise, site), scope, days))
    sys.stdout.write(f"{secret}\n")


def list_keys(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List keys, newest first, without their secrets."""
    from davy.output import write_json, write_table

    found = asyncio.run(_keys(ctx.obj.settings()))
    rows = [
        (one.key, one.name, f"{one.role}@{one.enterprise}", said(one.expires), said(one.revoked), said(one.last_used))
        for one in found
    ]
    if as_json:
        names = ("key", "name", "of", "expires", "revoked", "last_used")
        write_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        write_table(("KEY", "NAME", "OF", "EXPIRES", "REVOKED", "LAST USED"), rows)


def revoke_key(
    ctx: typer.Context, key: Annotated[str, typer.Argument(help="its name, as `davy key list` has it")]
) -> None:
    """It opens nothing any more, at once."""
    asyncio.run(_revoke(ctx.obj.settings(), key))


async def _create(settings: Settings, login: str, of: "Membership") -> "Link | None":
    from access.secrets import is_login, new_id
    from storage.account_changes import create
    from storage.accounts import NewAccount

    if not is_login(login):
        raise CannotGoOn(
            Exit.USAGE, f"{login!r} is no login: a letter, then letters, digits, dots, _ and - (64 at most)"
        )
    async with _changing(settings) as (connection, by):
        return await create(connection, NewAccount(new_id(), login, (of,)), by)


async def _accounts(settings: Settings) -> "list[Account]":
    from storage.accounts import list_accounts

    found: list[Account] = []
    async with _changing(settings) as (connection, _):
        while page := await list_accounts(
            connection, enterprises=None, after=found[-1].login if found else "", limit=1_000
        ):
            found += page
    return found


async def _set_disabled(settings: Settings, login: str, *, disabled: bool) -> None:
    from storage.account_changes import set_disabled

    async with _changing(settings) as (connection, by):
        await set_disabled(connection, await _account(connection, login), disabled, by)


async def _reset(settings: Settings, login: str) -> "Link":
    from storage.account_changes import reset

    async with _changing(settings) as (connection, by):
        return await reset(connection, await _account(connection, login), by)


async def _make_key(
    settings: Settings, secret: str, key: str, name: str, of: "Membership", scopes: list[str], days: int
) -> None:
    from access.directory import ApiKey
    from devices.sites import token_sha256
    from storage.account_changes import make_key

    async with _changing(settings) as (connection, by):
        made = ApiKey(key, token_sha256(secret), of, frozenset(scopes), by.now_us + days * _DAY_US)
        await make_key(connection, made, name, by)


async def _keys(settings: Settings) -> "list[ListedKey]":
    from storage.api_keys import KeyPlace, list_keys

    found: list[ListedKey] = []
    async with _changing(settings) as (connection, _):
        after = None
        while page := await list_keys(connection, enterprises=None, after=after, limit=1_000):
            found += page
            after = KeyPlace(page[-1].made, page[-1].key)
    return found


async def _revoke(settings: Settings, key: str) -> None:
    from storage.account_changes import revoke_key
    from storage.api_keys import read_key

    async with _changing(settings) as (connection, by):
        found = await read_key(connection, key)
        if found is None:
            raise CannotGoOn(Exit.USAGE, f"there is no key {key!r}; `davy key list` has those there are")
        await revoke_key(connection, key, found.enterprise, by)


async def _account(connection: "Connection", login: str) -> str:
    from storage.known import account_by_login

    found = await account_by_login(connection, login)
    if found is None:
        raise CannotGoOn(Exit.USAGE, f"there is no account {login!r}; `davy account list` has those there are")
    return found.account


@asynccontextmanager
async def _changing(settings: Settings) -> "AsyncIterator[tuple[Connection, By]]":
    """A transaction of this machine's own. Raises CannotGoOn."""
    from davy.database import database, refused_by_database
    from storage.account_changes import AccountRefused, By
    from storage.database import connect, ready

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="access")
            try:
                await ready(connection)
                async with connection.transaction():
                    yield connection, By("command line", time.time_ns() // 1_000)
            except AccountRefused as refused:
                raise CannotGoOn(Exit.USAGE, str(refused)) from refused
            finally:
                await connection.close()


def _membership(role: str, enterprise: str, sites: list[str] | None) -> "Membership":
    from access.principals import Membership
    from access.roles import Role as Roles

    try:
        return Membership(Roles(role), enterprise, sites=frozenset(sites or ()))
    except ValueError as unknown:
        raise CannotGoOn(Exit.USAGE, f"{role!r} is no role; there are: {', '.join(Roles)}") from unknown


def said(at_us: int) -> str:
    """A time for people, empty for none."""
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).strftime("%Y-%m-%d %H:%M") if at_us else ""


def _roles(account: "Account") -> str:
    return ", ".join(f"{one.role}@{one.enterprise}" if one.enterprise else str(one.role) for one in account.memberships)


def _print_link(login: str, link: "Link | None") -> None:
    assert link is not None  # who signs in elsewhere is made over the API
    typer.echo(f"hand this to {login} in person; it sets a password once, within 48 hours", err=True)
    sys.stdout.write(f"{link.secret}\n")
