"""`davy bench`: figures beside their ceilings, and the long forms of fuzzing and killing."""

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
import typer

from davy.exits import CannotGoOn, Exit

if TYPE_CHECKING:
    from davy.bench.figure import Figure

ResultT = TypeVar("ResultT")

bench_app = typer.Typer(
    help="Measure this machine and this Davy: each figure is a median of several runs beside its ceiling.",
    no_args_is_help=True,
)

Where = Annotated[Path | None, typer.Option(help="a folder on the disk to measure; else the temporary folder")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
Seed = Annotated[int, typer.Option(help="the same seed does the same")]

#: Name -> what it measures. `all` is every one of them, in this order.
FIGURES = {
    "pipelining": "64 connections, 200 messages in flight each, bursts of 10 s",
    "one-in-flight": "2,000 connections, one message in flight each",
    "sustained": "100,000 readings/s for 60 s with the database keeping up",
    "idle": "memory with 10,000 connections that say nothing",
    "latency": "from an alarm to its CLOSE, idle and beside 10,000 readings/s",
    "rules": "the rule engine alone, 100,000 devices",
}


def register(app: typer.Typer) -> None:
    bench_app.command("figures")(figures)
    bench_app.command("rules")(rules)
    bench_app.command("audit")(audit)
    bench_app.command("registry")(registry)
    bench_app.command("fuzz")(fuzz)
    bench_app.command("kills")(kills)
    bench_app.command("modbus")(modbus)
    bench_app.command("broker")(broker)
    bench_app.command("broker-kills")(broker_kills)
    bench_app.command("coverage")(coverage)
    bench_app.command("import")(imports)
    app.add_typer(bench_app, name="bench")


def figures(
    names: Annotated[list[str] | None, typer.Argument(help=f"of: {', '.join(FIGURES)}; none: all")] = None,
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 5,
    where: Where = None,
    tls_cert: Annotated[
        Path | None, typer.Option(help="for `idle`: measure over TLS too, with this certificate")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="its key; may be in the same file")] = None,
    as_json: AsJson = False,
) -> None:
    """Measure. Exit code 1 when a promise is not met."""
    chosen = names or list(FIGURES)
    wrong = [name for name in chosen if name not in FIGURES]
    if wrong:
        raise CannotGoOn(Exit.USAGE, f"no figure {wrong[0]!r}; there are {', '.join(FIGURES)}")
    tls = (tls_cert.resolve(), (tls_key or tls_cert).resolve()) if tls_cert else None
    _told(_run(_measure(chosen, runs, where, tls)), as_json)


async def _measure(names: list[str], runs: int, where: Path | None, tls: tuple[Path, Path] | None) -> "list[Figure]":
    from davy.bench import load_figures
    from davy.bench.figure import number
    from davy.bench.rule_figures import rule_steps
    from davy.bench.sustained import sustained
    from davy.output import progress, say

    async def latency() -> "list[Figure]":
        close = load_figures.close_latency
        return [await close(runs, where), await close(runs, where, rate=10_000)]

    async def one(measure: "Callable[[int, Path | None], Coroutine[None, None, Figure]]") -> "list[Figure]":
        return [await measure(runs, where)]

    measured: list[Figure] = []
    for name in names:
        say(f"measuring {name}: {FIGURES[name]}")
        with progress(f"{name}, {runs} runs"):
            match name:
                case "pipelining":
                    found = await one(load_figures.pipelining)
                case "one-in-flight":
                    found = await one(load_figures.one_in_flight)
                case "sustained":
                    found = await one(sustained)
                case "idle":
                    found = await one(load_figures.idle_connections)
                    found += [await load_figures.idle_connections(runs, where, tls=tls)] if tls else []
                case "latency":
                    found = await latency()
                case _:
                    found = list(rule_steps(runs))
        for figure in found:
            say(f"  {figure.name}: {number(figure.value)} {figure.unit} ({figure.promise or 'stated'})")
        measured += found
    return measured


def _show(measured: "list[Figure]") -> None:
    from davy.bench.figure import number
    from davy.output import write_table

    rows = []
    for figure in measured:
        ratio = f"{figure.ratio:.2f} of {figure.ceiling_of}" if figure.ratio is not None else ""
        cpu = ", ".join(f"{part} {number(us)}" for part, us in figure.cpu_us.items())
        notes = ", ".join(f"{name} {number(value)}" for name, value in figure.notes.items())
        value = f"{number(figure.value)} {figure.unit}"
        rows.append((figure.name, value, figure.promise, "met" if figure.met else "MISSED", ratio, cpu, notes))
    write_table(("figure", "median", "promise", "", "ratio to the ceiling", "CPU us/reading", "beside it"), rows)


