"""`davy coverage`: who must have which safety device, and really has it (docs/COVERAGE.md)."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from davy import coverage_more
from davy import coverage_work as work
from davy.coverage_files import Format, Lang, written
from davy.settings import Settings

coverage_app = typer.Typer(
    help="Who must have which safety device, and really has it (docs/COVERAGE.md).", no_args_is_help=True
)

Area = Annotated[str, typer.Option(help="code of GB/T 2260; empty: the policy's own")]
PolicyKey = Annotated[str, typer.Option("--policy", help="a policy and version, see `davy coverage policies`")]
Simulated = Annotated[bool, typer.Option("--simulated", help="count simulated sites, and only those")]
AsJson = Annotated[bool, typer.Option("--json", help="print JSON")]
USUAL_POLICY = "wulong_2022_targets"


def register(app: typer.Typer) -> None:
    coverage_app.command()(report)
    coverage_app.command()(publish)
    coverage_app.command()(ranking)
    coverage_more.register(coverage_app)
    app.add_typer(coverage_app, name="coverage")


def report(
    ctx: typer.Context,
    area: Area = "",
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; empty: today")] = "",
    policy: PolicyKey = USUAL_POLICY,
    kind: Annotated[Format, typer.Option("--format", help="json has figures and gaps; csv figures only")] = Format.JSON,
    lang: Annotated[Lang, typer.Option(help="of xlsx and pdf")] = Lang.ZH,
    out: Annotated[Path | None, typer.Option(help="the file to write; else standard output")] = None,
    number: Annotated[int | None, typer.Option("--report", help="a report that is kept, by its number")] = None,
    known_now: Annotated[
        bool, typer.Option("--known-now", help="the register as it is now, not as it was at the end of that day")
    ] = False,
    simulated: Simulated = False,
) -> None:
    """Compute the coverage of an area on any day, or write out a report that is kept. Nothing is changed. The same
    question about a past day gives the same bytes as JSON and CSV."""
    settings: Settings = ctx.obj.settings()
    if number is not None:
        read, gaps = asyncio.run(work.kept(settings, number))
    else:
        chosen = work.policy_named(settings, policy)
        read, gaps = asyncio.run(work.computed(settings, chosen, area, day, known_now, simulated))
    written(read, gaps, kind, lang, out)


def publish(
    ctx: typer.Context,
    number: Annotated[int | None, typer.Option("--report", help="a report that is kept; else one is made")] = None,
    area: Area = "",
    day: Annotated[str, typer.Option(help="YYYY-MM-DD; empty: today")] = "",
    policy: PolicyKey = USUAL_POLICY,
    corrects: Annotated[
        int | None, typer.Option(help="number of the published report that this corrects, with what is known now")
    ] = None,
    simulated: Simulated = False,
) -> None:
    """Freeze a report: its figures never change again. A correction is published beside it."""
    settings: Settings = ctx.obj.settings()
    if number is None:
        chosen = work.policy_named(settings, policy)
        number = asyncio.run(work.made_and_published(settings, chosen, area, day, corrects, simulated))
    else:
        asyncio.run(work.published(settings, number))
    typer.echo(f"report {number} is published")


def ranking(
    ctx: typer.Context,
    number: Annotated[int, typer.Option("--report", help="a report that is kept, by its number")],
    by: Annotated[str, typer.Option(help="township, department, county, city, province or village")] = "township",
    installed: Annotated[
        bool, typer.Option("--installed", help="by what is installed, not by what is covered")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Rank townships or departments by their share: equal shares have equal ranks."""
    from davy.output import write_json, write_table

    found = asyncio.run(work.ranking(ctx.obj.settings(), number, by, installed))
    if as_json:
        write_json(found)
        return
    write_table(
        ("rank", "key", "name", "required", "installed", "covered", "installed %", "covered %"),
        [
            (
                "–" if one.rank is None else str(one.rank),
                one.key,
                one.name,
                *(f"{n:,}" for n in (one.figures.required, one.figures.installed, one.figures.covered)),
                *("–" if n is None else f"{n:.2f}" for n in (one.figures.installed_pct, one.figures.covered_pct)),
            )
            for one in found
        ],
    )
