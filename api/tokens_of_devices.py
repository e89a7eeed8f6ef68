"""Tokens of devices: made, changed with time for the device to follow, taken away at once."""

import os
from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from access.ownership import Owner
from access.principals import Principal
from api.parts import Parts, Shared
from api.permits import Admitted, ChangesTokens, GuardedRoute
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
from api.seen import owner_of
from api.shapes import Asked, DeviceId, Shape, example
from api.times import Utc
from storage.database import translated
from storage.registry import Imported, apply_rows
from storage.registry_rows import Fate, Given, Leaves, TokenGiven, key_of

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices", tags=["onboarding"])

_CHANGE = problem_answers(
    NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *BODY_PROBLEMS, *DATABASE_PROBLEMS
)
#: How long a former token may be good beside the new one, in seconds: a device that reports monthly follows within it.
#: Product choice.
MOST_OVERLAP_S = 40 * 86_400


class TokenAsked(Asked, json_schema_extra=example(overlap_s=86_400)):
    overlap_s: Annotated[int, Field(ge=0, le=MOST_OVERLAP_S)] = Field(
        default=0, description="How long the token before is good too; 0: it ends at once, and its session with it"
    )


class TokenMade(Shape):
    """`token` is shown this once; only its hash is kept."""

    device: str
    token: str
    former_until: Utc | None = Field(description="Until when the token before is good too")


@router.post("/{vendor}/{serial}/token", operation_id="change_token", responses=_CHANGE, status_code=201)
async def change_token(
    parts: Shared, who: ChangesTokens, subject: Admitted, vendor: DeviceId, serial: DeviceId, body: TokenAsked
) -> TokenMade:
    """A new token of a device, which takes the place of the one that it has."""
    identity, now_us = f"{vendor}/{serial}", parts.config.now_us()
    until_us = now_us + body.overlap_s * 1_000_000 if body.overlap_s else 0
    given = TokenGiven(identity, replace=True, former_until_us=until_us)
    done = await _apply(parts, who, owner_of(subject), given)
    ((_, token),) = done.tokens
    return TokenMade(device=identity, token=token, former_until=until_us or None)


@router.delete("/{vendor}/{serial}/token", operation_id="revoke_token", responses=_CHANGE, status_code=204)
async def revoke_token(
    parts: Shared, who: ChangesTokens, subject: Admitted, vendor: DeviceId, serial: DeviceId
) -> None:
    """The device signs in no more, and is disconnected at once. It stays registered."""
    await _apply(parts, who, owner_of(subject), Leaves("token", f"{vendor}/{serial}"))


async def _apply(parts: Parts, who: Principal, owner: Owner, given: Given) -> Imported:
    """Raises Problem (404) where there is no such device, (409) with the reasons."""
    async with parts.database(who, owner, writing=True) as connection:
        with translated():
            done = await apply_rows(
                connection, [given], by=who.name, now_us=parts.config.now_us(), random_bytes=os.urandom
            )
    if not done.applied:
        reasons = [fate.reason for fate in done.fates if fate.fate is Fate.REFUSED]
        if reasons == ["no such device"]:
            raise Problem(NOT_FOUND, f"there is no device {key_of(given)}")
        raise Problem(CONFLICT, "; ".join([*reasons, *done.faults])[:2_000])
    return done
