"""The commands about data: migrate, ledger."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from storage.ledger import EngineCounts, Ledger


def register(app: typer.Typer) -> None:
    app.command()(migrate)
    app.command()(ledger)


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
            await _bring_models(settings, url)
    if as_json:
        write_json(done)
    else:
        applied = ", ".join(str(number) for number in done.applied) or "none: it was up to date"
        typer.echo(f"mode {done.mode}{' (changed)' if done.mode_changed else ''}; migrations applied: {applied}")


async def _bring_models(settings: Settings, url: str) -> None:
    """A new installation has a catalogue before anything is imported."""
    from davy.catalogue import catalogue
    from davy.output import say
    from devices.models import load_catalogue
    from storage.database import connect
    from storage.registry import bring_models

    try:
        models = catalogue(settings)
    except CannotGoOn as wrong:
        # What is wrong with one's own models is no reason to be without a database.
        say(str(wrong))
        models = load_catalogue()
    connection = await connect(url, name="catalogue")
    try:
        await bring_models(connection, models)
    finally:
        await connection.close()


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
