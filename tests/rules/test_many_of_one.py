"""A few devices that say very much at once, under all default packs: what they say is judged as if it had come one
reading at a time, and costs others little."""

import random
import sys
from types import FrameType
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.fleet import Fleet, build_fleet
from devices.quantities import Flag, Quality, quality_shift
from devices.readings import Batch, Rows, blank
from rules.decisions import Decision
from rules.documents.document import load_pack
from rules.documents.merged import DEFAULT_PACKS, built_in_packs
from rules.stepping.snapshot import encode_snapshot, snapshot
from rules.stepping.state import State
from rules.stepping.step import step
from tests.rules.test_determinism import first_difference, plain
from tests.rules.world import NUMBERS, SECOND, T0, registry

PACK = load_pack(built_in_packs(DEFAULT_PACKS), "default packs")
FLEET: Fleet = build_fleet(registry())
NOW = T0 + 3_600 * SECOND


def said(seed: int, devices: int, many: int) -> Rows:
    """What some detectors say, all received at one time: calm, rising, alternating and doubtful stretches, clocks that
    step back."""
    rng = random.Random(seed)
    names = rng.sample(["d1", "d2", "d3", "d4", "d5", "sd"], devices)
    rows = blank(many)
    calm, gas, co, stretch = True, 0.0, 0.0, 0
    t = {name: NOW - rng.choice((60, 3_000)) * SECOND for name in names}
    for row in rows:
        stretch -= 1
        if stretch < 0:
            stretch = rng.randrange(40)
            calm, gas, co = rng.random() < 0.5, rng.choice((0.0, 3.0, 24.0, 60.0)), rng.choice((0.0, 40.0, 400.0))
        name = rng.choice(names)
        t[name] += rng.choice((0, 1_000, 400_000, SECOND, SECOND, 9 * SECOND, -SECOND, -400 * SECOND if calm else 0))
        row["device_no"], row["received"], row["ts"] = NUMBERS[name], NOW, min(t[name], NOW)
        for quantity, value in (("combustible_lel", gas), ("co_ppm", co), ("temperature_c", 20.0)):
            row[quantity] = value if calm else value * rng.choice((0.0, 0.5, 1.0, 1.1)) + rng.random()
            quality = Quality.GOOD if rng.random() < 0.98 else rng.choice(list(Quality))
            shift = quality_shift(quantity)
            row["quality"] = int(row["quality"]) & ~(15 << shift) | int(quality) << shift
        if rng.random() < 0.03:
            row["flags"] = int(rng.choice((Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.FAULT, Flag.LATE, Flag.STALE)))
    return rows


def judged(state: State, rows: Rows) -> list[Decision]:
    return step(state, Batch(rows, FLEET.slots(rows["device_no"])), (), NOW)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**48), st.integers(1, 6), st.sampled_from((3, 30, 200)))
def test_all_at_once_is_one_after_the_other(seed: int, devices: int, many: int) -> None:
    rows = said(seed, devices, many)
    whole, single = State.initial(FLEET, PACK, T0), State.initial(FLEET, PACK, T0)
    for state in (whole, single):
        judged(state, rows[:0])
    at_once = judged(whole, rows)
    one_by_one = [decision for at in range(many) for decision in judged(single, rows[at : at + 1])]
    assert not first_difference(plain(at_once), plain(one_by_one))
    assert encode_snapshot(snapshot(whole)) == encode_snapshot(snapshot(single))


def test_four_thousand_calm_readings_of_one_device_are_no_four_thousand_rounds() -> None:
    """Counted in calls of functions, for time is nobody's promise in a test: a round of one reading makes some 150."""
    rows = blank(4_000)
    rows["device_no"], rows["received"], rows["ts"] = NUMBERS["d1"], NOW, NOW - 4_000 + np.arange(4_000)
    for quantity in ("combustible_lel", "co_ppm", "temperature_c"):
        rows[quantity] = 1.0 + np.arange(4_000) % 3
        rows["quality"] &= ~(15 << quality_shift(quantity))
    state, called = State.initial(FLEET, PACK, T0), [0]
    judged(state, rows[:0])

    def count(frame: FrameType, event: str, what: Any) -> None:
        called[0] += event == "call"

    sys.setprofile(count)
    try:
        judged(state, rows)
    finally:
        sys.setprofile(None)
    assert called[0] < 4 * len(rows)
