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
from devices.models import DeviceKind, DeviceModel
from devices.readings import Batch, blank
from devices.sites import Device, Registry, Site
from rules.decisions import Decision
from rules.documents.document import Action, Kind, RulePack, RuleState, Selection
from rules.evaluation.kernels import compile_pack
from rules.language.tree import Missing
from rules.life.lifecycle import IS_ACTIVE
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.district import district, district_fleet
from tests.rules.random_lives import Moment, random_life
from tests.rules.random_packs import random_edit, random_pack
from tests.rules.test_determinism import first_difference, plain
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
        history.append(Edited(_of_those_here(moment, fleet, history[-1].moment.now if history else T0), change))
    return history


def _of_those_here(moment: Moment, fleet: Fleet, last: int) -> Moment:
    """Without the readings of those that left. It ends with what came in last: before a restore an engine that is not
    there fires nothing, so that no time may pass there of which only a cut knows. last: the end of the one before."""
    found = Moment(moment.now, moment.events, moment.rows[fleet.slots(moment.rows["device_no"]) >= 0])
    if found.ends_with_something:
        return found
    return found._replace(now=max(last, int(found.rows["received"][-1])) if len(found.rows) else last)


def live(state: State, history: Sequence[Edited], now: int) -> list[Decision]:
    decided: list[Decision] = []
    together: list[Moment] = []
    for moment, change in history:
        if change is not None:
            decided += run(state, together, moment.begins)
            together = []
            fleet, pack = change
            decided += reshape(state, fleet, compile_pack(pack, fleet), moment.begins)
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
        assert held.again or (place is not None and IS_ACTIVE[state.phase[place]] and not state.open[place].trial)
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
            now = rng.choice((now, now, rng.randint(now, history[0].moment.begins)))
        decided += live(state, taken, now)
    decided += live(state, [], end)
    assert not first_difference(decided, at_once)
    assert encode_snapshot(snapshot(state)) == encode_snapshot(snapshot(whole))


# ---- what concerns nobody ------------------------------------------------------------------------------------------

#: Of a sort that no device of the district is, and that never says anything.
STRANGER = DeviceModel("stranger", "davysim", "s", DeviceKind.GATEWAY, "product choice", 0.0)
FIRST_STRANGER = 900
ONLY_STRANGERS = Selection(models=("stranger",))


def with_strangers(rng: random.Random, registry: Registry) -> Registry:
    strangers = [
        Device(number, "davysim", f"stranger-{number}", "stranger", "elsewhere")
        for number in range(FIRST_STRANGER, FIRST_STRANGER + 4)
        if rng.random() < 0.6
    ]
    return msgspec.structs.replace(
        registry,
        models=(*registry.models, STRANGER),
        sites=(*registry.sites, Site("elsewhere")),
        devices=(*registry.devices, *strangers),
    )


def with_rules_for_strangers(rng: random.Random, pack: RulePack) -> RulePack:
    """With copies of some rules, at any place, that look at strangers only, or at nobody."""
    every = list(zip(pack.rules, pack.parsed, strict=True))
    for rule, says in rng.sample(every, 2):
        if rule.kind is not Kind.MEASURED or isinstance(says.condition, Missing):
            continue
        copy = msgspec.structs.replace(rule, id=f"{rule.id}-{rng.random()}", suppressed_by=(), action=Action.NONE)
        facts = rng.choice(({"state": RuleState.DRAFT}, {"only": ONLY_STRANGERS, "applies_to": ()}))
        every.insert(rng.randint(0, len(every)), (msgspec.structs.replace(copy, **facts), says))
    rules, parsed = zip(*every, strict=True)
    return msgspec.structs.replace(pack, rules=rules, parsed=parsed)


@settings(max_examples=EXAMPLES or 30, deadline=None)
@given(st.integers(0, 2**48))
def test_an_edit_that_concerns_nobody_changes_nothing_of_what_the_reference_decides(seed: int) -> None:
    rng = random.Random(seed)
    registry, pack = district(rng), random_pack(rng)
    first = build_fleet(registry)
    life = random_life(rng, first, pack, 25)
    state, fleet, rules = State.initial(first, pack, T0), first, pack
    for number, (moment, decisions) in enumerate(zip(life.history, life.decided, strict=True)):
        decided: list[Decision] = []
        if rng.random() < 0.3 and not moment.of_everybody:
            decided += run(state, [], moment.begins)
            fleet = build_fleet(with_strangers(rng, registry), fleet) if rng.random() < 0.6 else fleet
            rules = with_rules_for_strangers(rng, pack) if rng.random() < 0.6 else rules
            decided += reshape(state, fleet, compile_pack(rules, fleet), moment.begins)
        if rng.random() < 0.3:
            state = restore(decode_snapshot(encode_snapshot(snapshot(state))), fleet, rules)
        decided += run(state, [moment], moment.now)
        decided = [one for one in decided if getattr(one, "device_no", 0) < FIRST_STRANGER]
        wrong = first_difference(plain(decided), plain(decisions))
        assert not wrong, f"moment {number}: {wrong}"


# ---- the edits themselves ------------------------------------------------------------------------------------------


def test_a_random_edit_changes_something() -> None:
    rng = random.Random(1)
    packs = [random_pack(rng) for _ in range(20)]
    edits = [random_edit(rng, pack) for pack in packs]
    assert (
        sum(msgspec.structs.astuple(one) != msgspec.structs.astuple(two) for one, two in zip(packs, edits, strict=True))
        > 15
    )
