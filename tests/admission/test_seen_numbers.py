"""The window's bits, against a plain set of numbers."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.one_device import WINDOW
from ingest.seen_numbers import SeenNumbers

steps = st.one_of(
    st.integers(0, 3), st.integers(60, 68), st.integers(WINDOW - 66, WINDOW + 2), st.integers(0, 2 * WINDOW)
)


@settings(max_examples=300, deadline=None)
@given(
    st.integers(-1, 2**40), st.lists(st.tuples(steps, st.lists(st.integers(0, WINDOW - 1), max_size=6)), max_size=12)
)
def test_what_came_is_known_and_what_the_window_passed_is_forgotten(
    highest: int, moves: list[tuple[int, list[int]]]
) -> None:
    numbers = SeenNumbers.none(3)
    slot = np.array([1], np.int32)
    came: set[int] = set()
    for by, behind in moves:
        numbers.move_on(slot, np.array([highest]), np.array([by]))
        highest += by
        new = [highest - back for back in behind if highest >= back]
        numbers.note(np.full(len(new), 1, np.int32), np.array(new, np.int64))
        came = {number for number in came | set(new) if highest - number < WINDOW}
        window = np.arange(max(0, highest - WINDOW + 1), highest + 1)
        known = numbers.came(np.full(len(window), 1, np.int32), window)
        assert set(window[known].tolist()) == came
        assert numbers.of(1) == sum(1 << number % WINDOW for number in came)
        numbers.put(1, numbers.of(1))
    assert numbers.of(0) == numbers.of(2) == 0


@settings(max_examples=300, deadline=None)
@given(st.integers(-1, 2**62), st.sets(st.integers(1, WINDOW)), st.integers(0, WINDOW), st.data())
def test_runs_and_counts_are_those_of_the_set(upto: int, ahead: set[int], longest: int, data: st.DataObject) -> None:
    came = {upto + n for n in ahead | set(range(1, longest + 1))}
    numbers = SeenNumbers.none(2)
    numbers.note(np.full(len(came), 1, np.int32), np.array(sorted(came), np.int64))
    slot = np.array([1, 0], np.int32)
    run = next(n for n in range(WINDOW + 1) if upto + 1 + n not in came)
    assert numbers.run_from(slot, np.array([upto + 1] * 2)).tolist() == [run, 0]
    first = data.draw(st.integers(1, WINDOW))
    count = data.draw(st.integers(0, WINDOW - first + 1))
    expected = sum(upto + first <= n < upto + first + count for n in came)
    assert numbers.many(slot, np.array([upto + first] * 2), np.array([count] * 2)).tolist() == [expected, 0]
