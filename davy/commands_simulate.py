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

if TYPE_CHECKING:
    from collections.abc import Callable

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
    as_json: Annotated[bool, typer.Option("--json", help="one JSON object per line")] = False,
) -> None:
    """Simulate homes with their gas, detectors and valves. Register them first: --homes-to FILE, then `davy registry
    import FILE`, with the same --seed."""
    from simulators.mqtt_link import Endpoint
    from simulators.registry import decode_homes
    from simulators.run import scenario_homes
    from simulators.scenario import find_scenario, scenario_names

    if scenario == "list":
        _list([find_scenario(name) for name in scenario_names()], as_json)
        return
    try:
        found = find_scenario(scenario)
        trusted = ssl.create_default_context(cafile=tls_ca) if tls_ca else None
        source = decode_homes(homes.read_bytes()) if homes else scenario_homes(found, seed)
    except (ValueError, OSError) as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    if homes_to is not None:
        _write_homes(source, homes_to)
        return
    settings = ctx.obj.settings()
    where = Endpoint(host or settings.mqtt_host, port or settings.mqtt_port, trusted)
    asyncio.run(_run(found, source, where, seed, _tell_json if as_json else _tell))


async def _run(
    scenario: "Scenario", homes: "HomesSource", where: "Endpoint", seed: int, tell: "Callable[[SimEvent], None]"
) -> None:
    from davy.signals import until_cancelled
    from simulators.run import run

    async def work() -> None:
        await run(
            scenario,
            homes,
            where.host,
            where.port,
            tls=where.tls,
            clock=lambda: time.time_ns() // 1_000,
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


def _write_homes(homes: "HomesSource", path: Path) -> None:
    """The file holds tokens in clear: it is its owner's alone (the umask of every command)."""
    from simulators.registry import encode_homes

    try:
        path.write_bytes(encode_homes(homes))
    except OSError as error:
        raise disk_refused(path, error) from error


def _list(scenarios: "list[Scenario]", as_json: bool) -> None:
    from davy.output import write_json, write_table

    if as_json:
        write_json([{"name": s.key, "title": s.title, "homes": s.homes, "duration_s": s.duration_s} for s in scenarios])
        return
    rows = [
        (s.key, str(s.homes), f"{s.duration_s:g} s" if s.duration_s else "until stopped", s.title) for s in scenarios
    ]
    write_table(("scenario", "homes", "lasts", "what happens"), rows)
