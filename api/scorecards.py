"""Scorecards over HTTP: what a gas company or a vendor did in a month, month by month. An enterprise has its own, a
regulator those of its area."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import Response

from access.authorize import Action, enterprises_of, scope
from access.ownership import Owner
from access.principals import Principal
from api.coverage_downloads import Language
from api.coverage_shapes import AreaCode, Month
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import GovernsCoverage, GuardedRoute, PromisesResponse, ReadsScorecards
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.scorecard_files import card_csv, card_xlsx
from api.scorecard_shapes import (
    CardAsked,
    CardHead,
    Cards,
    CardShown,
    PromiseGiven,
    Promises,
    PromiseShown,
    promise_of,
    show_card,
    show_card_head,
    show_promise,
)
from api.tenancy import in_whose_name
from devices.scorecard import ZONE, Tally, month_of
from storage import scorecards as stored
from storage.coverage_gather import today
from storage.enterprises import enterprise as registered
from storage.promises import promise, promises
from storage.scorecard_counts import Counted, NotSummedUp, asked_of, count
from storage.scorecards import CardConflict, Header, Reader
from storage.tenants import Standing, Tenant

router = APIRouter(route_class=GuardedRoute, prefix="/v1", tags=["scorecards"])

_LIST = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_CHANGE = problem_answers(
    *(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER), *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
_XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_CSV = "text/csv"
CardNumber = Annotated[int, Path(ge=1, lt=2**63)]


def _file_answers(media_type: str, what: str) -> dict[int | str, dict[str, Any]]:
    return _ONE | {200: {"description": what, "content": {media_type: {}}}}


@router.get("/scorecards", operation_id="list_scorecards", responses=_LIST)
async def list_scorecards(
    parts: Shared,
    who: ReadsScorecards,
    enterprise: Annotated[str | None, Query(max_length=200)] = None,
    month: Annotated[Month | None, Query()] = None,
    published: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Cards:
    """Scorecards, newest first: one's own, and of a regulator's area. A published one never changes; a correction names
    it."""
    after = decode_cursor(cursor, tuple[int])
    async with parts.database(who) as connection:
        found = await stored.headers(
            connection,
            _reader(who),
            limit=limit + 1,
            enterprise=enterprise,
            month=None if month is None else month_of(month),
            published=published,
            after=after[0] if after else None,
        )
    following = encode_cursor((found[limit - 1].scorecard,)) if len(found) > limit else None
    return Cards(scorecards=[show_card_head(one) for one in found[:limit]], next=following)


@router.get("/scorecards/{scorecard}", operation_id="get_scorecard", responses=_ONE)
async def get_scorecard(parts: Shared, who: ReadsScorecards, scorecard: CardNumber) -> CardShown:
    """The figures, each with its counts: the whole, and by area except to a vendor. Whoever sees a part of a card has
    the sum of that part."""
    card, found = await _read(parts, who, scorecard)
    return show_card(card, found)


@router.get(
    "/scorecards/{scorecard}/card.csv",
    operation_id="download_scorecard_csv",
    responses=_file_answers(_CSV, "The figures"),
    response_class=Response,
)
async def download_scorecard_csv(parts: Shared, who: ReadsScorecards, scorecard: CardNumber) -> Response:
    """The figures as CSV (UTF-8 with a byte-order mark)."""
    card, found = await _read(parts, who, scorecard)
    return Response(card_csv(card, found), media_type=f"{_CSV}; charset=utf-8", headers=_named(scorecard, "csv"))


@router.get(
    "/scorecards/{scorecard}/card.xlsx",
    operation_id="download_scorecard_xlsx",
    responses=_file_answers(_XLSX, "The workbook"),
    response_class=Response,
)
async def download_scorecard_xlsx(
    parts: Shared, who: ReadsScorecards, scorecard: CardNumber, lang: Language = "zh"
) -> Response:
    """The figures as a workbook, in Chinese or English."""
    card, found = await _read(parts, who, scorecard)
    return Response(card_xlsx(card, found, lang), media_type=_XLSX, headers=_named(scorecard, f"{lang}.xlsx"))


@router.post("/scorecards/areas/{area}", operation_id="make_scorecard", status_code=201, responses=_CHANGE)
async def make_scorecard(parts: Shared, who: GovernsCoverage, area: AreaCode, body: CardAsked) -> CardShown:
    """Count a month of an enterprise's users, devices and alarms within an area: a draft, in place of the draft there
    was. 404 for who has none there; 409 while the month is not over, or not summed up."""
    counted = await _counted(parts, area, body)
    try:
        # Counted as the platform, because no regulator sees readings; kept in the asker's name, whose the area has
        # to be.
        async with parts.database(who, Owner(area=area), writing=True) as connection:
            number = await stored.keep(connection, counted, code=version("davy-gas-safety"), corrects=body.corrects)
            card, found = await stored.header(connection, number), await stored.tallies(connection, number)
    except CardConflict as wrong:
        raise Problem(CONFLICT, str(wrong)) from wrong
    assert card is not None
    return show_card(card, found)


@router.post("/scorecards/{scorecard}/publish", operation_id="publish_scorecard", responses=_CHANGE)
async def publish_scorecard(parts: Shared, who: GovernsCoverage, scorecard: CardNumber) -> CardHead:
    """Freeze a card: its figures never change again. 409 when that month's is published: a correction says which."""
    allowed = scope(who, Action.GOVERN_COVERAGE)
    async with parts.database(who, writing=True) as connection:
        card = await stored.header(connection, scorecard)
        if card is None or not (allowed.everything or allowed.admits(Owner(area=card.area))):
            raise Problem(NOT_FOUND, f"there is no scorecard {scorecard}")
        name = in_whose_name(who)
        tenant = name.enterprise if isinstance(name, Tenant) else ""
        try:
            now_us = parts.config.now_us()
            await stored.publish(connection, scorecard, by=who.name, now_us=now_us, tenant=tenant)
        except CardConflict as wrong:
            raise Problem(CONFLICT, str(wrong)) from wrong
        except LookupError as wrong:
            raise Problem(NOT_FOUND, f"there is no scorecard {scorecard}") from wrong
        card = await stored.header(connection, scorecard)
    assert card is not None
    return show_card_head(card)


