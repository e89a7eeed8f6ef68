"""`davy rules`: look at rule packs before they are used, and at those that Davy brings."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from davy import rules_tools
from davy.exits import CannotGoOn, Exit, disk_refused
from davy.settings import Settings


class Looked(msgspec.Struct, frozen=True):
    """Packs that may be used together: their rules, or why they may not be: every fault with file, line, rule and key.
    `pointed`: of each fault its expression with a caret below the columns at fault, or empty. `note`: the kinds of rule
    that are left out, and what is therefore said to nobody; empty: none. `warnings`: rules that are not what they may
    look like, each with its reason. `bytes_per_device`: what the rules remember of every device; 0: not known."""

    file: str
    ok: bool
    rules: tuple[str, ...]
    faults: tuple[str, ...]
    note: str = ""
    warnings: tuple[str, ...] = ()
    pointed: tuple[str, ...] = ()
    bytes_per_device: int = 0


class Brought(msgspec.Struct, frozen=True):
    """A pack that Davy brings. `needs`: packs that must be in force beside it."""

    name: str
    about: str
    rules: tuple[str, ...]
    overrides: int
    needs: tuple[str, ...]
    default: bool


def register(app: typer.Typer) -> None:
    rules_app = typer.Typer(help="Look at rule packs. What they say is in docs/RULES.md.", no_args_is_help=True)
    rules_app.command("check")(check)
    rules_app.command("packs")(packs)
    rules_app.command("default")(default)
    rules_app.command("schema")(schema)
    rules_tools.register(rules_app)
    app.add_typer(rules_app, name="rules")


def check(
    ctx: typer.Context,
    files: Annotated[list[str], typer.Argument(help="rule packs (TOML files, or names of built-in ones): together")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say whether rule packs may be used together, or every fault with its line. Exit code 1 when they may not."""
    from davy.output import console, shown, write_json

    looked = _look(files, ctx.obj.settings)
    if as_json:
        write_json(looked)
    else:
        screen = console()
        if looked.ok:
            ids = ", ".join(looked.rules)
            many = f"{len(looked.rules)} rule" + ("s" if len(looked.rules) != 1 else "")
            screen.print(shown(f"{looked.file}: {many}, all sound: {ids}"), markup=False)
        for fault, pointed in zip(looked.faults, looked.pointed, strict=True):
            screen.print(shown(fault), markup=False)
            for line in pointed.splitlines():
                screen.print(shown(line), markup=False)
        for line in (*([f"note: {looked.note}"] if looked.note else []), *looked.warnings):
            screen.print(shown(f"{looked.file}: {line}"), markup=False)
    if not looked.ok:
        raise typer.Exit(Exit.FAILED)


def packs(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """List the packs that Davy brings, for DAVY_RULE_PACKS. `davy rules default NAME` prints one."""
    from davy.output import write_json, write_table
    from rules.documents.merged import built_in

    brought = [_brought(name) for name in built_in()]
    if as_json:
        write_json(brought)
        return
    write_table(
        ["PACK", "RULES", "DEFAULT", "NEEDS", "ABOUT"],
        [
            [one.name, str(len(one.rules)), "yes" if one.default else "", ", ".join(one.needs), one.about]
            for one in brought
        ],
    )


def default(
    names: Annotated[
        list[str] | None, typer.Argument(help="built-in packs by name; none: those of the default")
    ] = None,
) -> None:
    """Print the built-in rules, to begin own ones from."""
    from rules.documents.merged import as_file, built_in_packs, default_pack

    try:
        body = built_in_packs(names) if names else default_pack()
    except KeyError as unknown:
        reason = f"there is no pack {unknown.args[0]!r}; `davy rules packs` lists those there are"
        raise CannotGoOn(Exit.USAGE, reason) from unknown
    typer.echo(as_file(body).decode(), nl=False)


def schema() -> None:
    """Print the JSON Schema of a rule pack, for editors."""
    from rules.documents.schema import pack_schema

    typer.echo(pack_schema().decode(), nl=False)


def _look(files: list[str], settings: Callable[[], Settings]) -> Looked:
    from davy.catalogue import catalogue
    from davy.rule_packs import pack_name, together
    from devices.fleet import build_fleet
    from devices.sites import Registry
    from rules.documents.document import PackRefused, load_pack
    from rules.documents.left_out import left_out, warnings
    from rules.evaluation.kernels import compile_new

    called = ", ".join(files)
    try:
        pack = load_pack(together(files), pack_name(files[0]) if len(files) == 1 else "all packs together")
    except PackRefused as refused:
        faults = tuple(str(fault) for fault in refused.faults)
        return Looked(called, False, (), faults, pointed=tuple(fault.fault.caret for fault in refused.faults))
    except ValueError as unknown:
        raise CannotGoOn(Exit.USAGE, str(unknown)) from unknown
    except FileNotFoundError as missing:
        raise CannotGoOn(Exit.USAGE, f"there is no file {missing.filename}") from missing
    except OSError as error:
        raise disk_refused(Path(error.filename or called), error) from error
    try:
        remembered = compile_new(pack, build_fleet(Registry())).bytes_per_device
    except ValueError as too_much:
        return Looked(called, False, (), (str(too_much),), pointed=("",))
    ids = tuple(rule.id for rule in pack.rules)
    return Looked(
        called, True, ids, (), left_out(pack), warnings(pack, catalogue(settings())), bytes_per_device=remembered
    )


def _brought(name: str) -> Brought:
    from rules.documents.document import load_pack
    from rules.documents.merged import DEFAULT_PACKS, about, built_in_packs, needs

    beside = needs(name)
    pack = load_pack(built_in_packs([name, *beside]), name)
    own = len(pack.rules) - (len(load_pack(built_in_packs(beside), name).rules) if beside else 0)
    ids = tuple(rule.id for rule in pack.rules[:own])
    overrides = sum(one.rule in ids for one in pack.overrides)
    return Brought(name, about(name), ids, overrides, beside, name in DEFAULT_PACKS)
