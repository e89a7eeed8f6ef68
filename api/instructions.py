"""A person's word on its way to the engine: once per Idempotency-Key, answered after the commit.

I1  An instruction's id names who, what and about what before the key: `administrator/close/acme/v1/{key}`. A key used
    before for anything else is another instruction, and is done (G6): no key can make a CLOSE do nothing.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated

from fastapi import Header

from access.principals import Principal
from api.alarm_shapes import Instructed
from api.parts import Parts
from api.problems import REFUSED, Problem
from ingest.push import KEY_PATTERN
from rules.decisions import Instruction

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
