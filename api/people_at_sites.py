"""Who is what at a site, on any day."""

from typing import Annotated

from fastapi import APIRouter, Query

from access.actions import Action
from access.people import RoleAtSite
from api.days import AsOf, DayAsked
from api.parts import Shared
from api.permits import Admitted, ChangesPeople, GuardedRoute, ReadsPeople
from api.person_shapes import RoleGiven, RolesAtSite, show_role
from api.persons import hand_of, master_of, tenant_of
from api.problems import (
    BAD_PARAMETER,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    Problem,
    problem_answers,
)
from api.register_changes import CHANGE
from api.seen import owner_of
from api.site_shapes import Key
from storage import people, people_at_sites, sites
from storage.sites import RegisteredSite

router = APIRouter(route_class=GuardedRoute, prefix="/v1/sites/{site}/people", tags=["people"])

_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)


@router.get("", operation_id="list_people_at_site", responses=_ONE)
async def list_people_at_site(
    parts: Shared,
    who: ReadsPeople,
    subject: Admitted,
    site: Key,
    day: Annotated[DayAsked | None, Query(description="Whose role held on this day; null: on any")] = None,
    as_of: AsOf = None,
) -> RolesAtSite:
    """Who is, or was, what at a site. `day` asks how it was in the world, `as_of` what was known of it."""
    async with parts.database(who, owner_of(subject)) as connection:
        _there(await sites.site(connection, site), site)
        found = await people_at_sites.people_at_site(connection, master_of(parts), site, day=day, as_of_us=as_of)
    return RolesAtSite(people=[show_role(one) for one in found])


@router.post("", operation_id="put_role_at_site", responses=CHANGE)
async def put_role_at_site(
    parts: Shared, who: ChangesPeople, subject: Admitted, site: Key, body: RoleGiven
) -> RolesAtSite:
    """A person of the site's gas company is something there, or was until a day."""
    hand = hand_of(parts, who)
    async with parts.database(who, owner_of(subject), writing=True) as connection:
        there = _there(await sites.site(connection, site), site)
        tenant = tenant_of(who, Action.CHANGE_PEOPLE, there.site.enterprise)
        if await people.person(connection, hand.master, tenant, body.person) is None:
            raise Problem(CONFLICT, f"there is no person {body.person}; register it first")
        if body.until is not None and body.until < (body.since or ""):
            raise Problem(BAD_PARAMETER, "body.until: not before `since`")
        role = RoleAtSite(tenant, body.person, site, body.role, body.since or "", body.until or "")
        await people_at_sites.put_role(connection, hand, role)
        found = await people_at_sites.people_at_site(connection, hand.master, site)
    return RolesAtSite(people=[show_role(one) for one in found])


def _there(found: RegisteredSite | None, site: str) -> RegisteredSite:
    if found is None:
        raise Problem(NOT_FOUND, f"there is no site {site}")
    return found