def rules(
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 5,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """The whole rule engine on one core: a cycle over a million devices, the search for silence, history from memory
    and from PostgreSQL, bytes per device, beside a plain Python loop. Exit code 1 when a promise is not met."""
    from davy.bench.rules import rule_figures
    from davy.output import progress

    with progress(f"rules, {runs} runs"):
        measured = rule_figures(runs, where)
    _told(measured, as_json)


def audit(
    runs: Annotated[int, typer.Option(min=1, help="runs; the median counts")] = 5,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Verify an export of the record of 1,000,000 entries. Exit code 1 when it takes more than 10 s."""
    from davy.bench.audit import verifying
    from davy.output import progress

    with progress(f"the record, {runs} runs"):
        measured = verifying(runs, where)
    _told([measured], as_json)


def registry(
    devices: Annotated[int, typer.Option(min=300, help="devices that are registered")] = 100_000,
    seconds: Annotated[int, typer.Option(min=5, help="for so long a change comes each second")] = 20,
    runs: Annotated[int, typer.Option(min=1, help="runs; the median counts")] = 3,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Changes of the registry, until the engine judges by them, and what alarms wait meanwhile. Exit code 1 when a
    promise is not met."""
    from davy.bench.registry_changes import registry_changes
    from davy.output import progress

    with progress(f"{devices:,} devices, {runs} runs"):
        measured = _run(registry_changes(devices, seconds, runs, where))
    _told([measured], as_json)


def modbus(
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 5,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """1,000 simulated units behind 20 gateways: polls on schedule, alarm to CLOSE, decoding. Exit code 1 when a promise
    is not met."""
    from davy.bench.modbus import bus_figures
    from davy.output import progress

    with progress(f"buses, {runs} runs of some two minutes"):
        measured = _run(bus_figures(runs, where))
    _told(measured, as_json)


def broker(
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 5,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """The whole engine behind a real Mosquitto, beside what mosquitto_sub takes from the same one. Exit code 1 when the
    promise is not met."""
    from davy.bench.broker import broker as run
    from davy.output import progress

    with progress(f"a broker, {runs} runs"):
        measured = _run(run(runs, where))
    _told([measured], as_json)


def coverage(
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 5,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """The coverage of a city of a million sites, from columns and from PostgreSQL: seconds and peak memory. Exit code 1
    when a promise is not met."""
    from davy.bench.coverage import coverage_figures
    from davy.output import progress

    with progress(f"coverage, {runs} runs"):
        measured = coverage_figures(runs, where)
    _told(measured, as_json)


def imports(
    devices: Annotated[int, typer.Option(min=2, help="devices of the file; two to a home")] = 100_000,
    runs: Annotated[int, typer.Option(min=1, help="runs of each; the median counts")] = 3,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """A town as a file: tried, registered, tried again, written out; seconds each. Exit code 1 when the promise is not
    met."""
    from davy.bench.imports import imports as run
    from davy.output import progress

    with progress(f"{devices:,} devices, {runs} runs"):
        measured = _run(run(devices, runs, where))
    _told(measured, as_json)


def broker_kills(
    many: Annotated[int, typer.Option(min=1, help="kills of each: the broker, the engine, both")] = 20,
    seed: Seed = 1,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Kill a real Mosquitto, the engine behind it, and both, under load; then account for what was acknowledged and for
    what the broker lost."""
    from davy.bench.broker_kills import broker_kills as run
    from davy.output import progress

    with progress(f"3 x {many} kills behind a broker"):
        verdict = _run(run(many, seed, where))
    _judged(verdict, verdict.ok, as_json)


def _told(measured: "list[Figure]", as_json: bool) -> None:
    from davy.bench.figure import report
    from davy.output import write_json

    if as_json:
        write_json([report(figure) for figure in measured])
    else:
        _show(measured)
    if not all(figure.met for figure in measured):
        raise typer.Exit(Exit.FAILED)


def fuzz(
    messages: Annotated[int, typer.Option(min=200, help="hostile messages to send")] = 100_000,
    seed: Seed = 1,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Throw hostile messages and broken packets at a real engine; a witness must be served all the while."""
    from davy.bench.fuzz import fuzz as run
    from davy.output import progress

    with progress(f"{messages:,} hostile messages"):
        verdict = _run(run(messages, seed, where))
    _judged(verdict, verdict.ok, as_json)


def kills(
    many: Annotated[int, typer.Option(min=1, help="processes to kill")] = 100,
    seed: Seed = 1,
    where: Where = None,
    as_json: AsJson = False,
) -> None:
    """Kill engine, storage, PostgreSQL and API at random under load; then account for every acknowledged reading."""
    from davy.bench.kills import kills as run
    from davy.output import progress

    with progress(f"{many} kills under load"):
        verdict = _run(run(many, seed, where))
    _judged(verdict, verdict.ok, as_json)


def _run(work: Coroutine[None, None, ResultT]) -> ResultT:
    """Raises CannotGoOn with what the benchmark says of itself when it cannot be done."""
    try:
        return asyncio.run(work)
    except (RuntimeError, TimeoutError) as failed:
        raise CannotGoOn(Exit.FAILED, f"bench: {failed}") from failed
    except KeyboardInterrupt as stopped:
        raise CannotGoOn(Exit.FAILED, "bench: stopped before it was done") from stopped


def _judged(verdict: msgspec.Struct, ok: bool, as_json: bool) -> None:
    from davy.output import write_json, write_table

    if as_json:
        write_json(verdict)
    else:
        rows = [(name, str(value)) for name, value in msgspec.structs.asdict(verdict).items()]
        write_table(("", "kept" if ok else "BROKEN"), rows)
    if not ok:
        raise typer.Exit(Exit.FAILED)
