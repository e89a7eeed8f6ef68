"""Rules about what the interlock does: anywhere in their pack, or, in one from before they were known, not there."""

import msgspec
import pytest

from devices.fleet import build_fleet
from devices.models import Actuator
from devices.quantities import Flag
from rules.decisions import AlarmRaised, CloseWanted, RuleNoted
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.instructions import CloseValve
from rules.stepping.reshape import reshape
from tests.rules.street import BUDGET, CLOSES, Street, names_of, registry, rules
from tests.rules.test_sleeping import with_actuator
from tests.rules.world import NUMBERS, OF_A_CLOSING, World, at, changed, of, pack, raised
from tests.rules.world import registry as registry_of

TAMPER = 'id = "tamper"\nflags = ["tamper"]'
CANARY = CLOSES + '\nstate = "canary"\ncanary_pct = 99.98' + BUDGET


def without(found: RulePack, rule: str) -> RulePack:
    """As a store may still hold it."""
    kept = [at for at, one in enumerate(found.rules) if one.id != rule]
    parsed = tuple(found.parsed[at] for at in kept)
    return msgspec.structs.replace(found, rules=tuple(found.rules[at] for at in kept), parsed=parsed)


def first(found: RulePack, rule: str) -> RulePack:
    order = sorted(range(len(found.rules)), key=lambda at: found.rules[at].id != rule)
    parsed = tuple(found.parsed[at] for at in order)
    return msgspec.structs.replace(found, rules=tuple(found.rules[at] for at in order), parsed=parsed)


def leaks(found: RulePack) -> Street:
    """Four homes, of which two may be closed at once."""
    world = Street(found, registry(5))
    for n in range(4):
        world.hear(f"a{n}", 1 + n / 10, 30)
    return world


@pytest.mark.parametrize("rule", ["shut-off-held", "rule-reverted", "valve-not-closed", "valve-reopened"])
@pytest.mark.parametrize("closing", [CLOSES + BUDGET, CANARY])
def test_it_may_be_the_first_of_its_pack(rule: str, closing: str) -> None:
    usual, moved = (leaks(found) for found in (rules(closing), first(rules(closing), rule)))
    for world in (usual, moved):
        world.seen_closed("b0", 3)
        world.tick(2_000)
    assert sorted(map(repr, moved.decided)) == sorted(map(repr, usual.decided))


def test_without_one_about_what_waits_it_leaves_in_its_turn_and_no_other_alarm_tells_of_it() -> None:
    world = leaks(without(pack(CLOSES + BUDGET, *OF_A_CLOSING, TAMPER), "shut-off-held"))
    assert not of(AlarmRaised, [one for one in world.decided if getattr(one, "rule", "") != "rises"])
    assert names_of([one.device_no for one in of(CloseWanted, world.tick(601.5))]) == ["b2", "b3"]


def test_without_one_about_rules_taken_back_a_rule_is_taken_back_and_no_other_alarm_tells_of_it() -> None:
    world = leaks(without(pack(CANARY, *OF_A_CLOSING, TAMPER), "rule-reverted"))
    assert [one.rule for one in of(RuleNoted, world.decided)] == ["rises"]
    assert {one.rule for one in of(AlarmRaised, world.decided)} == {"rises", "shut-off-held"}


def test_without_one_about_sleeping_valves_one_is_closed_and_no_other_alarm_tells_of_it() -> None:
    gas = 'id = "gas"\napplies_to = ["detector"]\nflags = ["high_alarm"]\naction = "close"'
    world = World(without(pack(gas, *OF_A_CLOSING, TAMPER), "valve-asleep"))
    world.tell(CloseValve(at=at(1), id="c", by="anna", device_no=NUMBERS["z1"], reason="smell"))
    world.hear("d5", 2, flags=Flag.HIGH_ALARM)
    world.tick(100)
    assert raised(world.decided) == [("d5", "gas")]


@pytest.mark.parametrize("there", [True, False])
def test_when_a_model_does_not_sleep_any_more_that_alone_is_over(there: bool) -> None:
    gas = 'id = "gas"\napplies_to = ["detector"]\nflags = ["high_alarm"]\naction = "close"'
    found = pack(gas, *OF_A_CLOSING, TAMPER)
    world = World(first(found, "valve-asleep") if there else without(found, "valve-asleep"))
    world.hear("z1", 1, flags=Flag.TAMPER)
    world.hear("d5", 2, flags=Flag.HIGH_ALARM)
    world.fleet = build_fleet(registry_of(models=with_actuator(Actuator())), world.fleet)
    decided = reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(3))
    over = [(name, rule) for name, rule, state in changed(decided) if state == "RETURNED_UNACKNOWLEDGED"]
    assert over == ([("z1", "valve-asleep")] if there else [])
