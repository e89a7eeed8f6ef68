"""`davy devices`: look at the catalogue of device models, and at a model file before it is used."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from davy.exits import CannotGoOn, Exit
from davy.models_handed_in import model_app

if TYPE_CHECKING:
    from devices.models import DeviceModel
    from devices.register_map import RegisterMap


class Listed(msgspec.Struct, frozen=True):
    """One model in a few words. `speaks`: native, or modbus with its channels. `verified`: tried on the device."""

    key: str
    vendor: str
    name: str
    kind: str
    speaks: str
    verified: bool


class Looked(msgspec.Struct, frozen=True):
    """A model file that may be used, or every fault: file, key and reason. `examples`: how many were run.
    `good_zeros`: quantities that read as a sound value when all registers are 0, because no check refuses them."""

    file: str
    ok: bool
    examples: int
    faults: tuple[str, ...]
    good_zeros: tuple[str, ...] = ()


def register(app: typer.Typer) -> None:
    devices_app = typer.Typer(
        help="Look at device models. How to describe one is in docs/MODELS.md.", no_args_is_help=True
    )
    devices_app.command("list")(list_models)
    devices_app.command("show")(show)
    devices_app.command("check")(check)
    devices_app.command("conform")(conform)
    devices_app.command("schema")(schema)
    devices_app.add_typer(model_app, name="model")
    app.add_typer(devices_app, name="devices")


def list_models(
    ctx: typer.Context, as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False
) -> None:
    """List the catalogue."""
    from davy.output import console, shown, write_json

    listed = [_listed(model) for model in _catalogue(ctx)]
    if as_json:
        write_json(listed)
        return
    rows = [("key", "kind", "speaks", "verified", "vendor and name")]
    rows += [(m.key, m.kind, m.speaks, "yes" if m.verified else "no", f"{m.vendor}: {m.name}") for m in listed]
    # A table would cut the keys on a narrow terminal, and keys are what one copies.
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]) - 1)]
    for *cells, last in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        console().print(shown(f"{line}  {last}"), markup=False)


def show(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="a model's key, as `davy devices list` prints it, or a model file")],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Print what is known of one model."""
    from davy.catalogue import named_model
    from davy.output import write_json, write_table

    model = named_model(ctx.obj.settings, key)
    if as_json:
        write_json(model)
        return
    write_table(("key", "value"), _facts(model))
    if model.modbus is not None:
        write_table(("field", "type", "where", "means"), _field_rows(model.modbus), title="\nregisters")
        if model.modbus.command:
            write_table(("command", "style", "writes"), _command_rows(model.modbus), title="\nwhat is written")


