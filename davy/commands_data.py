"""The commands about data: migrate, registry import, ledger."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devices.models import DeviceModel
    from storage.database import Connection
    from storage.ledger import EngineCounts, Ledger
    from storage.registry import Imported
    from storage.registry_source import SourceRow

registry_app = typer.Typer(help="The register of sites, devices, links and tokens.", no_args_is_help=True)

#: Rows of an import that are shown to people; --json gives all of them.
_ROWS_SHOWN = 20


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(ledger)
    registry_app.command("import")(registry_import)
    app.add_typer(registry_app, name="registry")


def migrate(
    ctx: typer.Context,
    to: Annotated[str | None, typer.Option(help="change the mode: plain, timescale-apache or timescale-tsl")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Bring the database up to date; make its tables where there are none."""
    asyncio.run(_migrate(ctx.obj.settings(), to, as_json))


async def _migrate(settings: Settings, to: str | None, as_json: bool) -> None:
    from davy.database import database, refused_by_database
    from davy.output import progress, write_json
    from storage.migrate import migrate as apply
    from storage.modes import Mode

    if to is not None and to not in set(Mode):
        raise CannotGoOn(Exit.USAGE, f"--to {to}: must be one of {', '.join(Mode)}")
    async with database(settings, make=True) as url:
        with progress("migrating the database"), refused_by_database():
            create_as = None if settings.mode == "auto" else Mode(settings.mode)
            done = await apply(url, create_as=create_as, to=Mode(to) if to else None)
    if as_json:
        write_json(done)
    else:
        applied = ", ".join(str(number) for number in done.applied) or "none: it was up to date"
        typer.echo(f"mode {done.mode}{' (changed)' if done.mode_changed else ''}; migrations applied: {applied}")


def registry_import(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON or CSV of sites, devices, links, matrix rows and tokens")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would happen, and change nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask after the dry run")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Register what a file names. A dry run comes first: every row's fate. One refused row refuses the file.

    The device models come along as they stand in their files now; those that this changes are rows too. By key, so
    the same file twice changes nothing the second time, and what the file does not name stays as it is.
    Tokens that the file does not give are made, and shown this once.
    """
    from storage.registry_source import parse_source

    try:
        rows = parse_source(file.read_bytes())
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
    asyncio.run(_import(ctx.obj.settings(), rows, file, dry_run, yes, as_json))


async def _import(
    settings: Settings, rows: "Sequence[SourceRow]", file: Path, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from davy.catalogue import catalogue
    from davy.database import database, refused_by_database
    from davy.output import write_json
    from storage.database import connect, ready

    models = catalogue(settings)
    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="registry import")
            try:
                await ready(connection)
                done = await _planned(connection, rows, models, dry_run=True)
                if not _refused(done) and not dry_run and (yes or _agreed(done, as_json)):
                    done = await _planned(connection, rows, models, dry_run=False)
            finally:
                await connection.close()
    if as_json:
        write_json(done)
    else:
        _show(done, file)
    if refused := _refused(done):
        raise CannotGoOn(Exit.USAGE, f"{file}: nothing was changed, because {refused} rows or rules were refused")


def _refused(planned: "Imported") -> int:
    """How many rows were refused, or faults of the whole that no row is to blame for."""
    return sum(row.fate == "refused" for row in planned.fates) + len(planned.faults)


async def _planned(
    connection: "Connection", rows: "Sequence[SourceRow]", models: "Sequence[DeviceModel]", *, dry_run: bool
) -> "Imported":
    from davy.output import progress
    from storage.registry import import_registry

    with progress("reading the register" if dry_run else "registering"):
        return await import_registry(connection, rows, models, dry_run=dry_run, random_bytes=os.urandom)


def _agreed(planned: "Imported", as_json: bool) -> bool:
    """Ask the person at the terminal; where there is none, --yes has to say it."""
    if as_json or not (sys.stdin.isatty() and sys.stdout.isatty()):
        return False
    fates = Counter(str(row.fate) for row in planned.fates)
    return typer.confirm(", ".join(f"{count} {fate}" for fate, count in fates.items()) + ". Do it?", err=True)


def _show(done: "Imported", file: Path) -> None:
    from davy.output import write_table

    fates = Counter((row.kind, str(row.fate)) for row in done.fates)
    write_table(("kind", "fate", "rows"), [(kind, fate, str(count)) for (kind, fate), count in sorted(fates.items())])
    wrong = [row for row in done.fates if row.reason]
    for row in wrong[:_ROWS_SHOWN]:
        typer.echo(f"{row.place}: {row.kind} {row.key}: {row.fate}: {row.reason}")
    if len(wrong) > _ROWS_SHOWN:
        typer.echo(f"... and {len(wrong) - _ROWS_SHOWN} more; --json shows all")
    for fault in done.faults[:_ROWS_SHOWN]:
        typer.echo(f"fault: {fault}")
    for warning in done.warnings[:_ROWS_SHOWN]:
        typer.echo(f"warning: {warning}")
    if len(done.warnings) > _ROWS_SHOWN:
        typer.echo(f"... and {len(done.warnings) - _ROWS_SHOWN} more warnings; --json shows all")
    if done.tokens:
        write_table(("device", "token, shown this once"), done.tokens)
    if done.applied:
        typer.echo(_done(done))
    elif not _refused(done):
        typer.echo(f"nothing was changed; to do it: davy registry import {file} --yes")


def _done(done: "Imported") -> str:
    if done.number:
        return f"registered; document {done.number}"
    new = any(row.fate != "unchanged" for row in done.fates)
    return "registered; nothing of it changes what the engine does" if new else "nothing new"


def ledger(
    ctx: typer.Context,
    quick: Annotated[bool, typer.Option("--quick", help="do not count the rows themselves")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Account for every reading: received = stored + duplicate + quarantined + pending. Exit code 1 if it is not so."""
    from davy.output import write_json

    account = asyncio.run(_ledger(ctx.obj.settings(), count_rows=not quick))
    if as_json:
        write_json(account)
    else:
        _show_ledger(account)
    if not account.balanced:
        raise typer.Exit(Exit.FAILED)


