"""The budget of shut-offs that software judged (G13): what is held, in which order it leaves, what is never held."""

import pytest
from msgspec.structs import replace

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import AlarmChanged, AlarmRaised, Change, CloseWanted, Decision, HeldChange, ShutOffHeld
from rules.evaluation.kernels import compile_pack
from rules.instructions import CloseValve, ReleaseHeld, VetoHeld
from rules.stepping.reshape import reshape
from tests.rules.street import BUDGET, CLOSES, Street, names_of, number, registry, row, rules
from tests.rules.world import at, of


def street(homes: int = 6, *, labs: int = 0, budget: str = BUDGET) -> Street:
    return Street(rules(CLOSES + budget), registry(homes, labs=labs))


def closed(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(CloseWanted, decided)])


def held(decided: list[Decision], change: HeldChange = HeldChange.HELD) -> list[str]:
    return names_of([one.device_no for one in of(ShutOffHeld, decided) if one.change is change])


def leaks(world: Street, levels: dict[str, float], t: float = 1.0) -> list[Decision]:
    return [one for name, lel in levels.items() for one in world.hear(name, t, lel)]


def test_as_many_as_the_budget_leave_at_once_and_what_is_more_is_held_and_people_are_told() -> None:
    world = street()
    decided = leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15})
    assert closed(decided) == ["b0", "b1"]
    assert held(decided) == ["b2", "b3"]
    (told,) = [one for one in of(AlarmRaised, decided) if one.rule == "shut-off-held"]
    assert (told.device_no, told.at) == (number("a2"), at(1))
    alarm = world.alarm("a2", "shut-off-held")
    assert alarm is not None
    assert (
        alarm.note
        == "2 shut-offs of rule rises: more than its budget; the worst 15 at davysim/a3; release or veto them"
    )


def test_as_the_window_moves_on_the_worst_leaves_first_at_its_moment() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13}, 1)
    leaks(world, {"a2": 14, "a3": 30, "a4": 20}, 100)
    assert not of(CloseWanted, world.tick(600.9))
    decided = world.tick(601)
    assert closed(decided) == ["b3", "b4"]
    assert {one.at for one in of(CloseWanted, decided)} == {at(601)}
    assert held(decided, HeldChange.RELEASED) == ["b3", "b4"]
    assert closed(world.tick(1200)) == []
    assert closed(world.tick(1201)) == ["b2"]
    assert not world.state.held


def test_what_a_detector_says_while_it_waits_changes_its_turn() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 30, "a3": 20, "a4": 25})
    world.hear("a3", 50, 45)
    world.hear("a2", 51, 11)  # the worst that it said counts
    assert closed(world.tick(601)) == ["b3", "b2"]


def test_equally_bad_ones_leave_by_the_number_of_their_device() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a5": 20, "a3": 20, "a4": 20})
    assert closed(world.tick(601)) == ["b3", "b4"]


def test_a_device_that_says_so_itself_is_never_held() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    assert closed(world.hear("a3", 2, 60, Flag.HIGH_ALARM)) == ["b3"]
    assert closed(world.hear("a4", 3, 11, Flag.LOW_ALARM)) == ["b4"]


@pytest.mark.parametrize("bit", [Flag.HIGH_ALARM, Flag.LOW_ALARM, Flag.CO_ALARM])
def test_what_is_held_leaves_at_once_when_the_device_says_so_itself(bit: Flag) -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    decided = world.hear("a2", 2, 14, bit)
    assert (held(decided, HeldChange.RELEASED), closed(decided)) == (["b2"], ["b2"])
    assert {one.at for one in of(CloseWanted, decided)} == {at(2)}
    assert not of(CloseWanted, world.hear("a2", 3, 14, bit))


def test_a_persons_close_is_never_held_and_ends_the_waiting_of_its_valve() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    decided = world.tell(CloseValve(at=at(2), id="c", by="anna", device_no=number("b2"), reason="smell"))
    assert closed(decided) == ["b2"]
    assert held(decided, HeldChange.RELEASED) == ["b2"]
    assert [one.change for one in of(AlarmChanged, decided) if one.rule == "shut-off-held"] == [Change.RETURNED]
    decided = world.tell(CloseValve(at=at(3), id="d", by="anna", device_no=number("b5"), reason="smell"))
    assert closed(decided) == ["b5"]