def conform(
    ctx: typer.Context,
    key: Annotated[str, typer.Argument(help="a model's key, as `davy devices list` prints it, or a model file")],
    days: Annotated[int, typer.Option(min=1, max=366, help="how far back its telemetry is looked at")] = 30,
    simulated: Annotated[bool, typer.Option("--simulated", help="of simulated homes, not of real ones")] = False,
    lang: Annotated[str, typer.Option(help="zh or en")] = "en",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Say clause by clause whether a model does what Annex 2 asks of its kind and tier: met, not met or not observable,
    from its certificates and from what its devices really sent, with bounds. Exit code 1 when a clause is not met."""
    from davy.catalogue import named_model
    from davy.conform import conformance_of, show_conformance
    from devices.conformance.questions import Verdict

    if lang not in ("zh", "en"):
        raise CannotGoOn(Exit.USAGE, f"--lang {lang}: zh or en")
    settings = ctx.obj.settings()
    model = named_model(lambda: settings, key)
    found = asyncio.run(conformance_of(settings, model, days, simulated))
    show_conformance(found, lang, as_json)
    if found.verdict is Verdict.NOT_MET:
        raise typer.Exit(Exit.FAILED)


def check(
    ctx: typer.Context,
    files: Annotated[
        list[Path] | None, typer.Argument(help="model files, or folders of them; none: the catalogue")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Check model files and run their golden examples. Names file, key and reason; exit code 1 when one is wrong."""
    from davy.output import console, shown, write_json

    looked = [_look(path) for path in _paths(ctx, files or [])]
    if not files and all(one.ok for one in looked):
        _catalogue(ctx)  # two files of one name are only wrong together
    if as_json:
        write_json(looked)
    else:
        for one in looked:
            for line in one.faults or (_sound(one),):
                console().print(shown(line), markup=False)
    if not all(one.ok for one in looked):
        raise typer.Exit(Exit.FAILED)


def schema() -> None:
    """Print the JSON Schema of a model file, for editors."""
    from devices.model_schema import model_schema

    typer.echo(model_schema().decode(), nl=False)


def _catalogue(ctx: typer.Context) -> "tuple[DeviceModel, ...]":
    from davy.catalogue import catalogue

    return catalogue(ctx.obj.settings())


def _paths(ctx: typer.Context, files: list[Path]) -> list[Path]:
    from devices.models import BUILT_IN

    own = ctx.obj.settings().models if not files else None
    paths: list[Path] = []
    for file in files or [BUILT_IN, *([own] if own is not None else [])]:
        found = sorted(file.glob("*.toml")) if file.is_dir() else [file]
        if not found and files:
            raise CannotGoOn(Exit.USAGE, f"there is no model file (*.toml) in {file}")
        paths += found
    return paths


def _look(path: Path) -> Looked:
    from davy.catalogue import example_faults
    from devices.models import load_model
    from devices.register_examples import good_zeros

    try:
        model = load_model(path)
    except OSError as missing:
        raise CannotGoOn(Exit.USAGE, f"cannot read {path}: {missing.strerror}") from missing
    except ValueError as wrong:
        return Looked(str(path), False, 0, tuple(str(wrong).splitlines()))
    faults = example_faults(path, model)
    many = len(model.example) + (len(model.modbus.example) if model.modbus is not None else 0)
    return Looked(str(path), not faults, many, faults, good_zeros(model))


def _sound(one: Looked) -> str:
    zeros = f"; note: zeros read as {', '.join(one.good_zeros)} of 0, no check refuses them" if one.good_zeros else ""
    return f"{one.file}: sound, {one.examples} examples mean what they say{zeros}"


def _listed(model: "DeviceModel") -> Listed:
    speaks = "native"
    if model.modbus is not None:
        channels = model.modbus.channels
        speaks = "modbus" if channels == 1 else f"modbus, {channels} channels"
    elif model.kind == "gateway":
        speaks = "for others"
    return Listed(model.key, model.vendor, model.name, str(model.kind), speaks, model.verified)


def _facts(model: "DeviceModel") -> list[tuple[str, str]]:
    ranges = (f"{name} {low:g} to {high:g}" for name, (low, high) in model.ranges.items())
    facts = [
        ("key", model.key),
        ("vendor", model.vendor),
        ("name", model.name),
        ("kind", str(model.kind)),
        ("tier", str(model.tier or "")),
        ("speaks", _listed(model).speaks),
        ("source", model.source),
        ("verified on the device", "yes" if model.verified else "no"),
        ("gas", model.gas),
        ("100 %LEL is", f"{model.lel_percent_vol:g} %vol" if model.lel_percent_vol is not None else ""),
        ("measures", ", ".join(model.measures)),
        ("ranges", ", ".join(ranges)),
        ("reports every", f"{model.report_interval_s:g} s" if model.report_interval_s else ""),
        ("life", f"{model.life_days} days" if model.life_days is not None else ""),
        ("certificates required", ", ".join(model.certificates)),
    ]
    if model.valve is not None:
        facts += [("valve", model.valve.type), ("fails", model.valve.fail_position)]
    if model.actuator is not None:
        facts.append(("CLOSE confirmed within", f"{model.actuator.confirm_within_s:g} s"))
        facts.append(("reachability", str(model.actuator.reachability)))
    if model.modbus is not None and model.modbus.serial is not None:
        serial = model.modbus.serial
        facts.append(("serial line", f"{serial.baud} baud, parity {serial.parity}, {serial.stop_bits} stop bits"))
    return [fact for fact in facts if fact[1]]


def _command_rows(chart: "RegisterMap") -> list[tuple[str, str, str]]:
    from devices.registers import WireWrite, procedure

    def words(writes: tuple[WireWrite, ...]) -> str:
        return ", ".join(f"FC{w.function:02d} {w.at} = {' '.join(map(str, w.values))}" for w in writes)

    rows: list[tuple[str, str, str]] = []
    for command in chart.command:
        ready = procedure(chart, command.verb)
        if ready is not None:
            after = f"; after {ready.pulse_s:g} s {words(ready.release)}" if ready.release else ""
            rows.append((command.verb, command.style, words(ready.write) + after))
    return rows


def _field_rows(chart: "RegisterMap") -> list[tuple[str, str, str, str]]:
    from devices.registers import wire_address

    rows: list[tuple[str, str, str, str]] = []
    for field in chart.field:
        space, first = wire_address(chart, field.at, field.space)
        where = f"{space} {first}" + (f" + {field.stride} a channel" if field.stride else "")
        rows.append((field.name, field.type, where, field.quantity or ("kept" if field.extra else "")))
    return rows
