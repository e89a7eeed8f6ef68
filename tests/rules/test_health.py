"""How well an alarm system serves its desks: EEMUA 191 and ISA-18.2, by worked examples and against plain counting."""

import dataclasses
import random
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rules.decisions import AlarmState, Change, Priority
from rules.health.events import RAISED, AlarmEvents, AlarmWords, events_of
from rules.health.health import (
    BadActor,
    Chatter,
    Flood,
    Health,
    Share,
    Stale,
    health,
)

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR
BEGIN = 1_780_315_200_000_000
Row = tuple[int, str, str, Priority, bool, bool]


def columns(rows: Sequence[Row]) -> AlarmEvents:
    queues, sources = tuple({row[1]: 0 for row in rows}), tuple({row[2]: 0 for row in rows})
    return AlarmEvents(
        at=np.array([row[0] for row in rows], np.int64),
        queue=np.array([queues.index(row[1]) for row in rows], np.int32),
        source=np.array([sources.index(row[2]) for row in rows], np.int32),
        priority=np.array([row[3] for row in rows], np.uint8),
        active=np.array([row[4] for row in rows], np.bool_),
        shown=np.array([row[5] for row in rows], np.bool_),
        queues=queues,
        sources=sources,
    )


def alarm(minute: float, source: str = "gas at a1", queue: str = "north", priority: Priority = Priority.LOW) -> Row:
    return (BEGIN + round(minute * MINUTE), queue, source, priority, True, True)


def gone(minute: float, source: str = "gas at a1", queue: str = "north") -> Row:
    return (BEGIN + round(minute * MINUTE), queue, source, Priority.LOW, False, False)


def of(rows: Sequence[Row], hours: float = 1) -> Health:
    return health(columns(rows), BEGIN, BEGIN + round(hours * HOUR))


# ---- rates and floods -----------------------------------------------------------------------------------------------


def test_a_period_without_alarms_has_no_rate_and_no_queue() -> None:
    found = of([])
    assert (found.alarms, found.queues, found.bad_actors_pct) == (0, (), 0.0)
    assert [share.alarms for share in found.priorities] == [0, 0, 0]


def test_the_rate_is_told_per_ten_minutes_and_per_queue() -> None:
    found = of([alarm(1), alarm(2), alarm(25), alarm(59, queue="south")])
    north, south = found.queues
    assert (north.name, north.alarms, north.average, north.peak, north.peak_at) == ("north", 3, 0.5, 2, BEGIN)
    assert north.busy_pct == pytest.approx(100 / 6)
    assert (south.alarms, south.peak, south.peak_at, south.busy_pct) == (1, 1, BEGIN + 50 * MINUTE, 0)
    assert found.alarms == 4


def test_more_than_ten_in_ten_minutes_is_a_flood_and_ten_is_none() -> None:
    assert of([alarm(number * 0.9) for number in range(10)]).queues[0].floods == ()
    (north,) = of([alarm(10 + number * 0.9) for number in range(11)]).queues
    assert north.floods == (Flood(BEGIN + 10 * MINUTE, BEGIN + 20 * MINUTE, 11, 11),)
    assert north.flood_pct == pytest.approx(100 / 6)


def test_a_flood_lasts_until_fewer_than_five_come_in_ten_minutes() -> None:
    many = {0: 11, 1: 5, 2: 20, 3: 4, 4: 11}
    rows = [alarm(10 * slot + number / 10) for slot, count in many.items() for number in range(count)]
    (north,) = of(rows).queues
    assert north.floods == (
        Flood(BEGIN, BEGIN + 30 * MINUTE, 36, 20),
        Flood(BEGIN + 40 * MINUTE, BEGIN + 50 * MINUTE, 11, 11),
    )
    assert (north.peak, north.peak_at) == (20, BEGIN + 20 * MINUTE)
    assert north.flood_pct == pytest.approx(400 / 6)


def test_a_quiet_interval_ends_a_flood_and_so_does_the_end_of_the_period() -> None:
    rows = [alarm(number / 10) for number in range(11)] + [alarm(20 + number / 10) for number in range(6)]
    assert [(one.begin, one.end) for one in of(rows).queues[0].floods] == [(BEGIN, BEGIN + 10 * MINUTE)]
    (flood,) = of([alarm(60 + number / 10) for number in range(11)], 65 / 60).queues[0].floods
    assert flood.end == BEGIN + 65 * MINUTE


