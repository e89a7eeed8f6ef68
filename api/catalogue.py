"""The catalogue of products that users choose from, and complaints about it: public, without an account; kept by
vendors and by the regulator of the area."""

import math
import os
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response

from access.principals import Principal
from api.catalogue_shapes import (
    CatalogueShown,
    ComplaintFollowed,
    ComplaintGiven,
    ComplaintsShown,
    EntryGiven,
    PublicationGiven,
    Removal,
    StepGiven,
    follow,
    offer_of,
    show_complaint,
    show_entry,
    show_lack,
)
from api.parts import Parts, Shared
from api.permits import Complains, GovernsCatalogue, GuardedRoute, OffersProducts, ReadsPublic
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CONFLICT,
    DATABASE_PROBLEMS,
    NOT_ALLOWED,
    NOT_FOUND,
    NOT_SIGNED_IN,
    TOO_MANY,
    Problem,
    problem_answers,
)
from api.tokens import network_of
from storage import catalogue as stored
from storage import complaints
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, tags=["catalogue"])

_PUBLIC = problem_answers(NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_COMPLAIN = problem_answers(NOT_FOUND, TOO_MANY, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS)
_OWN = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, BAD_PARAMETER, *DATABASE_PROBLEMS)
_CHANGE = problem_answers(
    *(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER), *BODY_PROBLEMS, *DATABASE_PROBLEMS
)

AreaCode = Annotated[str, Path(pattern=r"^[0-9]{2,12}$", description="A code of GB/T 2260")]
#: Complaints, and wrong numbers, of one network address (product choice).
COMPLAINTS_PER_S, COMPLAINTS_AT_ONCE = 1 / 60, 10
#: Complaints of an area in one answer at most (product choice).
_MOST_COMPLAINTS = 500


@router.get("/v1/public/catalogue/{area}", operation_id="read_catalogue", responses=_PUBLIC)
async def read_catalogue(parts: Shared, who: ReadsPublic, area: AreaCode) -> CatalogueShown:
    """Who sells and installs safety devices in an area, what, at which price and with which service; who was removed
    and why. 404 before it is published."""
    shown = await _catalogue(parts, who, area, ("admitted", "removed"))
    if shown.published is None:
        raise Problem(NOT_FOUND, f"no catalogue of area {area} is published")
    return shown


@router.get("/v1/catalogue/{area}", operation_id="read_catalogue_at_work", responses=_OWN)
async def read_catalogue_at_work(parts: Shared, who: GovernsCatalogue, area: AreaCode) -> CatalogueShown:
    """The same for the regulator of the area: with offers, published or not."""
    return await _catalogue(parts, who, area, ("offered", "admitted", "removed"))


@router.put(
    "/v1/enterprises/{enterprise}/catalogue/{district}",
    operation_id="offer_products",
    status_code=204,
    responses=_CHANGE,
)
async def offer_products(
    parts: Shared, who: OffersProducts, enterprise: str, district: AreaCode, body: EntryGiven
) -> Response:
    """A vendor's entry in an area's catalogue, whole. Each change is an offer again, until it is admitted anew."""
    async with parts.database(who, writing=True) as connection:
        await stored.offer(connection, enterprise, district, offer_of(body), by=who.name, now_us=parts.config.now_us())
    return Response(status_code=204)


@router.post("/v1/catalogue/{area}/{vendor_key}/admit", operation_id="admit_entry", status_code=204, responses=_CHANGE)
async def admit_entry(parts: Shared, who: GovernsCatalogue, area: AreaCode, vendor_key: str) -> Response:
    """Take an offer into the catalogue."""
    return await _decide(parts, who, area, vendor_key, "admitted", "", "")


@router.post(
    "/v1/catalogue/{area}/{vendor_key}/remove", operation_id="remove_entry", status_code=204, responses=_CHANGE
)
async def remove_entry(
    parts: Shared, who: GovernsCatalogue, area: AreaCode, vendor_key: str, body: Removal
) -> Response:
    """Take an entry out, with a reason; both stay to be seen."""
    return await _decide(parts, who, area, vendor_key, "removed", body.reason.value, body.words)


@router.post("/v1/catalogue/{area}/publish", operation_id="publish_catalogue", responses=_CHANGE)
async def publish_catalogue(
    parts: Shared, who: GovernsCatalogue, area: AreaCode, body: PublicationGiven
) -> CatalogueShown:
    """Show the catalogue to everybody. Where it lacks vendors or tiers (409 names them) a reason is needed, which is
    shown with it."""
    async with parts.database(who, writing=True) as connection:
        gaps = stored.what_lacks(await stored.entries(connection, area, ("admitted",)))
        if gaps and not body.reason:
            raise Problem(CONFLICT, f"say why it is published all the same: {'; '.join(gap.words_en for gap in gaps)}")
        await stored.publish(connection, area, gaps, body.reason, by=who.name, now_us=parts.config.now_us())
    return await _catalogue(parts, who, area, ("offered", "admitted", "removed"))


