"""A rule with a schedule looks by the clock on the wall: over midnight, over a change of clocks, in any zone."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.documents.document import Schedule
from rules.documents.schedule import DAYS, clock_us, inside, is_zone

ZONES = (
    *("Asia/Shanghai", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"),
    *("Africa/Casablanca", "America/St_Johns", "Pacific/Apia", "UTC"),
)


def us(at: datetime) -> int:
    return round(at.timestamp()) * 1_000_000


def at(text: str, zone: str, fold: int = 0) -> int:
    return us(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold))


def looks(schedule: Schedule, zone: str, *instants: int) -> list[bool]:
    return inside(schedule, zone, np.array(instants, np.int64)).tolist()


def naive(schedule: Schedule, zone: str, ts_us: int) -> bool:
    """The same by the calendar of the standard library, one instant at a time."""
    here = datetime.fromtimestamp(ts_us // 1_000_000, ZoneInfo(schedule.timezone or zone))
    clock = f"{here:%H:%M}"
    today, yesterday = DAYS[here.weekday()], DAYS[(here.weekday() - 1) % 7]
    if schedule.from_ < schedule.until:
        return today in schedule.days and schedule.from_ <= clock < schedule.until
    return (today in schedule.days and clock >= schedule.from_) or (
        yesterday in schedule.days and clock < schedule.until
    )


def test_a_stretch_begins_with_its_first_minute_and_ends_before_its_last() -> None:
    day = Schedule("09:00", "17:30", ("fri",))
    zone = "Asia/Shanghai"
    when = [f"2026-11-20T{t}" for t in ("08:59:59", "09:00", "17:29:59", "17:30")] + ["2026-11-21T12:00"]
    assert looks(day, zone, *(at(text, zone) for text in when)) == [False, True, True, False, False]


def test_a_stretch_past_midnight_belongs_to_the_day_on_which_it_began() -> None:
    night = Schedule("22:00", "06:00", ("fri",))
    when = ["2026-11-20T05:00", "2026-11-20T22:00", "2026-11-21T05:59:59", "2026-11-21T06:00", "2026-11-21T23:00"]
    assert looks(night, "Asia/Shanghai", *(at(text, "Asia/Shanghai") for text in when)) == [
        *(False, True, True, False, False)
    ]


def test_a_stretch_that_ends_when_it_begins_is_the_whole_day() -> None:
    whole = Schedule("00:00", "00:00")
    assert looks(whole, "UTC", at("2026-11-20T00:00", "UTC"), at("2026-11-20T23:59:59", "UTC")) == [True, True]


def test_its_own_time_zone_goes_before_that_of_the_site() -> None:
    morning = Schedule("06:00", "08:00", timezone="Asia/Shanghai")
    assert looks(morning, "America/New_York", at("2026-11-20T07:00", "Asia/Shanghai")) == [True]
    assert looks(morning, "Asia/Shanghai", at("2026-11-20T07:00", "America/New_York")) == [False]


def test_an_hour_that_comes_twice_is_inside_twice_and_one_that_is_left_out_is_not_missed() -> None:
    berlin, small = "Europe/Berlin", Schedule("02:15", "02:45")
    twice = [at("2026-10-25T02:30", berlin, fold) for fold in (0, 1)]
    assert twice[1] - twice[0] == 3_600_000_000
    assert looks(small, berlin, *twice) == [True, True]
    early = Schedule("02:30", "04:00")  # 02:00 to 03:00 does not exist on 29 March 2026
    assert looks(early, berlin, us(datetime(2026, 3, 29, 0, 59, tzinfo=UTC))) == [False]
    assert looks(early, berlin, us(datetime(2026, 3, 29, 1, 0, tzinfo=UTC))) == [True]


def test_a_zone_that_nobody_knows_makes_a_rule_look_always() -> None:
    assert looks(Schedule("02:00", "02:01"), "Mars/Olympus", 0, us(datetime(2026, 1, 1, tzinfo=UTC))) == [True, True]


@pytest.mark.parametrize("name", ["", "Europe", "../etc/passwd", "/etc/passwd", "mars", "Europe/Berlin\0"])
def test_what_is_no_zone_is_told_from_one(name: str) -> None:
    assert not is_zone(name)
    assert is_zone("Europe/Berlin")


@pytest.mark.parametrize("text", ["", "24:00", "9:00", "09:60", "09:00:00", "noon", "-1:00"])
def test_what_is_no_time_of_day_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time of day, 00:00 to 23:59"):
        clock_us(text)


minutes = st.builds("{:02d}:{:02d}".format, st.integers(0, 23), st.integers(0, 59))
instants = st.integers(us(datetime(1990, 1, 1, tzinfo=UTC)), us(datetime(2037, 12, 31, tzinfo=UTC)))
schedules = st.builds(Schedule, minutes, minutes, st.lists(st.sampled_from(DAYS), unique=True).map(tuple))


@settings(max_examples=300, deadline=None)
@given(schedules, st.sampled_from(ZONES), st.lists(instants, max_size=8))
def test_it_says_what_the_calendar_says(schedule: Schedule, zone: str, ts: list[int]) -> None:
    assert looks(schedule, zone, *ts) == [naive(schedule, zone, one) for one in ts]


@settings(max_examples=100, deadline=None)
@given(schedules, st.sampled_from(ZONES), st.integers(1990, 2036), st.integers(0, 365 * 24 - 30))
def test_every_minute_around_a_change_of_clocks_is_judged_as_the_calendar_does(
    schedule: Schedule, zone: str, year: int, hour: int
) -> None:
    begins = datetime(year, 1, 1, tzinfo=UTC) + timedelta(hours=hour)
    ts = [us(begins + timedelta(minutes=17 * n)) for n in range(100)]
    assert looks(schedule, zone, *ts) == [naive(schedule, zone, one) for one in ts]
