"""The first look over a batch finds every row that may matter: raised, awake, depends; and what is beyond by itself."""

import numpy as np
import pytest

from devices.quantities import Flag, Quality, ValvePosition
from rules.evaluation.evaluation import beyond
from tests.rules.evaluation.desk import Desk, flagged, pack, reading, rule

AIR, GAS = 0.0, 30.0
OPEN, CLOSED = ValvePosition.OPEN, ValvePosition.CLOSED
WATCHED, FREE = np.ones(9, np.bool_), np.zeros(9, np.bool_)


def test_a_condition_of_the_row_alone_is_known_at_first_look() -> None:
    found = Desk.of("combustible_lel >= 20 %LEL and not tamper").hear(
        reading("m1", 0, combustible_lel=GAS),
        reading("m2", 0, combustible_lel=AIR),
        flagged(reading("m3", 0, combustible_lel=GAS), Flag.TAMPER),
    )
    assert found.raised[:, 0].tolist() == [True, False, False]
    assert not found.awake.any()
    assert not found.depends.any()


def test_a_quiet_group_lets_its_rows_sleep() -> None:
    desk = Desk.of("at_least(2, riser, combustible_lel >= 20 %LEL)")
    first = desk.hear(reading("m1", 0, combustible_lel=AIR), reading("m2", 0, combustible_lel=AIR))
    assert first.awake.tolist() == [True, True]  # their first votes
    first.whole(np.arange(2))
    again = desk.hear(reading("m1", 1, combustible_lel=1), reading("m2", 1, combustible_lel=2))
    assert again.awake.tolist() == [False, False]


def test_a_yes_wakes_its_group_and_no_other() -> None:
    desk = Desk.of("at_least(2, riser, combustible_lel >= 20 %LEL)")
    names = ("m1", "m2", "m3", "m4")
    desk.hear(*(reading(name, 0, combustible_lel=AIR) for name in names)).whole(np.arange(4))
    rows = [reading(name, 1, combustible_lel=GAS if name == "m3" else AIR) for name in names]
    assert desk.hear(*rows).awake.tolist() == [False, False, True, True]


def test_a_rule_that_is_true_when_a_vote_is_not_is_always_asked() -> None:
    desk = Desk.of("not any(riser, combustible_lel >= 20 %LEL) and tamper")
    desk.hear(reading("m1", 0, combustible_lel=AIR)).whole(np.arange(1))
    quiet, tampered = reading("m1", 1, combustible_lel=AIR), reading("m1", 2, combustible_lel=AIR)
    assert desk.hear(quiet, flagged(tampered, Flag.TAMPER)).awake.tolist() == [False, True]


def test_a_rule_that_asks_for_commands_depends_on_them_only_where_the_rest_does_not_decide() -> None:
    desk = Desk.of("commanded_closed and valve == open")
    found = desk.hear(reading("v1", 0, valve=OPEN), reading("v2", 0, valve=CLOSED), reading("v3", 0))
    assert found.depends.tolist() == [True, False, True]
    assert found.awake.tolist() == [True, False, False]
    assert found.whole(np.arange(3), WATCHED).raised[:, 0].tolist() == [1, 0, -1]
    assert found.whole(np.arange(3), FREE).raised[:, 0].tolist() == [0, 0, 0]


def test_a_clear_condition_and_an_escalation_depend_on_commands_too() -> None:
    by_clear = Desk.of("valve == open", clear="valve == closed and commanded_closed")
    assert by_clear.hear(reading("v1", 0, valve=CLOSED), reading("v1", 1, valve=OPEN)).depends.tolist() == [True, False]


@pytest.mark.parametrize(
    ("condition", "value", "says"),
    [
        ("combustible_lel >= 20 %LEL", GAS, True),
        ("combustible_lel >= 20 %LEL", AIR, False),
        ("not combustible_lel < 20 %LEL", GAS, True),
        ("mean(combustible_lel, 5 min) >= 20 %LEL", GAS, True),
        ("any(site, combustible_lel >= 20 %LEL)", GAS, True),
        ("combustible_lel >= 20 %LEL and tamper", GAS, True),
        ("rate(combustible_lel, 60 s) >= 5 %LEL/min", GAS, False),
        ("combustible_lel >= limit", GAS, True),
    ],
)
def test_a_reading_is_beyond_when_a_comparison_of_it_with_a_limit_is_as_a_rule_needs_it(
    condition: str, value: float, says: bool
) -> None:
    desk = Desk(pack(rule(condition, numbers={"limit": "20 %LEL"} if "limit" in condition else None)))
    row = reading("m1", 0, combustible_lel=value)
    before = {name: array.copy() for name, array in desk.windows.arrays().items()}
    assert beyond(desk.compiled, row, desk.fleet.slots(row["device_no"])).tolist() == [says]
    assert all((array == before[name]).all() for name, array in desk.windows.arrays().items())


def test_a_value_that_is_not_good_is_not_beyond() -> None:
    desk = Desk.of("combustible_lel >= 20 %LEL")
    row = reading("m1", 0, combustible_lel=GAS, quality={"combustible_lel": Quality.SENSOR_FAULT})
    assert not beyond(desk.compiled, row, desk.fleet.slots(row["device_no"])).any()