def test_what_does_not_need_a_closing_costs_nothing_of_the_budget() -> None:
    world = street()
    world.tell(CloseValve(at=at(1), id="c", by="anna", device_no=number("b0"), reason="smell"))
    decided = leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15}, 2)
    assert (closed(decided), held(decided)) == (["b1", "b2"], ["b3"])


def test_an_alarm_that_ends_while_it_waits_is_over_and_leaves_nothing() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    decided = world.hear("a2", 5, 1)
    assert held(decided, HeldChange.OVER) == ["b2"]
    assert [one.change for one in of(AlarmChanged, decided) if one.rule == "shut-off-held"] == [Change.RETURNED]
    assert not of(CloseWanted, world.tick(700))


def test_people_release_one_or_all_worst_first_without_spending_the_budget() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a4": 30, "a3": 40})
    one = world.tell(ReleaseHeld(at=at(2), id="r1", by="anna", rule="rises", device_no=number("b2")))
    assert closed(one) == ["b2"]
    assert [(r.by, r.change) for r in of(ShutOffHeld, one)] == [("anna", HeldChange.RELEASED)]
    assert closed(world.tell(ReleaseHeld(at=at(3), id="r2", by="anna", rule="rises"))) == ["b3", "b4"]
    assert world.alarm("a2", "shut-off-held").state.name == "RETURNED_UNACKNOWLEDGED"  # type: ignore[union-attr]
    leaks(world, {"a5": 12}, 601)
    assert (
        closed(world.decided)[-1] == "b5"
    )  # the two of the beginning are free again, the three of people never counted


def test_a_veto_holds_until_the_alarm_has_returned() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    decided = world.tell(VetoHeld(at=at(2), id="v", by="anna", rule="rises", reason="a drill"))
    assert [(v.device_no, v.change, v.by, v.reason) for v in of(ShutOffHeld, decided)] == [
        (number("b2"), HeldChange.VETOED, "anna", "a drill")
    ]
    world.hear("a2", 300, 50)
    assert not of(CloseWanted, world.tick(1300))
    world.hear("a2", 1310, 1)
    assert closed(world.hear("a2", 1320, 50)) == ["b2"]


def test_a_veto_does_not_bind_the_devices_own_alarm() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    world.tell(VetoHeld(at=at(2), id="v", by="anna", rule="rises", reason="a drill"))
    assert closed(world.hear("a2", 3, 60, Flag.HIGH_ALARM)) == ["b2"]


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (ReleaseHeld(at=at(2), id="r", by="anna", rule="nobody"), "there is no rule 'nobody'"),
        (
            ReleaseHeld(at=at(2), id="r", by="anna", rule="rises"),
            "nothing is held of rule rises; it may have left, or its alarm is over",
        ),
        (
            VetoHeld(at=at(2), id="r", by="anna", rule="rises", reason="x", device_no=number("b0")),
            "nothing of device 20000 is held of rule rises; it may have left, or its alarm is over",
        ),
        (VetoHeld(at=at(2), id="r", by="anna", rule="rises", reason=" "), "say why it must not leave"),
    ],
)
def test_releasing_and_vetoing_what_is_not_there_is_refused_in_words(said: ReleaseHeld, reason: str) -> None:
    answered = street().tell(said)[-1]
    assert (answered.accepted, answered.reason) == (False, reason)  # type: ignore[union-attr]


def test_what_is_simulated_has_a_budget_of_its_own() -> None:
    world = street(labs=3)
    assert closed(leaks(world, {"x0": 12, "x1": 12})) == ["y0", "y1"]
    assert held(leaks(world, {"x2": 12})) == ["y2"]
    decided = leaks(world, {"a0": 12, "a1": 12, "a2": 12}, 2)
    assert (closed(decided), held(decided)) == (["b0", "b1"], ["b2"])
    assert world.alarm("x2", "shut-off-held") is not None
    assert world.alarm("a2", "shut-off-held") is not None
    assert closed(world.tick(601)) == ["y2"]


