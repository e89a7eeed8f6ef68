"""`davy tenant`: tenants as roles of the database, their logins for Grafana, and the keys of their personal data."""

import asyncio
import json
import os
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from storage.database import Connection
    from storage.logins import Login
    from storage.tenant_keys import Rotated

tenant_app = typer.Typer(
    help="Tenants: their roles and logins in the database, and the keys of their personal data (docs/SECURITY.md).",
    no_args_is_help=True,
)
Enterprise = Annotated[str, typer.Argument(help="key of the enterprise")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Yes = Annotated[bool, typer.Option("--yes", help="do it: nothing brings it back")]
#: Who it was goes into the record: whoever may run commands on the machine.
_BY = "command line"
_PASSWORD_BYTES = 24


def register(app: typer.Typer) -> None:
    tenant_app.command("list")(list_tenants)
    tenant_app.command("grafana")(grafana)
    tenant_app.command("heal")(heal)
    tenant_app.command("rotate-key")(rotate_key)
    tenant_app.command("forget")(forget)
    app.add_typer(tenant_app, name="tenant")


def list_tenants(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List enterprises, the database role of each, and whether it has a login of its own."""
    from davy.output import write_json, write_table

    names = ("enterprise", "kind", "role", "login")
    rows = asyncio.run(_listed(ctx.obj.settings()))
    if as_json:
        write_json([dict(zip(names, row, strict=True)) for row in rows])
    else:
        write_table([name.upper() for name in names], [(*row[:3], row[3] or "") for row in rows])


async def _listed(settings: Settings) -> list[tuple[str, str, str, str | None]]:
    async with _connected(settings) as connection:
        cursor = await connection.execute(
            "SELECT t.enterprise, t.kind, t.role, l.role FROM tenant_role t"
            " LEFT JOIN tenant_role l ON l.enterprise = t.enterprise AND l.login WHERE NOT t.login ORDER BY 1"
        )
        return list(await cursor.fetchall())


def grafana(
    ctx: typer.Context,
    enterprise: Enterprise,
    connections: Annotated[int, typer.Option(min=1, max=100, help="at a time, at most")] = 5,
    remove: Annotated[bool, typer.Option("--remove", help="take the login away, and end its sessions")] = False,
) -> None:
    """Make a login with which Grafana sees what this tenant sees and changes nothing, and print its data source. The
    password is shown once; asking again makes another."""
    if remove:
        if not asyncio.run(_remove(ctx.obj.settings(), enterprise)):
            raise CannotGoOn(Exit.USAGE, f"{enterprise} has no login")
        typer.echo(f"{enterprise} has no login any more")
        return
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    login = asyncio.run(_make(ctx.obj.settings(), enterprise, password, connections))
    typer.echo(_data_source(login, password, connections))


def _data_source(login: "Login", password: str, connections: int) -> str:
    """As Grafana provisions it (provisioning/datasources/*.yaml)."""
    url = login.host if login.host.startswith("/") else f"{login.host}:{login.port}"
    lines = [
        "apiVersion: 1",
        "datasources:",
        f"  - name: {_quoted(f'Davy {login.enterprise}')}",
        "    type: grafana-postgresql-datasource",
        f"    url: {_quoted(url)}",
        f"    user: {login.role}",
        "    jsonData:",
        f"      database: {_quoted(login.database)}",
        "      sslmode: " + ("disable" if login.host.startswith("/") else "verify-full"),
        f"      maxOpenConns: {connections}",
        "    secureJsonData:",
        f"      password: {_quoted(password)}",
    ]
    if login.host.startswith("/"):
        lines.append(
            "# This database has no port: Grafana on this machine would need the socket's folder, where everybody is"
            " trusted.\n# For Grafana point DAVY_DATABASE_URL at a server."
        )
    return "\n".join(lines)


def _quoted(text: str) -> str:
    """As YAML takes any text: what JSON writes."""
    return json.dumps(text, ensure_ascii=False)


async def _make(settings: Settings, enterprise: str, password: str, connections: int) -> "Login":
    from storage.logins import make_login

    async with _connected(settings) as connection:
        return await make_login(
            connection, enterprise, password, connections=connections, by=_BY, now_us=time.time_ns() // 1_000
        )


async def _remove(settings: Settings, enterprise: str) -> bool:
    from storage.logins import remove_login

    async with _connected(settings) as connection:
        return await remove_login(connection, enterprise, by=_BY, now_us=time.time_ns() // 1_000)


def heal(ctx: typer.Context) -> None:
    """Make the roles of all enterprises anew where they are missing, as after a dump was restored on another server.
    Logins for Grafana are not restored with their passwords: make them again."""
    typer.echo(f"{asyncio.run(_heal(ctx.obj.settings())):,} enterprises have their roles")


async def _heal(settings: Settings) -> int:
    from storage.logins import heal_roles

    async with _connected(settings) as connection:
        return await heal_roles(connection)


def rotate_key(ctx: typer.Context, enterprise: Enterprise) -> None:
    """Seal all personal data of a tenant under a new key, and destroy the old one. The API may go on meanwhile."""
    done = asyncio.run(_rotate(ctx.obj.settings(), enterprise))
    gone = f"; {done.unreadable:,} could not be opened and stay as they are" if done.unreadable else ""
    typer.echo(f"{done.sealed:,} fields of {enterprise} are sealed under version {done.version}{gone}")


async def _rotate(settings: Settings, enterprise: str) -> "Rotated":
    from davy.master_key import master_key
    from storage.audit import Said, record
    from storage.tenant_keys import rotate

    now_us = time.time_ns() // 1_000
    master = master_key(settings.master_key)
    async with _connected(settings) as connection:
        done = await rotate(connection, master, enterprise, now_us=now_us, random_bytes=os.urandom)
        await record(connection, [Said(enterprise, now_us, "key rotated", _BY, {"version": done.version})])
    return done


def forget(ctx: typer.Context, enterprise: Enterprise, yes: Yes = False) -> None:
    """Destroy the key of a tenant's personal data: nobody can ever read those names and numbers again, neither here nor
    in a backup of the database made from now on. A backup from before still holds the wrapped key: destroy it too."""
    if not yes:
        raise CannotGoOn(
            Exit.USAGE, f"this forgets all people of {enterprise} for good; say --yes to do it, after a look at backups"
        )
    typer.echo(f"{asyncio.run(_forget(ctx.obj.settings(), enterprise))} keys of {enterprise} destroyed")


async def _forget(settings: Settings, enterprise: str) -> int:
    from storage.audit import Said, record
    from storage.tenant_keys import destroy

    async with _connected(settings) as connection:
        keys = await destroy(connection, enterprise)
        await record(connection, [Said(enterprise, time.time_ns() // 1_000, "key destroyed", _BY, {"keys": keys})])
    return keys


@asynccontextmanager
async def _connected(settings: Settings) -> "AsyncIterator[Connection]":
    """One transaction as the database's owner. Raises CannotGoOn."""
    from davy.database import database, refused_by_database
    from storage.database import connect, ready, translated
    from storage.sealed import Unreadable

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="tenant")
            try:
                await ready(connection)
                with translated():
                    async with connection.transaction():
                        yield connection
            except Unreadable as wrong:
                raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
            finally:
                await connection.close()
