"""G5 over everything that rules may say: the vectorised engine decides what the naive reference decides, however a
history is cut into steps, with ticks anywhere, frozen to bytes and thawed anywhere.

Packs, readings and what people say are random; the district has groups of every sort. DAVY_TEST_EXAMPLES says how many
cases each property is tried on.
"""

import os
import random
from collections.abc import Sequence
from typing import NoReturn

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import Fleet
from devices.readings import Batch, blank
from rules.decisions import Decision
from rules.documents.document import RulePack
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.district import district_fleet
from tests.rules.random_lives import Life, Moment, random_life
from tests.rules.random_packs import random_pack
from tests.rules.reference import Reference
from tests.rules.test_determinism import first_difference, plain
from tests.rules.world import T0

EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))
FLEET = district_fleet()


def run(state: State, moments: Sequence[Moment], now: int) -> list[Decision]:
    rows = np.concatenate([moment.rows for moment in moments]) if moments else blank(0)
    events = [event for moment in moments for event in moment.events]
    return step(state, Batch(rows, state.fleet.slots(rows["device_no"])), events, now)


def same_alarms(state: State, model: Reference) -> None:
    """What stands is what stands in the reference."""
    said = {
        cell.alarm: (cell.state, cell.shows[0], cell.priority, cell.trial, cell.bit, cell.note, cell.incident)
        for cell in model.cells.values()
        if cell.state
    }
    mine = {
        one.alarm: (
            int(state.phase[place]),
            one.state,
            one.priority,
            one.trial,
            one.device_bits,
            one.note,
            one.incident,
        )
        for place, one in state.open.items()
    }
    assert mine == said
    assert {key: one.over != 0 for key, one in state.incidents.items()} == {
        key: case.over for key, case in model.cases.open.items()
    }
    assert set(state.held) == {(model.rules[rule].id, target) for rule, target in model.held}
    assert set(state.permits) == set(model.permits)
    assert set(state.wanted_by_slot) == set(model.wants)
    assert state.unheard == model.unheard


def cut(
    rng: random.Random, fleet: Fleet, pack: RulePack, history: list[Moment], end: int
) -> tuple[State, list[Decision]]:
    """The same history in random steps."""
    state, decided = State.initial(fleet, pack, T0), []
    pace = rng.choice(((0, 1, 1, 2, 7), (1,)))
    while history:
        many = rng.choice(pace)
        now, taken, history = state.now, history[:many], history[many:]
        if rng.random() < 0.25:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), fleet, pack)
        if taken and rng.random() < 0.5:
            taken, history = _split(taken, history, rng)
        if taken:
            now = taken[-1].now
        if history and not history[0].of_everybody:
            now = rng.choice((now, now, rng.randint(now, history[0].begins)))
        decided += run(state, taken, now)
    return state, decided + run(state, [], end)


def _split(taken: list[Moment], history: list[Moment], rng: random.Random) -> tuple[list[Moment], list[Moment]]:
    """The later readings of the last moment, received at one time, come in a step of their own."""
    last = taken[-1]
    keep = rng.randint(0, len(last.rows)) if last.begins == last.now else len(last.rows)
    right = Moment(last.now, (), last.rows[keep:])
    return [*taken[:-1], Moment(last.now, last.events, last.rows[:keep])], [right, *history] if len(
        right.rows
    ) else history


def _say_where(life: Life, fleet: Fleet, pack: RulePack) -> NoReturn:
    """It is in no case right: the moment at which it goes wrong, if it also does so moment by moment."""
    state = State.initial(fleet, pack, T0)
    for number, (moment, decisions) in enumerate(zip(life.history, life.decided, strict=True)):
        wrong = first_difference(plain(run(state, [moment], moment.now)), plain(decisions))
        assert not wrong, f"moment {number}: {wrong}"
    raise AssertionError("all at once is not one moment after the other")


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.integers(0, 2**48))
def test_the_engine_decides_what_the_reference_decides_however_its_history_is_cut(seed: int) -> None:
    rng = random.Random(seed)
    fleet, pack = district_fleet(rng) if rng.random() < 0.5 else FLEET, random_pack(rng)
    life = random_life(rng, fleet, pack, 30)
    end, whole = life.history[-1].now, State.initial(fleet, pack, T0)
    at_once = run(whole, life.history, end)
    if first_difference(plain(at_once), plain([one for decisions in life.decided for one in decisions])):
        _say_where(life, fleet, pack)
    same_alarms(whole, life.model)
    state, decided = cut(rng, fleet, pack, life.history, end)
    assert not first_difference(decided, at_once)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(whole))
