"""Which shut-offs wait, found quickly: as a plain list of them says, whatever came and went."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from devices.commands import Verb
from rules.interlock.waiting import Line, Turn, Waiting
from rules.stepping.standing import Held

LINES = (Line("gas", False), Line("gas", True), Line("co", False), Line("gas", False, unheard=True))


def held(rule: str, valve: int, detector: int) -> Held:
    return Held(rule, valve, detector, "alarm", 0, 0.0, verb=Verb.CLOSE)


def same(waiting: Waiting, plain: dict[tuple[str, int], tuple[Line, Held, Turn]]) -> None:
    """Everything that can be asked."""
    for line in LINES:
        mine = sorted((turn, one) for there, one, turn in plain.values() if there == line)
        assert waiting.many(line) == len(mine)
        assert waiting.worst(line) is (mine[0][1] if mine else None)
    assert waiting.lines() == sorted({line for line, _, _ in plain.values()})
    for detector in range(6):
        assert waiting.of_detector(detector) == sorted(
            key for key, (_, one, _) in plain.items() if one.detector == detector
        )


@given(st.integers(0, 2**32))
def test_what_waits_is_what_was_put_and_not_taken_the_worst_first(seed: int) -> None:
    drawn, waiting = random.Random(seed), Waiting()
    plain: dict[tuple[str, int], tuple[Line, Held, Turn]] = {}
    for serial in range(drawn.randint(1, 60)):
        line, valve = drawn.choice(LINES), drawn.randrange(6)
        key = (line.rule, valve)
        if drawn.random() < 0.35:
            waiting.take(key)
            plain.pop(key, None)
        else:
            one, turn = held(line.rule, valve, drawn.randrange(6)), Turn(drawn.choice((-2.0, 0.0, 5.5)), serial, valve)
            waiting.put(line, one, turn)
            plain[key] = (line, one, turn)
        same(waiting, plain)


@settings(max_examples=20)
@given(st.integers(0, 2**32))
def test_a_thousand_words_about_the_same_few_leave_the_last_of_each_and_no_heap_of_old_ones(seed: int) -> None:
    drawn, waiting, line = random.Random(seed), Waiting(), LINES[0]
    plain: dict[tuple[str, int], tuple[Line, Held, Turn]] = {}
    for n in range(1_000):
        valve = drawn.randrange(30)
        one, turn = held("gas", valve, n % 5), Turn(float(drawn.randrange(40)), n % 5, valve)
        waiting.put(line, one, turn)
        plain["gas", valve] = (line, one, turn)
        assert len(waiting._queues[line]) <= 2 * len(plain) + 64
    while (worst := waiting.worst(line)) is not None:
        assert worst is min(plain.values(), key=lambda found: found[2])[1]
        waiting.take(("gas", worst.valve))
        del plain["gas", worst.valve]
    assert not plain
    assert not waiting._by_detector
