"""`davy registry`: import, export, template."""

import asyncio
import getpass
import os
import sys
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devices.models import DeviceModel
    from storage.database import Connection
    from storage.registry import Imported
    from storage.registry_rows import SourceRow
    from storage.sealed import MasterKey

registry_app = typer.Typer(help="The register of sites, devices, links and tokens.", no_args_is_help=True)

#: Rows of an import that are shown to people; --json gives all of them.
_ROWS_SHOWN = 20


def register(app: typer.Typer) -> None:
    registry_app.command("import")(registry_import)
    registry_app.command("export")(registry_export)
    registry_app.command("template")(registry_template)
    app.add_typer(registry_app, name="registry")


def registry_import(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="JSON, CSV or XLSX of what is to be registered")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="show what would happen, and change nothing")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="do not ask after the dry run")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Register what a file names. A dry run comes first: every row's fate. One refused row refuses the file.

    The device models come along as they stand in their files now; those that this changes are rows too. By key, so
    the same file twice changes nothing the second time, and what the file does not name stays as it is.
    Tokens that the file does not give are made, and shown this once.
    """
    from davy.output import progress
    from storage.registry_source import parse_source

    try:
        with progress(f"reading {file.name}"):
            rows = parse_source(file.read_bytes())
    except (OSError, ValueError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
    asyncio.run(_import(ctx.obj.settings(), rows, file, dry_run, yes, as_json))


async def _import(
    settings: Settings, rows: "Sequence[SourceRow]", file: Path, dry_run: bool, yes: bool, as_json: bool
) -> None:
    from davy.catalogue import catalogue
    from davy.database import database, refused_by_database
    from davy.master_key import master_key
    from davy.output import write_json
    from storage.database import connect, ready

    models = catalogue(settings)
    async with database(settings) as url:
        master = master_key(settings.master_key)  # only where there is a database is there a folder to keep it in
        with refused_by_database():
            connection = await connect(url, name="registry import")
            try:
                await ready(connection)
                # With --yes nobody looks at the dry run: the import itself is planned the same, and is all or nothing.
                done = await _planned(connection, rows, models, file, master, dry_run=dry_run or not yes)
                if not (dry_run or yes or _refused(done)) and _agreed(done, as_json):
                    done = await _planned(connection, rows, models, file, master, dry_run=False)
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
    connection: "Connection",
    rows: "Sequence[SourceRow]",
    models: "Sequence[DeviceModel]",
    file: Path,
    master: "MasterKey",
    *,
    dry_run: bool,
) -> "Imported":
    from davy.output import steps
    from storage.registry import import_registry
    from storage.registry_record import By

    by = By(f"account/{getpass.getuser()}", time.time_ns() // 1_000, file.name)
    with steps(f"{len(rows):,} rows") as told:
        return await import_registry(
            *(connection, rows, models), dry_run=dry_run, random_bytes=os.urandom, by=by, told=told, master=master
        )


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
    # Rows that stop the file come first: they are what somebody has to look at.
    told = sorted((row for row in done.fates if row.reason), key=lambda row: row.fate != "refused")
    for row in told[:_ROWS_SHOWN]:
        typer.echo(f"{row.place}: {row.kind} {row.key}: {row.fate}: {row.reason}")
    if len(told) > _ROWS_SHOWN:
        typer.echo(f"... and {len(told) - _ROWS_SHOWN} more; --json shows all")
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
        return f"registered; change {done.number}"
    new = any(row.fate != "unchanged" for row in done.fates)
    return "registered; nothing of it changes what the engine does" if new else "nothing new"


def registry_export(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="where to: NAME.csv, NAME.json or NAME.xlsx")],
    kind: Annotated[list[str] | None, typer.Option(help="only these kinds, such as site or device")] = None,
    tokens: Annotated[bool, typer.Option("--tokens", help="the hashes of tokens too, to restore from")] = False,
    lang: Annotated[str, typer.Option(help="names of sheets and columns: en or zh")] = "en",
    plain: Annotated[bool, typer.Option("--plain", help="personal data in clear; needs --purpose")] = False,
    purpose: Annotated[str, typer.Option(help="what personal data is needed for; it is recorded")] = "",
) -> None:
    """Write all that is registered into a file that `davy registry import` takes again, as unchanged. Personal data is
    masked in it, and what is masked an import leaves as it is."""
    from storage.registry_export import kinds_of

    if file.suffix not in (".csv", ".json", ".xlsx"):
        raise CannotGoOn(Exit.USAGE, f"{file}: must end in .csv, .json or .xlsx")
    if lang not in ("en", "zh"):
        raise CannotGoOn(Exit.USAGE, f"--lang {lang}: must be en or zh")
    if plain and not purpose.strip():
        raise CannotGoOn(Exit.USAGE, "--plain: say what personal data is needed for (--purpose)")
    try:
        kinds = kinds_of(kind, tokens=tokens, people=True)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    wanted = _Wanted([one.name for one in kinds], lang, purpose.strip() if plain else "")
    asyncio.run(_export(ctx.obj.settings(), file, wanted))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """purpose: of personal data in clear; empty: it is masked."""

    kinds: list[str]
    lang: str
    purpose: str


async def _export(settings: Settings, file: Path, wanted: _Wanted) -> None:
    from davy.database import database, refused_by_database
    from davy.master_key import master_key
    from davy.output import progress
    from storage.database import connect, ready, translated
    from storage.registry_export import PeopleOut, kinds_of
    from storage.registry_file import write_file
    from storage.registry_people import say_exported

    kinds = kinds_of(wanted.kinds, tokens="token" in wanted.kinds, people=True)
    async with database(settings) as url:
        people = PeopleOut(master_key(settings.master_key), plain=bool(wanted.purpose))
        with refused_by_database(), progress(f"writing {file.name}"):
            connection = await connect(url, name="registry export")
            try:
                await ready(connection)
                with translated():
                    if people.plain:  # the record comes first: there is no file that nobody knows of
                        by, now_us = f"account/{getpass.getuser()}", time.time_ns() // 1_000
                        await say_exported(connection, by, now_us, wanted.purpose)
                    await write_file(connection, kinds, file, wanted.lang, people)
            except (OSError, ValueError) as wrong:
                raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
            finally:
                await connection.close()
    typer.echo(f"written: {file}")


def registry_template(
    file: Annotated[Path, typer.Argument(help="where to: NAME.xlsx")],
    lang: Annotated[str, typer.Option(help="names of sheets and columns: en or zh")] = "en",
) -> None:
    """Write an empty workbook with a sheet for each kind, to be filled in and imported."""
    from storage.registry_workbook import write_template

    if file.suffix != ".xlsx" or lang not in ("en", "zh"):
        raise CannotGoOn(Exit.USAGE, "a template is NAME.xlsx, and --lang is en or zh")
    try:
        write_template(file, lang=lang)
    except OSError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
    typer.echo(f"written: {file}")
