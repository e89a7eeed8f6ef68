"""People who live, work and keep keys at sites: masked wherever they are shown, and each change recorded."""

import os
from typing import Annotated

from fastapi import APIRouter, Query, Response

from access.actions import Action
from access.authorize import scope
from access.people import Channel, Contact
from access.principals import Principal
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Parts, Shared
from api.permits import ChangesPeople, GuardedRoute, ReadsPeople
from api.person_shapes import (
    ContactGiven,
    Contacts,
    NumberAsked,
    People,
    PersonChanged,
    PersonGiven,
    PersonInFull,
    Rank,
    change_of,
    show_contact,
    show_person,
)
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
from api.register_shapes import IfMatch, expect_version, tell_version
from api.site_shapes import Key
from storage import contacts, people
from storage.database import Connection
from storage.people import Hand, ShownPerson
from storage.sealed import MasterKey

router = APIRouter(route_class=GuardedRoute, prefix="/v1/people", tags=["people"])

_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)

Of = Annotated[
    str | None, Query(max_length=200, description="Whose customers; needed only of who acts for several enterprises")
]


@router.get("", operation_id="list_people", responses=_ONE)
async def list_people(
    parts: Shared, who: ReadsPeople, enterprise: Of = None, cursor: Cursor = None, limit: Limit = USUAL_ROWS
) -> People:
    """An enterprise's people in the order of their keys."""
    tenant, after = tenant_of(who, Action.READ_PEOPLE, enterprise), decode_cursor(cursor, tuple[str])
    async with parts.database(who) as connection:
        page = await people.people(
            connection, master_of(parts), tenant, limit=limit + 1, after=after[0] if after else ""
        )
    shown = page[:limit]
    return People(
        people=[show_person(one) for one in shown],
        next=encode_cursor((shown[-1].person.key,)) if len(page) > limit else None,
    )


@router.post("/find", operation_id="find_people", responses=_PAGE)
async def find_people(parts: Shared, who: ReadsPeople, body: NumberAsked, enterprise: Of = None) -> People:
    """Whose telephone number, or whose contact's, this is. The number stands in the body, so that it is in no log."""
    tenant = tenant_of(who, Action.READ_PEOPLE, enterprise)
    async with parts.database(who) as connection:
        found = await people.people_of_number(connection, master_of(parts), tenant, body.telephone)
    return People(people=[show_person(one) for one in found], next=None)


@router.post("", operation_id="add_person", responses=CHANGE, status_code=201)
async def add_person(
    parts: Shared, who: ChangesPeople, response: Response, body: PersonGiven, enterprise: Of = None
) -> PersonInFull:
    """Register a person."""
    tenant, hand = tenant_of(who, Action.CHANGE_PEOPLE, enterprise), hand_of(parts, who)
    async with parts.database(who, writing=True) as connection:
        if await people.person(connection, hand.master, tenant, body.person) is not None:
            raise Problem(CONFLICT, f"there is a person {body.person}; change that one, or take another key")
        await people.put_person(connection, hand, tenant, body.person, change_of(body))
        return await _answer(connection, hand.master, tenant, body.person, response)


@router.get("/{person}", operation_id="get_person", responses=_ONE)
async def get_person(
    parts: Shared, who: ReadsPeople, response: Response, person: Key, enterprise: Of = None
) -> PersonInFull:
    """One person, masked, and the ways to reach it."""
    tenant = tenant_of(who, Action.READ_PEOPLE, enterprise)
    async with parts.database(who) as connection:
        return await _answer(connection, master_of(parts), tenant, person, response)


@router.patch("/{person}", operation_id="change_person", responses=CHANGE)
async def change_person(
    parts: Shared,
    who: ChangesPeople,
    response: Response,
    person: Key,
    body: PersonChanged,
    enterprise: Of = None,
    if_match: IfMatch = None,
) -> PersonInFull:
    """Change what is named of a person, if it is still the version that was seen."""
    tenant, hand = tenant_of(who, Action.CHANGE_PEOPLE, enterprise), hand_of(parts, who)
    async with parts.database(who, writing=True) as connection:
        await people.hold(connection, tenant, person)
        before = await _found(connection, hand.master, tenant, person)
        expect_version(if_match, before.recorded.version)
        await people.put_person(connection, hand, tenant, person, change_of(body))
        return await _answer(connection, hand.master, tenant, person, response)


