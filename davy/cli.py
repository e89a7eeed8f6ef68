"""The command line. Commands import what they need when they run, so that `davy version` and `--help` are quick."""

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from davy.exits import MEANING, CannotGoOn
from davy.settings import Settings, load_settings

_EPILOG = "Exit codes\n\n" + "\n\n".join(f"{code.value} {meaning}" for code, meaning in MEANING.items())

app = typer.Typer(
    help="Davy: a supervisory platform for gas-safety devices. It reads, alarms, and sees valves shut.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@dataclass(frozen=True, slots=True)
class Invocation:
    """The environment as this command sees it: the process's, with the global options put in."""

    environ: dict[str, str] = field(default_factory=lambda: dict(os.environ))
    here: Path = field(default_factory=Path.cwd)

    def settings(self, data: str | None = None) -> Settings:
        """Raises CannotGoOn (usage). `data`: another default for the data folder."""
        return load_settings(self.environ, self.here, data)


@app.callback()
def options(
    ctx: typer.Context,
    config: Annotated[str | None, typer.Option(help="TOML file of settings [env DAVY_CONFIG]")] = None,
    data: Annotated[str | None, typer.Option(help="data folder [env DAVY_DATA]")] = None,
) -> None:
    """Options before the command."""
    told = {"DAVY_CONFIG": config, "DAVY_DATA": data}
    ctx.obj = Invocation(dict(os.environ) | {name: text for name, text in told.items() if text is not None})


def main() -> None:
    """The entry point: one clear line and a documented code for everything that stops a command."""
    os.umask(0o077)  # whatever a command makes is its owner's alone
    from davy import (
        commands_access,
        commands_audit,
        commands_bench,
        commands_broker,
        commands_check,
        commands_coverage,
        commands_data,
        commands_devices,
        commands_modbus,
        commands_registry,
        commands_rules,
        commands_run,
        commands_scorecard,
        commands_simulate,
        commands_tenant,
    )

    kinds = (
        commands_run,
        commands_data,
        commands_registry,
        commands_devices,
        commands_modbus,
        commands_broker,
        commands_rules,
        commands_access,
        commands_audit,
        commands_coverage,
        commands_scorecard,
        commands_simulate,
        commands_tenant,
        commands_check,
        commands_bench,
    )
    for commands in kinds:
        commands.register(app)
    try:
        app()
    except CannotGoOn as refused:
        sys.stderr.write("".join(f"davy: {line}\n" for line in str(refused).splitlines()))
        sys.exit(refused.code)
