"""Microseconds since 1970 UTC, as this project counts them, and datetimes, as psycopg takes them."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
#: What Python's datetime can say; a time asked for beyond it means the same as its nearest end.
_LOWEST_US = (datetime(1, 1, 2, tzinfo=UTC) - _EPOCH) // _MICROSECOND
_HIGHEST_US = (datetime(9999, 12, 30, tzinfo=UTC) - _EPOCH) // _MICROSECOND

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US


def as_datetime(time_us: int) -> datetime:
    """The datetime of `time_us`, or the nearest that datetime can say (years 1 to 9999)."""
    return _EPOCH + timedelta(microseconds=min(max(time_us, _LOWEST_US), _HIGHEST_US))


def as_microseconds(time: datetime) -> int:
    """The inverse, exactly. `time` must know its zone."""
    return (time - _EPOCH) // _MICROSECOND
