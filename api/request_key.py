"""The key of the request that is being answered, for the first transaction that changes something to take with it.

K1  A key is taken in the transaction that does what is asked: it is done and taken, or neither (so a request that was
    refused, or that failed, may be sent again with the same key).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from api.problems import CONFLICT, Problem
from storage import request_keys
from storage.database import Connection

USED = (
    "A request with this Idempotency-Key was done, or is being done now, and its answer cannot be given again: look"
    " what there is"
)


@dataclass(slots=True)
class RequestKey:
    """id: of who sent it, what to, and the key. taken: the transaction that took it is committed."""

    id: str
    now_us: int
    taken: bool = False


_current: ContextVar[RequestKey | None] = ContextVar("davy_request_key", default=None)


@contextmanager
def under(key: RequestKey) -> Iterator[None]:
    token = _current.set(key)
    try:
        yield
    finally:
        _current.reset(token)


async def take_with(connection: Connection) -> RequestKey | None:
    """Take the key of this request, if it has one that is not taken yet, in this transaction; returns it. Raises
    Problem (409) where the same was done before; DatabaseAway, DatabaseRefused."""
    key = _current.get()
    if key is None or key.taken:
        return None
    if not await request_keys.take(connection, key.id, key.now_us):
        raise Problem(CONFLICT, USED)
    return key
