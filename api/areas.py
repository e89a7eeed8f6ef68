"""Administrative areas: the tree of GB/T 2260 codes on any day."""

from typing import Annotated

from fastapi import APIRouter, Path, Query
from pydantic import Field

from api.days import AsOf, Day, DayAsked
from api.device_query import AreaAsked
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import ChangesParties, GuardedRoute, ReadsAreas
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import BULK, Outcome, apply, changing, show_outcome
from api.shapes import Asked, Page, Shape, example
from api.site_shapes import Words
from devices.areas import Area
from storage import areas as registered
from storage.areas import RegisteredArea
from storage.registry_facts import key_text
from storage.registry_rows import Given, Leaves

router = APIRouter(route_class=GuardedRoute, prefix="/v1/areas", tags=["register"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


class AreaShown(Shape):
    """What a code meant from a day to a day."""

    code: str
    since: Day | None = Field(description="Null: from ever")
    until: Day | None = Field(description="The first day on which it holds no longer; null: it holds")
    name: str | None
    name_en: str | None
    parent: str | None = Field(description="Code of the area that it is part of; null: a province")


class Areas(Page):
    areas: list[AreaShown]


class AreaInFull(Shape):
    """Everything a code has meant, and what it lay in on a day."""

    rows: list[AreaShown]
    within: list[AreaShown] = Field(description="On the day that was asked, nearest first")


class AreaGiven(Asked, json_schema_extra=example(code="500156", name="武隆区", parent="500000", since="2016-11-24")):
    code: Annotated[str, Field(max_length=12)]
    since: DayAsked | None = None
    until: DayAsked | None = None
    name: Words = ""
    name_en: Words = ""
    parent: Annotated[str, Field(max_length=12)] = ""
    remove: bool = Field(default=False, description="Take this row (by code and since) away")


class AreasGiven(Asked, json_schema_extra=example(areas=[{"code": "500000", "name": "重庆市"}])):
    areas: list[AreaGiven] = Field(min_length=1, max_length=1_000)


@router.get("", operation_id="list_areas", responses=_PAGE)
async def list_areas(
    parts: Shared,
    who: ReadsAreas,
    parent: Annotated[str | None, Query(max_length=12, description="Those right below it; empty: provinces")] = None,
    within: AreaAsked = None,
    day: Annotated[DayAsked | None, Query(description="Those that there were on this day; null: of every day")] = None,
    as_of: AsOf = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Areas:
    """Areas in the order of code and day. `day` asks how it was in the world, `as_of` what was known of it."""
    after = decode_cursor(cursor, tuple[str, str])
    async with parts.database(who) as connection:
        page = await registered.areas(
            connection,
            limit=limit + 1,
            after=after or ("", ""),
            parent=parent,
            within=within,
            day=day,
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Areas(
        areas=[_show(one.area) for one in shown],
        next=encode_cursor((shown[-1].area.code, shown[-1].area.since)) if len(page) > limit else None,
    )


@router.post("", operation_id="put_areas", responses=BULK)
async def put_areas(
    parts: Shared,
    who: ChangesParties,
    body: AreasGiven,
    dry_run: Annotated[bool, Query(description="Say what would become of each row, and do nothing")] = False,
) -> Outcome:
    """Add areas, change or take away, each row by its code and first day. Rings, parents that are not there and two
    meanings of a code on one day are refused by row, and then nothing is done."""
    rows: list[Given] = [_row(given) for given in body.areas]
    async with changing(parts, who) as connection:
        return show_outcome(await apply(parts, connection, who, rows, dry_run=dry_run))


@router.get("/{code}", operation_id="get_area", responses=_ONE)
async def get_area(
    parts: Shared,
    who: ReadsAreas,
    code: Annotated[str, Path(max_length=12)],
    day: Annotated[DayAsked | None, Query(description="Null: the last day it holds on")] = None,
) -> AreaInFull:
    """Everything a code has meant, earliest first, and what it lay in on a day."""
    async with parts.database(who) as connection:
        rows = await registered.area_rows(connection, code)
        if not rows:
            raise Problem(NOT_FOUND, f"there is no area {code}")
        above = await registered.ancestors(connection, code, day or _last_day(rows[-1]))
    return AreaInFull(rows=[_show(one.area) for one in rows], within=[_show(one) for one in above])


def _last_day(newest: RegisteredArea) -> str:
    return newest.area.since or "0001-01-01" if newest.area.until else "9999-12-31"


def _row(given: AreaGiven) -> Given:
    since = given.since or ""
    if given.remove:
        return Leaves("area", key_text((given.code, since)))
    return Area(given.code, given.name, given.name_en, given.parent, since, given.until or "")


def _show(area: Area) -> AreaShown:
    return AreaShown(
        code=area.code,
        since=area.since or None,
        until=area.until or None,
        name=area.name or None,
        name_en=area.name_en or None,
        parent=area.parent or None,
    )
