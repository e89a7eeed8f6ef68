"""One operation of the API: how it is asked, and of which types its body and its answer are."""

from dataclasses import dataclass
from typing import Generic, TypeVar

BodyT = TypeVar("BodyT")
AnswerT = TypeVar("AnswerT")


@dataclass(frozen=True, slots=True)
class Operation(Generic[BodyT, AnswerT]):
    """name: as OpenAPI has it. body: None: there is none; bytes: as they are. answer: None: there is none (204);
    bytes: as they came. query: what may be asked besides. keyed: it takes an Idempotency-Key. cursor: the parameter of
    the next page, where the answer has `next`."""

    name: str
    method: str
    path: str
    body: type[BodyT] | None
    answer: type[AnswerT] | None
    query: tuple[str, ...] = ()
    keyed: bool = False
    cursor: str = ""
