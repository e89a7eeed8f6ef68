"""What people say of an alarm besides acknowledging and resetting it: shelved for a time, what it was, a comment."""

from fastapi import APIRouter

from access.authorize import Action, acts_as
from api.alarm_shapes import AlarmComment, AlarmResolution, Instructed, Shelving
from api.alarms import INSTRUCTION, about_alarm
from api.instructions import IdempotencyKey, Verb
from api.parts import Shared
from api.permits import Admitted, Comments, GuardedRoute, ResolvesAlarms, ShelvesAlarms
from api.seen import owner_of
from api.shapes import DecisionId
from rules.instructions import Comment, Resolve, Shelve, Unshelve

router = APIRouter(route_class=GuardedRoute, prefix="/v1/alarms", tags=["alarms"])


@router.post("/{alarm}/shelve", operation_id="shelve_alarm", responses=INSTRUCTION)
async def shelve_alarm(
    parts: Shared,
    who: ShelvesAlarms,
    subject: Admitted,
    alarm: DecisionId,
    body: Shelving,
    key: IdempotencyKey = None,
) -> Instructed:
    """Take an alarm out of the list until a time, for a reason, in your name. It is tracked meanwhile, and what it does
    to valves it goes on doing. A resident shelves no high or critical alarm about gas or carbon monoxide."""
    role = acts_as(who, Action.SHELVE_ALARM, owner_of(subject))
    until = body.until_us(parts.config.now_us())
    return await about_alarm(
        parts,
        who,
        Verb.SHELVE,
        alarm,
        key,
        lambda id_: Shelve(at=0, id=id_, by=who.name, alarm=alarm, until=until, reason=body.reason, role=role),
    )


@router.post("/{alarm}/unshelve", operation_id="unshelve_alarm", responses=INSTRUCTION)
async def unshelve_alarm(
    parts: Shared, who: ShelvesAlarms, alarm: DecisionId, key: IdempotencyKey = None
) -> Instructed:
    """Back into the list before its time."""
    return await about_alarm(
        parts, who, Verb.UNSHELVE, alarm, key, lambda id_: Unshelve(at=0, id=id_, by=who.name, alarm=alarm)
    )


@router.post("/{alarm}/comment", operation_id="comment_on_alarm", responses=INSTRUCTION)
async def comment_on_alarm(
    parts: Shared, who: Comments, alarm: DecisionId, body: AlarmComment, key: IdempotencyKey = None
) -> Instructed:
    """Say something about an alarm, in your name. Changes no state."""
    return await about_alarm(
        parts,
        who,
        Verb.COMMENT,
        alarm,
        key,
        lambda id_: Comment(at=0, id=id_, by=who.name, subject=alarm, text=body.text),
    )


@router.post("/{alarm}/resolve", operation_id="resolve_alarm", responses=INSTRUCTION)
async def resolve_alarm(
    parts: Shared, who: ResolvesAlarms, alarm: DecisionId, body: AlarmResolution, key: IdempotencyKey = None
) -> Instructed:
    """Say what an alarm was, as you found it. Changes no state; rules are judged by it later."""
    return await about_alarm(
        parts,
        who,
        Verb.RESOLVE,
        alarm,
        key,
        lambda id_: Resolve(at=0, id=id_, by=who.name, alarm=alarm, resolution=body.resolution, comment=body.comment),
    )
