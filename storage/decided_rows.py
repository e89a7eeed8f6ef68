"""What a decision becomes: statements and their values."""

from datetime import datetime
from typing import Any, LiteralString

from storage.times import as_datetime

#: engine, cycle, n: the name of an event everywhere.
Event = tuple[str, int, int]
Row = tuple[LiteralString, tuple[Any, ...]]


def or_none(time_us: int) -> datetime | None:
    """0 says that there is no such time."""
    return as_datetime(time_us) if time_us else None
