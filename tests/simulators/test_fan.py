"""A simulated fan: what makes it run, and what it answers."""

from random import Random

import pytest

from devices.commands import Command, Verb
from simulators.fan import Fan, FanTraits
from simulators.home import Home
from simulators.orders import Taken
from simulators.registry import decode_homes, demo_homes, encode_homes, home_plans
from simulators.scenario import Scenario
from simulators.telemetry import Sender

NOON = "2025-12-02T12:00:00Z"
NOON_US = 1_764_676_800_000_000


def fan_on(id: str = "a", epoch: int = 1, verb: Verb = Verb.FAN_ON) -> Command:
    return Command(id, verb, epoch, NOON, "2025-12-02T12:00:30Z", "gas")


def test_it_runs_when_told_and_until_it_is_switched_off() -> None:
    fan = Fan(FanTraits(air_changes_per_hour=10.0))
    assert (fan.runs, fan.air_changes_per_hour) == (False, 0.0)
    assert fan.obey(fan_on(), NOON_US) is Taken.RUNNING
    assert fan.obey(fan_on("b"), NOON_US) is Taken.RUNNING
    assert (fan.runs, fan.air_changes_per_hour) == (True, 10.0)
    fan.switch_off()
    assert not fan.runs


@pytest.mark.parametrize(
    ("command", "now_us", "powered", "taken"),
    [
        (fan_on(), NOON_US + 30_000_000, True, Taken.EXPIRED),
        (fan_on(verb=Verb.CLOSE), NOON_US, True, Taken.NOT_MINE),
        (fan_on(verb=Verb.PERMIT_OPEN), NOON_US, True, Taken.NOT_MINE),
        (fan_on(), NOON_US, False, Taken.NO_POWER),
    ],
)
def test_what_does_not_make_it_run(command: Command, now_us: int, powered: bool, taken: Taken) -> None:
    fan = Fan(FanTraits())
    assert fan.obey(command, now_us, powered) is taken
    assert not fan.runs


def test_an_older_epoch_or_a_command_that_was_run_does_not_switch_it_on_again() -> None:
    fan = Fan(FanTraits())
    fan.obey(fan_on("a", epoch=5), NOON_US)
    fan.switch_off()
    assert fan.obey(fan_on("a", epoch=5), NOON_US) is Taken.REPEATED
    assert fan.obey(fan_on("b", epoch=4), NOON_US) is Taken.STALE
    assert not fan.runs


def test_a_home_with_a_fan_clears_its_air_sooner_and_reports_it() -> None:
    source = demo_homes(1, 7, fans=True)
    assert decode_homes(encode_homes(source)) == source
    assert [row.fans for row in source.matrix] == [("davysim/fan-00001",)]
    (plan,) = home_plans(source)
    left = []
    for runs in (False, True):
        home = Home(plan, Scenario("s", "", "", homes=1), Random(1), 0.0, 1.0)
        home.leak_m3h = 0.2
        home.advance(600.0)
        home.leak_m3h = 0.0
        if runs:
            assert home.run_fan(fan_on(), NOON_US) is Taken.RUNNING
        reports, _ = home.advance(1200.0)
        assert Sender.FAN in {report.sender for report in reports}
        left.append(home.air.methane)
    assert left[1] < left[0] / 2


def test_without_mains_it_stands_still() -> None:
    (plan,) = home_plans(demo_homes(1, 7, fans=True))
    home = Home(plan, Scenario("s", "", "", homes=1), Random(1), 0.0, 1.0)
    home.run_fan(fan_on(), NOON_US)
    home.lose_mains()
    assert home.fan is not None
    assert not home.fan.runs
    assert home.run_fan(fan_on("b"), NOON_US) is Taken.NO_POWER
