"""A person's word on its way to the engine: once per Idempotency-Key, answered after the commit.

I1  An instruction's id names who, what and about what before the key: `administrator/close/acme/v1/{key}`. A key used
    before for anything else is another instruction, and is done (G6): no key can make a CLOSE do nothing.
"""

from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import Annotated

from fastapi import Header

from access.principals import Principal
from api.alarm_shapes import Instructed
from api.parts import Parts
from api.problems import NOT_FOUND, REFUSED, Problem
from ingest.push import KEY_PATTERN
from rules.instructions import Instruction

#: The one rule for keys, of instructions and of pushes.
IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        pattern=f"^{KEY_PATTERN}$",
        description="Names the request: sent again with the same key it is answered again, not done again",
    ),
]


class Verb(StrEnum):
    """What a person can want of the engine."""

    ACKNOWLEDGE = "acknowledge"
    RESET = "reset"
    CLOSE = "close"
    CANCEL = "cancel"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    COMMENT = "comment"
    RESOLVE = "resolve"
    TAKE_OUT_OF_SERVICE = "take-out-of-service"
    RETURN_TO_SERVICE = "return-to-service"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    FIELD_READING = "field-reading"
    STEP = "step"
    CLOSE_INCIDENT = "close-incident"
    REQUEST_PERMIT = "request-permit"
    APPROVE = "approve"
    WITHDRAW = "withdraw"
    COMPLETE = "complete"
    RELEASE = "release"
    VETO = "veto"


async def instruct(
    parts: Parts, who: Principal, verb: Verb, subject: str, key: str | None, make: Callable[[str], Instruction]
) -> Instructed:
    """Give the engine the instruction that `make` builds for an id (I1). `subject`: an alarm, a wanted position or a
    device's identity. Raises Problem (409) with the engine's reason when it was refused; EngineAway, EngineBusy."""
    id_ = f"{who.name}/{verb}/{subject}/{key or parts.config.new_id()}"
    answer = await parts.door.change(lambda door: door.instruct(make(id_)))
    if not answer.accepted:
        raise Problem(REFUSED, answer.reason)
    return Instructed(instruction=id_, subject=answer.subject)


async def instruct_about(
    parts: Parts,
    who: Principal,
    verb: Verb,
    subject: str,
    key: str | None,
    make: Callable[[str], Instruction],
    find: Callable[[str], Awaitable[object | None]],
) -> Instructed:
    """As instruct, and 404 instead of 409 where `find` finds no such subject now: then the reason is the id, not the
    state. Who does not see everything is not heard about what `find` does not find."""
    if not parts.live(who).sees_everything and await find(subject) is None:
        raise Problem(NOT_FOUND, f"there is no {subject} now")
    try:
        return await instruct(parts, who, verb, subject, key, make)
    except Problem as refused:
        if refused.kind is REFUSED and await find(subject) is None:
            raise Problem(NOT_FOUND, f"there is no {subject} now: {refused.detail}") from refused
        raise
