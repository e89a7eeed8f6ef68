"""Times at the HTTP edge: microseconds since 1970 UTC inside, RFC 3339 UTC with `Z` and microseconds outside."""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer, WithJsonSchema

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# RFC 3339, 5.6. `datetime.fromisoformat` alone also takes week dates and times without an offset.
_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)\Z", re.ASCII)


#: The times RFC 3339 can say with Python's calendar: the years 1 to 9999.
LOWEST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND
HIGHEST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MICROSECOND


def rfc3339(at_us: int) -> str:
    """`2026-11-20T08:30:56.000001Z`; the nearest time that can be said for one outside the years 1 to 9999, because
    one absurd time must not hide the list it stands in."""
    at_us = min(max(at_us, LOWEST_US), HIGHEST_US)
    return (_EPOCH + at_us * _MICROSECOND).isoformat(timespec="microseconds").replace("+00:00", "Z")


def rfc3339_or_none(at_us: int | None) -> str | None:
    """For what a device claims: a clock may say a year that no calendar has."""
    return rfc3339(at_us) if at_us is not None and LOWEST_US <= at_us <= HIGHEST_US else None


def parse_rfc3339(text: str) -> int:
    """Microseconds since 1970 UTC. Raises ValueError for anything but RFC 3339 with an offset."""
    if not _RFC3339.match(text):
        raise ValueError(
            f"{text[:40]!r} is no RFC 3339 time with offset, such as 2026-11-20T08:30:56Z (in a URL, + is %2B)"
        )
    try:
        at = datetime.fromisoformat(text.upper())
    except ValueError as wrong:
        raise ValueError(f"{text!r}: {wrong}") from wrong
    return (at - _EPOCH) // _MICROSECOND


def _read(value: object) -> object:
    return parse_rfc3339(value) if isinstance(value, str) else value


_DATE_TIME = WithJsonSchema({"type": "string", "format": "date-time", "examples": ["2026-11-20T08:30:56.000001Z"]})
#: An answer's field: holds microseconds, is shown as RFC 3339.
Utc = Annotated[int, BeforeValidator(_read), PlainSerializer(rfc3339, return_type=str), _DATE_TIME]
#: A device's own clock: null where it says no time that a calendar has.
ClaimedUtc = Annotated[
    int | None,
    BeforeValidator(_read),
    PlainSerializer(rfc3339_or_none, return_type=str | None),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
#: A request's parameter: RFC 3339 in, microseconds to the code.
UtcParameter = Annotated[int, BeforeValidator(_read), PlainSerializer(rfc3339, return_type=str), _DATE_TIME]
