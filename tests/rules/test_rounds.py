"""Which readings are judged one after the other: those from a device's first that moves anything."""

import numpy as np

from devices.quantities import Flag
from devices.readings import Rows
from rules.stepping.notable import look
from tests.rules.world import NUMBERS, World, reading

SLOW = 20.0


def in_rounds(world: World, rows: list[Rows]) -> list[int]:
    """Indices of the rows that would go through rounds."""
    every = np.concatenate(rows)
    piece = look(world.state, every, world.fleet.slots(every["device_no"]), every["received"].copy())
    return np.flatnonzero(piece.judged).tolist()


def test_readings_of_a_device_whose_alarm_stands_go_through_no_rounds_until_one_moves_something() -> None:
    world = World()
    world.hear("d1", 1, flags=Flag.HIGH_ALARM)
    assert world.state.busy[world.fleet.slot_of[NUMBERS["d1"]]]
    standing = [reading("d1", 2, flags=Flag.HIGH_ALARM) for _ in range(1_000)]
    calm = [reading("d2", 2, combustible_lel=0.0) for _ in range(1_000)]
    assert in_rounds(world, [*standing, *calm]) == []
    another = reading("d1", 2, flags=Flag.HIGH_ALARM | Flag.CO_ALARM)
    assert in_rounds(world, [*standing, *calm, another, *standing[:3]]) == [2_000, 2_001, 2_002, 2_003]


def test_a_hold_that_runs_is_looked_at_with_every_reading() -> None:
    world = World()
    world.hear("d1", 1, combustible_lel=SLOW)
    assert (world.state.since[world.fleet.slot_of[NUMBERS["d1"]]] != 0).any()
    assert in_rounds(world, [reading("d1", 1.1, combustible_lel=SLOW) for _ in range(3)]) == [0, 1, 2]
