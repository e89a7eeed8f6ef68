"""`davy rules`: look at a rule pack before it is used."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from davy import commands_rules_tools
from davy.exits import CannotGoOn, Exit, disk_refused


class Looked(msgspec.Struct, frozen=True):
    """A pack that may be used: its rules, or why it may not be: every fault with file, line, rule and key. `note`: the
    kinds of rule that it leaves out, and what is therefore said to nobody; empty: none."""

    file: str
    ok: bool
    rules: tuple[str, ...]
    faults: tuple[str, ...]
    note: str = ""


def register(app: typer.Typer) -> None:
    rules_app = typer.Typer(help="Look at rule packs. What they say is in docs/RULES.md.", no_args_is_help=True)
    rules_app.command("check")(check)
    rules_app.command("default")(default)
    commands_rules_tools.register(rules_app)
    app.add_typer(rules_app, name="rules")


def check(
    file: Annotated[Path, typer.Argument(help="a rule pack (TOML)")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say whether a rule pack may be used, or every fault with its line. Exit code 1 when it may not."""
    from davy.output import console, write_json

    looked = _look(file)
    if as_json:
        write_json(looked)
    else:
        lines = looked.faults or (f"{file}: {len(looked.rules)} rules, all sound: {', '.join(looked.rules)}",)
        for line in (*lines, *([f"{file}: note: {looked.note}"] if looked.note else [])):
            console().print(line, markup=False)
    if not looked.ok:
        raise typer.Exit(Exit.FAILED)


def default() -> None:
    """Print the built-in pack, to begin an own one from."""
    from rules.document import default_pack

    typer.echo(default_pack().decode(), nl=False)


def _look(file: Path) -> Looked:
    from rules.document import load_pack
    from rules.left_out import left_out

    try:
        body = file.read_bytes()
    except FileNotFoundError as missing:
        raise CannotGoOn(Exit.USAGE, f"there is no file {file}") from missing
    except OSError as error:
        raise disk_refused(file, error) from error
    try:
        pack = load_pack(body, file.name)
    except ValueError as wrong:
        return Looked(str(file), False, (), tuple(str(wrong).splitlines()))
    return Looked(str(file), True, tuple(rule.id for rule in pack.rules), (), left_out(pack))