@router.post("/v1/public/complaints", operation_id="complain", status_code=201, responses=_COMPLAIN)
async def complain(parts: Shared, who: Complains, request: Request, body: ComplaintGiven) -> ComplaintFollowed:
    """Complain about an entry, without an account and without a name. Keep the number: it is the only way back."""
    _not_too_often(parts, request)
    number, now_us = complaints.new_number(os.urandom), parts.config.now_us()
    async with parts.database(Standing.PLATFORM, writing=True) as connection:
        taken = await complaints.receive(
            connection, number, body.enterprise, body.area, body.subject, body.words, now_us=now_us
        )
        if not taken:
            raise Problem(NOT_FOUND, f"the catalogue of area {body.area} has no entry of {body.enterprise}")
        found = await complaints.complaint(connection, number)
    assert found is not None
    return follow(found)


@router.get("/v1/public/complaints/{number}", operation_id="follow_complaint", responses=_COMPLAIN)
async def follow_complaint(
    parts: Shared, who: Complains, request: Request, number: Annotated[str, Path(pattern=r"^[A-Z2-7]{20}$")]
) -> ComplaintFollowed:
    """What became of a complaint."""
    async with parts.database(Standing.PLATFORM) as connection:
        found = await complaints.complaint(connection, number)
    if found is None:
        _not_too_often(parts, request)  # who guesses numbers waits
        raise Problem(NOT_FOUND, "there is no complaint of that number")
    return follow(found)


@router.get("/v1/catalogue/{area}/complaints", operation_id="list_complaints", responses=_OWN)
async def list_complaints(parts: Shared, who: GovernsCatalogue, area: AreaCode) -> ComplaintsShown:
    """Complaints about entries of an area and of what lies within it, newest first."""
    async with parts.database(who) as connection:
        found = await complaints.complaints(connection, area, limit=_MOST_COMPLAINTS)
    return ComplaintsShown(complaints=[show_complaint(one) for one in found])


@router.post("/v1/catalogue/{area}/complaints/{number}", operation_id="answer_complaint", responses=_CHANGE)
async def answer_complaint(
    parts: Shared, who: GovernsCatalogue, area: AreaCode, number: str, body: StepGiven
) -> ComplaintFollowed:
    """Take a complaint on, or decide it. What is decided is decided once (409)."""
    async with parts.database(who, writing=True) as connection:
        known = await complaints.complaint(connection, number)
        if known is None or not known.area.startswith(area):
            raise Problem(NOT_FOUND, f"there is no complaint {number} in area {area}")
        state = await complaints.step(
            connection, number, body.state, body.answer, by=who.name, now_us=parts.config.now_us()
        )
        if state != body.state or known.state == body.state:
            raise Problem(CONFLICT, f"it is {known.state} already")
        found = await complaints.complaint(connection, number)
    assert found is not None
    return follow(found)


async def _catalogue(parts: Parts, who: Principal, area: str, states: tuple[str, ...]) -> CatalogueShown:
    async with parts.database(who) as connection:
        found = await stored.entries(connection, area, states)
        publication = await stored.published(connection, area)
    return CatalogueShown(
        area=area,
        entries=[show_entry(one) for one in found],
        lacks=[show_lack(one) for one in stored.what_lacks(found)],
        published=publication.at if publication else None,
        gaps=list(publication.gaps) if publication else [],
        reason=publication.reason if publication else "",
    )


async def _decide(
    parts: Parts, who: Principal, area: str, enterprise: str, state: str, reason: str, words: str
) -> Response:
    async with parts.database(who, writing=True) as connection:
        found = await stored.decide(
            connection,
            enterprise,
            area,
            state,
            reason=reason,
            words=words,
            by=who.name,
            now_us=parts.config.now_us(),
        )
    if not found:
        raise Problem(NOT_FOUND, f"the catalogue of area {area} has no entry of {enterprise}")
    return Response(status_code=204)


def _not_too_often(parts: Parts, request: Request) -> None:
    """Raises Problem (429)."""
    network = network_of(request.client.host if request.client else "")
    wait_s = parts.complaints.wait_s(network)
    if wait_s > 0.0:
        raise Problem(TOO_MANY, "Too many complaints came from this address", retry_after_s=math.ceil(wait_s))
    parts.complaints.take(network)
