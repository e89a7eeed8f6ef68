"""`davy rules test`, `backtest` and `explain`: rules tried on scripts and on history, and why one did what it did."""

from pathlib import Path
from typing import Annotated

import msgspec
import typer

from davy.exits import CannotGoOn, Exit
from davy.rules_backtest import run_backtest
from davy.rules_explain import run_explain


def register(rules_app: typer.Typer) -> None:
    rules_app.command("test")(run_scripts)
    rules_app.command("backtest")(run_backtest)
    rules_app.command("explain")(run_explain)


class Tested(msgspec.Struct, frozen=True):
    """One script: whether it ran as it says, or every line that did not, with file and line."""

    file: str
    title: str
    ok: bool
    readings: int
    expectations: int
    failures: tuple[str, ...]


def run_scripts(
    files: Annotated[list[Path], typer.Argument(help="rule scripts (docs/rule-scripts.md)")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Run rule scripts: readings and expectations as text. Exit code 1 when one does not go as it says.

    Each is run thrice: in large steps, reading by reading, and with a restart of the engine at every time it names."""
    from davy.output import console, write_json

    tested = [_test(path) for path in files]
    if as_json:
        write_json(tested)
    else:
        for one in tested:
            what = f"{one.title or 'untitled'} ({one.readings} readings, {one.expectations} expectations)"
            console().print(f"{'ok  ' if one.ok else 'FAIL'} {one.file}: {what}", markup=False)
            for failure in one.failures:
                console().print(f"     {failure}", markup=False)
        failed = sum(not one.ok for one in tested)
        console().print(f"{len(tested) - failed} of {len(tested)} scripts went as they say", markup=False)
    if not all(one.ok for one in tested):
        raise typer.Exit(Exit.FAILED)


def _test(path: Path) -> Tested:
    from rules.scripts.run import run_script
    from rules.scripts.script import ScriptFault, parse_script

    def beside(name: str) -> bytes:
        return _read(path.parent / name)

    text = _text(path)
    try:
        script = parse_script(text, str(path))
        ran = run_script(script, beside)
        failures = [str(failure) for failure in ran.failures]
        for how, again in (
            ("reading by reading", run_script(script, beside, one_by_one=True)),
            ("with restarts", run_script(script, beside, restarts=True)),
        ):
            failures += [f"{failure} ({how})" for failure in again.failures if str(failure) not in failures]
    except ScriptFault as wrong:
        return Tested(str(path), "", False, 0, 0, tuple(str(wrong).splitlines()))
    return Tested(str(path), ran.title, not failures, ran.readings, ran.expectations, tuple(failures))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as wrong:
        raise CannotGoOn(Exit.USAGE, f"cannot read {path}: {wrong.strerror}") from wrong


def _text(path: Path) -> str:
    try:
        return _read(path).decode("utf-8-sig")
    except UnicodeDecodeError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{path} is not UTF-8 at byte {wrong.start}") from wrong
