"""The schedule, in virtual time: it neither drifts, nor makes up, nor starves."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.modbus_schedule import PollCounts, Schedule

stations = st.lists(
    st.tuples(st.integers(50_000, 2_000_000), st.integers(0, 2_000_000)), min_size=1, max_size=12
)  # (interval, first time)


def run(spec, takes_us, until_us):
    """Poll one after the other, each taking `takes_us(key)`. Returns {key: begin times}, the schedule."""
    schedule: Schedule[int] = Schedule(PollCounts())
    for key, (interval_us, first_us) in enumerate(spec):
        schedule.add(key, interval_us, first_us)
    begun: dict[int, list[int]] = {key: [] for key in range(len(spec))}
    now_us = 0
    while now_us < until_us:
        key = schedule.take(now_us)
        if key is None:
            following = schedule.next_us()
            assert following is not None
            assert following > now_us
            now_us = following
            continue
        schedule.begun(key, now_us)
        begun[key].append(now_us)
        now_us += takes_us(key)
        schedule.free(key)
    return begun, schedule


@given(stations)
def test_with_time_to_spare_every_poll_begins_on_its_grid(spec):
    begun, schedule = run(spec, lambda _: 0, 6_000_000)
    for key, (interval_us, first_us) in enumerate(spec):
        assert begun[key] == list(range(first_us, 6_000_000, interval_us))
    assert schedule.counts.due == schedule.counts.on_schedule == sum(map(len, begun.values()))


@given(stations, st.integers(1_000, 700_000), st.integers(0, 11))
def test_a_slow_station_neither_starves_the_others_nor_makes_them_drift(spec, slow_us, which):
    slow = which % len(spec)
    begun, schedule = run(spec, lambda key: slow_us if key == slow else 1_000, 12_000_000)
    for key, (interval_us, first_us) in enumerate(spec):
        # Served again after its own interval, the poll in flight then, and one of everybody whose time came before.
        most_us = interval_us + 2 * slow_us + 1_000 * len(spec)
        times = [first_us, *begun[key], 12_000_000]
        assert all(later - earlier <= most_us for earlier, later in itertools.pairwise(times))
        # Never twice for one grid time, never before one.
        grid = [(at - first_us) // interval_us for at in begun[key]]
        assert grid == sorted(set(grid))
        assert all(at >= first_us for at in begun[key])
        assert schedule.counts.due >= schedule.counts.on_schedule
    passed = sum((12_000_000 - first_us) // interval_us for interval_us, first_us in spec)
    assert schedule.counts.due <= passed + len(spec)


@given(stations, st.integers(0, 3_000_000))
def test_a_hastened_station_is_read_in_between_and_its_grid_stays(spec, at_us):
    schedule: Schedule[int] = Schedule()
    for key, (interval_us, first_us) in enumerate(spec):
        schedule.add(key, interval_us, first_us)
    schedule.hasten(0, at_us)
    interval_us, first_us = spec[0]
    begun = []
    now_us = 0
    while now_us < 5_000_000:
        key = schedule.take(now_us)
        if key is None:
            now_us = schedule.next_us() or 5_000_000
            continue
        schedule.begun(key, now_us)
        if key == 0:
            begun.append(now_us)
        schedule.free(key)
    # Its first poll comes by that time, and the others on the grid.
    assert begun == sorted({min(at_us, first_us), *range(first_us, 5_000_000, interval_us)})


@settings(max_examples=50)
@given(st.integers(1, 5))
def test_hastened_stations_take_at_most_every_second_turn(many):
    schedule: Schedule[int] = Schedule()
    for key in range(many):
        schedule.add(key, 1_000_000, 0)
    schedule.add(99, 1_000_000, 5_000_000)
    order = []
    for _ in range(2 * many):
        schedule.hasten(99, 1)
        key = schedule.take(1)
        assert key is not None
        schedule.begun(key, 1)
        order.append(key)
        schedule.free(key)
    assert [key == 99 for key in order] == [True, False] * many


def test_a_taken_station_is_not_given_twice_and_one_that_left_never():
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 100, 0)
    schedule.add("b", 100, 50)
    assert schedule.take(1_000) == "a"
    assert not schedule.take_now("a", 1_000)
    assert schedule.take(1_000) == "b"
    assert schedule.take(10_000) is None
    assert schedule.next_us() is None
    schedule.drop("b")
    schedule.free("b")
    assert schedule.next_us() is None
    schedule.free("a")
    assert schedule.take(10_000) == "a"


def test_times_that_passed_are_counted_as_due_and_not_made_up():
    schedule: Schedule[str] = Schedule()
    schedule.add("a", 100_000, 0)
    assert schedule.take(1_030_000) == "a"
    schedule.begun("a", 1_030_000)
    schedule.free("a")
    assert (schedule.counts.due, schedule.counts.on_schedule) == (11, 0)
    assert schedule.next_us() == 1_100_000
    schedule.put_off("a")
    assert schedule.next_us() == 1_200_000
    assert schedule.take(1_240_000) == "a"
    schedule.begun("a", 1_240_000)
    assert (schedule.counts.due, schedule.counts.on_schedule) == (12, 1)