def test_an_edit_refills_no_budget_and_a_larger_one_has_room_at_once() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15, "a4": 16})
    for edited, t in ((CLOSES + BUDGET + '\nnotify = "duty"', 10), (CLOSES + BUDGET.replace("600", "900"), 20)):
        decided = reshape(world.state, world.fleet, compile_pack(rules(edited), world.fleet), at(t))
        assert not of(CloseWanted, decided)
    assert not closed(world.tick(700))
    assert closed(world.tick(902)) == ["b4", "b3"]
    three = rules(CLOSES + BUDGET.replace("600", "900").replace("least = 2", "least = 3"))
    assert closed(reshape(world.state, world.fleet, compile_pack(three, world.fleet), at(903))) == ["b2"]


def test_what_a_rule_that_is_gone_has_spent_is_known_while_its_window_lasts() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13})
    for pack, t, known in ((rules(), 2, True), (rules(CLOSES + BUDGET), 3, True), (rules(), 4, True)):
        reshape(world.state, world.fleet, compile_pack(pack, world.fleet), at(t))
        assert ("rises" in world.state.tokens) == known
        if pack.rules[0].id == "rises":
            world.rules = pack
            assert not closed(world.hear("a2", t, 30))
    reshape(world.state, world.fleet, compile_pack(rules(), world.fleet), at(700))
    assert not world.state.tokens


def test_a_rule_that_is_not_edited_keeps_what_it_has_spent_when_others_are() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    other = rules(CLOSES + BUDGET, 'id = "cold"\nquantity = "temperature_c"\nat_or_below = -20.0\nclear_above = -15.0')
    assert not of(CloseWanted, reshape(world.state, world.fleet, compile_pack(other, world.fleet), at(10)))
    assert closed(world.tick(601)) == ["b2"]


def test_a_rule_or_a_valve_that_is_gone_takes_what_waits_with_it() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    without = rules('id = "cold"\nquantity = "temperature_c"\nat_or_below = -20.0\nclear_above = -15.0')
    decided = reshape(world.state, world.fleet, compile_pack(without, world.fleet), at(10))
    assert held(decided, HeldChange.OVER) == ["b2"]
    assert not world.state.held
    assert not of(CloseWanted, world.tick(601))


def test_the_default_budget_is_five_or_a_thousandth_of_the_valves() -> None:
    world = Street(rules(CLOSES), registry(8))
    decided = leaks(world, {f"a{n}": 12 + n for n in range(8)})
    assert (len(closed(decided)), len(held(decided))) == (5, 3)
    assert closed(world.tick(601)) == ["b7", "b6", "b5"]


def test_a_valve_that_is_opened_while_its_alarm_stands_is_closed_again_whatever_the_budget() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14})
    world.seen_closed("b0", 2)
    assert closed(world.hear("b0", 3, valve=ValvePosition.OPEN)) == ["b0"]


# ---- two detectors, one valve ---------------------------------------------------------------------------------------


def shared(votes: int = 1) -> Street:
    """c0 and c1 both close e0; a0 and a1 use the budget up."""
    world = Street(rules(CLOSES + BUDGET), registry(4, rows=[row("r", "c0 c1", votes=votes, valves="e0")]))
    leaks(world, {"a0": 12, "a1": 13})
    return world


def test_of_two_detectors_that_ask_for_one_valve_the_worse_is_waited_for_and_told_of_once() -> None:
    world = shared()
    assert held(leaks(world, {"c0": 20, "a2": 30}, 2)) == ["e0", "b2"]
    assert held(leaks(world, {"c1": 40}, 3)) == []
    decided = world.tick(601)
    assert closed(decided) == ["e0", "b2"]
    (first, _) = of(ShutOffHeld, decided)
    alarm = world.alarm("c1", "rises")
    assert alarm is not None
    assert (first.alarm, first.value) == (alarm.alarm, 40.0)
    assert of(CloseWanted, decided)[0].alarm == alarm.alarm


def test_nor_do_they_have_to_wait_until_something_else_happens_to_read_of_a_worse_second_one() -> None:
    world = shared()
    leaks(world, {"c0": 20}, 2)
    leaks(world, {"c1": 40}, 70)
    alarm = world.alarm("c0", "shut-off-held")
    assert alarm is not None
    assert "the worst 40 at davysim/c1" in alarm.note