@router.get("/enterprises/{enterprise}/promises", operation_id="list_promises", responses=_ONE)
async def list_promises(parts: Shared, who: PromisesResponse, enterprise: str) -> Promises:
    """What a gas company published as its promise of response. There is none by default, and nothing is judged then."""
    async with parts.party(who, enterprise) as connection:
        found = await promises(connection, enterprise)
    return Promises(promises=[show_promise(one) for one in found])


@router.post("/enterprises/{enterprise}/promises", operation_id="promise_response", status_code=201, responses=_CHANGE)
async def promise_response(parts: Shared, who: PromisesResponse, enterprise: str, body: PromiseGiven) -> PromiseShown:
    """Say what was published, from today or a later day on. It never changes; another one holds from a later day (409
    for the same)."""
    try:
        given = promise_of(body)
    except ValueError as wrong:
        raise Problem(BAD_PARAMETER, str(wrong)) from wrong
    now_us = parts.config.now_us()
    if given.since < today(now_us, ZONE):
        raise Problem(CONFLICT, f"since: {given.since} is over; nobody is judged by what is promised afterwards")
    async with parts.party(who, enterprise, writing=True) as connection:
        party = await registered(connection, enterprise)
        if party is None:
            raise Problem(NOT_FOUND, f"there is no enterprise {enterprise}")
        if party.enterprise.kind != "gas_company":
            raise Problem(CONFLICT, f"{enterprise} is no gas company")
        if not await promise(connection, enterprise, given, by=who.name, now_us=now_us):
            raise Problem(CONFLICT, f"a promise of {enterprise} holds from {given.since} already")
    return show_promise(given)


def _reader(who: Principal) -> Reader:
    own = enterprises_of(who, Action.READ_SCORECARDS)
    return Reader() if own is None else Reader(own, scope(who, Action.READ_SCORECARDS).areas)


async def _read(parts: Parts, who: Principal, scorecard: int) -> tuple[Header, list[tuple[str, Tally]]]:
    """Raises Problem (404)."""
    reader = _reader(who)
    async with parts.database(who) as connection:
        card = await stored.header(connection, scorecard, reader)
        if card is None:
            raise Problem(NOT_FOUND, f"there is no scorecard {scorecard}")
        return card, await stored.tallies(connection, scorecard, reader)


async def _counted(parts: Parts, area: str, body: CardAsked) -> Counted:
    """Raises Problem."""
    nothing = Problem(NOT_FOUND, f"{body.enterprise} has nothing to count in area {area}")
    async with parts.printing, parts.database(Standing.PLATFORM) as connection:
        party = await registered(connection, body.enterprise)
        if party is None:
            raise nothing
        try:
            asked = asked_of(
                party.enterprise,
                area,
                month_of(body.month),
                parts.config.now_us(),
                simulated=body.simulated,
                known_now=body.known_now or body.corrects is not None,
            )
            counted = await count(connection, asked)
        except NotSummedUp as later:
            raise Problem(CONFLICT, str(later)) from later
        except ValueError as wrong:
            raise Problem(CONFLICT, str(wrong)) from wrong
    if not counted.tallies:  # as for a party that does not exist: whoever works elsewhere is nobody's business here
        raise nothing
    return counted


def _named(scorecard: int, ending: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="scorecard-{scorecard}.{ending}"'}
