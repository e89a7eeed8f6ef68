"""The commands about data: migrate, registry import, ledger."""

import asyncio
from typing import Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

registry_app = typer.Typer(help="The register of sites, devices, links and tokens.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    app.command()(migrate)
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
