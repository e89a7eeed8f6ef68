"""Cursor pages. A cursor is opaque to the client: the key of the last row it has seen, so that rows which arrive
between two pages neither repeat nor hide others."""

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import msgspec
from fastapi import Query

from api.problems import BAD_PARAMETER, Problem
from api.times import UtcParameter
from storage.times import DAY_US

#: Rows of one page at most, and when nothing is asked (source: product choice; 1,000 raw readings are about 300 KiB).
MOST_ROWS = 1_000
USUAL_ROWS = 100

#: What an unbounded question about the past means, and the most that is answered in one (source: product choice).
USUAL_RANGE_US, MOST_RANGE_US = 30 * DAY_US, 366 * DAY_US

Limit = Annotated[int, Query(ge=1, le=MOST_ROWS, description="Rows of a page at most")]
Cursor = Annotated[str | None, Query(max_length=200, description="`next` of the page before")]
From = Annotated[UtcParameter | None, Query(alias="from", description="At or after")]
To = Annotated[UtcParameter | None, Query(description="Before")]

KeyT = TypeVar("KeyT")
ViewT = TypeVar("ViewT")
#: When, and then what tells those of one time apart.
OrderT = TypeVar("OrderT", bound=tuple[int | str, ...])


def encode_cursor(key: tuple[object, ...]) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(key)).decode().rstrip("=")


def decode_cursor(cursor: str | None, kind: type[KeyT]) -> KeyT | None:
    """The key, of the tuple type `kind`; None for no cursor. Raises Problem (422) for one that is not ours."""
    if not cursor:
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(packed, type=kind)
    except (binascii.Error, ValueError, msgspec.MsgspecError):
        raise Problem(BAD_PARAMETER, "cursor: take `next` from the page before, unchanged, on the same path") from None


def time_range(from_us: int | None, to_us: int | None, now_us: int) -> tuple[int, int]:
    """The range that is meant: 30 days to now unless asked otherwise. Raises Problem (422)."""
    to_us = now_us if to_us is None else to_us
    from_us = to_us - USUAL_RANGE_US if from_us is None else from_us
    if not 0 <= to_us - from_us <= MOST_RANGE_US:
        raise Problem(BAD_PARAMETER, "from, to: `from` comes before `to`, and at most 366 days lie between")
    return from_us, to_us


def live_page(
    views: Iterable[ViewT], key: Callable[[ViewT], OrderT], after: OrderT | None, limit: int
) -> tuple[list[ViewT], str | None]:
    """The newest after the one that the last page ended with, and the cursor of the page that follows."""

    def order(of: OrderT) -> tuple[int | str, ...]:
        assert isinstance(of[0], int)
        return (-of[0], *of[1:])

    asked = sorted(
        (view for view in views if after is None or order(key(view)) > order(after)), key=lambda v: order(key(v))
    )
    page = asked[:limit]
    return page, encode_cursor(key(page[-1])) if len(asked) > limit else None


def stored_page(found: list[ViewT], key: Callable[[ViewT], OrderT], limit: int) -> tuple[list[ViewT], str | None]:
    """What the database gave when asked for one more than `limit`, and the cursor of the page that follows."""
    page = found[:limit]
    return page, encode_cursor(key(page[-1])) if len(found) > limit else None
