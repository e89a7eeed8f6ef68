"""Why a rule did or did not raise an alarm at a device and time."""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import StringConstraints

from api.apart import apart
from api.apart_work import ExplainJob, Told
from api.explain_shapes import Explanation, show_explanation
from api.failures import problem_of
from api.parts import Parts, Shared
from api.permits import Admitted, ExplainsRules, GuardedRoute
from api.problems import (
    BAD_PARAMETER,
    DATABASE_PROBLEMS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    RETRY_AFTER_S,
    TOO_MANY,
    TOO_MUCH,
    Problem,
    problem_answers,
)
from api.seen import owner_of
from api.shapes import DeviceId
from api.times import UtcParameter
from storage import devices as registered

router = APIRouter(route_class=GuardedRoute, prefix="/v1/devices/{vendor}/{serial}", tags=["rules"])

RuleId = Annotated[str, StringConstraints(pattern="^[a-z0-9-]{1,40}$")]


@router.get(
    "/explain",
    operation_id="explain_rules",
    responses=problem_answers(NOT_SIGNED_IN, NOT_FOUND, BAD_PARAMETER, TOO_MUCH, TOO_MANY, *DATABASE_PROBLEMS),
)
async def explain_rules(
    parts: Shared,
    who: ExplainsRules,
    subject: Admitted,
    vendor: DeviceId,
    serial: DeviceId,
    at: Annotated[UtcParameter | None, Query(description="Null: now")] = None,
    rule: Annotated[list[RuleId] | None, Query(description="Only these; repeatable", max_length=100)] = None,
) -> Explanation:
    """What every rule made of a device at a time: each comparison with its value and limit, how far its timer was, and
    why it raised or did not. Recomputed from stored readings by the engine's own code; takes about a second."""
    identity = f"{vendor}/{serial}"
    now_us = parts.config.now_us()
    at_us = now_us if at is None else at
    if at_us > now_us:
        raise Problem(BAD_PARAMETER, "at: not after now, which it is when nothing is said")
    async with parts.database(who, owner_of(subject)) as connection:
        if await registered.device(connection, identity) is None:
            raise Problem(NOT_FOUND, f"no device {identity}")
    if parts.explaining.locked():
        raise Problem(TOO_MANY, "Other explanations are being worked out", retry_after_s=RETRY_AFTER_S)
    async with parts.explaining:
        return show_explanation((await _explained(parts, identity, at_us, tuple(rule or ()))).result)


async def _explained(parts: Parts, identity: str, at_us: int, rules: tuple[str, ...]) -> Told:
    limits, url = parts.config.limits, parts.config.database_url
    assert url is not None  # else there was no connection
    said = await apart(ExplainJob(url, limits.explain_bytes, identity, at_us, rules), limits.explain_within_s)
    if isinstance(said, Told):
        return said
    raise problem_of(said)
