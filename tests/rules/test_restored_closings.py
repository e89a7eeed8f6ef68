"""After a restore, closing by closing and fan by fan: what waits for whom, what is wanted anew, what people read."""

import msgspec

from devices.fleet import build_fleet
from devices.quantities import Flag
from rules.decisions import Decision, FanWanted, HeldChange, Outcome, ShutOffHeld, WantedEnded
from rules.evaluation.kernels import compile_pack
from rules.instructions import ReleaseHeld, TakeOutOfService
from rules.stepping.reshape import reshape
from tests.rules.street import BUDGET, CLOSES, RISES, Street, number, registry, row, rules
from tests.rules.test_restored import HOUR, LATCHES, WIDE, acknowledged, back, closed, held, street
from tests.rules.world import at, of

OTHER = f'id = "other"\n{RISES[RISES.index("applies_to") :]}action = "close"\n'.replace("10.0", "40.0")


def why(decided: list[Decision]) -> list[str]:
    """What people read of the wanted positions that ended."""
    return [
        one.comment.removeprefix("the engine's store was brought back from a copy: ")
        for one in of(WantedEnded, decided)
    ]


def test_people_read_what_becomes_of_each_closing() -> None:
    world = street()
    world.hear("a0", 1, 30)
    assert why(back(world)) == ["what software judged waits until its detector is heard"]
    world.hear("a1", HOUR + 1, 30, Flag.HIGH_ALARM)
    decided = back(world, HOUR + 2)
    assert why(decided) == ["it is wanted anew"]
    assert {one.outcome for one in of(WantedEnded, decided)} == {Outcome.CANCELLED}


def test_a_fan_that_a_devices_own_alarm_asked_for_runs_anew_and_one_that_nothing_asks_for_does_not() -> None:
    fans = [row("r", "c0", fans="f0"), row("s", "c1", fans="f1")]
    world = street(RISES + 'action = "fan_on"\nflags = ["high_alarm"]', rows=fans)
    world.hear("c0", 1, 30, Flag.HIGH_ALARM)
    world.hear("c1", 2, 30)
    out = TakeOutOfService(at=at(3), id="o", by="anna", device_no=number("c1"), until=at(9 * HOUR), reason="test gas")
    world.tell(out)
    decided = back(world)
    assert why(decided) == ["it is wanted anew", "no alarm asks for it any more"]
    assert [(one.device_no, one.epoch) for one in of(FanWanted, decided)] == [(number("f0"), 3)]
    assert not held(decided)


def test_a_closing_waits_to_hear_of_the_detector_whose_alarm_is_active() -> None:
    world = street(LATCHES + WIDE, rows=[row("r", "c0 c1", valves="e0")])
    world.hear("c0", 1, 30)
    world.hear("c1", 2, 30)
    world.hear("c0", 3, 1)  # it latches, and comes first
    assert held(back(world)) == ["e0"]
    (one,) = world.state.held.values()
    assert one.detector == world.slot("c1")


def test_a_closing_waits_to_hear_of_the_detector_whose_alarm_is_latched_where_none_is_active() -> None:
    world = street(LATCHES + WIDE, rows=[row("r", "c0 c1", valves="e0")])
    world.hear("c1", 1, 30)
    world.hear("c1", 2, 1)
    assert held(back(world)) == ["e0"]
    (one,) = world.state.held.values()
    assert one.detector == world.slot("c1")


def test_closings_of_one_detector_that_outlived_its_alarm_all_wait_to_hear_of_it() -> None:
    world = street(rows=[row("r", "c0", valves="e0 e1")])
    world.hear("c0", 1, 30)
    world.hear("c0", 2, 1)
    acknowledged(world, "c0", 3)
    assert held(back(world)) == ["e0", "e1"]


def test_a_latched_closing_of_a_device_out_of_service_is_over_when_it_is_heard() -> None:
    world = street(LATCHES + WIDE)
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    back(world)
    out = TakeOutOfService(at=at(HOUR + 1), id="o", by="li", device_no=number("a0"), until=at(9 * HOUR), reason="test")
    world.tell(out)
    decided = world.hear("a0", HOUR + 2, 1)
    assert (closed(decided), held(decided, HeldChange.OVER)) == ([], ["b0"])


def test_a_closing_whose_rule_is_gone_by_then_is_wanted_anew() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.rules = rules(CLOSES.replace('"rises"', '"another"'))
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(2))
    decided = back(world)
    assert (closed(decided), held(decided)) == (["b0"], [])


