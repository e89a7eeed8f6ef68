"""RFC 3339 times as microseconds. A clock that was never set still says a time; a text of no such form is none."""

import re
from datetime import UTC, datetime, timedelta

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,12}))?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND_US = 1_000_000
_MINUTE_US = 60 * _SECOND_US
_DAY_US = 24 * 60 * _MINUTE_US


def microseconds(text: str) -> int | None:
    """Microseconds since 1970 UTC; digits below a microsecond are cut off, and a leap second is the second after it.

    None for a text of the right form that names no instant ("0000-00-00T00:00:00Z", the 31st of February): a clock
    that was never set. Raises ValueError for any other text.
    """
    match = _FORM.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 time with its offset")
    # The form was checked, because fromisoformat takes far more (some Pythons 24:00, or an offset of 60 minutes); what
    # it does not take of ours is done by hand.
    if match[4] > "23" or (match[10] or "") > "59":
        return None
    try:
        return _since_epoch(datetime.fromisoformat(text) - _EPOCH)
    except (ValueError, OverflowError):
        return _by_hand(match)


def _since_epoch(time: timedelta) -> int:
    return time.days * _DAY_US + time.seconds * _SECOND_US + time.microseconds


def _by_hand(match: re.Match[str]) -> int | None:
    """Leap seconds, lower-case letters, and instants whose offset carries them out of the calendar."""
    year, month, day, hour, minute, second = (int(match[i]) for i in range(1, 7))
    leap = second == 60
    try:
        instant = datetime(year, month, day, hour, minute, 59 if leap else second, tzinfo=UTC)
    except ValueError:
        return None
    us = _since_epoch(instant - _EPOCH) + int((match[7] or "").ljust(6, "0")[:6]) + leap * _SECOND_US
    if match[8]:
        hours, minutes = int(match[9]), int(match[10])
        if hours > 23 or minutes > 59:
            return None
        offset_us = (hours * 60 + minutes) * _MINUTE_US
        us -= offset_us if match[8] == "+" else -offset_us
    return us
