"""The cause-and-effect matrix: rows of several detectors, valves and fans, with votes; what hides and what acts."""

import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from devices.sites import Link, MatrixRow, Registry
from rules.decisions import AlarmRaised, CloseWanted, Decision, FanWanted
from rules.evaluation.kernels import compile_pack
from rules.instructions import Acknowledge, CancelClose, ReturnToService, Shelve, TakeOutOfService
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import CLOSES, RISES, Street, names_of, number, registry, row, rules
from tests.rules.world import at, of

BOTH = RISES + 'action = "close_and_fan"\nflags = ["high_alarm"]'
CO = 'applies_to = ["detector"]\nquantity = "co_ppm"\nat_or_above = 50.0\nclear_below = 30.0\nflags = ["co_alarm"]'
FANS = f'id = "stuffy"\naction = "fan_on"\n{CO}'
TWO_OF_THREE = row("r", "c0 c1 c2", votes=2, valves="e0 e1", fans="f0")


def street(*rows: MatrixRow, rule: str = BOTH, more: tuple[str, ...] = ()) -> Street:
    return Street(rules(rule, *more), registry(1, rows=rows))


def closed(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(CloseWanted, decided)])


def run(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(FanWanted, decided)])


def test_a_row_acts_when_as_many_of_its_detectors_as_votes_alarm() -> None:
    world = street(TWO_OF_THREE)
    assert not closed(world.hear("c0", 1, 20))
    assert not closed(world.hear("c3", 2, 20))  # it does not stand in the row
    decided = world.hear("c2", 3, 20)
    assert (closed(decided), run(decided)) == (["e0", "e1"], ["f0"])
    causes = {place for place, _ in world.state.closed_for[world.slot("e0")]}
    assert causes == {world.slot("c0"), world.slot("c2")}


def test_votes_are_of_devices_not_of_alarms_and_of_alarms_that_stand_now() -> None:
    high = CLOSES.replace('"rises"', '"high"').replace("10.0", "20.0")
    world = street(TWO_OF_THREE, more=(high,))
    assert not closed(world.hear("c0", 1, 30))  # two alarms of one detector
    world.hear("c0", 2, 1)
    assert not closed(world.hear("c1", 3, 30))
    assert closed(world.hear("c2", 4, 15)) == ["e0", "e1"]


def test_a_row_that_names_rules_acts_for_no_other() -> None:
    other = f'id = "other"\naction = "close"\n{CO}'
    world = street(row("r", "c0 c1", votes=1, valves="e0", only="other"), more=(other,))
    assert not closed(world.hear("c0", 1, 30))
    assert closed(world.hear("c1", 2, flags=Flag.CO_ALARM)) == ["e0"]


def test_links_act_beside_rows_and_a_valve_of_both_is_wanted_once() -> None:
    world = street(row("r", "a0 c0", votes=2, valves="b0 e0"))
    assert closed(world.hear("a0", 1, 30)) == ["b0"]
    assert closed(world.hear("c0", 2, 30)) == ["e0"]
    causes = {slot for slot, _ in world.state.closed_for[world.slot("b0")]}
    assert causes == {world.slot("a0"), world.slot("c0")}


def test_a_rule_that_only_ventilates_closes_nothing_and_one_that_closes_runs_no_fan() -> None:
    world = street(row("r", "c0", valves="e0", fans="f0 f1"), rule=CLOSES, more=(FANS,))
    decided = world.hear("c0", 1, flags=Flag.CO_ALARM)
    assert (closed(decided), run(decided)) == ([], ["f0", "f1"])
    decided = world.hear("c0", 2, 30, Flag.CO_ALARM)
    assert (closed(decided), run(decided)) == (["e0"], [])


def test_a_rule_that_only_ventilates_does_not_close_a_linked_valve_either() -> None:
    world = street(row("r", "a0", fans="f0"), rule=CLOSES, more=(FANS,))
    decided = world.hear("a0", 1, flags=Flag.CO_ALARM)
    assert (closed(decided), run(decided)) == ([], ["f0"])


