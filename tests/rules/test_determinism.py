"""G5: the same inputs give the same decisions, however they are cut into steps, and whoever computes them.

A random history is made by letting the reference live through random moves (so that acknowledgements and replies are
about alarms and commands that exist). The engine must then decide the same, in any number of steps, with clock ticks
anywhere, and when it is frozen to bytes and thawed at any point. DAVY_TEST_EXAMPLES says on how many cases each
property is tried.
"""

import os
import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import build_fleet
from devices.quantities import Flag, Quality, ValvePosition
from devices.readings import Batch, Rows, blank
from rules.decisions import AlarmState, Answered, Decision
from rules.events import (
    AttemptAcknowledged,
    AttemptFailed,
    AttemptSent,
    Connected,
    Event,
    LinkDown,
    LinkUp,
    Listening,
    Paused,
    ReadingsComplete,
    ReadingsMissing,
    Replied,
    Resumed,
    SessionLost,
)
from rules.instructions import Acknowledge, CancelClose, CloseValve, Reset
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.reference import Reference
from tests.rules.world import NUMBERS, OF_A_CLOSING, OF_THE_WAY_IN, SECOND, T0, at, pack, reading, registry

#: How many random cases each property is tried on; 0: a quick number.
EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))
CLOSES = 'applies_to = ["detector"]\naction = "close"\n'
RULES = pack(
    CLOSES + 'flags = ["low_alarm"]\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\nhold_s = 7',
    CLOSES + 'flags = ["high_alarm", "tamper"]\nquantity = "combustible_lel"\nat_or_above = 50\nclear_below = 45\n'
    "latch = true\nclear_hold_s = 3",
    CLOSES + 'flags = ["co_alarm"]',
    'kind = "quality"\nflags = ["fault"]\nhold_s = 4\nclear_hold_s = 2',
    'quantity = "battery_pct"\nat_or_below = 10\nclear_above = 15\nlatch = true',
    'kind = "silence"\npriority = "medium"',
    'flags = ["mains_loss"]\nclear_hold_s = 5',
    *OF_A_CLOSING,
    *OF_THE_WAY_IN,
)
FLEET = build_fleet(registry())
VALVES = ("v1", "v2", "m1", "z1", "z1", "s1", "sv")
POSITIONS = (*(ValvePosition.CLOSED,) * 6, *(ValvePosition.OPEN,) * 4, *ValvePosition)
LEL = (0.0, 14.9, 15.0, 19.9, 20.0, 44.9, 49.0, 50.0, 80.0, float("nan"))
FLAGS = (
    *(Flag(0),) * 6,
    *(Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.CO_ALARM | Flag.TAMPER, Flag.FAULT, Flag.WARM_UP, Flag.MAINS_LOSS),
    *(Flag.LOW_ALARM | Flag.WARM_UP, Flag.TAMPER | Flag.LOW_ALARM),
)


class Moment(NamedTuple):
    """What came in at one time: events, then readings."""

    now: int
    events: tuple[Event, ...]
    rows: Rows


def random_reading(rng: random.Random, t: float) -> Rows:
    late = rng.random() < 0.15
    ts_s = t - rng.choice((0, 0, 0, 0.5, 2, 9, 75, -3)) - (30 if late else 0)
    flags = rng.choice(FLAGS) | (Flag.LATE if late else Flag(0)) | (Flag.STALE if rng.random() < 0.1 else Flag(0))
    if rng.random() < 0.4:
        name = rng.choice(VALVES)
        return reading(name, t, ts_s=ts_s, flags=flags & ~Flag.TAMPER, valve=rng.choice(POSITIONS))
    name = rng.choice(("d1", "d1", "d2", "d3", "d4", "d5", "sd", "g1"))
    quality = {"combustible_lel": rng.choice(list(Quality))} if rng.random() < 0.2 else {}
    lel, battery = rng.choice(LEL), rng.choice((5.0, 10.0, 12.0, 50.0))
    return reading(name, t, ts_s=ts_s, flags=flags, quality=quality, combustible_lel=lel, battery_pct=battery)


