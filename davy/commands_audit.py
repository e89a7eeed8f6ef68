"""`davy audit`: the record that nobody can alter unseen, exported, vouched for and verified."""

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from access.audit_heads import SignedHeads
    from access.audit_verify import Verified

audit_app = typer.Typer(
    help="The record of alarms, commands, people's doings and access to personal data (docs/AUDIT.md).",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def register(app: typer.Typer) -> None:
    audit_app.command()(key)
    audit_app.command()(chains)
    audit_app.command()(heads)
    audit_app.command()(export)
    audit_app.command()(verify)
    app.add_typer(audit_app, name="audit")


def key(ctx: typer.Context) -> None:
    """Print the public key that signed heads are verified with. Give it to whoever shall verify, by another way."""
    from davy.audit_key import installation_key

    sys.stdout.write(installation_key(ctx.obj.settings()).public_pem().decode())


def chains(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the tenants that have a chain, and how long each is."""
    from davy.output import write_json, write_table

    found = asyncio.run(_chains(ctx.obj.settings()))
    if as_json:
        write_json([{"tenant": tenant, "entries": n} for tenant, n in found])
    else:
        write_table(("tenant", "entries"), [(tenant or "(the platform)", f"{n:,}") for tenant, n in found])


async def _chains(settings: Settings) -> list[tuple[str, int]]:
    from davy.database import database, refused_by_database
    from storage.audit_export import tenants_with_a_chain
    from storage.database import connect, ready

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="audit")
            try:
                await ready(connection)
                return await tenants_with_a_chain(connection)
            finally:
                await connection.close()


def heads(
    ctx: typer.Context,
    into: Annotated[Path, typer.Argument(help="the folder to publish into; it must be there", file_okay=False)],
) -> None:
    """Sign where every chain stands now, and publish all signed heads into a folder: of another machine, of a
    regulator, or on a stick. The storage process does so by itself into DAVY_AUDIT_PUBLISH."""
    if not into.is_dir():
        raise CannotGoOn(Exit.USAGE, f"{into}: no such folder")
    put, number = asyncio.run(_heads(ctx.obj.settings(), into))
    typer.echo(f"{put} documents published into {into}; the last is number {number}")


async def _heads(settings: Settings, into: Path) -> tuple[int, int]:
    import time

    from davy.audit_key import installation_key
    from davy.database import database, refused_by_database
    from storage.audit_heads import last_published, sign_heads
    from storage.database import connect, ready, translated
    from storage.vouching import publish_all

    signer = installation_key(settings)
    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="audit")
            try:
                await ready(connection)
                with translated():
                    await sign_heads(connection, signer, time.time_ns() // 1_000, into)
                    put = await publish_all(connection, into)
                last = last_published(into)
            except (OSError, ValueError) as wrong:
                raise CannotGoOn(Exit.DISK, f"{into}: {wrong}") from wrong
            finally:
                await connection.close()
    return put, last.parsed().number if last else 0


def export(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(help="the file to write; it must not be there yet")],
    tenant: Annotated[str, typer.Option(help="key of the enterprise; empty: the platform's own chain")] = "",
    from_n: Annotated[int, typer.Option("--from", min=1, help="first entry")] = 1,
    to_n: Annotated[int | None, typer.Option("--to", min=1, help="last entry; else as far as it goes")] = None,
) -> None:
    """Write one tenant's record to a file that can be verified anywhere."""
    entries = asyncio.run(_export(ctx.obj.settings(), tenant, from_n, to_n, out))
    typer.echo(f"{entries:,} entries written to {out}; to verify: davy audit verify {out} --heads FOLDER --key FILE")


async def _export(settings: Settings, tenant: str, from_n: int, to_n: int | None, out: Path) -> int:
    from davy.database import database, refused_by_database
    from davy.output import progress
    from storage.audit_export import export_lines
    from storage.database import connect, ready

    lines = 0
    async with database(settings) as url:
        with progress("exporting"), refused_by_database():
            connection = await connect(url, name="audit")
            try:
                await ready(connection)
                with out.open("xb") as file:
                    async for line in export_lines(connection, tenant, from_n=from_n, to_n=to_n):
                        file.write(line)
                        lines += 1
            except OSError as wrong:
                raise CannotGoOn(Exit.DISK, f"{out}: {wrong.strerror or wrong}") from wrong
            finally:
                await connection.close()
    return lines - 1


def verify(
    file: Annotated[Path, typer.Argument(help="an export of the record", dir_okay=False)],
    heads: Annotated[
        Path | None, typer.Option(help="folder of signed heads, got from whoever keeps them and not from this machine")
    ] = None,
    key: Annotated[
        list[Path] | None, typer.Option(help="public key (PEM) of the installation; may be repeated")
    ] = None,
    part: Annotated[bool, typer.Option("--part", help="the export is a part: what is beyond it is no fault")] = False,
    as_json: AsJson = False,
) -> None:
    """Verify an export, offline: needs the file, the heads and the public key, and no trust in who gave the file.

    Without heads only the links are looked at: who can write the database can make a new chain with fitting links, and
    cut off its end. Exit code 1 when anything does not fit.
    """
    from access.audit_verify import verify_export
    from davy.output import write_json

    published, faults = _published(heads, key or [])
    try:
        with file.open("rb") as lines:
            found = verify_export(lines, published, part=part)
    except OSError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong.strerror or wrong}") from wrong
    if as_json:
        write_json({"verified": found, "heads_faults": faults, "sound": found.sound and not faults})
    else:
        _tell(found, faults, with_heads=heads is not None)
    if faults or not found.sound:
        raise typer.Exit(Exit.FAILED)


def _published(folder: Path | None, keys: list[Path]) -> "tuple[list[SignedHeads], list[str]]":
    from access.audit_heads import heads_faults, read_public
    from storage.audit_heads import published_in

    if folder is None:
        return [], []
    if not keys:
        raise CannotGoOn(Exit.USAGE, "--heads needs --key FILE: the installation's public key (`davy audit key`)")
    try:
        public = [read_public(path.read_bytes()) for path in keys]
        published = published_in(folder)
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    if not published:
        raise CannotGoOn(Exit.USAGE, f"{folder} holds no signed heads (heads-*.json)")
    return published, heads_faults(published, public)


def _tell(found: "Verified", faults: list[str], *, with_heads: bool) -> None:
    from rich.text import Text

    from davy.output import console, shown

    screen = console()
    name = found.tenant or "the platform"
    screen.print(Text(shown(f"record of {name}: entries {found.from_n:,} to {found.to_n:,}")))
    for reason in faults:
        screen.print(Text.assemble(("FAULT", "red"), " ", shown(reason)))
    for fault in found.faults:
        at = f"line {fault.line:,}: " if fault.line else ""
        screen.print(Text.assemble(("FAULT", "red"), " ", shown(at + fault.reason)))
    if not with_heads:
        screen.print("no heads were given: a chain that was made anew as a whole, or cut off, would not be found")
    elif found.covered_to < found.to_n:
        screen.print(
            f"entries {found.covered_to + 1:,} to {found.to_n:,} are linked, and no signed head covers them yet"
        )
    if found.sound and not faults:
        screen.print(
            f"[green]nothing was altered[/]{'' if with_heads else ' within it'}; heads compared: {found.heads}"
        )
    else:
        screen.print("[red]this is not the record as it was written[/]")
