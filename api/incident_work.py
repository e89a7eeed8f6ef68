"""What people do about an incident: sent, there, measured, done, over. Answered after the commit; needs no database."""

from collections.abc import Callable

from fastapi import APIRouter

from access.principals import Principal
from api.alarm_shapes import Instructed
from api.incident_shapes import (
    ArrivalRequest,
    ClosingRequest,
    DispatchRequest,
    FieldReadingRequest,
    IncidentComment,
    StepRequest,
)
from api.instructions import IdempotencyKey, Verb, instruct_about
from api.parts import Parts, Shared
from api.permits import ClosesIncidents, Comments, GuardedRoute, WorksOnIncidents
from api.problems import (
    BAD_PARAMETER,
    BODY_PROBLEMS,
    CHANGE_PROBLEMS,
    NOT_FOUND,
    NOT_SIGNED_IN,
    REFUSED,
    problem_answers,
)
from api.shapes import DecisionId
from rules.instructions import Arrived, CloseIncident, Comment, Dispatched, FieldReading, Instruction, StepDone

router = APIRouter(route_class=GuardedRoute, prefix="/v1/incidents", tags=["incidents"])

_INSTRUCTION = problem_answers(NOT_SIGNED_IN, NOT_FOUND, REFUSED, BAD_PARAMETER, *BODY_PROBLEMS, *CHANGE_PROBLEMS)


@router.post("/{incident}/dispatch", operation_id="dispatch_crew", responses=_INSTRUCTION)
async def dispatch_crew(
    parts: Shared, who: WorksOnIncidents, incident: DecisionId, body: DispatchRequest, key: IdempotencyKey = None
) -> Instructed:
    """Somebody was sent."""
    return await _about(
        parts,
        who,
        Verb.DISPATCH,
        incident,
        key,
        lambda id_: Dispatched(at=0, id=id_, by=who.name, incident=incident, crew=body.crew, comment=body.comment),
    )


@router.post("/{incident}/arrive", operation_id="arrive_on_site", responses=_INSTRUCTION)
async def arrive_on_site(
    parts: Shared, who: WorksOnIncidents, incident: DecisionId, body: ArrivalRequest, key: IdempotencyKey = None
) -> Instructed:
    """Somebody is there."""
    return await _about(
        parts,
        who,
        Verb.ARRIVE,
        incident,
        key,
        lambda id_: Arrived(at=0, id=id_, by=who.name, incident=incident, comment=body.comment),
    )


@router.post("/{incident}/field-reading", operation_id="report_field_reading", responses=_INSTRUCTION)
async def report_field_reading(
    parts: Shared, who: WorksOnIncidents, incident: DecisionId, body: FieldReadingRequest, key: IdempotencyKey = None
) -> Instructed:
    """What was measured on site. At and above the limit of the rule of kind `field` it is an alarm of its own, and the
    four steps are to be done."""
    return await _about(
        parts,
        who,
        Verb.FIELD_READING,
        incident,
        key,
        lambda id_: FieldReading(
            at=0,
            id=id_,
            by=who.name,
            incident=incident,
            quantity=body.quantity,
            value=body.value,
            place=body.place,
        ),
    )


@router.post("/{incident}/step", operation_id="finish_field_step", responses=_INSTRUCTION)
async def finish_field_step(
    parts: Shared, who: WorksOnIncidents, incident: DecisionId, body: StepRequest, key: IdempotencyKey = None
) -> Instructed:
    """One of the four steps is done."""
    return await _about(
        parts,
        who,
        Verb.STEP,
        incident,
        key,
        lambda id_: StepDone(at=0, id=id_, by=who.name, incident=incident, step=body.step, comment=body.comment),
    )


@router.post("/{incident}/comment", operation_id="comment_on_incident", responses=_INSTRUCTION)
async def comment_on_incident(
    parts: Shared, who: Comments, incident: DecisionId, body: IncidentComment, key: IdempotencyKey = None
) -> Instructed:
    """Say something about an incident, in your name."""
    return await _about(
        parts,
        who,
        Verb.COMMENT,
        incident,
        key,
        lambda id_: Comment(at=0, id=id_, by=who.name, subject=incident, text=body.text),
    )


@router.post("/{incident}/close", operation_id="close_incident", responses=_INSTRUCTION)
async def close_incident(
    parts: Shared, who: ClosesIncidents, incident: DecisionId, body: ClosingRequest, key: IdempotencyKey = None
) -> Instructed:
    """It is dealt with: none of its alarms is active, none of the four steps is left. Closes its parts with it, and no
    valve."""
    return await _about(
        parts,
        who,
        Verb.CLOSE_INCIDENT,
        incident,
        key,
        lambda id_: CloseIncident(
            at=0, id=id_, by=who.name, incident=incident, resolution=body.resolution, comment=body.comment
        ),
    )


async def _about(
    parts: Parts, who: Principal, verb: Verb, incident: str, key: str | None, make: Callable[[str], Instruction]
) -> Instructed:
    return await instruct_about(parts, who, verb, incident, key, make, parts.live(who).incident)
