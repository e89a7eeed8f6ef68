"""`davy coverage`, the rest: policies, kept reports, plans, schedules and notices."""

import asyncio
import csv
import io
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from devices.coverage_plans import PlanRow
    from storage.coverage_plans import Notice, Scheduled
    from storage.coverage_reports import Header

AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]


def register(app: typer.Typer) -> None:
    app.command("policies")(list_policies)
    app.command()(reports)
    app.command()(plans)
    app.command()(schedule)
    app.command()(notices)


def list_policies(ctx: typer.Context, as_json: AsJson = False) -> None:
    """List the policies and their versions, with every clause and where it stands."""
    from davy.coverage_policies import policies
    from davy.output import write_json, write_table

    known = policies(ctx.obj.settings())
    if as_json:
        write_json(list(known.values()))
        return
    for policy in known.values():
        rows = [
            (
                ", ".join(clause.classes),
                clause.device,
                f"> {clause.above_m:g} m" if clause.above_m is not None else "",
                "gas-on" if clause.at_gas_on else str(clause.by or ""),
                "" if clause.target_pct is None else f"{clause.target_pct} %",
                clause.source,
            )
            for clause in policy.clauses
        ]
        write_table(("classes", "device", "only", "due", "target", "source"), rows, f"{policy.key}: {policy.name_en}")


def reports(
    ctx: typer.Context,
    area: Annotated[str | None, typer.Option(help="exactly this one")] = None,
    most: Annotated[int, typer.Option(min=1, help="rows")] = 50,
    as_json: AsJson = False,
) -> None:
    """List the reports that are kept, newest first."""
    from davy.output import write_json, write_table

    found = asyncio.run(_reports(ctx.obj.settings(), area, most))
    if as_json:
        write_json(found)
        return
    write_table(
        ("report", "area", "day", "policy", "published", "corrects", ""),
        [
            (
                str(one.report),
                one.area,
                str(one.day),
                one.policy,
                "" if one.published is None else _time(one.published),
                "" if one.corrects is None else str(one.corrects),
                "made up for later" if one.missed else "",
            )
            for one in found
        ],
    )


async def _reports(settings: Settings, area: str | None, most: int) -> "list[Header]":
    from davy.coverage_work import connected
    from storage.coverage_reports import headers

    async with connected(settings) as connection:
        return await headers(connection, limit=most, area=area)


