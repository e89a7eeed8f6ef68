"""Rules that may be used and that hardly anybody means are told of where a pack is looked at."""

import msgspec
import pytest

from devices.models import DeviceKind, DeviceModel, load_catalogue
from rules.documents.document import default_pack, load_pack
from rules.documents.doubtful import doubtful
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


SLOW = tuple(
    DeviceModel(f"every_{every_s:g}_s", "v", "m", kind, "s", every_s, measures=measures)
    for every_s, kind, measures in (
        (10.0, DeviceKind.DETECTOR, ("combustible_lel",)),
        (50.0, DeviceKind.DETECTOR, ()),
        (60.0, DeviceKind.DETECTOR, ("combustible_lel", "co_ppm")),
        (86_400.0, DeviceKind.DETECTOR, ("combustible_lel",)),
        (3_600.0, DeviceKind.GATEWAY, ()),
        (7_200.0, DeviceKind.DETECTOR, ("co_ppm",)),
    )
)
NEVER = "can never be known at every_86400_s (1 d) and 1 more models: a window of two report intervals or more"
LATE = "is not known after a reading that is late or lost at every_50_s (50 s): a window"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("rate(combustible_lel, 60 s) >= 10 %LEL/min", [f"rate(combustible_lel, 60 s) {NEVER}", LATE]),
        ('rate(combustible_lel, 60 s) >= 10 %LEL/min"\nonly = { measures = ["humidity_pct"] }\nnotify = "x', []),
        ("delta(combustible_lel, 2 min) >= 10 %LEL", ["can never be known at every_86400_s (1 d): a window"]),
        ("delta(combustible_lel, 2 d) >= 10 %LEL", []),
        ("max(combustible_lel, 5 s) >= 10 %LEL and mean(combustible_lel, 5 s) >= 5 %LEL", []),
        ("rate(flow_m3h, 10 s) >= 1 m3/h/min", []),
    ],
)
def test_a_rise_over_a_window_that_holds_no_two_readings_of_a_device_is_told_of(said: str, told: list[str]) -> None:
    found = list(doubtful(pack(f'condition = "{said}"'), SLOW))
    assert len(found) == len(told)
    assert all(one in line for one, line in zip(told, found, strict=True))


def test_the_rise_of_the_built_in_rules_is_known_at_a_device_that_reports_every_two_minutes() -> None:
    rules = load_pack(default_pack(), "built-in rules")
    minutes = [msgspec.structs.replace(SLOW[0], report_interval_s=60.0 * every) for every in (1, 2)]
    assert not [one for one in doubtful(rules, (*load_catalogue(), *minutes)) if "known" in one]
