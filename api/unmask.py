"""Personal data in clear: an action of its own, with a purpose, recorded before it is answered.

U1  The record and the look are one transaction: what cannot be recorded is not shown.
U2  So many a time and person, the platform's own people too: a list of customers is not read out one by one.
U3  The answer is kept by nobody on the way.
"""

import math
from typing import Annotated

from fastapi import APIRouter, Response
from pydantic import Field, StringConstraints

from access.actions import Action
from access.people import Channel
from api.parts import Parts, Shared
from api.permits import GuardedRoute, Unmasks
from api.persons import Of, master_of, tenant_of
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.shapes import Asked, Shape, example
from api.site_shapes import Key
from storage import unmasking
from storage.database import translated

router = APIRouter(route_class=GuardedRoute, prefix="/v1/people", tags=["people"])

#: U2. A person at the duty desk calls some people in an hour; product choices.
UNMASKINGS_PER_S, UNMASKINGS_AT_ONCE = 1 / 30, 20

_ANSWERS = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, TOO_MANY, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)


class UnmaskingAsked(
    Asked,
    json_schema_extra=example(purpose="alarm 5f2c: nobody opens, calling the resident", fields=["name", "telephone"]),
):
    purpose: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=5, max_length=500),
        Field(description="What for; it stays in the record for ever, so it names no person"),
    ]
    fields: list[unmasking.Field] = Field(min_length=1, max_length=4, description="What is needed for it, and no more")


class WayShown(Shape):
    channel: Channel
    rank: int
    address: str | None = Field(description="Null: its key was destroyed")


class PersonUnmasked(Shape):
    """In clear; what was not asked for, or is not known, is null."""

    person: str
    enterprise: str
    name: str | None
    telephone: str | None
    id_number: str | None
    contacts: list[WayShown] | None
    gone: bool = Field(description="The key was destroyed: what was sealed under it is known to nobody any more")


@router.post("/{person}/unmask", operation_id="unmask_person", responses=_ANSWERS)
async def unmask_person(
    parts: Shared, who: Unmasks, response: Response, person: Key, body: UnmaskingAsked, enterprise: Of = None
) -> PersonUnmasked:
    """A person's data in clear, for a purpose. Who saw what of whom, and what for, is in the enterprise's record."""
    tenant, master = tenant_of(who, Action.UNMASK, enterprise), master_of(parts)
    _require_room(parts, who.name)
    async with parts.database(who, writing=True) as connection:
        with translated():
            found = await unmasking.unmask(
                connection,
                master,
                tenant,
                person,
                body.fields,
                purpose=body.purpose,
                by=who.name,
                now_us=parts.config.now_us(),
            )
    if found is None:
        raise Problem(NOT_FOUND, f"there is no person {person}")
    response.headers["Cache-Control"] = "no-store"
    return PersonUnmasked(
        person=person,
        enterprise=tenant,
        name=found.name or None,
        telephone=found.telephone or None,
        id_number=found.id_number or None,
        contacts=None
        if found.contacts is None
        else [WayShown(channel=way.channel, rank=way.rank, address=way.address) for way in found.contacts],
        gone=found.gone,
    )


def _require_room(parts: Parts, name: str) -> None:
    """U2. Raises Problem (429)."""
    wait_s = parts.unmaskings.wait_s(name)
    if wait_s > 0.0:
        raise Problem(TOO_MANY, "Too many people unmasked at a time", retry_after_s=math.ceil(wait_s))
    parts.unmaskings.take(name)
