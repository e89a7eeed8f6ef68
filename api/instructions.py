"""A person's word on its way to the engine: once per Idempotency-Key, answered after the commit."""

from collections.abc import Callable
from typing import Annotated

from fastapi import Header

from access.principals import Principal
from api.alarm_shapes import Instructed
from api.parts import Parts
from api.problems import REFUSED, Problem
from rules.decisions import Instruction

InstructionKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=128,
        pattern="^[!-~]+$",
        description="Names the instruction: sent again with the same key it is answered again, not done again",
    ),
]


async def instruct(
    parts: Parts, who: Principal, key: str | None, make: Callable[[str], Instruction], subject: str | None = None
) -> Instructed:
    """Give the engine the instruction that `make` builds for an id. Keys belong to their principal: nobody gets the
    answer to another's. `subject`: what it must turn out to be about, where that is known before.
    Raises Problem (409) with the engine's reason when it was refused; EngineAway, EngineBusy."""
    id_ = f"{who.name}/{key or parts.config.new_id()}"
    answer = await parts.door.ask(lambda door: door.instruct(make(id_)))
    if not answer.accepted:
        raise Problem(REFUSED, answer.reason)
    if subject is not None and answer.subject != subject:
        raise Problem(REFUSED, "This Idempotency-Key was used for another instruction; take a new one")
    return Instructed(instruction=id_, subject=answer.subject)
