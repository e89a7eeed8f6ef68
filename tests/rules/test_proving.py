"""How long a rule that came into force proves itself, to the microsecond, and which rules have something to prove."""

import pytest

from rules.evaluation.doses import TIME_CONSTANT_MIN
from rules.evaluation.kernels import compile_pack
from rules.stepping.reshape import reshape
from tests.rules.world import World, at, pack

BEFORE = 'id = "before"\nflags = ["fault"]'
LIMIT = 'quantity = "co_ppm"\nat_or_above = 50\nclear_below = 30\n'


def proving(*rules: str) -> dict[str, float]:
    """Seconds beyond ten minutes, of each rule that proves itself after an edit."""
    world = World(pack(BEFORE))
    reshape(world.state, world.fleet, compile_pack(pack(BEFORE, *rules), world.fleet), at(1))
    return {rule: one.lasts_us / 1e6 - 600 for rule, (one, _) in world.state.proving.items()}


@pytest.mark.parametrize(
    ("rule", "waits_s"),
    [
        (LIMIT, 0),
        (LIMIT + "hold_s = 30.5", 30.5),
        ('condition = "co_ppm >= 50 ppm"', 0),
        ('condition = "co_ppm >= 50 ppm"\nhold_s = 20', 20),
        ('condition = "mean(co_ppm, 60 s) > 30 ppm and tamper"', 60),
        ('condition = "count(co_ppm > 30 ppm, 90 s) >= 3"', 90),
        ('condition = "stuck(co_ppm, 2h)"', 7_200),
        ('condition = "since(low_alarm) > 45 s"', 45),
        ('condition = "since(low_alarm) > soon"\nnumbers = { soon = "0.5 s" }', 0.5),
        ('condition = "cohb(co_ppm) >= 10 %"', round(5 * TIME_CONSTANT_MIN * 60)),
        ('condition = "mean(co_ppm, 60 s) > 30 ppm or since(low_alarm) > 45 s"\nhold_s = 5', 65),
        ('kind = "quality"', 0),
        ('kind = "quality"\nhold_s = 30', 30),
    ],
)
def test_it_is_ten_minutes_and_what_the_rule_waits_for(rule: str, waits_s: float) -> None:
    assert proving('id = "new"\n' + rule) == {"new": waits_s}


@pytest.mark.parametrize(
    "rule", ['flags = ["fault"]', 'kind = "silence"', 'kind = "outage"\ngroup = "site"\nleast = 2']
)
def test_what_a_device_says_itself_and_that_it_says_nothing_need_no_proof(rule: str) -> None:
    assert proving('id = "new"\n' + rule) == {}
