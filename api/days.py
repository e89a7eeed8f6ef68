"""Days at the HTTP edge: YYYY-MM-DD. And the day, or the time, as of which the register is asked."""

import re
from datetime import UTC, date, datetime, timedelta
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from api.times import parse_rfc3339
from storage.times import as_microseconds

_DAY = re.compile(r"\d{4}-\d\d-\d\d\Z", re.ASCII)


def _day(text: str) -> str:
    if not _DAY.match(text):
        raise ValueError(f"{text[:40]!r} is no day, such as 2026-11-20")
    date.fromisoformat(text)
    return text


#: In a request: a day that the calendar has.
DayAsked = Annotated[
    str, AfterValidator(_day), WithJsonSchema({"type": "string", "format": "date", "examples": ["2026-11-20"]})
]
#: In an answer.
Day = Annotated[str, WithJsonSchema({"type": "string", "format": "date"})]


def day_or_none(day: str) -> str | None:
    """As our types say it (empty: not known), as answers do."""
    return day or None


def _as_of(value: object) -> object:
    """Microseconds since 1970 UTC of a time, or of the end of a day in UTC."""
    if not isinstance(value, str):
        return value
    if not _DAY.match(value):
        return parse_rfc3339(value)
    try:
        after = datetime.combine(date.fromisoformat(value), datetime.min.time(), UTC) + timedelta(days=1)
    except OverflowError:
        after = datetime.max.replace(tzinfo=UTC)
    return as_microseconds(after)


AsOf = Annotated[
    int | None,
    BeforeValidator(_as_of),
    Query(
        description="As it was recorded then: at the end of this day (UTC), or at this time. Whose a thing was then"
        " decides who sees it",
    ),
    WithJsonSchema({"type": "string", "examples": ["2026-11-20", "2026-11-20T08:30:56Z"]}),
]