async def _ledger(settings: Settings, count_rows: bool) -> "Ledger":
    from davy.database import database, refused_by_database
    from davy.output import progress
    from storage.database import connect, ready
    from storage.ledger import ledger as account

    async def engines() -> "list[EngineCounts]":
        return await _engine_counts(settings)

    async with database(settings) as url:
        with progress("counting"), refused_by_database():
            connection = await connect(url, name="ledger")
            try:
                await ready(connection)
                return await account(connection, engines, count_rows=count_rows)
            finally:
                await connection.close()


async def _engine_counts(settings: Settings) -> "list[EngineCounts]":
    """From the running engine by its door, or else from its store; none where there is no engine yet."""
    from davy.supervisor import ask_status
    from engine.journal import JournalReader
    from storage.ledger import EngineCounts

    status = await ask_status(settings)
    if status is not None:
        return [EngineCounts(status.engine, status.cycle, status.counts)]
    if not settings.engine_store.exists():
        return []
    journal = JournalReader(settings.engine_store)
    try:
        cycle, counts = journal.counts()
        return [EngineCounts(journal.engine, cycle, counts)]
    finally:
        journal.close()


def _show_ledger(account: "Ledger") -> None:
    from rich.text import Text

    from davy.output import console, shown, write_table

    columns = ("source", "received", "= stored", "+ duplicate", "+ quarantined", "+ pending")
    for engine in account.engines:
        rows = [
            (
                line.source,
                *(f"{n:,}" for n in (line.received, line.taken, line.duplicate, line.quarantined, line.pending)),
            )
            for line in engine.sources
        ]
        write_table(columns, rows, title=f"engine {engine.engine}, cycle {engine.cycle:,}")
    counted = "not counted" if account.rows_counted is None else f"{account.rows_counted:,} counted"
    dropped = f" + {account.rows_dropped:,} dropped by retention" if account.rows_dropped else ""
    typer.echo(f"rows in the database: {account.rows_stored:,} stored = {counted}{dropped}")
    for fault in account.faults:
        console().print(Text.assemble(("FAULT", "red"), " ", shown(fault)))
    console().print("[green]it balances[/]" if account.balanced else "[red]it does not balance[/]")
