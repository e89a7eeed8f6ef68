"""Onboarding of one device: it is offered with a label, claimed at its place, and approved by the gas company.

M1  A code is looked up in the name of the platform: it is good for whoever has it; for which site, the claimer's
    own rights say. An installer may claim for any site: the gas company approves.
M2  A claim is decided in the name of the gas company whose site it is, whatever the application thinks.
"""

import os
from typing import Annotated

import psycopg
from fastapi import APIRouter, Path, Query
from pydantic import Field, StringConstraints

from access.authorize import Action, acts_as, enterprises_of, scope
from access.ownership import Owner, Scope
from access.principals import Principal
from access.roles import Role
from api.claim_shapes import Claimed, ClaimShown, ClaimsShown, Label, label_of, show_claim
from api.pages import USUAL_ROWS, Cursor, Limit, decode_cursor, encode_cursor
from api.parts import Shared
from api.permits import ClaimsDevices, DecidesClaims, GuardedRoute, OffersDevices, ReadsClaims
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
from api.shapes import Asked, DeviceId, Reason, Shape, example
from api.site_shapes import Key
from devices.sites import token_sha256
from storage import claims as stored
from storage import sites
from storage.claims import Claim, ClaimRefused, ClaimState, Offer, Use
from storage.database import Connection, translated
from storage.registry_kinds import SHORTEST_TOKEN
from storage.tenants import Standing

router = APIRouter(route_class=GuardedRoute, prefix="/v1/claims", tags=["onboarding"])

ClaimId = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$"), Field(examples=["0" * 32])]
_DAY_US = 86_400 * 1_000_000
_PAGE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, BAD_PARAMETER, *DATABASE_PROBLEMS)
_MAKE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)


class DeviceOffered(Asked, json_schema_extra=example(vendor="acme", serial="d1", model="sim_detector_home", days=365)):
    vendor: DeviceId
    serial: DeviceId
    model: Key
    days: int = Field(default=365, ge=1, le=1_100, description="How long its code is good")
    token: str | None = Field(
        default=None,
        min_length=SHORTEST_TOKEN,
        max_length=500,
        description="The token that it has from the factory; null: one is made when it is registered",
    )


class DeviceClaimed(Asked, json_schema_extra=example(code="ABCD-EFGH-IJKL-MNOP", site="w-1001")):
    code: Annotated[str, StringConstraints(min_length=16, max_length=40)]
    site: Key


class Refusal(Asked, json_schema_extra=example(reason="not our customer")):
    reason: Reason


class ClaimPolicy(Asked, json_schema_extra=example(approval=True)):
    approval: bool = Field(description="Whether claims wait for somebody of the gas company")


class ClaimPolicyShown(Shape):
    enterprise: str
    approval: bool


@router.post("/offers", operation_id="offer_device", responses=_MAKE, status_code=201)
async def offer_device(parts: Shared, who: OffersDevices, body: DeviceOffered) -> Label:
    """Offer a device that is registered nowhere yet, and get its label: a QR code with a claim code that is good once.
    An earlier label of it that nobody used ends."""
    allowed = scope(who, Action.OFFER_DEVICE)
    if not (allowed.everything or allowed.enterprises or body.vendor in allowed.vendors):
        raise Problem(NOT_FOUND, f"there is no vendor {body.vendor} of yours")
    now_us = parts.config.now_us()
    offered = Offer(
        *(body.vendor, body.serial, body.model, now_us + body.days * _DAY_US, _party(who, Action.OFFER_DEVICE)),
        token_sha256=token_sha256(body.token) if body.token else "",
    )
    try:
        async with parts.database(Standing.PLATFORM, writing=True) as connection:
            with translated():
                claim, code = await stored.offer(
                    *(connection, offered),
                    id_=parts.config.new_id(),
                    by=who.name,
                    now_us=now_us,
                    random_bytes=os.urandom,
                )
    except ClaimRefused as refused:
        raise Problem(CONFLICT, str(refused)) from refused
    return label_of(_shown(who, claim), code)


@router.post("", operation_id="claim_device", responses=_MAKE, status_code=201)
async def claim_device(parts: Shared, who: ClaimsDevices, body: DeviceClaimed) -> Claimed:
    """Claim a device for a site by the code on its label. Where the gas company wants to look first, it waits. The same
    again is answered as the first time; a second use from elsewhere is refused, and both are recorded."""
    allowed = scope(who, Action.CLAIM_DEVICE)
    installer = min(allowed.installers, default="")
    try:
        async with parts.database(Standing.PLATFORM, writing=True) as connection:
            with translated():
                if not await _may_claim_for(connection, allowed, body.site):
                    raise Problem(NOT_FOUND, f"there is no site {body.site}")
                used = await stored.use(
                    *(connection, Use(body.code, body.site, who.name, installer)),
                    now_us=parts.config.now_us(),
                    random_bytes=os.urandom,
                )
    except ClaimRefused as refused:  # where nobody has to approve it, and it cannot be registered
        raise Problem(CONFLICT, str(refused)) from refused
    if used.claim is None:
        raise Problem(CONFLICT, used.refused)
    token = used.done.tokens[0][1] if used.done and used.done.tokens else None
    return Claimed(claim=_shown(who, used.claim), token=token)