def test_a_milder_second_one_does_not_take_its_place() -> None:
    world = shared()
    leaks(world, {"c0": 40, "c1": 20}, 2)
    (one,) = world.state.held.values()
    assert (one.detector, one.value, one.since) == (world.slot("c0"), 40.0, at(2))


def test_when_the_one_it_waits_for_ends_it_waits_for_the_other() -> None:
    world = shared()
    leaks(world, {"c0": 40, "c1": 20}, 2)
    assert not of(ShutOffHeld, world.hear("c0", 3, 1))
    (one,) = world.state.held.values()
    assert (one.detector, one.value) == (world.slot("c1"), 20.0)
    decided = world.tick(601)
    assert closed(decided) == ["e0"]
    assert of(CloseWanted, decided)[0].alarm == world.alarm("c1", "rises").alarm  # type: ignore[union-attr]


def test_when_too_few_votes_are_left_it_is_over() -> None:
    world = shared(votes=2)
    assert held(leaks(world, {"c0": 40, "c1": 20}, 2)) == ["e0"]
    assert held(world.hear("c1", 3, 1), HeldChange.OVER) == ["e0"]


def test_one_device_of_a_vote_that_says_so_itself_is_enough() -> None:
    world = shared(votes=2)
    leaks(world, {"c0": 40}, 2)
    assert closed(world.hear("c1", 3, 60, Flag.HIGH_ALARM)) == ["e0"]


def test_a_valve_that_leaves_the_register_takes_its_waiting_with_it() -> None:
    world = street()
    leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15})
    plain = registry(6)
    without = replace(
        plain,
        devices=tuple(one for one in plain.devices if one.serial != "b2"),
        links=tuple(one for one in plain.links if one.valve != "davysim/b2"),
    )
    fleet = build_fleet(without, world.fleet)
    decided = reshape(world.state, fleet, compile_pack(world.rules, fleet), at(10))
    assert [(one.device_no, one.change, one.reason) for one in of(ShutOffHeld, decided)] == [
        (number("b2"), HeldChange.OVER, "it takes no commands any more")
    ]
    assert closed(world.tick(601)) == ["b3"]


def test_a_larger_fleet_has_a_larger_budget_at_once() -> None:
    world = street(4, budget="\nbudget = { least = 1, share_pct = 34.0, per_s = 600.0 }")  # of 6 valves two
    assert closed(leaks(world, {"a0": 12, "a1": 13, "a2": 14, "a3": 15})) == ["b0", "b1"]
    fleet = build_fleet(registry(8), world.fleet)  # of 10 valves three
    assert closed(reshape(world.state, fleet, compile_pack(world.rules, fleet), at(10))) == ["b3"]
    assert world.alarm("a2", "shut-off-held").note.startswith("1 shut-off of rule rises")  # type: ignore[union-attr]


def test_a_rule_that_has_proved_itself_keeps_what_it_closed_and_what_waits() -> None:
    world = street()
    reshape(world.state, world.fleet, compile_pack(rules(CLOSES + BUDGET + "\nlatch = true"), world.fleet), at(0.5))
    leaks(world, {"a0": 12, "a1": 13, "a2": 14}, 550)
    leaks(world, {"a3": 15}, 650)
    assert list(names_of([int(world.fleet.device_no[one.valve]) for one in world.state.held.values()])) == ["b2", "b3"]
    assert len(world.state.closed_for) == 2


def test_where_there_is_nothing_to_compare_the_numbers_of_the_devices_decide() -> None:
    faulty = 'id = "rises"\napplies_to = ["detector"]\ncondition = "fault and not tamper"\naction = "close"'
    world = Street(rules(faulty + BUDGET), registry(5))
    for n in (4, 3, 2, 1, 0):
        world.hear(f"a{n}", 1, flags=Flag.FAULT)
    assert closed(world.decided) == ["b4", "b3"]
    alarm = world.alarm("a2", "shut-off-held")
    assert alarm is not None
    assert alarm.note.endswith("3 shut-offs of rule rises: more than its budget; release or veto them")
    world.hear("a2", 100, 60, flags=Flag.FAULT)
    assert closed(world.tick(601)) == ["b0", "b1"]
    assert not world.state.waits[world.slot("a0")]
    assert world.state.waits[world.slot("a2")]
