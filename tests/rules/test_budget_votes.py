"""What waits its turn while budgets, votes and detectors change: who it waits for, how long, and when that is over."""

import pytest

from devices.quantities import Flag
from rules.decisions import AlarmChanged, Change, CloseWanted, HeldChange, ShutOffHeld
from rules.evaluation.kernels import compile_pack
from rules.instructions import ReleaseHeld, TakeOutOfService
from rules.stepping.reshape import reshape
from tests.rules.street import BUDGET, CLOSES, Street, number, registry, row, rules
from tests.rules.test_budget import closed, held, leaks, shared, street
from tests.rules.world import at, of

OTHER = 'id = "other"\nquantity = "co_ppm"\nat_or_above = 40.0\nclear_below = 30.0\n'


def test_readings_matter_of_the_one_it_waits_for_and_of_nobody_else() -> None:
    world = shared()
    leaks(world, {"c0": 20}, 2)
    assert world.state.waits.nonzero()[0].tolist() == [world.slot("c0")]
    leaks(world, {"c1": 40}, 3)
    assert world.state.waits.nonzero()[0].tolist() == [world.slot("c1")]
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(4))
    assert world.state.waits.nonzero()[0].tolist() == [world.slot("c1")]


def test_it_goes_on_waiting_for_the_worst_while_enough_votes_are_left() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4, rows=[row("r", "c0 c1 c2", votes=2, valves="e0")]))
    leaks(world, {"a0": 12, "a1": 13})
    leaks(world, {"c0": 20, "c1": 30, "c2": 40}, 2)
    assert not of(ShutOffHeld, world.hear("c0", 3, 1))
    (one,) = world.state.held.values()
    assert (one.detector, one.value) == (world.slot("c2"), 40.0)


def test_people_read_what_the_worst_says_by_now() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15})
    world.hear("a2", 50, 45)
    alarm = world.alarm("a2", "shut-off-held")
    assert alarm is not None
    assert "the worst 45 at davysim/a2" in alarm.note


def test_a_budget_that_is_less_now_than_what_was_spent_has_no_room() -> None:
    world = street(7, budget=BUDGET.replace("least = 2", "least = 4"))
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    reshape(world.state, world.fleet, compile_pack(rules(CLOSES + BUDGET), world.fleet), at(2))
    assert held(leaks(world, {"a3": 15, "a4": 16}, 3)) == ["b3", "b4"]
    assert not of(CloseWanted, world.tick(600.9))
    assert closed(world.tick(601)) == ["b4", "b3"]


def test_of_a_rule_that_is_gone_the_last_shut_off_decides_how_long_that_is_known() -> None:
    world = street()
    leaks(world, {"a0": 12}, 1)
    leaks(world, {"a1": 13}, 500)
    for t, edited in ((550, rules(OTHER)), (700, rules(OTHER + "latch = true")), (701, rules(CLOSES + BUDGET))):
        reshape(world.state, world.fleet, compile_pack(edited, world.fleet), at(t))
    assert closed(leaks(world, {"a2": 14, "a3": 15}, 702)) == ["b2"]


def test_it_is_over_at_once_too_when_the_other_one_of_its_votes_returns() -> None:
    world = shared(votes=2)
    assert held(leaks(world, {"c0": 40, "c1": 20}, 2)) == ["e0"]  # c1 asked, with the vote of c0
    decided = world.hear("c0", 3, 1)
    assert [(one.device_no, one.change, one.reason) for one in of(ShutOffHeld, decided)] == [
        (number("e0"), HeldChange.OVER, "no alarm asks for it any more")
    ]
    assert [one.change for one in of(AlarmChanged, decided) if one.rule == "shut-off-held"] == [Change.RETURNED]
    assert closed(world.tick(601)) == []


def test_what_had_been_asked_for_with_the_vote_of_another_rule_is_over_without_it() -> None:
    other = 'id = "other"\napplies_to = ["detector"]\ncondition = "fault and not tamper"\naction = "close"'
    world = Street(rules(CLOSES + BUDGET, other), registry(4, rows=[row("r", "c0 c1", votes=2, valves="e0")]))
    leaks(world, {"a0": 12, "a1": 13})
    world.hear("c0", 2, flags=Flag.FAULT)
    assert held(world.hear("c1", 3, 20)) == ["e0"]
    assert held(world.hear("c0", 4, 1), HeldChange.OVER) == ["e0"]


def test_who_is_out_of_service_at_its_turn_leaves_it_to_the_first_other_that_asks() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4, rows=[row("r", "c0 c1 c2", valves="e0")]))
    leaks(world, {"a0": 12, "a1": 13})
    leaks(world, {"c0": 40, "c1": 20, "c2": 30}, 2)
    out = TakeOutOfService(at=at(3), id="o", by="anna", device_no=number("c0"), until=at(3600), reason="test gas")
    world.tell(out)
    (wanted,) = of(CloseWanted, world.tick(601))
    assert wanted.alarm == world.alarm("c1", "rises").alarm  # type: ignore[union-attr]


@pytest.mark.parametrize("detector", ["c0", "c1"])
def test_who_is_out_of_service_at_its_turn_asks_for_nothing_and_has_no_vote(detector: str) -> None:
    world = shared(votes=2)
    leaks(world, {"c0": 40, "c1": 20}, 2)
    out = TakeOutOfService(at=at(3), id="o", by="anna", device_no=number(detector), until=at(3600), reason="test gas")
    world.tell(out)
    decided = world.tick(601)
    assert (closed(decided), held(decided, HeldChange.OVER)) == ([], ["e0"])


def out_of_service(world: Street, name: str, t: float) -> None:
    until = at(t + 3600)
    world.tell(TakeOutOfService(at=at(t), id="o", by="anna", device_no=number(name), until=until, reason="test gas"))


def test_what_is_over_at_its_turn_spends_nothing() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 40, "a3": 20, "a4": 30})
    out_of_service(world, "a2", 2)
    decided = world.tick(601)
    assert (closed(decided), held(decided, HeldChange.OVER)) == (["b4", "b3"], ["b2"])


def test_a_person_cannot_release_what_nothing_asks_for() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 40})
    out_of_service(world, "a2", 2)
    decided = world.tell(ReleaseHeld(at=at(3), id="r", by="anna", rule="rises"))
    assert (closed(decided), held(decided, HeldChange.OVER)) == ([], ["b2"])


def test_when_the_one_it_waits_for_ends_it_waits_for_the_first_of_the_others() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4, rows=[row("r", "c0 c1 c2", valves="e0")]))
    leaks(world, {"a0": 12, "a1": 13})
    leaks(world, {"c2": 40, "c0": 20, "c1": 30}, 2)
    world.hear("c2", 3, 1)
    (one,) = world.state.held.values()
    assert (one.detector, one.value) == (world.slot("c0"), 20.0)
