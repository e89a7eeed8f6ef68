"""Rules that may be used and that hardly anybody means are told of where a pack is looked at."""

import pytest

from rules.doubtful import doubtful
from tests.rules.world import MODELS, pack

CLEAN = "is true of clean air: it would stand at nearly every device that is well"
OVERRIDE = '[[override]]\nrule = "rule-0"\nsource = "product choice"\nonly = { tags = ["old"] }\n'


@pytest.mark.parametrize(
    "said",
    [
        'quantity = "combustible_lel"\nat_or_above = 0\nclear_below = -1',
        'quantity = "co_ppm"\nat_or_below = 5\nclear_above = 6',
        'condition = "combustible_lel >= 0 %LEL"',
        'condition = "mean(co_ppm, 5 min) < limit"\nnumbers = { limit = "5 ppm" }',
        'condition = "not fault"',
    ],
)
def test_a_rule_that_is_true_of_clean_air_is_told_of(said: str) -> None:
    assert list(doubtful(pack(f'id = "rule-0"\n{said}'))) == [f"rule 'rule-0' {CLEAN}"]


@pytest.mark.parametrize(
    "said",
    [
        'quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15',
        'quantity = "battery_pct"\nat_or_below = 10\nclear_above = 12',
        'condition = "combustible_lel >= 1 %LEL or fault"',
        'flags = ["fault"]',
        'condition = "combustible_lel >= 0 %LEL"\nstate = "draft"',
        'kind = "silence"',
    ],
)
def test_nothing_is_said_of_a_rule_that_a_device_that_is_well_does_not_raise(said: str) -> None:
    assert list(doubtful(pack(f'id = "rule-0"\n{said}'), MODELS)) == []


@pytest.mark.parametrize(
    "said",
    [
        f'quantity = "co_ppm"\nat_or_above = 30\nclear_below = 20\n{OVERRIDE}at_or_above = 0\nclear_below = -5',
        f'condition = "co_ppm >= limit"\nnumbers = {{ limit = "5 ppm" }}\n{OVERRIDE}numbers = {{ limit = "0 ppm" }}',
    ],
)
def test_an_override_that_makes_it_so_is_named(said: str) -> None:
    first, _, rest = said.partition(OVERRIDE)
    assert list(doubtful(pack(f'id = "rule-0"\npriority = "low"\n{first}{OVERRIDE}{rest}'))) == [
        f"rule 'rule-0' with override number 1 {CLEAN}"
    ]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "missing(20 s)",
            "missing(20 s) is true between any two readings of gateway (1 h) and 4 more models; write 1 *",
        ),
        ('missing(20 s)"\napplies_to = ["detector"]\nnotify = "x', ""),
        ('missing(5 s)"\napplies_to = ["detector"]\nnotify = "x', "readings of detector (10 s); write 1 * interval"),
        ('missing(45 s)"\nonly = { models = ["valve", "detector"] }\nnotify = "x', ""),
        ("missing(1 * interval)", ""),
        ("missing(2 h)", ""),
    ],
)
def test_a_silence_that_is_shorter_than_a_device_is_silent_between_its_readings_is_told_of(
    said: str, told: str
) -> None:
    found = " ".join(doubtful(pack(f'condition = "{said}"'), MODELS))
    assert told in found
    assert bool(told) == bool(found)