def test_a_change_of_the_register_acts_for_no_alarm_that_does_not_act() -> None:
    world = street(rule=BOTH + '\nstate = "dry_run"')
    world.hear("c0", 1, 30)
    decided = other(world, registry(1, rows=[row("r", "c0", valves="e0", fans="f0")]))
    assert (closed(decided), run(decided)) == ([], [])
    assert world.alarm("c0", "no-shut-off-valve") is None


def test_a_detector_whose_valves_stand_in_a_row_is_not_without_a_valve() -> None:
    world = street(row("r", "c0 c1", votes=2, valves="e0"))
    assert not [one for one in raised_at(world, "c0") if one.rule == "no-shut-off-valve"]
    assert [one.rule for one in raised_at(world, "c3")] == ["rises", "no-shut-off-valve"]


def raised_at(world: Street, name: str) -> list[AlarmRaised]:
    return of(AlarmRaised, world.hear(name, 1, 30))


def test_an_alarm_that_is_over_is_a_cause_no_more_and_the_other_one_still_is() -> None:
    world = street(TWO_OF_THREE)
    world.hear("c0", 1, 20)
    world.hear("c2", 2, 20)
    world.hear("c0", 3, 1)
    alarm = world.alarm("c0", "rises")
    assert alarm is not None
    world.tell(Acknowledge(at=at(4), id="a", by="anna", alarm=alarm.alarm))
    assert [slot for slot, _ in world.state.closed_for[world.slot("e0")]] == [world.slot("c2")]


# ---- what hides, and what acts --------------------------------------------------------------------------------------


def test_a_shelved_alarm_that_comes_again_closes_as_any_other() -> None:
    world = street()
    world.hear("a0", 1, 20)
    world.seen_closed("b0", 2)
    alarm = world.alarm("a0", "rises")
    assert alarm is not None
    world.tell(Shelve(at=at(3), id="s", by="anna", alarm=alarm.alarm, until=at(3600), reason="work", role="operator"))
    world.hear("a0", 4, 1)
    world.hear("b0", 5, valve=ValvePosition.OPEN)
    assert closed(world.hear("a0", 6, 20)) == ["b0"]


def test_a_device_out_of_service_closes_nothing_and_does_not_vote() -> None:
    world = street(TWO_OF_THREE, row("s", "c3", valves="e1"))
    world.tell(TakeOutOfService(at=at(1), id="o", by="anna", device_no=number("c3"), until=at(3600), reason="test gas"))
    world.tell(TakeOutOfService(at=at(1), id="p", by="anna", device_no=number("c0"), until=at(3600), reason="test gas"))
    assert not closed(world.hear("c3", 2, 30))
    world.hear("c0", 3, 30)
    assert not closed(world.hear("c1", 4, 30))


def test_its_own_high_alarm_closes_all_the_same_and_its_low_alarm_does_not() -> None:
    low = 'id = "low"\napplies_to = ["detector"]\nflags = ["low_alarm"]\naction = "close"'
    world = street(more=(low,))
    world.tell(TakeOutOfService(at=at(1), id="o", by="anna", device_no=number("a0"), until=at(3600), reason="test gas"))
    assert not closed(world.hear("a0", 2, flags=Flag.LOW_ALARM))
    assert closed(world.hear("a0", 3, flags=Flag.HIGH_ALARM)) == ["b0"]


@pytest.mark.parametrize("bit", [Flag.LOW_ALARM, Flag.CO_ALARM])
def test_out_of_service_an_alarm_that_another_bit_says_closes_nothing_until_the_high_alarm_comes(bit: Flag) -> None:
    world = street()
    world.tell(TakeOutOfService(at=at(1), id="o", by="anna", device_no=number("a0"), until=at(3600), reason="test gas"))
    assert not closed(world.hear("a0", 2, 30))
    assert not closed(world.hear("a0", 3, 30, bit))
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert not closed(world.tick(4))
    assert closed(world.hear("a0", 5, 30, bit | Flag.HIGH_ALARM)) == ["b0"]


