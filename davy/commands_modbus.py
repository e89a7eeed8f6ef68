"""`davy modbus`: look at a bus by hand. It only reads."""

import asyncio
import time
from random import Random
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from davy.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from davy.modbus_tables import UnitRead
    from devices.addresses import BusAddress
    from devices.models import DeviceModel
    from ingest.modbus_probe import Found, Probe

_T = TypeVar("_T")
_BASE = typer.Option(min=0, max=65_535, help="added to every address, as the device's maker or its menu says")
_LINK = typer.Argument(help="modbus+tcp://host:port, modbus+rtu+tcp://host:port or modbus+rtu:/dev/ttyUSB0?baud=9600")


def register(app: typer.Typer) -> None:
    modbus_app = typer.Typer(help="Look at a Modbus link: read a unit, or find out who is there.", no_args_is_help=True)
    modbus_app.command("read")(read)
    modbus_app.command("scan")(scan)
    app.add_typer(modbus_app, name="modbus")


def read(
    ctx: typer.Context,
    link: Annotated[str, _LINK],
    unit: Annotated[int, typer.Argument(min=0, max=255, help="the unit's address on the bus")],
    model: Annotated[str, typer.Option(help="a model file (TOML), or a model's key")],
    channel: Annotated[int, typer.Option(min=1, help="measuring point of the unit")] = 1,
    base: Annotated[int, _BASE] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Read one unit as a model says, and print the registers and what they mean side by side. Exit code 1 when they
    cannot be this model's."""
    from davy.modbus_tables import decoded_read, print_read
    from davy.output import write_json
    from devices.registers import plan_reads

    address, chosen = _address(link), _model(ctx, model)
    assert chosen.modbus is not None
    try:
        plan = plan_reads(chosen.modbus, (channel,), base)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{chosen.key}: {wrong}") from wrong
    chart = chosen.modbus

    async def work(probe: "Probe") -> "UnitRead":
        words = [await probe.read(unit, one, chart.gap_ms / 1000) for one in plan.reads]
        return decoded_read(chosen, unit, channel, base, plan, words)

    found = _asked(address, chart.reply_within_ms / 1000, f"unit {unit}", work)
    if as_json:
        write_json(found)
    else:
        print_read(found)
    if found.refused:
        raise typer.Exit(Exit.FAILED)


def scan(
    ctx: typer.Context,
    link: Annotated[str, _LINK],
    units: Annotated[str, typer.Option(help="which to ask: 1-247, or 1,5,20-30")] = "1-247",
    timeout_ms: Annotated[int, typer.Option(min=10, max=10_000, help="how long a unit may take to answer")] = 500,
    base: Annotated[int, _BASE] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Ask every unit, and say which models of the catalogue fit what it answers. It takes the time-out for each unit
    that is not there, on a serial line twice that. Exit code 1 when the link goes away and stays away; what was found
    is printed all the same."""
    from davy.catalogue import catalogue
    from davy.modbus_tables import Counted, print_scan
    from davy.output import write_json
    from ingest.modbus_errors import LinkAway

    address, asked = _address(link), _units(units)
    models = [model for model in catalogue(ctx.obj.settings()) if model.modbus is not None]

    async def work(probe: "Probe") -> "tuple[list[Found], str]":
        found: list[Found] = []
        with Counted("asking unit", asked) as counted:
            for unit in counted:
                try:
                    one = await probe.look(unit, models, base)
                except LinkAway as why:
                    if not probe.was_open:
                        raise
                    return found, _cut_short(unit, asked, why)
                if one is not None:
                    found.append(one)
                    counted.say(f"unit {unit} answers")
        return found, ""

    found, cut_short = _asked(address, timeout_ms / 1000, "the link", work)
    if as_json:
        write_json(found)
    else:
        print_scan(found, len(asked))
    if cut_short:
        raise CannotGoOn(Exit.FAILED, cut_short)


def _cut_short(unit: int, asked: list[int], why: Exception) -> str:
    rest = "was" if unit == asked[-1] else "and those after it were"
    return f"the link went away, so unit {unit} {rest} not asked: {why}"


def _asked(address: "BusAddress", within_s: float, what: str, work: "Callable[[Probe], Awaitable[_T]]") -> _T:
    """Raises CannotGoOn with what went wrong, in one line."""
    from ingest.modbus_errors import BusError
    from ingest.modbus_probe import Probe

    async def run() -> _T:
        probe = Probe(address, lambda: time.monotonic_ns() // 1_000, Random(), within_s)  # noqa: S311  no secret
        try:
            return await work(probe)
        finally:
            probe.close()

    try:
        return asyncio.run(run())
    except BusError as why:
        raise CannotGoOn(Exit.FAILED, f"{what}: {why}") from why


def _address(link: str) -> "BusAddress":
    from devices.addresses import parse_bus_address

    try:
        return parse_bus_address(link)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong


def _model(ctx: typer.Context, named: str) -> "DeviceModel":
    from davy.catalogue import named_model

    model = named_model(ctx.obj.settings, named)
    if model.modbus is None:
        raise CannotGoOn(Exit.USAGE, f"{model.key} has no register map: it speaks the native protocol")
    return model


def _units(text: str) -> list[int]:
    """Raises CannotGoOn (usage)."""
    units: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not (first.isdecimal() and (last or first).isdecimal()):
            raise CannotGoOn(Exit.USAGE, f"--units {text!r}: {part!r} is neither a unit nor a range such as 1-247")
        span = range(int(first), int(last or first) + 1)
        if not span or span[0] < 0 or span[-1] > 255:
            raise CannotGoOn(Exit.USAGE, f"--units {text!r}: {part!r} must be 0 to 255, the lower first")
        units.update(span)
    return sorted(units)
