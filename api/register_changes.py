"""Changes of the register by hand: rows through the same plan as an import (storage/registry.py), in the asker's name.

J1  All or nothing, and what a plan refuses is answered with each row's reason.
J2  What a change would make of a thing has to be the asker's too: nobody gives a site to somebody else, or takes one.
J3  What is read before a change is still so when it is made: whoever changes the register waits for whoever does so
    already, so of two who saw version 3 one hears that it is version 4.
"""

import contextlib
import os
from collections.abc import AsyncIterator, Iterable

import psycopg
import structlog
from pydantic import Field

from access.actions import Action
from access.authorize import scope
from access.ownership import Owner
from access.principals import Principal
from api.parts import Parts
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CHANGED_MEANWHILE,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    VERSION_NEEDED,
    Problem,
    problem_answers,
)
from api.shapes import Shape
from storage import outbox
from storage.database import Connection
from storage.registry import Imported, apply_rows
from storage.registry_rows import Fate, Given

_log = structlog.get_logger()

#: Rows of one request at most; more are an import. Product choice.
MOST_CHANGES = 1_000

#: Whose it is, is not said: the asker may not know that there is such a thing.
_TAKEN = "A key or number among these cannot be used; take another"

CHANGE = problem_answers(
    *(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, CHANGED_MEANWHILE, BAD_PARAMETER, VERSION_NEEDED),
    *BODY_PROBLEMS,
    *DATABASE_PROBLEMS,
)
BULK = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS)


class RowOutcome(Shape):
    row: str = Field(description="Which of the rows that were sent", examples=["row 3"])
    kind: str
    key: str
    fate: Fate
    reason: str | None = Field(description="What a change changes, or why a row is refused")


class Outcome(Shape):
    """What became of each row. With a refused one nothing was done."""

    applied: bool
    rows: list[RowOutcome]
    faults: list[str] = Field(description="What would be wrong beyond the rows that were sent")
    warnings: list[str]


def show_outcome(done: Imported) -> Outcome:
    return Outcome(
        applied=done.applied,
        rows=[
            RowOutcome(row=one.place, kind=one.kind, key=one.key, fate=one.fate, reason=one.reason or None)
            for one in done.fates
        ],
        faults=list(done.faults),
        warnings=list(done.warnings),
    )


def must_be_own(who: Principal, action: Action, owner: Owner) -> None:
    """J2. Raises Problem."""
    if not scope(who, action).admits(owner):
        raise Problem(NOT_ALLOWED, "What this would make is not your own: say your own enterprise")


@contextlib.asynccontextmanager
async def changing(parts: Parts, who: Principal, owner: Owner | None = None) -> AsyncIterator[Connection]:
    """J3. A transaction in the asker's name, in which nobody else changes the register. Raises Problem as
    parts.database does; 503 where somebody's import takes longer than a question may."""
    async with parts.database(who, owner, writing=True) as connection:
        await outbox.lock(connection)
        yield connection


async def apply(
    parts: Parts, connection: Connection, who: Principal, rows: Iterable[Given], *, dry_run: bool = False
) -> Imported:
    """Plan and do. `applied` is false where a row was refused. Raises Problem where a key is somebody else's."""
    try:
        return await apply_rows(
            connection,
            rows,
            by=who.name,
            now_us=parts.config.now_us(),
            random_bytes=os.urandom,
            dry_run=dry_run,
        )
    except psycopg.errors.UniqueViolation as taken:
        raise Problem(CONFLICT, _TAKEN) from taken
    except psycopg.errors.InsufficientPrivilege as hidden:
        if "row-level security" not in str(hidden):
            raise  # a right that a tenant's role lacks: a defect of ours (api/database.py)
        _log.warning("security: somebody named a key that is another party's", who=who.name)
        raise Problem(CONFLICT, _TAKEN) from hidden


async def change(parts: Parts, connection: Connection, who: Principal, *rows: Given) -> Imported:
    """The same of rows that belong together. Raises Problem (409) with the reasons where they are refused."""
    done = await apply(parts, connection, who, rows)
    if not done.applied:
        reasons = [f"{one.kind} {one.key}: {one.reason}" for one in done.fates if one.fate is Fate.REFUSED]
        raise Problem(CONFLICT, "; ".join([*reasons, *done.faults])[:2_000])
    return done
