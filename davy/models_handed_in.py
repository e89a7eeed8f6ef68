"""`davy devices model`: models that vendors hand in, from the command line of the installation."""

import asyncio
import getpass
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from storage.database import Connection
    from storage.models_admitted import ModelVersion

model_app = typer.Typer(help="Models that vendors hand in: draft, tried, admitted, withdrawn.", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Key = Annotated[str, typer.Argument(help="key of the model")]
Version = Annotated[int, typer.Argument(min=1, help="its version")]


@model_app.command("add")
def add(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="KEY.toml; how it is written is in docs/MODELS.md")],
    as_json: AsJson = False,
) -> None:
    """Hand in a model's file: a new version, as a draft. Its examples are run."""
    try:
        text = file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong

    async def work(connection: "Connection") -> "list[ModelVersion]":
        from storage.models_admitted import hand_in

        return [await hand_in(connection, file.stem, text, vendor="", by=_by(), now_us=_now_us())]

    _told(_run(ctx, work), as_json)


@model_app.command("list")
def list_versions(ctx: typer.Context, as_json: AsJson = False) -> None:
    """All versions that were handed in, and their state."""

    async def work(connection: "Connection") -> "list[ModelVersion]":
        from storage.models_admitted import versions

        found: list[ModelVersion] = []
        while page := await versions(
            connection, limit=1_000, after=(found[-1].key, found[-1].version) if found else ("", 0)
        ):
            found += page
        return found

    _told(_run(ctx, work), as_json)


@model_app.command("try")
def try_version(ctx: typer.Context, key: Key, version: Version, as_json: AsJson = False) -> None:
    """Say that a version was tried on devices."""
    _go_on(ctx, key, version, "tried", "", as_json)


@model_app.command("admit")
def admit(ctx: typer.Context, key: Key, version: Version, as_json: AsJson = False) -> None:
    """Bring a tried version into force: devices may have it from now on."""
    _go_on(ctx, key, version, "admitted", "", as_json)


@model_app.command("withdraw")
def withdraw(
    ctx: typer.Context,
    key: Key,
    version: Version,
    reason: Annotated[str, typer.Option(help="why; it is kept")],
    as_json: AsJson = False,
) -> None:
    """It stays with the devices that have it, and takes no new ones."""
    _go_on(ctx, key, version, "withdrawn", reason, as_json)


def _go_on(ctx: typer.Context, key: str, version: int, state: str, reason: str, as_json: bool) -> None:
    async def work(connection: "Connection") -> "list[ModelVersion]":
        from storage.models_admitted import ModelState, go_on

        to = ModelState(state)
        return [await go_on(connection, key, version, to, by=_by(), now_us=_now_us(), reason=reason)]

    _told(_run(ctx, work), as_json)


def _run(ctx: typer.Context, work: "Callable[[Connection], Awaitable[list[ModelVersion]]]") -> "list[ModelVersion]":
    return asyncio.run(_worked(ctx.obj.settings(), work))


async def _worked(
    settings: Settings, work: "Callable[[Connection], Awaitable[list[ModelVersion]]]"
) -> "list[ModelVersion]":
    from davy.database import database, refused_by_database
    from storage.database import connect, ready, translated
    from storage.models_admitted import ModelRefused

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="device models")
            try:
                await ready(connection)
                with translated():
                    async with connection.transaction():
                        return await work(connection)
            except ModelRefused as refused:
                raise CannotGoOn(Exit.USAGE, str(refused)) from refused
            finally:
                await connection.close()


def _told(found: "list[ModelVersion]", as_json: bool) -> None:
    from davy.output import write_json, write_table

    if as_json:
        write_json(found)
    else:
        rows = [(one.key, str(one.version), one.vendor, str(one.state), one.reason) for one in found]
        write_table(("model", "version", "vendor", "state", "reason"), rows)


def _by() -> str:
    return f"account/{getpass.getuser()}"


def _now_us() -> int:
    return time.time_ns() // 1_000