def random_event(rng: random.Random, now: int, model: Reference) -> Event:
    alarms = [cell.alarm for cell in model.cells.values() if cell.state] + ["no such alarm"]
    commands = [attempt.command for want in model.wants.values() for attempt in want.tries[-3:]] + ["no such command"]
    wanted = [want.wanted for want in model.wants.values()] + ["no such wanted position"]
    valve = NUMBERS[rng.choice((*VALVES, "d1"))]
    command = rng.choice(commands)
    moves: tuple[Event, ...] = (
        Acknowledge(at=now, id=f"{now}", by="li", alarm=rng.choice(alarms), comment="seen"),
        Acknowledge(at=now, id=f"{now}", by="wang", alarm=rng.choice(alarms)),
        Reset(at=now, id=f"{now}", by="li", alarm=rng.choice(alarms)),
        CloseValve(at=now, id=f"{now}", by="li", device_no=valve, reason="by hand"),
        CancelClose(at=now, id=f"{now}", by="li", wanted=rng.choice(wanted), reason="works on site"),
        Connected(at=now, device_no=valve),
        *(AttemptSent(at=now, command=command) for _ in range(4)),
        AttemptFailed(at=now, command=command, reason="not connected"),
        AttemptAcknowledged(at=now, command=command),
        Replied(at=now, command=command, device_no=valve, valve=rng.choice(POSITIONS)),
    )
    return rng.choice(moves) if rng.random() < 0.8 else random_word_of_the_way_in(rng, now)


def random_word_of_the_way_in(rng: random.Random, now: int) -> Event:
    whose = rng.choice((*(NUMBERS["g1"],) * 4, NUMBERS["d1"], NUMBERS["z1"], 999, -1))
    words: tuple[Event, ...] = (
        LinkDown(at=now, device_no=whose, reason=rng.choice(("no route to host", "refused"))),
        LinkUp(at=now, device_no=whose),
        SessionLost(at=now, device_no=whose, reason="the broker began a new session"),
        ReadingsMissing(at=now, device_no=whose, boot=3, first=120, many=rng.choice((1, 7))),
        ReadingsComplete(at=now, device_no=whose, lost=rng.choice((0, 1, 7))),
    )
    return rng.choice(words)


def random_history(seed: int, moments: int) -> tuple[list[Moment], list[list[Decision]]]:
    """Moments, and what the reference decided at each."""
    return random_life(seed, moments)[:2]


def random_life(seed: int, moments: int) -> tuple[list[Moment], list[list[Decision]], Reference]:
    """Moments, what the reference decided at each, and the reference as it is then."""
    rng = random.Random(seed)
    model = Reference(FLEET, RULES, T0)
    history: list[Moment] = []
    decided: list[list[Decision]] = []
    t = 0.0
    for _ in range(moments):
        t += rng.choice((0.001, 0.5, 1, 1, 2, 3, 7, 29.5, 150, 200))
        events = [random_event(rng, at(t), model) for _ in range(rng.choice((0, 0, 0, 1, 1, 2)))]
        if rng.random() < 0.03:
            t += 500
            events = [Resumed(at=at(t), down_us=500 * SECOND)]
        elif rng.random() < 0.04:
            events.append(rng.choice((Paused(at=at(t)), Listening(at=at(t)))))
        rows = [random_reading(rng, t) for _ in range(rng.choice((0, 1, 1, 2, 5, 20)))]
        moment = Moment(at(t), tuple(events), np.concatenate(rows) if rows else blank(0))
        history.append(moment)
        decided.append(model.step(moment.rows, FLEET.slots(moment.rows["device_no"]).tolist(), events, moment.now))
    return history, decided, model


def run(state: State, moments: Sequence[Moment], now: int) -> list[Decision]:
    rows = np.concatenate([moment.rows for moment in moments]) if moments else blank(0)
    events = [event for moment in moments for event in moment.events]
    return step(state, Batch(rows, FLEET.slots(rows["device_no"])), events, now)


def plain(decided: Sequence[Decision]) -> list[Decision]:
    """Without the words of a refusal, which are for people."""
    return [msgspec.structs.replace(d, reason="") if isinstance(d, Answered) else d for d in decided]


