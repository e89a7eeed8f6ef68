"""Small things that refusals and notes say: times, blanks, places in a sentence."""

from datetime import UTC, datetime

MICROSECONDS = 1_000_000
#: How much a person may say at once, in characters. Source: product choice.
LONGEST_TEXT = 2_000
#: The last second that has a date here: the end of year 9999.
_LAST_SECOND = 253_402_300_799


def clock(us: int) -> str:
    """A time in microseconds UTC as people read it, to the second: 2026-06-01 12:00:00 UTC."""
    second = min(max(us // MICROSECONDS, 0), _LAST_SECOND)
    return f"{datetime.fromtimestamp(second, UTC):%Y-%m-%d %H:%M:%S} UTC"


def is_blank(text: str) -> bool:
    return not text.strip()


def too_long(text: str) -> str:
    """Why a text is not taken, or empty."""
    return "" if len(text) <= LONGEST_TEXT else f"it is {len(text)} characters long; say it in {LONGEST_TEXT}"