def test_a_further_bit_of_the_device_does_not_undo_what_a_person_cancelled() -> None:
    world = street()
    world.hear("a0", 1, 30, Flag.LOW_ALARM)
    wanted = world.state.wanted_by_slot[world.slot("b0")].wanted
    world.tell(CancelClose(at=at(2), id="c", by="anna", wanted=wanted, reason="it is shut by hand"))
    assert not closed(world.hear("a0", 3, 30, Flag.LOW_ALARM | Flag.HIGH_ALARM))


def test_a_device_that_is_back_in_service_with_its_alarm_standing_closes() -> None:
    world = street()
    world.tell(TakeOutOfService(at=at(1), id="o", by="anna", device_no=number("a0"), until=at(3600), reason="test gas"))
    assert not closed(world.hear("a0", 2, 30))
    assert closed(world.tell(ReturnToService(at=at(3), id="r", by="anna", device_no=number("a0")))) == ["b0"]


def test_a_device_whose_time_out_of_service_is_over_closes_for_the_alarm_that_stands() -> None:
    world = street()
    world.tell(TakeOutOfService(at=at(1), id="o", by="anna", device_no=number("a0"), until=at(60), reason="test gas"))
    world.hear("a0", 2, 30)
    assert closed(world.tick(61)) == ["b0"]


# ---- changes --------------------------------------------------------------------------------------------------------


def other(world: Street, what: Registry) -> list[Decision]:
    fleet = build_fleet(what, world.fleet)
    decided = reshape(world.state, fleet, compile_pack(world.rules, fleet), at(10))
    world.fleet = fleet
    return decided


def test_a_row_that_is_new_acts_for_alarms_that_stand() -> None:
    world = street()
    world.hear("c0", 1, 30)
    world.hear("c1", 2, 30)
    decided = other(world, registry(1, rows=[TWO_OF_THREE]))
    assert (closed(decided), run(decided)) == (["e0", "e1"], ["f0"])
    assert world.alarm("c0", "no-shut-off-valve").state.name == "RETURNED_UNACKNOWLEDGED"  # type: ignore[union-attr]


def test_a_row_that_is_gone_frees_its_valves_and_its_fans_are_tried_no_more() -> None:
    world = street(TWO_OF_THREE)
    world.hear("c0", 1, 30)
    world.hear("c1", 2, 30)
    assert world.slot("e0") in world.state.closed_for
    other(world, registry(1))
    assert world.slot("e0") not in world.state.closed_for
    assert world.slot("e0") in world.state.wanted_by_slot  # a closing goes on until it is seen, or a person cancels


def test_fewer_votes_act_at_once_and_the_same_registry_again_changes_nothing() -> None:
    world = street(TWO_OF_THREE)
    world.hear("c0", 1, 30)
    assert not closed(other(world, registry(1, rows=[TWO_OF_THREE])))
    one = row("r", "c0 c1 c2", votes=1, valves="e0 e1", fans="f0")
    assert closed(other(world, registry(1, rows=[one]))) == ["e0", "e1"]
    assert not closed(other(world, registry(1, rows=[one])))


def test_a_restart_does_not_forget_who_asked() -> None:
    world = street(TWO_OF_THREE)
    world.hear("c0", 1, 30)
    again = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    world.state = again
    assert closed(world.hear("c1", 2, 30)) == ["e0", "e1"]


def test_the_links_of_a_registry_are_rows_of_one_detector_and_one_valve() -> None:
    linked = registry(2)
    as_rows = registry(2, links=False, rows=[row(f"r{n}", f"a{n}", valves=f"b{n}") for n in range(2)])
    assert not as_rows.links
    assert isinstance(linked.links[0], Link)
    said = []
    for what in (linked, as_rows):
        world = Street(rules(CLOSES), what)
        world.hear("a0", 1, 30)
        world.hear("a1", 2, 30, Flag.HIGH_ALARM)
        world.tick(100)
        said.append(world.decided)
    assert said[0] == said[1]
