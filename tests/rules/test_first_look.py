"""The first look over a batch says of limits, qualities and flags what the whole look says, of every row and rule: none
is taken for one that moves something when it is not, and none is missed."""

import random

import numpy as np
import pytest

from devices.quantities import GAS_QUANTITIES, Flag, Quality
from devices.readings import Rows
from rules.evaluation.evaluation import evaluate
from rules.evaluation.windows import Windows
from tests.rules.world import OF_A_CLOSING, World, pack, reading

VALUES = (0.0, 4.0, 15.0, 20.0, 25.0, 50.0, 60.0, float("nan"))
QUALITIES = (Quality.GOOD,) * 4 + (Quality.SENSOR_FAULT, Quality.WARM_UP, Quality.STALE, Quality.NOT_MEASURED)
FLAGS = (Flag(0), Flag(0), Flag.STALE, Flag.TAMPER, Flag.HIGH_ALARM, Flag.STALE | Flag.LOW_ALARM, Flag.WARM_UP)


def some_reading(drawn: random.Random) -> Rows:
    name = drawn.choice(("d1", "d2", "v1", "g1", "s1"))
    said = {one: drawn.choice(VALUES) for one in ("combustible_lel", "co_ppm", "battery_pct") if drawn.random() < 0.7}
    return reading(name, 1, flags=drawn.choice(FLAGS), quality={one: drawn.choice(QUALITIES) for one in said}, **said)


def at_first_and_wholly(world: World, rows: list[Rows]) -> tuple[np.ndarray, np.ndarray]:
    together = np.concatenate(rows)
    compiled = world.state.compiled
    found = evaluate(compiled, Windows(compiled), together, world.fleet.slots(together["device_no"]))
    return found.raised, found.whole(np.arange(len(together))).raised == 1


def test_what_is_raised_at_first_look_is_what_is_raised() -> None:
    drawn = random.Random(11)
    first, whole = at_first_and_wholly(World(), [some_reading(drawn) for _ in range(3_000)])
    assert (first == whole).all()
    assert whole.any(axis=1).sum() > 500
    assert (~whole.any(axis=1)).sum() > 500


def test_what_makes_one_rule_look_twice_says_nothing_of_the_others() -> None:
    rules = pack(
        'id = "tampered"\nflags = ["tamper"]',
        'id = "gas"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15',
        'id = "cold"\nquantity = "temperature_c"\nat_or_below = -10\nclear_above = -5',
        'id = "by-words"\ncondition = "combustible_lel >= 40 %LEL"',
        'id = "broken"\nkind = "quality"',
        *OF_A_CLOSING,
    )
    rows = [
        reading("d1", 1, flags=Flag.TAMPER, combustible_lel=0),
        reading("d1", 1, combustible_lel=30),
        reading("d1", 1, combustible_lel=40),
        reading("d1", 1, combustible_lel=0, quality={"combustible_lel": Quality.SENTINEL}),
        reading("d1", 1, flags=Flag.STALE, combustible_lel=60),
        reading("d1", 1, flags=Flag.STALE, quality={"co_ppm": Quality.SENSOR_FAULT}),
        reading("d1", 1, flags=Flag.STALE | Flag.TAMPER, combustible_lel=60, temperature_c=-20),
        reading("d1", 1, temperature_c=-10),
    ]
    world = World(rules)
    first, whole = at_first_and_wholly(world, rows)
    ids = [rule.id for rule in world.state.compiled.rules]
    found = [{ids[rule] for rule in np.flatnonzero(row)} for row in first]
    assert found == [
        {"tampered"},
        {"gas"},
        {"gas", "by-words"},
        {"broken"},
        set(),
        set(),
        {"tampered"},
        {"cold"},
    ]
    assert (first == whole).all()


def test_of_every_row_and_rule_something_is_said() -> None:
    world = World()
    together = np.concatenate([reading("d1", 1), reading("v1", 1), reading("d2", 1)])
    compiled = world.state.compiled
    found = evaluate(compiled, Windows(compiled), together, world.fleet.slots(together["device_no"]))
    says = found.whole(np.arange(3))
    shape = (3, len(compiled.rules))
    assert found.raised.shape == shape
    assert says.raised.shape == says.cleared.shape == says.at_once.shape == says.priority.shape == shape


@pytest.mark.parametrize("quantity", GAS_QUANTITIES)
@pytest.mark.parametrize(
    ("quality", "raised", "cleared"),
    [
        (Quality.OUT_OF_RANGE, 1, 0),
        (Quality.SENSOR_FAULT, 1, 0),
        (Quality.SENTINEL, 1, 0),
        (Quality.WARM_UP, -1, -1),
        (Quality.INHIBITED, -1, -1),
        (Quality.STALE, -1, -1),
        (Quality.GOOD, 0, 1),
        (Quality.NOT_MEASURED, 0, 1),
    ],
)
def test_each_gas_alone_decides_whether_a_detector_can_be_believed(
    quantity: str, quality: Quality, raised: int, cleared: int
) -> None:
    world = World(pack('kind = "quality"'))
    others = {one: 0.0 for one in GAS_QUANTITIES if one != quantity}
    row = reading("d1", 1, quality={quantity: quality}, **others)
    compiled = world.state.compiled
    found = evaluate(compiled, Windows(compiled), row, world.fleet.slots(row["device_no"])).whole(np.arange(1))
    assert (found.raised[0, 0], found.cleared[0, 0]) == (raised, cleared)


def test_a_rule_that_has_only_flags_to_look_at_is_false_when_none_is_set_and_gone_when_the_device_sees() -> None:
    world = World(pack('flags = ["low_alarm"]', 'flags = ["tamper"]'))
    rows = [reading("d1", 1), reading("d1", 1, flags=Flag.FAULT), reading("d1", 1, flags=Flag.TAMPER)]
    together = np.concatenate(rows)
    compiled = world.state.compiled
    found = evaluate(compiled, Windows(compiled), together, world.fleet.slots(together["device_no"])).whole(
        np.arange(3)
    )
    assert found.raised.tolist() == [[0, 0], [0, 0], [0, 1]]
    assert found.cleared.tolist() == [[1, 1], [-1, 1], [1, 0]]
