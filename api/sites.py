"""Sites: homes and unit users, as they are registered and as they were on any day."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from access.authorize import Action
from access.fields import Resource
from access.ownership import Owner
from access.principals import Principal
from api.chosen import Fields, chosen, only
from api.days import AsOf
from api.device_query import AreaAsked, Word
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import Admitted, ChangesRegister, GuardedRoute, ReadsSites
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import BULK, CHANGE, Outcome, apply, change, changing, must_be_own, show_outcome
from api.register_shapes import IfMatch, expect_version, tell_version
from api.seen import Eyes, owner_of
from api.site_shapes import (
    Key,
    SiteChange,
    SiteHistory,
    Sites,
    SitesGiven,
    SiteShown,
    rows_of,
    show_past_site,
    show_site,
)
from devices.register import Neighbourhood, SiteFacts
from devices.sites import Site
from storage import sites as registered
from storage.database import Connection
from storage.registry_rows import Given, Leaves
from storage.sites import RegisteredSite, SitesAsked

router = APIRouter(route_class=GuardedRoute, prefix="/v1/sites", tags=["register"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


async def _asked(
    area: AreaAsked = None,
    enterprise: Word = None,
    manager: Word = None,
    building: Word = None,
    site_class: Word = None,
    department: Word = None,
    neighbourhood: Annotated[Neighbourhood | None, Query()] = None,
    hardship: Annotated[bool | None, Query(description="Whether it stands on a list of hardship")] = None,
) -> SitesAsked:
    return SitesAsked(area, enterprise, manager, building, site_class, department, neighbourhood, hardship)


@router.get("", operation_id="list_sites", responses=_PAGE, response_model_exclude_unset=True)
async def list_sites(
    parts: Shared,
    who: ReadsSites,
    asked: Annotated[SitesAsked, Depends(_asked)],
    as_of: AsOf = None,
    fields: Fields = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> Sites:
    """Sites in the order of their keys."""
    after, wanted = decode_cursor(cursor, tuple[str]), chosen(fields, SiteShown, "site")
    eyes = Eyes(who, Action.READ_SITES)
    async with parts.database(who) as connection:
        page = await registered.sites(
            connection,
            limit=limit + 1,
            after=after[0] if after else "",
            asked=asked,
            scope=eyes.scope,
            as_of_us=as_of,
        )
    shown = page[:limit]
    return Sites(
        sites=[only(_seen(eyes, one), wanted) for one in shown],
        next=encode_cursor((shown[-1].site.key,)) if len(page) > limit else None,
    )


@router.post("", operation_id="put_sites", responses=BULK)
async def put_sites(
    parts: Shared,
    who: ChangesRegister,
    body: SitesGiven,
    dry_run: Annotated[bool, Query(description="Say what would become of each row, and do nothing")] = False,
) -> Outcome:
    """Add sites, or change those whose keys are known: what is not named of them stays. With a refused row nothing is
    done, and each row says what would have become of it."""
    async with changing(parts, who) as connection:
        rows: list[Given] = []
        for given in body.sites:
            before = await registered.site(connection, given.site)
            known = (before.site, before.facts) if before else (Site(given.site), SiteFacts(given.site))
            rows += _owned(who, *rows_of(given, *known))
        return show_outcome(await apply(parts, connection, who, rows, dry_run=dry_run))


@router.get("/{site}", operation_id="get_site", responses=_ONE, response_model_exclude_unset=True)
async def get_site(
    parts: Shared,
    who: ReadsSites,
    subject: Admitted,
    response: Response,
    site: Key,
    as_of: AsOf = None,
    fields: Fields = None,
) -> SiteShown:
    """One site."""
    wanted = chosen(fields, SiteShown, "site")
    async with parts.database(who, owner_of(subject)) as connection:
        found = await _found(connection, site, as_of)
    eyes = Eyes(who, Action.READ_SITES)
    if not eyes.admit(_owner(found.site)):  # it was somebody else's then
        raise Problem(NOT_FOUND, f"there is no site {site}")
    tell_version(response, found.recorded.version)
    return only(_seen(eyes, found), wanted)


@router.get("/{site}/history", operation_id="get_site_history", responses=_ONE)
async def get_site_history(
    parts: Shared, who: ReadsSites, subject: Admitted, site: Key, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> SiteHistory:
    """Everything that was ever recorded of a site, newest first: nothing is overwritten."""
    before = decode_cursor(cursor, tuple[int])
    async with parts.database(who, owner_of(subject)) as connection:
        found = await registered.site_versions(connection, site, limit=limit + 1, before=before[0] if before else 0)
    shown, eyes = found[:limit], Eyes(who, Action.READ_SITES)
    return SiteHistory(
        versions=[show_past_site(one, _seen(eyes, one)) for one in shown if eyes.admit(_owner(one.site))],
        next=encode_cursor((shown[-1].recorded.version,)) if len(found) > limit else None,
    )


@router.patch("/{site}", operation_id="change_site", responses=CHANGE)
async def change_site(
    parts: Shared,
    who: ChangesRegister,
    subject: Admitted,
    response: Response,
    site: Key,
    body: SiteChange,
    if_match: IfMatch = None,
) -> SiteShown:
    """Change what is named of a site, if it is still the version that was seen."""
    async with changing(parts, who, owner_of(subject)) as connection:
        before = await _found(connection, site)
        expect_version(if_match, before.recorded.version)
        await change(parts, connection, who, *_owned(who, *rows_of(body, before.site, before.facts)))
        found = await _found(connection, site)
    tell_version(response, found.recorded.version)
    return show_site(found)


@router.delete("/{site}", operation_id="remove_site", responses=CHANGE, status_code=204)
async def remove_site(
    parts: Shared, who: ChangesRegister, subject: Admitted, site: Key, if_match: IfMatch = None
) -> None:
    """It is registered no longer; its past stays. Its devices have to be gone first."""
    async with changing(parts, who, owner_of(subject)) as connection:
        before = await _found(connection, site)
        expect_version(if_match, before.recorded.version)
        await change(parts, connection, who, Leaves("site", site))


def _seen(eyes: Eyes, found: RegisteredSite) -> SiteShown:
    return eyes.see(Resource.SITE, _owner(found.site), show_site(found))


def _owner(site: Site) -> Owner:
    return Owner(site=site.key, enterprise=site.enterprise, manager=site.manager, area=site.area)


def _owned(who: Principal, site: Site, facts: SiteFacts) -> tuple[Given, Given]:
    must_be_own(who, Action.CHANGE_REGISTER, _owner(site))
    return site, facts


async def _found(connection: Connection, site: str, as_of_us: int | None = None) -> RegisteredSite:
    found = await registered.site(connection, site, as_of_us=as_of_us)
    if found is None:
        raise Problem(NOT_FOUND, f"there is no site {site}")
    return found
