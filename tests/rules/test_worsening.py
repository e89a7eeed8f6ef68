"""What an alarm says, and is compared by while its shut-off waits: the worst since its hold began (G13)."""

import numpy as np
import pytest

from devices.quantities import Flag
from rules.decisions import AlarmRaised, CloseWanted, Decision
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import Snapshot, decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import BUDGET, CLOSES, RISES, Street, names_of, reading, registry, rules
from tests.rules.world import at, of

HELD = CLOSES + "\nhold_s = 30.0" + BUDGET
CONDITION = (
    'id = "rises"\napplies_to = ["detector"]\ncondition = "combustible_lel >= 10 %LEL"\n'
    'clear_condition = "combustible_lel < 5 %LEL"\naction = "close"'
)
FALLS = (
    'id = "rises"\napplies_to = ["detector"]\nquantity = "combustible_lel"\nat_or_below = 40.0\nclear_above = 50.0\n'
    'action = "close"\nhold_s = 30.0'
)


def street(rule: str = HELD, homes: int = 6) -> Street:
    return Street(rules(rule), registry(homes))


def raised(decided: list[Decision]) -> list[tuple[str, str, float | None]]:
    return [
        (names_of([one.device_no])[0], one.quantity, one.value)
        for one in of(AlarmRaised, decided)
        if one.rule == "rises"
    ]


def closed(decided: list[Decision]) -> list[str]:
    return names_of([one.device_no for one in of(CloseWanted, decided)])


def thawed(world: Street) -> None:
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)


def edit(world: Street, pack: RulePack, t: float) -> None:
    world.rules = pack
    reshape(world.state, world.fleet, compile_pack(pack, world.fleet), at(t))


@pytest.mark.parametrize("restarts", [False, True])
def test_a_hold_that_ends_by_its_time_raises_with_the_worst_since_it_began_and_the_worst_leaves_first(
    restarts: bool,
) -> None:
    world = street()
    for n, lel in enumerate((20, 21, 22, 90, 24)):
        world.hear(f"a{n}", 1 + n / 1000, lel)
    world.hear("a2", 5, 30)
    world.hear("a3", 10, 12)
    world.hear("a2", 11, 15)
    if restarts:
        thawed(world)
    decided = world.tick(40)
    values = [("a0", 20), ("a1", 21), ("a2", 30), ("a3", 90), ("a4", 24)]
    assert raised(decided) == [(name, "combustible_lel", value) for name, value in values]
    assert closed(decided) == ["b0", "b1"]
    assert closed(world.tick(700)) == ["b3", "b2"]


def test_a_hold_that_ends_at_a_reading_says_the_worst_too() -> None:
    world = street()
    for t, lel in ((1, 20), (11, 60), (31, 12)):
        decided = world.hear("a0", t, lel)
    assert raised(decided) == [("a0", "combustible_lel", 60)]


def test_what_was_said_before_the_hold_began_or_is_not_good_or_stale_does_not_count() -> None:
    world = street()
    world.hear("a0", 1, 90)
    world.hear("a0", 2, 1)  # that hold is over
    world.hear("a0", 3, 20)
    world.hear("a0", 4, 80, Flag.STALE)
    world.hear("a0", 5, 80, Flag.LATE)
    world.hear("a0", 6)
    assert raised(world.tick(34)) == [("a0", "combustible_lel", 20)]


def test_of_what_falls_the_lowest_is_the_worst() -> None:
    world = street(FALLS)
    for t, lel in ((1, 30), (2, 7), (3, 20)):
        world.hear("a0", t, lel)
    assert raised(world.tick(40)) == [("a0", "combustible_lel", 7)]


def test_all_readings_of_a_batch_count_in_their_order() -> None:
    world = street()
    batch = [reading("a0", t, lel) for t, lel in ((1, 95), (2, 1), (3, 20), (4, 33), (5, 20))]
    world.step(batch, (), 5)
    assert raised(world.tick(34)) == [("a0", "combustible_lel", 33)]


def test_a_condition_on_a_quantity_says_its_value_with_or_without_a_hold() -> None:
    world = street(CONDITION + BUDGET)
    for n, lel in enumerate((20, 21, 22, 90, 24)):
        decided = world.hear(f"a{n}", 1 + n / 1000, lel)
        assert raised(decided) == [(f"a{n}", "combustible_lel", lel)]
    assert closed(world.tick(700)) == ["b3", "b4"]
    waits = street(CONDITION + "\nhold_s = 30.0")
    waits.hear("a0", 1, 70)
    waits.hear("a0", 2, 20)
    assert raised(waits.tick(40)) == [("a0", "combustible_lel", 70)]


def test_a_rule_that_does_not_act_keeps_nothing() -> None:
    world = Street(rules(RISES + "hold_s = 30.0", CLOSES.replace('"rises"', '"other"')), registry(1))
    assert world.state.worst.orders.shape[1] == 0
    world.hear("a0", 1, 20)
    assert raised(world.tick(40)) == [("a0", "", None)]


def test_one_that_comes_again_is_compared_by_what_it_comes_with() -> None:
    world = street(CLOSES + BUDGET)
    for t, name, lel in ((1, "a0", 20), (1.1, "a1", 20), (2, "a2", 90), (3, "a2", 1), (4, "a2", 12), (5, "a3", 60)):
        world.hear(name, t, lel)
    assert [one.value for one in world.state.held.values()] == [12, 60]
    thawed(world)
    assert closed(world.tick(602)) == ["b3", "b2"]


def test_an_edit_keeps_what_was_said_and_one_of_the_quantity_does_not() -> None:
    world = street()
    world.hear("a0", 1, 70)
    edit(world, rules('id = "cold"\nquantity = "temperature_c"\nat_or_below = -20.0\nclear_above = -15.0', HELD), 2)
    world.hear("a0", 3, 20)
    assert raised(world.tick(40)) == [("a0", "combustible_lel", 70)]
    other = street()
    other.hear("a0", 1, 70)
    edit(other, rules(HELD.replace("combustible_lel", "co_ppm")), 2)
    assert np.isinf(other.state.worst.orders).all()


def test_a_snapshot_of_before_it_was_kept_is_read() -> None:
    world = street()
    world.hear("a0", 1, 70)
    taken = snapshot(world.state)
    old = Snapshot({name: array for name, array in taken.arrays.items() if name != "worst"}, taken.records)
    world.state = restore(old, world.fleet, world.rules)
    assert raised(world.tick(40)) == [("a0", "", None)]