@router.delete("/{person}", operation_id="forget_person", responses=CHANGE, status_code=204)
async def forget_person(
    parts: Shared, who: ChangesPeople, person: Key, enterprise: Of = None, if_match: IfMatch = None
) -> None:
    """Forget a person: name, numbers and contacts go, in every version that was ever recorded. What it was at which
    site, and that it was forgotten, stays."""
    tenant, hand = tenant_of(who, Action.CHANGE_PEOPLE, enterprise), hand_of(parts, who)
    async with parts.database(who, writing=True) as connection:
        await people.hold(connection, tenant, person)
        before = await _found(connection, hand.master, tenant, person)
        expect_version(if_match, before.recorded.version)
        await people.forget_person(connection, hand, tenant, person)


@router.post("/{person}/contacts", operation_id="put_contact", responses=CHANGE)
async def put_contact(
    parts: Shared, who: ChangesPeople, person: Key, body: ContactGiven, enterprise: Of = None
) -> Contacts:
    """Add a way to a person, change it, or say that the person was reached by it."""
    tenant, hand = tenant_of(who, Action.CHANGE_PEOPLE, enterprise), hand_of(parts, who)
    given = Contact(tenant, person, body.channel, body.rank, body.address or "", body.proven or "", body.proven_by)
    async with parts.database(who, writing=True) as connection:
        await _found(connection, hand.master, tenant, person)
        await contacts.put_contact(connection, hand, given)
        found = await contacts.contacts(connection, hand.master, tenant, person)
    return Contacts(contacts=[show_contact(one) for one in found])


@router.delete("/{person}/contacts", operation_id="remove_contact", responses=CHANGE, status_code=204)
async def remove_contact(
    parts: Shared,
    who: ChangesPeople,
    person: Key,
    channel: Annotated[Channel, Query()],
    rank: Annotated[Rank, Query()] = 1,
    enterprise: Of = None,
) -> None:
    """That way to the person is none any more."""
    tenant, hand = tenant_of(who, Action.CHANGE_PEOPLE, enterprise), hand_of(parts, who)
    async with parts.database(who, writing=True) as connection:
        if not await contacts.remove_contact(connection, hand, tenant, person, channel, rank):
            raise Problem(NOT_FOUND, "there is no such contact")


def tenant_of(who: Principal, action: Action, enterprise: str | None) -> str:
    """Whose people it is about: the asker's own enterprise, or the one that it names and may. Raises Problem."""
    own = scope(who, action)  # who is bound to some sites has no enterprise in it
    if enterprise is not None and (own.everything or enterprise in own.enterprises):
        return enterprise
    if enterprise is None and not own.everything and len(own.enterprises) == 1:
        return next(iter(own.enterprises))
    if enterprise is not None:
        raise Problem(NOT_FOUND, f"there is no enterprise {enterprise}")
    raise Problem(BAD_PARAMETER, "query.enterprise: say whose customers these are")


def master_of(parts: Parts) -> MasterKey:
    """Raises Problem (503) where this installation has no key for personal data."""
    if parts.config.master_key is None:
        raise Problem(DATABASE_PROBLEMS[0], "This installation has no key for personal data")
    return parts.config.master_key


def hand_of(parts: Parts, who: Principal) -> Hand:
    return Hand(who.name, parts.config.now_us(), master_of(parts), os.urandom)


async def _found(connection: Connection, master: MasterKey, tenant: str, person: str) -> ShownPerson:
    found = await people.person(connection, master, tenant, person)
    if found is None:
        raise Problem(NOT_FOUND, f"there is no person {person}")
    return found


async def _answer(
    connection: Connection, master: MasterKey, tenant: str, person: str, response: Response
) -> PersonInFull:
    found = await _found(connection, master, tenant, person)
    ways = await contacts.contacts(connection, master, tenant, person)
    tell_version(response, found.recorded.version)
    return PersonInFull(**dict(show_person(found)), contacts=[show_contact(one) for one in ways])
