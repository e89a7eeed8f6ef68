"""G5 over edits of rules and registry, with everything that rules may say: any way of cutting a history into steps
gives the same decisions and the same state, and what it leaves is sound.

The history is a random life under the first rules; what people say of alarms that the edits have ended is refused,
which is part of it. Before an edit the timers that were due are fired, as by the cycle.
"""

import os
import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import Fleet, build_fleet
from devices.readings import Batch, blank
from rules.decisions import Decision
from rules.document import RulePack
from rules.kernels import compile_pack
from rules.lifecycle import IS_ACTIVE
from rules.reshape import reshape
from rules.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.state import State
from rules.step import step
from tests.rules.district import district, district_fleet
from tests.rules.random_lives import Moment, random_life
from tests.rules.random_packs import random_edit, random_pack
from tests.rules.test_determinism import first_difference
from tests.rules.world import T0

EXAMPLES = int(os.environ.get("DAVY_TEST_EXAMPLES", "0"))


class Edited(NamedTuple):
    """A moment, and what is in force from it on, if that is another."""

    moment: Moment
    change: tuple[Fleet, RulePack] | None


def random_history(rng: random.Random, fleet: Fleet, pack: RulePack) -> list[Edited]:
    history = []
    for moment in random_life(rng, fleet, pack, 25).history:
        change = None
        if rng.random() < 0.2 and not moment.of_everybody:
            fleet = build_fleet(district(rng if rng.random() < 0.7 else None), fleet) if rng.random() < 0.5 else fleet
            pack = random_edit(rng, pack) if rng.random() < 0.7 else pack
            change = (fleet, pack)
        rows = moment.rows[fleet.slots(moment.rows["device_no"]) >= 0]
        history.append(Edited(Moment(moment.now, moment.events, rows), change))
    return history


def live(state: State, history: Sequence[Edited], now: int) -> list[Decision]:
    decided: list[Decision] = []
    together: list[Moment] = []
    for moment, change in history:
        if change is not None:
            decided += run(state, together, moment.now)
            together = []
            fleet, pack = change
            decided += reshape(state, fleet, compile_pack(pack, fleet), moment.now)
            sound(state)
        together.append(moment)
    return decided + run(state, together, now)


def run(state: State, moments: Sequence[Moment], now: int) -> list[Decision]:
    rows = np.concatenate([moment.rows for moment in moments]) if moments else blank(0)
    events = [event for moment in moments for event in moment.events]
    decided = step(state, Batch(rows, state.fleet.slots(rows["device_no"])), events, now)
    sound(state)
    return decided


def sound(state: State) -> None:
    """What holds whatever was edited."""
    ids = [rule.id for rule in state.compiled.rules]
    for (slot, rule), alarm in state.open.items():
        assert state.fleet.devices[slot] is not None
        assert (ids[rule], state.by_alarm[alarm.alarm]) == (alarm.rule, (slot, rule))
        assert state.phase[slot, rule] != 0
    assert int((state.phase != 0).sum()) == len(state.open)
    for slot, places in state.closed_for.items():
        assert places
        assert all(place in state.open and not state.open[place].trial for place in places), slot
        assert slot in state.fleet.valves
    for slot in state.wanted_by_slot:
        assert slot in state.fleet.valves or slot in state.fleet.fans
    for (rule, target), held in state.held.items():
        place = state.by_alarm.get(held.alarm)
        assert (rule in ids, target in state.fleet.valves or target in state.fleet.fans) == (True, True)
        assert place is not None
        assert IS_ACTIVE[state.phase[place]]
        assert not state.open[place].trial
    for one in state.incidents.values():
        assert not one.into or one.into in state.incidents


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.integers(0, 2**48))
def test_any_way_of_cutting_a_history_with_edits_gives_the_same_decisions_and_state(seed: int) -> None:
    rng = random.Random(seed)
    fleet, pack = district_fleet(), random_pack(rng)
    history = random_history(rng, fleet, pack)
    end = history[-1].moment.now
    whole = State.initial(fleet, pack, T0)
    at_once = live(whole, history, end)
    state, decided = State.initial(fleet, pack, T0), []
    while history:
        many = rng.choice((0, 1, 1, 2, 7))
        now, taken, history = state.now, history[:many], history[many:]
        if rng.random() < 0.3:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), fleet, pack)
        fleet, pack = next((one.change for one in reversed(taken) if one.change is not None), (fleet, pack))
        if taken:
            now = taken[-1].moment.now
        if history and not history[0].moment.of_everybody:
            now = rng.choice((now, now, rng.randint(now, history[0].moment.now)))
        decided += live(state, taken, now)
    decided += live(state, [], end)
    assert not first_difference(decided, at_once)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(whole))


def test_a_random_edit_changes_something() -> None:
    rng = random.Random(1)
    packs = [random_pack(rng) for _ in range(20)]
    edits = [random_edit(rng, pack) for pack in packs]
    assert (
        sum(msgspec.structs.astuple(one) != msgspec.structs.astuple(two) for one, two in zip(packs, edits, strict=True))
        > 15
    )
