"""G5 over changes of registry and rules: any way of cutting a history into steps gives the same decisions and state.

The reference knows no changes, so a history is made by letting the engine itself live through random moves; what is
compared is the engine with itself, cut otherwise, ticked in between, and frozen to bytes and thawed at any point.
Before a change the timers that were due are fired, as by the cycle, which wakes at every deadline.
"""

import random
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, NamedTuple

import msgspec
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import Fleet, build_fleet
from devices.models import Actuator, Reachability
from devices.readings import Batch, Rows, blank
from devices.sites import Registry
from rules.decisions import Decision
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.events import Event, Listening, Paused, Resumed
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.test_determinism import RULES, first_difference, random_event, random_reading
from tests.rules.world import LINKS, MODELS, NAMES, SECOND, T0, at, registry


class Moment(NamedTuple):
    """What came in at one time: first a change, then events, then readings."""

    now: int
    change: tuple[Fleet, RulePack] | None
    events: tuple[Event, ...]
    rows: Rows


def with_model(key: str, **facts: Any) -> Registry:
    return registry(models=[msgspec.structs.replace(model, **facts) if model.key == key else model for model in MODELS])


def with_a_bus() -> Registry:
    plain = registry()
    devices = [
        msgspec.structs.replace(device, address="modbus+tcp://bus:502") if device.serial == "g1" else device
        for device in plain.devices
    ]
    return msgspec.structs.replace(plain, devices=tuple(devices))


DAILY = Actuator(confirm_within_s=400.0, reachability=Reachability.WAKES, wake_interval_s=300.0)
REGISTRIES = (
    registry(),
    registry(),
    registry([name for name in NAMES if name not in ("d2", "z1", "g1")]),
    registry([name for name in NAMES if name not in ("d1", "v2")]),
    registry(links=(*LINKS[1:], ("d3", "v1"), ("d1", "z1"))),
    with_model("sleeping_valve", actuator=Actuator()),
    with_model("sleeping_valve", actuator=DAILY),
    with_model("valve", actuator=DAILY),
    with_model("gateway", report_interval_s=0.0),
    with_a_bus(),
)


def renamed(*ids: str) -> RulePack:
    rules = [msgspec.structs.replace(one, id=f"new-{one.id}") if one.id in ids else one for one in RULES.rules]
    return msgspec.structs.replace(RULES, rules=tuple(reversed(rules)))


PACKS = (
    RULES,
    RULES,
    renamed(),
    renamed("valve-asleep", "link-down"),
    renamed("readings-missing", "valve-not-closed", "no-shut-off-valve"),
    msgspec.structs.replace(RULES, rules=RULES.rules[1:-3]),
)


def as_it_knows(state: State) -> Any:
    """What `random_event` asks of the reference, of the engine's own state."""
    wants = {slot: SimpleNamespace(wanted=one.wanted, tries=one.attempts) for slot, one in state.wanted_by_slot.items()}
    return SimpleNamespace(cells=state.open, wants=wants)


def begin() -> tuple[State, Fleet, RulePack]:
    fleet = build_fleet(registry())
    return State.initial(fleet, RULES, T0), fleet, RULES


def random_history(seed: int, moments: int) -> list[Moment]:
    rng = random.Random(seed)
    state, fleet, pack = begin()
    history: list[Moment] = []
    t = 0.0
    for _ in range(moments):
        t += rng.choice((0.001, 0.5, 1, 1, 2, 3, 7, 29.5, 150, 200))
        change = None
        events = [random_event(rng, at(t), as_it_knows(state)) for _ in range(rng.choice((0, 0, 1, 1, 2)))]
        if rng.random() < 0.03:
            t += 500
            events = [Resumed(at=at(t), down_us=500 * SECOND)]
        elif rng.random() < 0.25:
            fleet = build_fleet(rng.choice(REGISTRIES), fleet)
            pack = rng.choice(PACKS)
            change = (fleet, pack)
        elif rng.random() < 0.04:
            events.append(rng.choice((Paused(at=at(t)), Listening(at=at(t)))))
        rows = [random_reading(rng, t) for _ in range(rng.choice((0, 1, 1, 2, 5, 20)))]
        together = np.concatenate(rows) if rows else blank(0)
        moment = Moment(at(t), change, tuple(events), together[fleet.slots(together["device_no"]) >= 0])
        history.append(moment)
        live(state, [moment], moment.now)
    return history


def live(state: State, moments: Sequence[Moment], now: int) -> list[Decision]:
    """Moments in one step, or as few as there are changes."""
    decided: list[Decision] = []
    together: list[Moment] = []
    for moment in moments:
        if moment.change is not None:
            decided += _together(state, together, moment.now)
            together = []
            fleet, pack = moment.change
            decided += reshape(state, fleet, compile_pack(pack, fleet), moment.now)
            assert_sound(state)
        together.append(moment)
    return decided + _together(state, together, now)


def _together(state: State, moments: Sequence[Moment], now: int) -> list[Decision]:
    rows = np.concatenate([moment.rows for moment in moments]) if moments else blank(0)
    events = [event for moment in moments for event in moment.events]
    decided = step(state, Batch(rows, state.fleet.slots(rows["device_no"])), events, now)
    assert_sound(state)
    return decided


def assert_sound(state: State) -> None:
    """What holds whatever was changed."""
    for (slot, rule), alarm in state.open.items():
        assert state.fleet.devices[slot] is not None
        assert state.compiled.looks_at(np.array([slot]))[0, rule]
        assert state.compiled.rules[rule].id == alarm.rule
        assert state.phase[slot, rule] == alarm.state
    for slot, wanted in state.wanted_by_slot.items():
        asleep = state.open.get((slot, state.compiled.asleep))
        says_so = asleep is not None and bool(IS_ACTIVE[asleep.state])
        assert says_so == bool(state.sleeps[slot] and state.compiled.asleep >= 0)
        assert (wanted.hears_by != 0) == bool(state.sleeps[slot])
        assert asleep is None or not says_so or asleep.expected == wanted.hears_by


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32))
def test_any_way_of_cutting_a_history_with_changes_gives_the_same_decisions_and_state(seed: int) -> None:
    cuts = random.Random(seed + 1)
    history = random_history(seed, 40)
    end = history[-1].now
    whole, _, _ = begin()
    at_once = live(whole, history, end)

    state, fleet, pack = begin()
    decided: list[Decision] = []
    while history:
        many = cuts.choice((0, 1, 1, 2, 7))
        now, taken, history = state.now, history[:many], history[many:]
        if cuts.random() < 0.3:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), fleet, pack)
        fleet, pack = next((one.change for one in reversed(taken) if one.change is not None), (fleet, pack))
        if taken:
            now = taken[-1].now
        if history and not isinstance(next(iter(history[0].events), None), Resumed):
            now = cuts.choice((now, now, cuts.randint(now, history[0].now)))
        decided += live(state, taken, now)
    decided += live(state, [], end)
    assert not first_difference(decided, at_once)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(whole))
