"""What `davy coverage` does: gather, make, keep, publish, read."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import date, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING

from davy.exits import CannotGoOn, Exit
from davy.settings import Settings

if TYPE_CHECKING:
    from api.coverage_figures import RankedFigures
    from api.coverage_read import Read
    from devices.coverage_policy import Policy
    from storage.coverage_gather import Question
    from storage.coverage_making import Gap
    from storage.database import Connection


@asynccontextmanager
async def connected(settings: Settings) -> "AsyncIterator[Connection]":
    """A connection to this installation's database. Raises CannotGoOn."""
    from davy.database import database, refused_by_database
    from storage.database import connect, ready

    async with database(settings) as url:
        with refused_by_database():
            connection = await connect(url, name="coverage command")
            try:
                await ready(connection)
                yield connection
            finally:
                await connection.close()


def who() -> str:
    """Who published or planned, for the record: the account of this machine."""
    return f"command line/{os.environ.get('SUDO_USER') or os.environ.get('USER') or os.getuid()}"


def now_us() -> int:
    return time.time_ns() // 1_000


def code() -> str:
    """The version that makes a report."""
    return version("davy-gas-safety")


def policy_named(settings: Settings, key: str) -> "Policy":
    from davy.coverage_policies import policies

    known = policies(settings)
    if key not in known:
        raise CannotGoOn(Exit.USAGE, f"--policy {key}: there are {', '.join(sorted(known))}")
    return known[key]


def question_of_day(policy: "Policy", area: str, day: str, known_us: int | None, simulated: bool) -> "Question":
    from devices.areas import looks_like_code
    from storage.coverage_gather import question_of, today

    if area and not looks_like_code(area):
        raise CannotGoOn(Exit.USAGE, f"--area {area}: write a code of GB/T 2260, 6, 9 or 12 digits")
    try:
        asked = date.fromisoformat(day) if day else today(now_us(), policy.timezone)
        return question_of(
            area or policy.area, asked, policy.timezone, now_us(), known_us=known_us, simulated=simulated
        )
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"--day: {wrong}") from wrong


async def computed(
    settings: Settings, policy: "Policy", area: str, day: str, known_now: bool, simulated: bool
) -> "tuple[Read, Sequence[Gap]]":
    from api.coverage_read import unkept
    from davy.output import progress, say
    from storage.coverage_gather import gather
    from storage.coverage_making import make

    question = question_of_day(policy, area, day, now_us() if known_now else None, simulated)
    async with connected(settings) as connection:
        with progress("computing the coverage"):
            gathered = await gather(connection, policy, question)
            made = await asyncio.to_thread(make, policy, gathered, question)
            read = await unkept(connection, made, code())
    if not read.figures.whole.sites:
        known = datetime.fromtimestamp(question.known_us / 1_000_000).astimezone().isoformat(timespec="minutes")
        say(f"no site was registered in {question.area} by {known}; --known-now counts what was registered since")
    return read, made.gaps


async def kept(settings: Settings, number: int) -> "tuple[Read, Sequence[Gap]]":
    from api.coverage_read import gaps_of, read_report
    from storage.coverage_reports import GapsAsked

    async with connected(settings) as connection:
        read = await read_report(connection, number)
        if read is None:
            raise CannotGoOn(Exit.USAGE, f"there is no report {number}; `davy coverage reports` lists them")
        gaps = [gap async for piece in gaps_of(connection, number, GapsAsked()) for gap in piece]
    return read, gaps


async def made_and_published(
    settings: Settings, policy: "Policy", area: str, day: str, corrects: int | None, simulated: bool
) -> int:
    from davy.output import progress
    from storage.coverage_gather import gather
    from storage.coverage_making import Occasion, keep, make
    from storage.coverage_making import publish as freeze
    from storage.coverage_reports import header
    from storage.database import translated

    async with connected(settings) as connection:
        if corrects is not None and ((former := await header(connection, corrects)) is None or not former.published):
            raise CannotGoOn(Exit.USAGE, f"--corrects {corrects}: there is no such published report")
        question = question_of_day(policy, area, day, None if corrects is None else now_us(), simulated)
        with progress("computing the coverage"):
            made = make(policy, await gather(connection, policy, question), question)
            with translated():
                async with connection.transaction():
                    number = await keep(connection, made, Occasion(corrects=corrects), code=code(), now_us=now_us())
                    await freeze(connection, number, by=who(), now_us=now_us())
    return number


async def published(settings: Settings, number: int) -> None:
    from storage.coverage_making import publish as freeze
    from storage.database import translated

    async with connected(settings) as connection:
        with translated():
            async with connection.transaction():
                done = await freeze(connection, number, by=who(), now_us=now_us())
    if not done:
        raise CannotGoOn(Exit.USAGE, f"--report {number}: there is no such report, or it is published already")


async def ranking(settings: Settings, number: int, by: str, installed: bool) -> "tuple[RankedFigures, ...]":
    from api.coverage_figures import by_covered, by_installed, by_level, ranked
    from api.coverage_read import area_names, read_header
    from storage.coverage_reports import report_cells

    async with connected(settings) as connection:
        known = await read_header(connection, number)
        if known is None:
            raise CannotGoOn(Exit.USAGE, f"there is no report {number}; `davy coverage reports` lists them")
        try:
            level = by_level(by)
        except ValueError as wrong:
            raise CannotGoOn(Exit.USAGE, f"--{wrong}") from wrong
        names = await area_names(connection, known[0])
        return ranked(await report_cells(connection, number), level, names, by_installed if installed else by_covered)