def test_two_desks_with_half_a_flood_each_have_none() -> None:
    rows = [alarm(number / 2, queue="north" if number % 2 else "south") for number in range(20)]
    assert [queue.floods for queue in of(rows).queues] == [(), ()]


# ---- chattering, stale, bad actors, mix -----------------------------------------------------------------------------


def test_three_changes_within_a_minute_are_chattering() -> None:
    rows = [alarm(0), gone(0.5), alarm(1)]
    assert of(rows).chattering == (Chatter("gas at a1", 1, 3),)
    assert of([alarm(0), gone(0.5), alarm(1 + 1 / MINUTE)]).chattering == ()
    assert of([alarm(0), alarm(0.2), alarm(0.4), gone(0.5)]).chattering == ()
    assert of([alarm(0), gone(0.2, "b"), alarm(0.4, "c")]).chattering == ()


def test_chattering_that_pauses_is_two_stretches_and_the_worst_is_first() -> None:
    once = [alarm(0, "b"), gone(0.1, "b"), alarm(0.2, "b"), gone(0.3, "b"), alarm(0.4, "b")]
    twice = [row for start in (0, 10) for row in (alarm(start), gone(start + 0.1), alarm(start + 0.2), gone(start + 5))]
    assert of(once + twice).chattering == (Chatter("gas at a1", 2, 3), Chatter("b", 1, 5))


def test_an_alarm_that_is_active_for_more_than_a_day_is_stale() -> None:
    rows = [alarm(0), alarm(1, "b"), gone(2, "b"), alarm(3, "b"), alarm(0, "c"), gone(60, "c")]
    assert of(rows, 24).stale == ()
    assert of(rows, 24 + 1 / 60).stale == (Stale("gas at a1", BEGIN),)
    assert of(rows, 48).stale == (Stale("gas at a1", BEGIN), Stale("b", BEGIN + 3 * MINUTE))


def test_what_was_active_before_the_period_is_stale_in_it_and_counts_as_no_alarm_of_it() -> None:
    found = of([alarm(-24 * 60)])
    assert (found.alarms, found.stale) == (0, (Stale("gas at a1", BEGIN - DAY),))


def test_the_ten_most_frequent_are_named_with_their_share() -> None:
    rows = [alarm(number / 10, f"s{source:02}") for source in range(12) for number in range(source + 1)]
    found = of(rows)
    assert len(found.bad_actors) == 10
    assert found.bad_actors[:2] == (BadActor("s11", 12, 1200 / 78), BadActor("s10", 11, 1100 / 78))
    assert found.bad_actors_pct == pytest.approx(7500 / 78)


def test_of_equally_frequent_ones_the_first_by_name_is_first() -> None:
    assert [one.source for one in of([alarm(1, "b"), alarm(2, "a")]).bad_actors] == ["a", "b"]


def test_the_mix_of_priorities_stands_beside_what_it_should_be() -> None:
    mix = {Priority.CRITICAL: 1, Priority.HIGH: 2, Priority.MEDIUM: 3, Priority.LOW: 14}
    rows = [alarm(number, priority=priority) for priority, many in mix.items() for number in range(many)]
    assert of(rows).priorities == (
        Share("critical and high", 3, 15.0, 5.0),
        Share("medium", 3, 15.0, 15.0),
        Share("low", 14, 70.0, 80.0),
    )


def test_what_comes_at_the_end_of_the_period_is_not_in_it_and_at_its_beginning_is() -> None:
    found = of([alarm(0), alarm(60)])
    assert found.alarms == 1


def test_an_empty_period_and_columns_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="the period is empty"):
        health(columns([]), BEGIN, BEGIN)
    events = columns([alarm(1)])
    with pytest.raises(ValueError, match="different lengths"):
        health(dataclasses.replace(events, at=np.zeros(2, np.int64)), BEGIN, BEGIN + HOUR)


# ---- against plain counting -----------------------------------------------------------------------------------------

EVENT = st.tuples(
    st.integers(-3 * MINUTE, 75 * MINUTE).map(lambda us: BEGIN + us),
    st.sampled_from(("north", "south")),
    st.sampled_from("abc"),
    st.sampled_from(Priority),
    st.booleans(),
    st.booleans(),
)


