"""`davy simulate`: the outside world, against this Davy or another."""

import asyncio
import ssl
import sys
import time
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.signals import until_cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

    from simulators.boiler_room_plan import BoilerRoomPlan
    from simulators.events import SimEvent
    from simulators.mqtt_link import Endpoint
    from simulators.registry import HomesSource
    from simulators.scenario import Scenario


def register(app: typer.Typer) -> None:
    app.command()(simulate)


def simulate(
    ctx: typer.Context,
    scenario: Annotated[str, typer.Argument(help="a scenario by name, or a .toml file; `list` names them")],
    seed: Annotated[int, typer.Option(min=0, help="tokens and noise come from it")] = 1,
    host: Annotated[str | None, typer.Option(help="where devices connect to; else the setting mqtt_host")] = None,
    port: Annotated[int | None, typer.Option(help="its port; else the setting mqtt_port")] = None,
    tls_ca: Annotated[Path | None, typer.Option(help="connect by TLS and trust this authority (PEM)")] = None,
    homes: Annotated[Path | None, typer.Option(help="the homes and tokens to use, as --homes-to wrote them")] = None,
    homes_to: Annotated[Path | None, typer.Option(help="write the homes for `davy registry import`, and end")] = None,
    modbus_port: Annotated[
        int | None, typer.Option(min=1, max=65_535, help="where a bus is served on 127.0.0.1; else 5020")
    ] = None,
    rtu: Annotated[
        Path | None, typer.Option(help="serve the bus on a pseudo-terminal instead, with this symbolic link to it")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per line")] = False,
) -> None:
    """Simulate homes with their gas, detectors and valves, or a boiler room whose devices are on a Modbus. Register
    them first: --homes-to FILE, then `davy registry import FILE`, with the same --seed and bus."""
    from simulators.boiler_room_plan import find_plan, plan_names
    from simulators.mqtt_link import Endpoint
    from simulators.registry import decode_homes, encode_homes
    from simulators.run import scenario_homes
    from simulators.scenario import find_scenario, scenario_names

    tell = _tell_json if as_json else _tell
    if scenario == "list":
        plans = [plan for name in plan_names() if (plan := find_plan(name)) is not None]
        _list([find_scenario(name) for name in scenario_names()], plans, as_json)
        return
    plan = find_plan(scenario)
    if plan is not None:
        _refuse_for_a_bus(plan, {"--host": host, "--port": port, "--tls-ca": tls_ca, "--homes": homes})
        _simulate_bus(plan, modbus_port, rtu, seed, homes_to, tell)
        return
    if modbus_port is not None or rtu is not None:
        raise CannotGoOn(Exit.USAGE, f"--modbus-port and --rtu are for a bus ({', '.join(plan_names())}) only")
    try:
        found = find_scenario(scenario, also=plan_names())
        trusted = ssl.create_default_context(cafile=tls_ca) if tls_ca else None
        source = decode_homes(homes.read_bytes()) if homes else scenario_homes(found, seed)
    except (ValueError, OSError) as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    if homes_to is not None:
        _write_file(encode_homes(source), homes_to)
        return
    settings = ctx.obj.settings()
    where = Endpoint(host or settings.mqtt_host, port or settings.mqtt_port, trusted)
    asyncio.run(_run(found, source, where, seed, tell))


def _refuse_for_a_bus(plan: "BoilerRoomPlan", of_homes: dict[str, object]) -> None:
    """Raises CannotGoOn for an option that would be without effect."""
    if given := [option for option, value in of_homes.items() if value is not None]:
        reason = f"{', '.join(given)}: for homes, which connect by MQTT; {plan.key} is on a bus that Davy polls"
        raise CannotGoOn(Exit.USAGE, f"{reason} (--modbus-port, --rtu)")


def _simulate_bus(
    plan: "BoilerRoomPlan",
    modbus_port: int | None,
    rtu: Path | None,
    seed: int,
    homes_to: Path | None,
    tell: "Callable[[SimEvent], None]",
) -> None:
    """Serve the plan's bus, or write the registry that lets Davy poll it."""
    from simulators.boiler_room_plan import bus_source, encode_source
    from simulators.boiler_room_run import MODBUS_PORT, OnSerial, OnTcp, run

    if rtu is not None and modbus_port is not None:
        raise CannotGoOn(Exit.USAGE, "a bus is served on --modbus-port or on --rtu, not on both")
    where = OnTcp(port=modbus_port or MODBUS_PORT) if rtu is None else OnSerial(rtu)
    if homes_to is not None:
        _write_file(encode_source(bus_source(plan, where.url)), homes_to)
        return
    rng = Random(seed)  # noqa: S311  noise of a sensor, no secret
    work = run(plan, where, clock=_now_us, steady=time.monotonic, rng=rng, on_event=tell)
    try:
        asyncio.run(until_cancelled(lambda _: work))
    except ValueError as refused:
        raise CannotGoOn(Exit.USAGE, str(refused)) from refused


async def _run(
    scenario: "Scenario", homes: "HomesSource", where: "Endpoint", seed: int, tell: "Callable[[SimEvent], None]"
) -> None:
    from simulators.run import run

    async def work() -> None:
        await run(
            scenario,
            homes,
            where.host,
            where.port,
            tls=where.tls,
            clock=_now_us,
            rng=Random(seed),  # noqa: S311  noise of a sensor, no secret
            on_event=tell,
        )

    await until_cancelled(lambda _: work())


def _tell(event: "SimEvent") -> None:
    value = "" if event.value is None else f" {event.value:.1f} {event.unit}"
    when = time.strftime("%H:%M:%S", time.gmtime(event.at / 1_000_000))
    sys.stdout.write(f"{when}Z {event.site:<12} {event.identity:<20} {event.text}{value}\n")
    sys.stdout.flush()


def _tell_json(event: "SimEvent") -> None:
    import msgspec

    sys.stdout.buffer.write(msgspec.json.encode(event) + b"\n")
    sys.stdout.buffer.flush()


def _now_us() -> int:
    return time.time_ns() // 1_000


def _write_file(body: bytes, path: Path) -> None:
    """The file may hold tokens in clear: it is its owner's alone (the umask of every command)."""
    try:
        path.write_bytes(body)
    except OSError as error:
        raise disk_refused(path, error) from error


def _list(scenarios: "list[Scenario]", plans: "list[BoilerRoomPlan]", as_json: bool) -> None:
    from davy.output import write_json, write_table

    told = sorted(
        [(s.key, s.title, s.homes, s.duration_s) for s in scenarios]
        + [(p.key, p.title, 1, p.duration_s) for p in plans]
    )
    if as_json:
        write_json([{"name": key, "title": title, "homes": n, "duration_s": lasts} for key, title, n, lasts in told])
        return
    rows = [
        (key, str(homes), f"{lasts_s:g} s" if lasts_s else "until stopped", title)
        for key, title, homes, lasts_s in told
    ]
    write_table(("scenario", "homes", "lasts", "what happens"), rows)