def first_difference(left: Sequence[Decision], right: Sequence[Decision]) -> str:
    for n, (one, other) in enumerate(zip([*left, None], [*right, None], strict=False)):
        if one != other:
            return f"decision {n}:\n  {one}\n  {other}"
    return ""


@settings(max_examples=EXAMPLES or 40, deadline=None)
@given(st.integers(0, 2**32))
def test_the_vectorised_engine_decides_what_the_naive_reference_decides(seed: int) -> None:
    history, expected = random_history(seed, 40)
    state = State.initial(FLEET, RULES, T0)
    for moment, decisions in zip(history, expected, strict=True):
        assert not first_difference(plain(run(state, [moment], moment.now)), plain(decisions))


@settings(max_examples=EXAMPLES or 20, deadline=None)
@given(st.integers(0, 2**32))
def test_what_open_alarms_say_is_what_the_naive_reference_says(seed: int) -> None:
    history, _, model = random_life(seed, 60)
    state = State.initial(FLEET, RULES, T0)
    run(state, history, history[-1].now)
    said = {
        cell.alarm: (cell.note, cell.expected, cell.unsaid)
        for cell in model.cells.values()
        if cell.state is not AlarmState.NORMAL
    }
    assert {alarm.alarm: (alarm.note, alarm.expected, alarm.unsaid) for alarm in state.alarms()} == said


@settings(max_examples=EXAMPLES or 40, deadline=None)
@given(st.integers(0, 2**32))
def test_any_way_of_cutting_a_history_into_steps_gives_the_same_decisions_and_state(seed: int) -> None:
    cuts = random.Random(seed + 1)
    history, expected = random_history(seed, 40)
    end = history[-1].now
    whole = State.initial(FLEET, RULES, T0)
    at_once = run(whole, history, end)
    assert not first_difference(plain(at_once), plain([d for decisions in expected for d in decisions]))

    state = State.initial(FLEET, RULES, T0)
    decided: list[Decision] = []
    while history:
        many = cuts.choice((0, 1, 1, 2, 7))
        now, taken, history = state.now, history[:many], history[many:]
        if cuts.random() < 0.3:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), FLEET, RULES)
        if taken and cuts.random() < 0.5:
            taken, history = split_a_moment(taken, history, cuts)
        if taken:
            now = taken[-1].now
        if history and not isinstance(next(iter(history[0].events), None), Resumed):
            now = cuts.choice((now, now, cuts.randint(now, history[0].now)))
        decided += run(state, taken, now)
    decided += run(state, [], end)
    assert not first_difference(decided, at_once)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(whole))


def split_a_moment(
    taken: list[Moment], history: list[Moment], cuts: random.Random
) -> tuple[list[Moment], list[Moment]]:
    """Cut the last moment in two: its later readings come in a step of their own, received at the same time."""
    last = taken[-1]
    keep = cuts.randint(0, len(last.rows))
    left = Moment(last.now, last.events, last.rows[:keep])
    right = Moment(last.now, (), last.rows[keep:])
    return [*taken[:-1], left], ([right, *history] if len(right.rows) else history)


@pytest.mark.parametrize("seed", range(8))
def test_a_long_history_is_decided_as_the_reference_decides_it(seed: int) -> None:
    history, expected = random_history(seed, 400)
    state = State.initial(FLEET, RULES, T0)
    decided = run(state, history, history[-1].now)
    assert len(decided) > 100
    assert not first_difference(plain(decided), plain([d for decisions in expected for d in decisions]))


@settings(max_examples=EXAMPLES or 40, deadline=None)
@given(st.integers(0, 2**32))
def test_no_timer_is_due_before_the_next_deadline_it_names(seed: int) -> None:
    history, _ = random_history(seed, 25)
    state = State.initial(FLEET, RULES, T0)
    for moment in history:
        run(state, [moment], moment.now)
        ahead = restore(snapshot(state), FLEET, RULES)
        later = [d.at for d in run(ahead, [], moment.now + 40 * SECOND)]
        if later:
            assert state.next_deadline <= min(later)
