"""`davy scorecard`: what a gas company or a vendor did in a month (docs/COVERAGE.md)."""

import asyncio
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from davy.coverage_files import Lang
from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from devices.scorecard import Tally
    from storage.scorecards import Header


class CardFormat(StrEnum):
    JSON = "json"
    CSV = "csv"
    XLSX = "xlsx"


def register(app: typer.Typer) -> None:
    app.command()(scorecard)


def scorecard(
    ctx: typer.Context,
    enterprise: Annotated[str, typer.Argument(help="key of a gas company or of a vendor")],
    month: Annotated[str, typer.Option(help="YYYY-MM, a month that is over")],
    area: Annotated[str, typer.Option(help="code of GB/T 2260; empty: everywhere")] = "",
    kind: Annotated[CardFormat, typer.Option("--format", help="of what is written")] = CardFormat.JSON,
    lang: Annotated[Lang, typer.Option(help="of xlsx")] = Lang.ZH,
    out: Annotated[Path | None, typer.Option(help="the file to write; else standard output")] = None,
    publish: Annotated[bool, typer.Option("--publish", help="freeze it: its figures never change again")] = False,
    corrects: Annotated[
        int | None, typer.Option(help="number of the published scorecard that this corrects, with what is known now")
    ] = None,
    known_now: Annotated[
        bool, typer.Option("--known-now", help="the register as it is now, not as it was at the month's end")
    ] = False,
    simulated: Annotated[bool, typer.Option("--simulated", help="count simulated sites, and only those")] = False,
) -> None:
    """Count users connected, devices reporting and alarms dealt with in a month: a draft, kept in place of the draft
    there was, or with --publish for ever. In time is by the response that the gas company promised in public; without a
    promise nothing is judged."""
    settings: Settings = ctx.obj.settings()
    card, parts = asyncio.run(_made(settings, enterprise, month, area, publish, corrects, known_now, simulated))
    _write(card, parts, kind, lang, out)


async def _made(
    settings: Settings,
    enterprise: str,
    month: str,
    area: str,
    publish: bool,
    corrects: int | None,
    known_now: bool,
    simulated: bool,
) -> "tuple[Header, list[tuple[str, Tally]]]":
    from davy.coverage_work import code, connected, now_us, who
    from davy.output import progress
    from devices.areas import looks_like_code
    from devices.scorecard import month_of
    from storage import scorecards as stored
    from storage.enterprises import enterprise as registered
    from storage.scorecard_counts import NotSummedUp, asked_of, count

    if area and not looks_like_code(area):
        raise CannotGoOn(Exit.USAGE, f"--area {area}: write a code of GB/T 2260, 6, 9 or 12 digits")
    async with connected(settings) as connection:
        party = await registered(connection, enterprise)
        if party is None:
            raise CannotGoOn(Exit.USAGE, f"there is no enterprise {enterprise}")
        try:
            known = known_now or corrects is not None
            asked = asked_of(party.enterprise, area, month_of(month), now_us(), simulated=simulated, known_now=known)
            async with connection.transaction():
                with progress("counting the month"):
                    counted = await count(connection, asked)
                number = await stored.keep(connection, counted, code=code(), corrects=corrects)
                if publish:
                    await stored.publish(connection, number, by=who(), now_us=now_us())
                card, parts = await stored.header(connection, number), await stored.tallies(connection, number)
        except NotSummedUp as later:
            raise CannotGoOn(Exit.DATABASE, str(later)) from later
        except ValueError as wrong:
            raise CannotGoOn(Exit.USAGE, str(wrong)) from wrong
    assert card is not None
    return card, parts


def _write(card: "Header", parts: "list[tuple[str, Tally]]", kind: CardFormat, lang: Lang, out: Path | None) -> None:
    """Raises CannotGoOn."""
    from api.scorecard_files import card_csv, card_xlsx
    from api.scorecard_shapes import show_card

    if kind is CardFormat.XLSX and out is None:
        raise CannotGoOn(Exit.USAGE, "a workbook needs a file: --out card.xlsx")
    if kind is CardFormat.XLSX:
        body = card_xlsx(card, parts, lang.value)
    elif kind is CardFormat.CSV:
        body = card_csv(card, parts)
    else:
        body = show_card(card, parts).model_dump_json(indent=2).encode() + b"\n"
    try:
        if out is not None:
            out.write_bytes(body)
        else:
            sys.stdout.buffer.write(body)
    except OSError as wrong:
        raise CannotGoOn(Exit.DISK, f"{out or 'standard output'}: {wrong.strerror or wrong}") from wrong