@given(st.lists(EVENT, max_size=80, unique_by=lambda row: row[0]), st.integers(0, 100))
def test_the_figures_are_what_plain_counting_gives_in_any_order(rows: list[Row], seed: int) -> None:
    found = of(rows)
    shuffled = random.Random(seed).sample(rows, len(rows))
    again = health(dataclasses.replace(columns(shuffled)), BEGIN, BEGIN + HOUR)
    assert again == found
    inside = [row for row in sorted(rows) if BEGIN <= row[0] < BEGIN + HOUR]
    shown = [row for row in inside if row[5]]
    assert found.alarms == len(shown)
    for queue in found.queues:
        slots = Counter((row[0] - BEGIN) // (10 * MINUTE) for row in shown if row[1] == queue.name)
        assert queue.alarms == sum(slots.values())
        assert queue.peak == max(slots.values(), default=0)
        assert sum(flood.alarms for flood in queue.floods) <= queue.alarms
        assert all(flood.peak > 10 for flood in queue.floods)
    assert {one.source for one in found.chattering} == chattering(inside)
    assert {one.source: one.alarms for one in found.bad_actors} == Counter(row[2] for row in shown)


def chattering(rows: list[Row]) -> set[str]:
    changes: dict[str, list[int]] = defaultdict(list)
    state: dict[str, bool] = {}
    for row in rows:
        if state.get(row[2]) is not row[4]:
            changes[row[2]].append(row[0])
        state[row[2]] = row[4]
    return {name for name, ats in changes.items() if any(c - a <= MINUTE for a, c in zip(ats, ats[2:], strict=False))}


# ---- from what was told ---------------------------------------------------------------------------------------------

S = AlarmState
TOLD = [
    (RAISED, S.UNACKNOWLEDGED, False, (True, True)),
    (RAISED, S.RETURNED_UNACKNOWLEDGED, False, (False, True)),  # late
    (RAISED, S.SHELVED, False, (True, False)),
    (RAISED, S.SUPPRESSED, False, (True, False)),
    (RAISED, S.UNACKNOWLEDGED, True, None),
    (Change.REALARMED, S.UNACKNOWLEDGED, False, (True, True)),
    (Change.REALARMED, S.OUT_OF_SERVICE, False, (True, False)),
    (Change.RETURNED, S.RETURNED_UNACKNOWLEDGED, False, (False, False)),
    (Change.RETURNED, S.SHELVED, False, (False, False)),
    (Change.REMOVED, S.NORMAL, False, (False, False)),
    (Change.ACKNOWLEDGED, S.ACKNOWLEDGED, False, None),
    (Change.NOTED, S.UNACKNOWLEDGED, False, None),
    (Change.SHELVED, S.SHELVED, False, None),
    (Change.UNSHELVED, S.UNACKNOWLEDGED, False, (True, True)),
    (Change.UNSHELVED, S.ACKNOWLEDGED, False, None),
    (Change.UNSUPPRESSED, S.LATCHED_UNACKNOWLEDGED, False, (False, True)),
    (Change.IN_SERVICE, S.SHELVED, False, None),
    (Change.TRIED, S.UNACKNOWLEDGED, False, (True, True)),
    (Change.RESET, S.NORMAL, False, None),
]


@pytest.mark.parametrize(("change", "state", "trial", "expected"), TOLD)
def test_what_was_told_says_what_is_active_and_what_came_into_the_list(
    change: str, state: AlarmState, trial: bool, expected: tuple[bool, bool] | None
) -> None:
    told = AlarmWords(
        at=np.array([BEGIN]),
        queue=np.zeros(1, np.int32),
        source=np.zeros(1, np.int32),
        priority=np.array([Priority.HIGH], np.uint8),
        change=np.array([1], np.int32),
        state=np.array([state], np.uint8),
        trial=np.array([trial]),
        queues=("north",),
        sources=("gas at a1",),
        changes=("else", change),
    )
    found = events_of(told)
    assert list(zip(found.active.tolist(), found.shown.tolist(), strict=True)) == (
        [] if expected is None else [expected]
    )


def test_nothing_told_is_no_event() -> None:
    nothing = np.zeros(0, np.int32)
    told = AlarmWords(*(nothing,) * 7, queues=(), sources=(), changes=())  # type: ignore[arg-type]
    assert len(events_of(told).at) == 0
