"""`davy rules backtest`: what rules would have done with the stored past."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from rules.documents.document import RulePack
    from rules.history.backtest_types import Progress, Tested
    from storage.backtests import Order, Prepared


def run_backtest(
    ctx: typer.Context,
    rules: Annotated[list[str], typer.Option("--rules", help="the rules to try: files or built-in packs, together")],
    begin: Annotated[str, typer.Option("--from", help="2026-01-01, or 2026-01-01T08:00+08:00; without a zone: UTC")],
    end: Annotated[str, typer.Option("--to", help="as --from; not included")],
    against: Annotated[
        list[str] | None, typer.Option(help="the rules to compare with; not given: those in force at --to")
    ] = None,
    sites: Annotated[list[str] | None, typer.Option(help="only these sites")] = None,
    as_written: Annotated[
        bool, typer.Option("--as-written", help="leave dry runs and canaries what they are, instead of active")
    ] = False,
    acknowledge_after: Annotated[
        float, typer.Option(help="seconds after which people are taken to acknowledge; 0: they never do")
    ] = 60.0,
    parquet: Annotated[Path | None, typer.Option(help="write every alarm of both versions as Parquet")] = None,
    json_file: Annotated[Path | None, typer.Option("--json-file", help="write the whole result as JSON")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Replay stored readings through the rule engine: alarms, shut-offs, operators' load, and what is another than with
    the rules in force. Reads the database and nothing else; no engine, valve or person notices."""
    from davy.backtest_files import write_json_file, write_parquet
    from davy.backtest_shown import show
    from davy.output import write_json
    from rules.history.backtest_types import Assumed
    from storage.backtests import Order

    assumed = Assumed(acknowledge_after_s=_acknowledges(acknowledge_after), as_active=not as_written)
    order = Order(
        new=pack_of(rules),
        from_us=time_us("--from", begin),
        # Beyond now everybody would be silent.
        to_us=min(time_us("--to", end), time.time_ns() // 1_000),
        old=pack_of(against) if against else None,
        sites=tuple(sites or ()),
        assumed=assumed,
    )
    _can_be_written(json_file, parquet)
    began = time.perf_counter()
    tested = asyncio.run(_run(ctx.obj.settings(), order, in_force=not against))
    took_s = time.perf_counter() - began
    # What took hours is shown before anything else can fail.
    if as_json:
        write_json(tested)
    else:
        show(tested, took_s)
    if json_file is not None:
        write_json_file(json_file, tested)
    if parquet is not None:
        write_parquet(parquet, tested)


def _can_be_written(json_file: Path | None, parquet: Path | None) -> None:
    """Asked before: a run takes hours. Raises CannotGoOn."""
    from davy.backtest_files import can_be_written, parquet_is_there

    if parquet is not None:
        parquet_is_there()
    for path in (json_file, parquet):
        if path is not None:
            can_be_written(path)


def _acknowledges(after_s: float) -> float | None:
    """Bounds as the API has them. Raises CannotGoOn."""
    if after_s == 0:
        return None
    if not 1.0 <= after_s <= 31_536_000.0:
        raise CannotGoOn(Exit.USAGE, f"--acknowledge-after {after_s:g}: from 1 to 31536000 (a year), or 0 for never")
    return after_s


async def _run(settings: Settings, order: "Order", *, in_force: bool) -> "Tested":
    import msgspec

    from davy.database import database, refused_by_database
    from storage.backtests import prepare, rules_in_force
    from storage.database import connect, ready

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="backtest")
            try:
                await ready(connection)
                if in_force:
                    order = msgspec.structs.replace(order, old=await rules_in_force(connection, order.to_us))
                prepared = await prepare(connection, order)
            except ValueError as wrong:
                raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
            finally:
                await connection.close()
            return await asyncio.to_thread(_replay, url, prepared)


def _replay(url: str, prepared: "Prepared") -> "Tested":
    from rules.history.backtest import backtest
    from storage.history import TooMuchBackfilled, stored_readings

    with _bar(prepared.asked.from_us, prepared.asked.to_us) as progress:
        try:
            return backtest(prepared.request, stored_readings(url, prepared.asked), progress)
        except TooMuchBackfilled as wrong:
            raise CannotGoOn(Exit.FAILED, str(wrong)) from wrong
        except ValueError as wrong:
            raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong


@contextmanager
def _bar(from_us: int, to_us: int) -> "Iterator[Callable[[Progress], None]]":
    """A bar on the terminal, by the time of the readings."""
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    screen = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} % {task.fields[readings]:,} readings"),
        TimeRemainingColumn(),
    )
    with Bar(*columns, console=screen, disable=not screen.is_terminal) as bar:
        task = bar.add_task("backtest", total=max(1, to_us - from_us), readings=0)

        def progress(one: "Progress") -> None:
            bar.update(task, completed=min(max(0, one.at - from_us), to_us - from_us), readings=one.readings)

        yield progress


def pack_of(names: Sequence[str]) -> "RulePack":
    """Rules from files and built-in packs together. Raises CannotGoOn."""
    from davy.rule_packs import together
    from devices.fleet import build_fleet
    from devices.sites import Registry
    from rules.documents.document import load_pack
    from rules.evaluation.kernels import compile_new

    try:
        return compile_new(load_pack(together(names), ", ".join(names)), build_fleet(Registry())).pack
    except OSError as wrong:
        raise CannotGoOn(Exit.USAGE, f"cannot read {wrong.filename}: {wrong.strerror}") from wrong
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong


def time_us(option: str, text: str) -> int:
    """Microseconds since 1970 of a date or time in ISO 8601; UTC when it names no zone. Raises CannotGoOn."""
    try:
        when = datetime.fromisoformat(text)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"{option} {text}: write 2026-01-01, or 2026-01-01T08:00+08:00") from wrong
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when
    return round(when.timestamp() * 1_000_000)