@router.get("", operation_id="list_claims", responses=_PAGE)
async def list_claims(
    parts: Shared,
    who: ReadsClaims,
    state: Annotated[ClaimState | None, Query()] = None,
    cursor: Cursor = None,
    limit: Limit = USUAL_ROWS,
) -> ClaimsShown:
    """Claims that are one's own: offered, made, or to be decided by one's party; newest offer first."""
    before = decode_cursor(cursor, tuple[int, str])
    async with parts.database(who) as connection:
        page = await stored.claims(connection, limit=limit + 1, before=before, state=state)
    shown = page[:limit]
    last = (shown[-1].offered_us, shown[-1].id) if len(page) > limit else None
    return ClaimsShown(
        claims=[_shown(who, claim) for claim in shown if _own(who, claim)],
        next=encode_cursor(last) if last else None,
    )


@router.post("/{claim}/approve", operation_id="approve_claim", responses=_MAKE)
async def approve_claim(parts: Shared, who: DecidesClaims, claim: Annotated[ClaimId, Path()]) -> Claimed:
    """The device is registered at the site, with its token; one that had none gets one, shown this once."""
    try:
        async with parts.database(who, writing=True) as connection:
            with translated():
                await _to_decide(connection, who, claim)
                done, imported = await stored.approve(
                    *(connection, claim), by=who.name, now_us=parts.config.now_us(), random_bytes=os.urandom
                )
    except ClaimRefused as refused:
        raise Problem(CONFLICT, str(refused)) from refused
    except psycopg.errors.UniqueViolation as taken:
        # Whose it is, is not said: the asker may not know that there is such a thing.
        raise Problem(CONFLICT, "this device cannot be registered here; ask whoever offered it") from taken
    return Claimed(claim=_shown(who, done), token=imported.tokens[0][1] if imported.tokens else None)


@router.post("/{claim}/refuse", operation_id="refuse_claim", responses=_MAKE)
async def refuse_claim(
    parts: Shared, who: DecidesClaims, claim: Annotated[ClaimId, Path()], body: Refusal
) -> ClaimShown:
    """The gas company does not take it. The device may be offered anew."""
    try:
        async with parts.database(who, writing=True) as connection:
            with translated():
                await _to_decide(connection, who, claim)
                done = await stored.refuse(
                    *(connection, claim), by=who.name, now_us=parts.config.now_us(), reason=body.reason
                )
    except ClaimRefused as refused:
        raise Problem(CONFLICT, str(refused)) from refused
    return _shown(who, done)


@router.put("/policies/{enterprise}", operation_id="set_claim_policy", responses=_MAKE)
async def set_claim_policy(parts: Shared, who: DecidesClaims, enterprise: Key, body: ClaimPolicy) -> ClaimPolicyShown:
    """Whether claims for the sites of a gas company wait for its approval. They do until it says otherwise."""
    async with parts.database(who, writing=True) as connection:
        with translated():
            await stored.set_policy(
                *(connection, enterprise), approval=body.approval, by=who.name, now_us=parts.config.now_us()
            )
    return ClaimPolicyShown(enterprise=enterprise, approval=body.approval)


async def _may_claim_for(connection: Connection, allowed: Scope, site: str) -> bool:
    """M1."""
    found = await sites.site(connection, site)
    if found is None or found.recorded.gone:
        return False
    of = found.site
    return bool(allowed.installers) or allowed.admits(Owner(of.key, of.enterprise, of.manager, of.area))


async def _to_decide(connection: Connection, who: Principal, id_: str) -> None:
    """Raises Problem (404) where the claim is none of the asker's."""
    claim = await stored.by_id(connection, id_)
    if claim is None or not scope(who, Action.DECIDE_CLAIM).admits(Owner(claim.site, claim.enterprise)):
        raise Problem(NOT_FOUND, "there is no such claim")


def _own(who: Principal, claim: Claim) -> bool:
    own = enterprises_of(who, Action.READ_CLAIMS)
    mine = own is None or (claim.offerer and claim.offerer in own) or claim.claimed_by == who.name
    return bool(mine) or scope(who, Action.READ_CLAIMS).admits(_owner(claim))


def _owner(claim: Claim) -> Owner:
    return Owner(claim.site, claim.enterprise, "", "", claim.vendor, claim.installer)


def _shown(who: Principal, claim: Claim) -> ClaimShown:
    role = acts_as(who, Action.READ_CLAIMS, _owner(claim))
    return show_claim(claim, Role(role))


def _party(who: Principal, action: Action) -> str:
    """In whose name something is offered: '' is the platform's."""
    return min(enterprises_of(who, action) or (), default="")
