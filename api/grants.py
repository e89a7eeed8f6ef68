"""Sharing between parties: grants, made by the grantor, accepted by the receiver, ended by either."""

import os
from typing import NamedTuple

import psycopg
from fastapi import APIRouter

from access.authorize import Action
from access.enterprises import EnterpriseKind
from access.principals import Person, Principal, Service
from access.roles import ROLE_ACTIONS
from access.sharing import faults
from api.grant_shapes import GrantAsked, GrantKey, GrantShown, GrantsShown, show_grant
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, stored_page
from api.parts import Parts, Shared
from api.permits import ChangesGrants, GuardedRoute, ReadsGrants
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
from api.site_shapes import Key
from devices.areas import prefix
from storage import enterprises as registered
from storage import grants as stored
from storage.grants import Grant
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1/enterprises/{enterprise}/grants", tags=["sharing"])

_READ = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_CHANGE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)


class _Place(NamedTuple):
    """Where a page of grants ended."""

    made: int
    grant: str


@router.get("", operation_id="list_grants", responses=_READ)
async def list_grants(
    parts: Shared, who: ReadsGrants, enterprise: Key, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> GrantsShown:
    """What an enterprise lets others see, and what others let it see, newest first; also what has ended."""
    after, now_us = decode_cursor(cursor, _Place), parts.config.now_us()
    async with parts.party(who, enterprise) as connection:
        found = await stored.grants_of(connection, enterprise, limit=limit + 1, after=after)
    page, following = stored_page(found, lambda one: _Place(one.made, one.key), limit)
    return GrantsShown(grants=[show_grant(one, now_us) for one in page], next=following)


@router.post("", operation_id="make_grant", responses=_CHANGE, status_code=201)
async def make_grant(parts: Shared, who: ChangesGrants, enterprise: Key, body: GrantAsked) -> GrantShown:
    """Let another party see something of one's own. It sees nothing before it has accepted."""
    require_whole(who, Action.CHANGE_GRANTS, enterprise)
    now_us = parts.config.now_us()
    fields = {name: tuple(dict.fromkeys(named)) for name, named in body.fields.items()}
    begins = now_us if body.begins is None else body.begins
    if body.receiver == enterprise:
        raise Problem(BAD_PARAMETER, "receiver: a party sees its own without a grant")
    if body.ends is not None and body.ends <= max(begins, now_us):
        raise Problem(BAD_PARAMETER, "ends: it has to end after it begins, and not in the past")
    if fault := faults(await kind_of(parts, enterprise), fields):
        raise Problem(BAD_PARAMETER, f"fields: {fault}")
    grant = Grant(
        key=stored.new_key(os.urandom),
        grantor=enterprise,
        receiver=body.receiver,
        fields=fields,
        area=prefix(body.area or ""),
        begins=begins,
        ends=body.ends,
        purpose=body.purpose,
        made=now_us,
        accepted=None,
        ended=None,
    )
    async with parts.party(who, enterprise, writing=True) as connection:
        try:
            await stored.make(connection, grant, by=who.name, now_us=now_us)
        except psycopg.errors.ForeignKeyViolation as unknown:
            raise Problem(NOT_FOUND, f"there is no enterprise {body.receiver}") from unknown
    return show_grant(grant, now_us)


@router.get("/{grant}", operation_id="get_grant", responses=_READ)
async def get_grant(parts: Shared, who: ReadsGrants, enterprise: Key, grant: GrantKey) -> GrantShown:
    """One grant that an enterprise made or was made."""
    async with parts.party(who, enterprise) as connection:
        found = await stored.grant(connection, grant)
    return _shown(parts, found, enterprise, grant)


@router.post("/{grant}/accept", operation_id="accept_grant", responses=_CHANGE)
async def accept_grant(parts: Shared, who: ChangesGrants, enterprise: Key, grant: GrantKey) -> GrantShown:
    """The receiver takes it. It counts from now on, or from when it begins."""
    require_whole(who, Action.CHANGE_GRANTS, enterprise)
    now_us = parts.config.now_us()
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await stored.accept(connection, grant, enterprise, by=who.name, now_us=now_us)
        if found is None:
            found = await stored.grant(connection, grant)
            if found is None or found.receiver != enterprise or found.accepted is None or found.ended is not None:
                raise Problem(NOT_FOUND, f"there is no grant {grant} that waits for {enterprise}")
    return _shown(parts, found, enterprise, grant)


@router.post("/{grant}/end", operation_id="end_grant", responses=_CHANGE)
async def end_grant(parts: Shared, who: ChangesGrants, enterprise: Key, grant: GrantKey) -> GrantShown:
    """Either party ends it, at once and for good: nothing more is read or sent by it."""
    require_whole(who, Action.CHANGE_GRANTS, enterprise)
    now_us = parts.config.now_us()
    async with parts.party(who, enterprise, writing=True) as connection:
        found = await stored.end(connection, grant, enterprise, by=who.name, now_us=now_us)
        found = found or await stored.grant(connection, grant)
    return _shown(parts, found, enterprise, grant)


def _shown(parts: Parts, found: Grant | None, enterprise: str, key: str) -> GrantShown:
    """Raises Problem (404) for what is not this enterprise's."""
    if found is None or enterprise not in (found.grantor, found.receiver):
        raise Problem(NOT_FOUND, f"there is no grant {key} of {enterprise}")
    return show_grant(found, parts.config.now_us())


async def kind_of(parts: Parts, enterprise: str) -> EnterpriseKind:
    """Raises Problem (404) for one that is no party, or no more."""
    async with parts.database(Standing.PLATFORM) as connection:
        found = await registered.enterprise(connection, enterprise)
    if found is None or found.recorded.gone:
        raise Problem(NOT_FOUND, f"there is no enterprise {enterprise}")
    return found.enterprise.kind


def require_whole(who: Principal, action: Action, enterprise: str) -> None:
    """Who is bound to some of a party's sites does not speak for the party. Raises Problem (403)."""
    if not isinstance(who, Person | Service):
        return
    members = who.memberships if isinstance(who, Person) else (who.membership,)
    if not any(
        action in ROLE_ACTIONS[one.role] and one.enterprise in (enterprise, "") and not one.sites for one in members
    ):
        raise Problem(NOT_ALLOWED, f"you act for some sites of {enterprise} only, and this is about all of them")
