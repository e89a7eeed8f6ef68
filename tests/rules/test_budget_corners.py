"""Corners of the budget of shut-offs (G13): what another rule takes along, what is worse, how large a share is."""

import pytest

from devices.quantities import QUALITY_BITS, Flag, Quality, quality_shift
from rules.decisions import AlarmChanged, Change, CloseWanted, HeldChange, ShutOffHeld
from rules.interlock import releasing
from tests.rules.street import BUDGET, CLOSES, RISES, Street, names_of, number, reading, registry, row, rules
from tests.rules.world import at, of

OTHER = (
    'id = "other"\napplies_to = ["detector"]\nquantity = "combustible_lel"\nat_or_above = 40.0\nclear_below = 30.0\n'
    'action = "close"'
)


def changes(decided: list[object], change: HeldChange) -> list[tuple[str, str]]:
    """(rule, valve)."""
    return [(one.rule, *names_of([one.device_no])) for one in of(ShutOffHeld, decided) if one.change is change]


def test_what_another_rule_closes_need_not_wait_any_more() -> None:
    boiler = row("boiler", "c0 c1", valves="e0")
    world = Street(rules(CLOSES + BUDGET, OTHER), registry(4, rows=[boiler]))
    for home in ("a0", "a1"):
        world.hear(home, 1, 12)
    assert changes(world.hear("c0", 2, 15), HeldChange.HELD) == [("rises", "e0")]
    assert world.alarm("c0", "shut-off-held") is not None
    decided = world.hear("c1", 3, 45)
    assert names_of([one.device_no for one in of(CloseWanted, decided)]) == ["e0"]
    assert ("rises", "e0") in changes(decided, HeldChange.RELEASED)
    assert not world.state.held
    told = [one for one in of(AlarmChanged, decided) if one.rule == "shut-off-held"]
    assert [one.change for one in told] == [Change.NOTED, Change.RETURNED]  # c1 was the worse one, until e0 was closed


def test_people_read_that_nothing_waits_any_more_when_the_device_says_so_itself() -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4))
    for home in ("a0", "a1", "a2"):
        world.hear(home, 1, 12)
    decided = world.hear("a2", 2, 12, Flag.HIGH_ALARM)
    told = [one for one in of(AlarmChanged, decided) if one.rule == "shut-off-held"]
    assert [(one.change, one.device_no, one.at) for one in told] == [(Change.RETURNED, number("a2"), at(2))]


@pytest.mark.parametrize("quality", list(Quality))
def test_only_a_value_that_can_be_believed_makes_a_waiting_shut_off_worse(quality: Quality) -> None:
    world = Street(rules(CLOSES + BUDGET), registry(4))
    for home, level in (("a0", 12), ("a1", 13), ("a2", 14), ("a3", 15)):
        world.hear(home, 1, level)
    said = reading("a2", 2, 90)
    shift = quality_shift("combustible_lel")
    mask = (1 << QUALITY_BITS) - 1
    said["quality"] = int(said["quality"][0]) & ~(mask << shift) | int(quality) << shift
    world.step([said], (), 2)
    first = "b2" if quality is Quality.GOOD else "b3"
    assert names_of([one.device_no for one in of(CloseWanted, world.tick(601))])[0] == first


def test_one_whose_value_is_not_known_leaves_after_all_the_others() -> None:
    either = 'id = "rises"\napplies_to = ["detector"]\ncondition = "fault or combustible_lel >= 10 %LEL"\n'
    world = Street(rules(either + 'action = "close"' + BUDGET), registry(6))
    for home in ("a0", "a1"):
        world.hear(home, 1, 12)
    world.hear("a2", 2, flags=Flag.FAULT)
    for home, level in (("a3", 11), ("a4", 13)):
        world.hear(home, 3, level)
    assert names_of([one.device_no for one in of(CloseWanted, world.tick(601))]) == ["b4", "b3"]
    assert names_of([one.device_no for one in of(CloseWanted, world.tick(1_201))]) == ["b2"]


@pytest.mark.parametrize(
    ("share_pct", "least", "valves", "leave"),
    [(50, 1, 6, 3), (49, 1, 6, 2), (33, 1, 6, 1), (16, 1, 6, 1), (10, 2, 6, 2), (100, 1, 6, 6)],
)
def test_a_share_of_the_fleet_is_of_its_valves_rounded_down_and_never_less_than_the_least(
    share_pct: int, least: int, valves: int, leave: int
) -> None:
    budget = f"\nbudget = {{ least = {least}, share_pct = {share_pct}.0, per_s = 600.0 }}"
    world = Street(rules(RISES + 'action = "close"' + budget), registry(valves - 2))
    assert len(world.fleet.valves) == valves
    assert releasing.limit(world.state, world.state.compiled.by_id["rises"]) == leave
