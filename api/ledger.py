"""The ledger: every reading that was acknowledged is accounted for (G2)."""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from access.principals import Principal
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsLedger
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_SIGNED_IN,
    RETRY_AFTER_S,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.shapes import Shape
from engine.client import EngineAway
from storage import ledger as stored

router = APIRouter(route_class=GuardedRoute, prefix="/v1/ledger", tags=["ledger"])

_ANSWERS = problem_answers(NOT_SIGNED_IN, BAD_PARAMETER, TOO_MANY, *DATABASE_PROBLEMS)


class SourceLine(Shape):
    """One intake link. received = taken + duplicate + quarantined + pending, in readings."""

    source: str
    received: int
    taken: int = Field(description="Have reached the database")
    duplicate: int
    quarantined: int
    pending: int = Field(description="On the engine's disk, not in the database yet")


class EngineLine(Shape):
    """One engine store. Over its sources: taken = stored + duplicate + poison, in the database."""

    engine: str
    alive: bool = Field(description="False: this store could not be asked, and counts as followed to its end")
    cycle: int
    followed: int = Field(description="The cycle up to which the database has it")
    sources: list[SourceLine]
    stored: int
    duplicate: int
    poison: int
    cycles_missed: int


class Ledger(Shape):
    """`balanced` when `faults` is empty. rows_counted + rows_dropped = rows_stored; `rows_counted` is null unless asked
    for."""

    balanced: bool
    faults: list[str]
    rows_stored: int
    rows_dropped: int
    rows_counted: int | None
    quarantined: int
    engines: list[EngineLine]


@router.get("", operation_id="get_ledger", responses=_ANSWERS)
async def get_ledger(
    parts: Shared,
    who: ReadsLedger,
    count_rows: Annotated[
        bool, Query(description="Count every row of the database too; one such count at a time")
    ] = False,
) -> Ledger:
    """Counters that were committed with the data, of the engine and of the database, and whether they agree."""
    if not count_rows:
        return await _ledger(parts, who, count_rows=False)
    if parts.counting_rows.locked():
        raise Problem(TOO_MANY, "The rows are being counted already", retry_after_s=RETRY_AFTER_S)
    async with parts.counting_rows:
        return await _ledger(parts, who, count_rows=True)


async def _ledger(parts: Parts, who: Principal, *, count_rows: bool) -> Ledger:
    async def engines() -> Sequence[stored.EngineCounts]:
        try:
            status = await parts.door.status()
        except EngineAway:
            return ()
        return (stored.EngineCounts(status.engine, status.cycle, status.counts),)

    async with parts.database(who) as connection:
        found = await stored.ledger_of_snapshot(connection, engines, count_rows=count_rows)
    return Ledger(
        balanced=found.balanced,
        faults=list(found.faults),
        rows_stored=found.rows_stored,
        rows_dropped=found.rows_dropped,
        rows_counted=found.rows_counted,
        quarantined=found.quarantined,
        engines=[_show(line) for line in found.engines],
    )


def _show(line: stored.EngineLine) -> EngineLine:
    return EngineLine(
        engine=line.engine,
        alive=line.alive,
        cycle=line.cycle,
        followed=line.followed,
        sources=[
            SourceLine(
                source=one.source,
                received=one.received,
                taken=one.taken,
                duplicate=one.duplicate,
                quarantined=one.quarantined,
                pending=one.pending,
            )
            for one in line.sources
        ],
        stored=line.stored,
        duplicate=line.duplicate,
        poison=line.poison,
        cycles_missed=line.cycles_missed,
    )
