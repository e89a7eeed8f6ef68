"""Times as text."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.codecs.rfc3339 import microseconds

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


# A day inside the calendar at both ends, because an offset moves a time by up to one.
@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets))  # noqa: DTZ001 - naive bounds
def test_any_time_of_any_offset_is_read_to_the_microsecond(time: datetime) -> None:
    expected = (time - EPOCH) // timedelta(microseconds=1)
    assert microseconds(time.isoformat()) == expected
    # Lower case takes the way that is done by hand.
    assert microseconds(time.astimezone(UTC).isoformat().lower().replace("+00:00", "z")) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01.5z", 1_500_000),
        ("1970-01-01 00:00:00.0000019Z", 1),
        ("1969-12-31T23:59:59-00:00", -1_000_000),
        ("0001-01-01T00:00:00+23:59", -62_135_596_800_000_000 - 86_340_000_000),
        ("9999-12-31T23:59:59-23:59", 253_402_300_799_000_000 + 86_340_000_000),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000_000),
        ("2016-12-31T23:59:60.25+00:00", 1_483_228_800_250_000),
    ],
)
def test_the_forms_of_rfc_3339_are_read(text: str, expected: int) -> None:
    assert microseconds(text) == expected


@pytest.mark.parametrize(
    "text",
    ["0000-00-00T00:00:00Z", "2025-02-29T00:00:00Z", "2025-13-01T00:00:00Z", "2025-01-01T24:00:00Z",
     "2025-01-01T00:00:61Z", "2025-01-01T00:00:00+24:00", "2025-01-01T00:00:00-00:60"],
)  # fmt: skip
def test_a_clock_that_names_no_instant_is_told_from_what_is_no_time(text: str) -> None:
    assert microseconds(text) is None


@pytest.mark.parametrize(
    "text",
    ["", "now", "2025-01-01", "2025-01-01T00:00:00", "2025-01-01T00:00Z", "20250101T000000Z", "2025-W01-1T00:00:00Z",
     "2025-01-01T00:00:00,5Z", "2025-01-01T00:00:00.Z", "2025-01-01T00:00:00+0800", " 2025-01-01T00:00:00Z",
     "2025-01-01T00:00:00Z\n", "\u0662025-01-01T00:00:00Z", "1e9", "2025-01-01T00:00:00." + "1" * 13 + "Z"],
)  # fmt: skip
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="RFC 3339"):
        microseconds(text)
