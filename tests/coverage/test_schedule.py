"""D1 and D2 of devices/coverage_schedule.py."""

from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from devices.coverage_policy import Schedule, load_policies
from devices.coverage_schedule import due_between, missed

SCHEDULE = load_policies()["wulong_2022_targets"].schedule
SHANGHAI = ZoneInfo("Asia/Shanghai")


def us(*when: int) -> int:
    return int(datetime(*when, tzinfo=UTC).timestamp()) * 1_000_000  # type: ignore[misc, arg-type]


def test_2022_as_the_plan_has_it() -> None:
    days = [one.day for one in due_between(SCHEDULE, SHANGHAI, us(2022, 1, 1), us(2023, 3, 1))]
    fridays = [date(2022, 1, 14), date(2022, 1, 21), date(2022, 1, 28), date(2022, 2, 4), date(2022, 2, 11)]
    fridays += [date(2022, 2, 18), date(2022, 2, 25), date(2022, 3, 4)]
    assert days == fridays + [date(2022, month, 15) for month in range(3, 13)] + [date(2023, 1, 15), date(2023, 2, 15)]
    first = next(due_between(SCHEDULE, SHANGHAI, us(2022, 1, 1), us(2023, 1, 1)))
    assert first.at_us == us(2022, 1, 14, 4)


instants = st.integers(us(2022, 1, 1) // 10**6, us(2024, 1, 1) // 10**6).map(lambda s: s * 10**6)


@given(instants, instants, instants)
def test_two_looks_find_what_one_finds(a: int, b: int, c: int) -> None:
    first, middle, last = sorted((a, b, c))
    together = list(due_between(SCHEDULE, SHANGHAI, first, last))
    assert together == [
        *due_between(SCHEDULE, SHANGHAI, first, middle),
        *due_between(SCHEDULE, SHANGHAI, middle, last),
    ]
    assert all(first < one.at_us <= last for one in together)


def test_an_hour_that_a_clock_skips_is_the_next_there_is() -> None:
    night = Schedule(
        phase="x", phase_en="x", since=date(2026, 3, 29), until=date(2026, 3, 29), weekday=7, at=time(2, 30)
    )
    (one,) = due_between([night], ZoneInfo("Europe/Berlin"), us(2026, 3, 28), us(2026, 3, 30))
    assert one.at_us == us(2026, 3, 29, 1, 30)


def test_a_run_an_hour_late_was_missed() -> None:
    one = next(due_between(SCHEDULE, SHANGHAI, us(2022, 1, 1), us(2023, 1, 1)))
    assert not missed(one, one.at_us + 3_600_000_000)
    assert missed(one, one.at_us + 3_600_000_001)