def plans(
    ctx: typer.Context,
    file: Annotated[
        Path | None, typer.Option("--import", help="CSV with area,class,month,planned; month as YYYY-MM")
    ] = None,
    number: Annotated[int | None, typer.Option("--report", help="beside what this report found installed")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the plans of installation beside what was installed, or set plans from a file."""
    from davy.output import write_json, write_table

    settings: Settings = ctx.obj.settings()
    if file is not None:
        planned = _plans_of(file)
        asyncio.run(_put_plans(settings, planned))
        typer.echo(f"{len(planned)} months of plans are set")
        return
    if number is None:
        raise CannotGoOn(Exit.USAGE, "name a report (--report N), or a file of plans to set (--import FILE)")
    rows = asyncio.run(_plan_rows(settings, number))
    if as_json:
        write_json(rows)
        return
    write_table(
        ("area", "class", "month", "planned", "installed", "behind"),
        [(r.area, r.site_class, f"{r.month:%Y-%m}", str(r.planned), str(r.installed), str(r.late)) for r in rows],
    )


def _plans_of(file: Path) -> dict[tuple[str, str, date], int]:
    """Raises CannotGoOn with every fault: place, reason, remedy. Nothing is set where one row is wrong."""
    from devices.areas import looks_like_code

    try:
        rows = list(csv.DictReader(io.StringIO(file.read_text("utf-8-sig"))))
    except (OSError, UnicodeDecodeError, csv.Error) as wrong:
        raise CannotGoOn(Exit.USAGE, f"{file}: {wrong}") from wrong
    found: dict[tuple[str, str, date], int] = {}
    faults: list[str] = []
    for line, row in enumerate(rows, 2):
        try:
            area, one = row["area"].strip(), row["class"].strip()
            month, sites = date.fromisoformat(f"{row['month'].strip()}-01"), int(row["planned"])
        except (KeyError, AttributeError, ValueError) as wrong:
            faults.append(
                f"line {line}: {wrong}; columns are area,class,month,planned, such as 500156,hardship,2022-05,40"
            )
            continue
        if not looks_like_code(area) or sites < 0:
            faults.append(f"line {line}: area {area!r} must be a code of GB/T 2260, planned {sites} 0 or more")
        elif (area, one, month) in found:
            faults.append(f"line {line}: {area} {one} {month:%Y-%m} stands there twice; keep one")
        else:
            found[area, one, month] = sites
    if faults or not found:
        raise CannotGoOn(Exit.USAGE, "\n".join(f"{file}: {fault}" for fault in faults) or f"{file}: holds no rows")
    return found


async def _put_plans(settings: Settings, planned: dict[tuple[str, str, date], int]) -> None:
    from davy.coverage_work import connected, now_us, who
    from storage.coverage_plans import put_plans
    from storage.database import translated

    async with connected(settings) as connection:
        with translated():
            async with connection.transaction():
                await put_plans(connection, planned, by=who(), now_us=now_us())


async def _plan_rows(settings: Settings, number: int) -> "tuple[PlanRow, ...]":
    from api.coverage_read import read_report
    from davy.coverage_work import connected

    async with connected(settings) as connection:
        read = await read_report(connection, number)
    if read is None:
        raise CannotGoOn(Exit.USAGE, f"there is no report {number}; `davy coverage reports` lists them")
    return read.figures.plans


def schedule(
    ctx: typer.Context,
    area: Annotated[str, typer.Option(help="code of GB/T 2260; empty: list those that there are")] = "",
    policy: Annotated[str, typer.Option(help="whose schedule")] = "wulong_2022_targets",
    off: Annotated[bool, typer.Option("--off", help="end it")] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="of simulated sites")] = False,
    as_json: AsJson = False,
) -> None:
    """Have reports on an area made and published by a policy's schedule (Fridays at 12:00, the 15th), or list which
    are. The storage process makes them; what was missed is made up for, and is a notice."""
    from davy.coverage_policies import policies
    from davy.output import write_json, write_table

    settings: Settings = ctx.obj.settings()
    known = policies(settings)
    if area and policy not in known:
        raise CannotGoOn(Exit.USAGE, f"--policy {policy}: there are {', '.join(sorted(known))}")
    zone = known[policy].timezone if policy in known else ""
    found = asyncio.run(_schedule(settings, area, policy, zone, off, simulated))
    if as_json:
        write_json(found)
        return
    write_table(
        ("area", "policy", "time zone", "ordered until"),
        [(one.area, one.policy, one.timezone, _time(one.done)) for one in found],
    )


async def _schedule(
    settings: Settings, area: str, policy: str, zone: str, off: bool, simulated: bool
) -> "list[Scheduled]":
    from davy.coverage_work import connected, now_us, who
    from storage.coverage_plans import end_schedule, put_schedule, scheduled
    from storage.database import translated

    async with connected(settings) as connection:
        if area:
            with translated():
                async with connection.transaction():
                    if not off:
                        await put_schedule(
                            connection, area, policy, zone, simulated=simulated, by=who(), now_us=now_us()
                        )
                    elif not await end_schedule(connection, area, policy, by=who(), now_us=now_us()):
                        raise CannotGoOn(Exit.USAGE, f"--off: nothing is scheduled for {area} by {policy}")
        return await scheduled(connection)


def notices(
    ctx: typer.Context,
    most: Annotated[int, typer.Option(min=1, help="rows")] = 50,
    as_json: AsJson = False,
) -> None:
    """List what somebody has to know and is no alarm: reports that were missed or could not be made."""
    from davy.output import write_json, write_table

    found = asyncio.run(_notices(ctx.obj.settings(), most))
    if as_json:
        write_json(found)
        return
    rows = [
        (_time(one.at), one.kind, one.area, ", ".join(f"{k}: {v}" for k, v in one.body.items() if v)) for one in found
    ]
    write_table(("at", "what", "area", ""), rows)


async def _notices(settings: Settings, most: int) -> "list[Notice]":
    from davy.coverage_work import connected
    from storage.coverage_plans import notices as read

    async with connected(settings) as connection:
        return await read(connection, limit=most)


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1_000_000, UTC).isoformat(timespec="seconds")
