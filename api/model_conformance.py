"""What a model's devices did beside what Annex 2 asks of its kind and tier, over HTTP."""

from typing import Annotated, Literal

import msgspec
from fastapi import APIRouter, Query

from access.authorize import Action, scope
from access.principals import Principal
from api.device_models import ModelKey
from api.parts import Parts, Shared
from api.permits import GuardedRoute, ReadsConformance
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
from api.shapes import Shape
from api.times import Utc
from devices.conformance.conform import ClauseFound, Conformance, conform
from devices.conformance.evidence import Evidence
from devices.conformance.questions import Finding
from devices.conformance.requirements import load_requirements
from devices.models import DeviceKind, DeviceModel, Tier
from storage.conformance import evidence, known_model
from storage.tenants import Standing
from storage.times import DAY_US, HOUR_US

router = APIRouter(route_class=GuardedRoute, prefix="/v1/device-models", tags=["onboarding"])

_ONE = problem_answers(NOT_SIGNED_IN, NOT_ALLOWED, NOT_FOUND, CONFLICT, BAD_PARAMETER, *DATABASE_PROBLEMS)
#: A day of a model's telemetry at least, and 31 at most over HTTP (product choice); more by `davy devices conform`.
_MOST_DAYS = 31
VerdictWord = Literal["met", "not met", "not observable"]


class FindingShown(Shape):
    """seen of n devices, intervals or closings; low and high: bounds of the share at 95 %. Null: a matter of papers."""

    asked: str
    verdict: VerdictWord
    reason: str
    reason_en: str
    seen: int | None
    n: int | None
    low: float | None
    high: float | None


class ClauseShown(Shape):
    id: str
    place: str
    title: str
    title_en: str
    text: str
    verdict: VerdictWord
    findings: list[FindingShown]


class ConformanceShown(Shape):
    """`not observable` is no approval: too little was seen, or it cannot be seen from here. devices: that were counted;
    a vendor's own, and to regulators and the platform everybody's."""

    model: str
    kind: DeviceKind
    tier: Tier
    since: Utc
    until: Utc
    devices: int
    verdict: VerdictWord
    clauses: list[ClauseShown]


@router.get("/{model}/conformance", operation_id="get_model_conformance", responses=_ONE)
async def get_model_conformance(
    parts: Shared,
    who: ReadsConformance,
    model: ModelKey,
    days: Annotated[int, Query(ge=1, le=_MOST_DAYS)] = 30,
    simulated: bool = False,
) -> ConformanceShown:
    """Clause by clause: met, not met or not observable, from the model's papers and from what its devices really sent
    in the last `days`, up to the last whole hour. 409 where nothing is asked of such a model."""
    until_us = parts.config.now_us() // HOUR_US * HOUR_US
    since_us = until_us - days * DAY_US
    known, seen = await _seen(parts, who, model, since_us, until_us, simulated)
    if known.tier is None:
        raise Problem(CONFLICT, f"model {model} names no tier; requirements are by tier")
    try:
        found = conform(known.key, known.kind, known.tier, load_requirements(), seen)
    except ValueError as nothing:
        raise Problem(CONFLICT, str(nothing)) from nothing
    return _show(found, seen.devices, since_us, until_us)


async def _seen(
    parts: Parts, who: Principal, model: str, since_us: int, until_us: int, simulated: bool
) -> tuple[DeviceModel, Evidence]:
    """Raises Problem (404). Counts of a whole model are no tenant's, so that a regulator, who sees no readings, gets
    them as the platform has them; a vendor gets those of its own devices, in its own name."""
    whole = not scope(who, Action.READ_CONFORMANCE).vendors
    async with parts.database(Standing.PLATFORM if whole else who) as connection:
        try:
            known = await known_model(connection, model)
        except msgspec.MsgspecError as unreadable:
            raise Problem(CONFLICT, f"the document of model {model} is not one of this version") from unreadable
        if known is None:
            raise Problem(NOT_FOUND, f"there is no model {model}")
        if not known.report_interval_s:
            raise Problem(CONFLICT, f"model {model} sends no readings of its own")
        seen = await evidence(
            connection,
            model,
            from_us=since_us,
            to_us=until_us,
            claims=known.measures,
            report_interval_s=known.report_interval_s,
            simulated=simulated,
        )
    return known, seen


def _show(found: Conformance, devices: int, since_us: int, until_us: int) -> ConformanceShown:
    return ConformanceShown(
        model=found.model,
        kind=found.kind,
        tier=found.tier,
        since=since_us,
        until=until_us,
        devices=devices,
        verdict=found.verdict.value,
        clauses=[_show_clause(one) for one in found.clauses],
    )


def _show_clause(one: ClauseFound) -> ClauseShown:
    clause = one.clause
    return ClauseShown(
        id=clause.id,
        place=clause.place,
        title=clause.title,
        title_en=clause.title_en,
        text=clause.text,
        verdict=one.verdict.value,
        findings=[_show_finding(finding) for finding in one.findings],
    )


def _show_finding(one: Finding) -> FindingShown:
    return FindingShown(
        asked=one.asked,
        verdict=one.verdict.value,
        reason=one.reason,
        reason_en=one.reason_en,
        seen=one.share.k if one.share else None,
        n=one.share.n if one.share else None,
        low=one.low,
        high=one.high,
    )