def test_only_those_of_whom_something_is_remembered_wait_to_be_heard() -> None:
    world = street()
    world.hear("a0", 1, 30)
    back(world)
    assert world.state.waits.nonzero()[0].tolist() == [world.slot("a0")]


def test_a_valve_that_was_not_told_because_it_was_seen_closed_is_not_told_before_its_detector_is_heard() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.seen_closed("b0", 2)
    world.hear("a0", 3, 1)
    assert not closed(world.hear("a0", 4, 30))
    assert not closed(back(world) + world.tick(HOUR + 1_000))
    world.hear("a0", HOUR + 1_001, 1)
    assert closed(world.hear("a0", HOUR + 1_002, 30)) == ["b0"]


def test_what_another_rule_waits_for_a_turn_to_close_is_closed_by_what_a_person_releases() -> None:
    only = [row("r", "c0", valves="b0", only="other"), row("s", "c1", valves="e0", only="other")]
    world = Street(rules(CLOSES + WIDE, OTHER + BUDGET.replace("2", "1", 1)), registry(2, rows=only))
    world.hear("a0", 1, 30)
    world.hear("a0", 5, 1)
    acknowledged(world, "a0", 6)
    back(world)
    world.hear("c1", HOUR + 1, 45)  # e0: the budget of the other rule is used up
    assert held(world.hear("c0", HOUR + 2, 45)) == ["b0"]
    decided = world.tell(ReleaseHeld(at=at(HOUR + 3), id="r", by="anna", rule="rises", device_no=number("b0")))
    assert closed(decided) == ["b0"]
    assert {one.rule for one in of(ShutOffHeld, decided) if one.change is HeldChange.RELEASED} == {"rises", "other"}


def test_a_closing_that_was_seen_done_keeps_its_token_when_another_gives_its_own_back() -> None:
    world = street(CLOSES + BUDGET)
    world.hear("a0", 1, 30)
    world.hear("a1", 2, 30)
    world.seen_closed("b0", 3)
    assert held(back(world, 10)) == ["b1"]
    assert closed(world.hear("a2", 11, 30)) == ["b2"]
    assert closed(world.hear("a1", 12, 30)) == []
    assert closed(world.tick(600.9)) == []
    assert closed(world.tick(601)) == ["b1"]


def test_what_one_rule_confirms_leaves_what_another_waits_to_hear_of_the_same_detector() -> None:
    world = Street(rules(CLOSES + WIDE, OTHER + WIDE), registry(2))
    world.hear("a0", 1, 50)
    assert sorted(one.rule for one in of(ShutOffHeld, back(world))) == ["other", "rises"]
    decided = world.hear("a0", HOUR + 1, 20)
    assert [(one.rule, one.change) for one in of(ShutOffHeld, decided)] == [("rises", HeldChange.RELEASED)]
    decided = world.hear("a0", HOUR + 2, 50)
    assert [(one.rule, one.change) for one in of(ShutOffHeld, decided)] == [("other", HeldChange.RELEASED)]


def test_an_edit_of_something_else_changes_nothing_of_what_waits_to_be_heard() -> None:
    world = street(CLOSES + BUDGET)
    for n in range(3):
        world.hear(f"a{n}", 1, 30 + n)
    back(world)
    edited = compile_pack(rules(CLOSES + BUDGET, OTHER), world.fleet)
    assert held(reshape(world.state, world.fleet, edited, at(HOUR + 1)), HeldChange.OVER) == []
    assert closed(world.hear("a2", HOUR + 2, 30)) == ["b2"]


def test_nobody_waits_to_hear_of_a_device_that_has_left() -> None:
    world = street()
    world.hear("a0", 1, 30)
    world.hear("a1", 1, 30)
    back(world)
    before = world.fleet.registry
    left_devices = tuple(one for one in before.devices if one.serial != "a0")
    left_links = tuple(one for one in before.links if one.detector != "davysim/a0")
    there = build_fleet(msgspec.structs.replace(before, devices=left_devices, links=left_links), world.fleet)
    reshape(world.state, there, compile_pack(world.rules, there), at(HOUR + 1))
    assert world.state.waits.nonzero()[0].tolist() == [world.slot("a1")]
    again = build_fleet(before, there)
    reshape(world.state, again, compile_pack(world.rules, again), at(HOUR + 2))
    assert not world.state.waits[again.slot_by_identity["davysim/a0"]]
