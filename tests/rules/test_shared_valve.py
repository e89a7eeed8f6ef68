"""One valve that several rules wait to close: what one of them gets, all have got."""

import numpy as np

from devices.readings import Rows
from rules.decisions import CloseWanted, HeldChange, ShutOffHeld
from rules.documents.document import default_pack, load_pack
from rules.instructions import CloseValve
from tests.rules.street import Street, number, registry
from tests.rules.world import NUMBERS, OF_A_CLOSING, World, at, of, pack, reading

#: One shut-off of each leaves by itself.
ONE_LEAVES = (
    'applies_to = ["detector"]\naction = "close"\nquantity = "{}"\nat_or_above = 20\nclear_below = 15\n'
    "budget = {{ least = 1, share_pct = 0.0, per_s = 600.0 }}"
)


def test_a_closing_by_hand_ends_the_waiting_of_every_rule_once() -> None:
    rules = [ONE_LEAVES.format(quantity) for quantity in ("combustible_lel", "co_ppm", "humidity_pct")]
    world = World(pack(*rules, *OF_A_CLOSING))
    world.hear("d4", 1, combustible_lel=30)
    world.hear("d5", 2, co_ppm=30)
    world.hear("sd", 3, humidity_pct=30)
    world.hear("d4", 4, humidity_pct=30, combustible_lel=0)
    decided = world.hear("d1", 5, humidity_pct=30)
    decided += world.hear("d2", 6, combustible_lel=30, co_ppm=30)
    v2 = [one for one in of(ShutOffHeld, decided) if one.device_no == NUMBERS["v2"]]
    assert sorted(one.rule for one in v2) == ["rule-0", "rule-1", "rule-2"]
    assert {one.change for one in v2} == {HeldChange.HELD}
    decided = world.tell(CloseValve(at=at(7), id="1", by="li", device_no=NUMBERS["v2"], reason="smells"))
    assert sorted(one.rule for one in of(ShutOffHeld, decided)) == ["rule-0", "rule-1", "rule-2"]
    assert {one.change for one in of(ShutOffHeld, decided)} == {HeldChange.RELEASED}


def test_twelve_homes_with_methane_and_carbon_monoxide_are_all_closed_in_their_turn() -> None:
    """The built-in rules judge both by software: a valve beyond the budget waits for several rules at once."""
    street, homes = Street(load_pack(default_pack(), "built-in rules"), registry(12)), range(12)

    def home(n: int, t: float) -> Rows:
        row = reading("d1", t, combustible_lel=60.0, co_ppm=400.0)
        row["device_no"] = number(f"a{n}")
        return row

    for t in range(10, 1_500, 10):
        street.step([home(n, t) for n in homes], (), t)
    held = of(ShutOffHeld, street.decided)
    waited = [(one.rule, one.device_no) for one in held if one.change is HeldChange.HELD]
    assert max(np.unique([valve for _, valve in waited], return_counts=True)[1]) > 1
    assert sorted(waited) == sorted((one.rule, one.device_no) for one in held if one.change is HeldChange.RELEASED)
    assert {one.device_no for one in of(CloseWanted, street.decided)} == {number(f"b{n}") for n in homes}
