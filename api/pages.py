"""Cursor pages. A cursor is opaque to the client: the key of the last row it has seen, so that rows which arrive
between two pages neither repeat nor hide others."""

import base64
import binascii
from typing import TypeVar

import msgspec

from api.problems import BAD_PARAMETER, Problem

#: Rows of one page at most, and when nothing is asked (source: product choice; 1,000 raw readings are about 300 KiB).
MOST_ROWS = 1_000
USUAL_ROWS = 100

KeyT = TypeVar("KeyT")


def encode_cursor(key: tuple[int | str, ...]) -> str:
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
