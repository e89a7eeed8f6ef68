"""What a condition says of a reading, and when it is an alarm: holds, hysteresis, latching, a device's own bits."""

import math

import pytest

from devices.quantities import Flag, Quality
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Priority, alarm_id
from tests.rules.world import NUMBERS, World, at, changed, of, pack, raised, reading

GAS = 'quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'
HELD = pack(GAS + "hold_s = 30")
UNKNOWN_QUALITIES = [quality for quality in Quality if quality is not Quality.GOOD]


def test_a_limit_without_a_hold_is_an_alarm_at_the_first_reading_at_it() -> None:
    world = World(pack(GAS + 'priority = "medium"'))
    assert not world.hear("d1", 1, combustible_lel=19.99)
    (alarm,) = of(AlarmRaised, world.hear("d1", 2, ts_s=1.5, combustible_lel=20.0))
    assert (alarm.rule, alarm.device_no, alarm.site, alarm.priority) == ("rule-0", 11, "home", Priority.MEDIUM)
    assert (alarm.at, alarm.onset, alarm.state) == (at(2), at(1.5), AlarmState.UNACKNOWLEDGED)
    assert (alarm.quantity, alarm.value, alarm.late, alarm.because) == ("combustible_lel", 20.0, False, "")
    assert alarm.alarm == alarm_id("rule-0", NUMBERS["d1"], at(1.5))


def test_limits_are_compared_as_the_four_byte_floats_that_readings_are() -> None:
    world = World(pack('quantity = "battery_pct"\nat_or_below = 10.1\nclear_above = 10.2'))
    assert raised(world.hear("d1", 1, battery_pct=10.1))


def test_an_active_alarm_returns_only_below_the_clear_limit() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    assert not world.hear("d1", 2, combustible_lel=15)
    assert changed(world.hear("d1", 3, combustible_lel=14.9)) == [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")]
    assert not world.hear("d1", 4, combustible_lel=19.9)


def test_a_falling_limit_is_the_mirror_image() -> None:
    world = World(pack('quantity = "battery_pct"\nat_or_below = 10\nclear_above = 15'))
    assert not world.hear("d1", 1, battery_pct=10.1)
    assert raised(world.hear("d1", 2, battery_pct=10)) == [("d1", "rule-0")]
    assert not world.hear("d1", 3, battery_pct=15)
    assert changed(world.hear("d1", 4, battery_pct=15.1)) == [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")]


def test_an_alarm_that_returned_and_comes_again_is_the_same_alarm_again() -> None:
    world = World(pack(GAS))
    (first,) = of(AlarmRaised, world.hear("d1", 1, combustible_lel=30))
    world.hear("d1", 2, combustible_lel=0)
    assert changed(world.hear("d1", 3, combustible_lel=30)) == [("d1", "rule-0", "UNACKNOWLEDGED")]
    again = world.alarm("d1", "rule-0")
    assert again is not None
    assert (again.alarm, again.onset) == (first.alarm, at(1))


# ---- holds ----------------------------------------------------------------------------------------------------------


def test_a_hold_ends_by_the_clock_without_another_reading() -> None:
    world = World(HELD)
    world.hear("d1", 1, combustible_lel=25)
    assert world.state.next_deadline <= at(31)
    assert not world.tick(30.999999)
    (alarm,) = of(AlarmRaised, world.tick(33))
    assert (alarm.at, alarm.onset) == (at(31), at(1))  # at its deadline, not at the tick


def test_a_hold_ends_by_a_reading_whose_effective_time_says_so() -> None:
    world = World(HELD)
    world.hear("d1", 10, ts_s=1, combustible_lel=25)  # nine seconds under way
    (alarm,) = of(AlarmRaised, world.hear("d1", 33, ts_s=31, combustible_lel=25))
    assert (alarm.at, alarm.onset, alarm.value) == (at(33), at(1), 25.0)


def test_the_clock_waits_longer_for_a_device_whose_readings_take_longer() -> None:
    world = World(HELD)
    world.hear("d1", 10, ts_s=1, combustible_lel=25)
    assert not world.tick(39.9)
    (alarm,) = of(AlarmRaised, world.tick(40))
    assert (alarm.at, alarm.onset) == (at(40), at(1))


def test_a_device_clock_that_steps_back_moves_the_onset_back_never_forward() -> None:
    world = World(HELD)
    world.hear("d1", 2, ts_s=2, combustible_lel=25)
    world.hear("d1", 3, ts_s=-100, combustible_lel=25)
    (alarm,) = of(AlarmRaised, world.hear("d1", 4, ts_s=-60, combustible_lel=25))
    assert alarm.onset == at(-100)


def test_falling_short_of_the_limit_ends_a_running_hold() -> None:
    world = World(HELD)
    world.hear("d1", 1, combustible_lel=25)
    world.hear("d1", 20, combustible_lel=19)
    world.hear("d1", 25, combustible_lel=25)
    assert not world.tick(54.9)
    assert [alarm.onset for alarm in of(AlarmRaised, world.tick(55))] == [at(25)]


def test_a_clear_hold_is_held_like_a_raise_and_ended_by_the_value_coming_back() -> None:
    world = World(pack(GAS + "clear_hold_s = 10"))
    world.hear("d1", 1, combustible_lel=30)
    world.hear("d1", 2, combustible_lel=5)
    world.hear("d1", 8, combustible_lel=16)  # not below the clear limit
    world.hear("d1", 9, combustible_lel=5)
    assert not world.tick(18.9)
    (back,) = of(AlarmChanged, world.tick(30))
    assert (back.at, changed([back])) == (at(19), [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")])


# ---- unknown --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("quality", UNKNOWN_QUALITIES)
def test_a_value_whose_quality_is_not_good_raises_nothing(quality: Quality) -> None:
    world = World(pack(GAS))
    assert not world.hear("d1", 1, combustible_lel=80, quality={"combustible_lel": quality})


@pytest.mark.parametrize("quality", UNKNOWN_QUALITIES)
def test_a_value_whose_quality_is_not_good_clears_nothing(quality: Quality) -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=80)
    assert not world.hear("d1", 2, combustible_lel=0, quality={"combustible_lel": quality})
    assert not world.hear("d1", 3, combustible_lel=math.nan)


@pytest.mark.parametrize("quality", UNKNOWN_QUALITIES)
def test_a_running_hold_runs_on_to_its_deadline_while_nobody_knows(quality: Quality) -> None:
    world = World(HELD)
    world.hear("d1", 1, combustible_lel=25)
    world.hear("d1", 11, combustible_lel=0, quality={"combustible_lel": quality})
    world.hear("d1", 21, combustible_lel=math.nan)
    assert [alarm.at for alarm in of(AlarmRaised, world.tick(40))] == [at(31)]


def test_a_running_clear_hold_runs_on_while_nobody_knows() -> None:
    world = World(pack(GAS + "clear_hold_s = 10"))
    world.hear("d1", 1, combustible_lel=30)
    world.hear("d1", 2, combustible_lel=5)
    world.hear("d1", 3, combustible_lel=math.nan)
    assert [change.at for change in of(AlarmChanged, world.tick(30))] == [at(12)]


# ---- the device's own judgement -------------------------------------------------------------------------------------


@pytest.mark.parametrize("flag", [Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.CO_ALARM])
@pytest.mark.parametrize("beside", [Flag(0), Flag.WARM_UP, Flag.INHIBIT, Flag.SELF_TEST, Flag.FAULT])
def test_an_alarm_bit_is_an_alarm_at_once_whatever_stands_beside_it(flag: Flag, beside: Flag) -> None:
    rule = f'flags = ["{(flag.name or "").lower()}"]\n' + GAS + "hold_s = 3600"
    world = World(pack(rule))
    quality = {"combustible_lel": Quality.WARM_UP if beside is Flag.WARM_UP else Quality.GOOD}
    (alarm,) = of(AlarmRaised, world.hear("d1", 1, flags=flag | beside, combustible_lel=0, quality=quality))
    assert (alarm.at, alarm.onset) == (at(1), at(1))


def test_an_alarm_bit_during_a_hold_is_an_alarm_with_the_holds_onset() -> None:
    world = World(pack('flags = ["low_alarm"]\n' + GAS + "hold_s = 30"))
    world.hear("d1", 1, combustible_lel=25)
    (alarm,) = of(AlarmRaised, world.hear("d1", 5, flags=Flag.LOW_ALARM, combustible_lel=25))
    assert (alarm.at, alarm.onset) == (at(5), at(1))


def test_while_the_alarm_bit_stands_no_low_value_clears_the_alarm() -> None:
    world = World(pack('flags = ["low_alarm"]\n' + GAS))
    world.hear("d1", 1, flags=Flag.LOW_ALARM, combustible_lel=25)
    assert not world.hear("d1", 2, flags=Flag.LOW_ALARM, combustible_lel=0)
    assert changed(world.hear("d1", 3, combustible_lel=0)) == [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")]


def test_a_rule_of_flags_alone_clears_when_none_of_them_is_set() -> None:
    world = World(pack('flags = ["tamper", "mains_loss"]'))
    assert raised(world.hear("d1", 1, flags=Flag.TAMPER)) == [("d1", "rule-0")]
    assert not world.hear("d1", 2, flags=Flag.MAINS_LOSS)
    assert changed(world.hear("d1", 3)) == [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")]


@pytest.mark.parametrize("blind", [Flag.WARM_UP, Flag.INHIBIT, Flag.FAULT])
def test_a_device_that_cannot_see_gas_does_not_clear_its_alarm_bit(blind: Flag) -> None:
    world = World(pack('flags = ["co_alarm"]'))
    world.hear("d1", 1, flags=Flag.CO_ALARM)
    assert not world.hear("d1", 2, flags=blind)
    assert changed(world.hear("d1", 3))


# ---- quality as a condition -----------------------------------------------------------------------------------------

FAULT = pack('kind = "quality"\nflags = ["fault"]\nhold_s = 30')


@pytest.mark.parametrize("quality", [Quality.OUT_OF_RANGE, Quality.SENSOR_FAULT, Quality.SENTINEL])
@pytest.mark.parametrize("quantity", ["combustible_lel", "co_ppm"])
def test_a_gas_value_that_cannot_be_believed_is_a_fault_after_its_hold(quality: Quality, quantity: str) -> None:
    world = World(FAULT)
    world.hear("d1", 1, quality={quantity: quality})
    assert [alarm.at for alarm in of(AlarmRaised, world.tick(40))] == [at(31)]


def test_the_fault_bit_of_the_device_is_a_fault_at_once() -> None:
    assert raised(World(FAULT).hear("d1", 1, flags=Flag.FAULT)) == [("d1", "rule-0")]


@pytest.mark.parametrize("quality", [Quality.WARM_UP, Quality.INHIBITED, Quality.STALE])
def test_a_sensor_that_is_hidden_for_a_while_neither_is_a_fault_nor_ends_one(quality: Quality) -> None:
    world = World(FAULT)
    assert not world.hear("d1", 1, combustible_lel=0, quality={"combustible_lel": quality})
    assert not world.tick(29)
    world.hear("d1", 29.5, flags=Flag.FAULT)
    assert not world.hear("d1", 30, combustible_lel=0, quality={"combustible_lel": quality})
    assert changed(world.hear("d1", 31, combustible_lel=0)) == [("d1", "rule-0", "RETURNED_UNACKNOWLEDGED")]


def test_an_unbelievable_temperature_is_no_fault_of_the_safety_function() -> None:
    world = World(FAULT)
    world.hear("d1", 1, quality={"temperature_c": Quality.SENTINEL})
    assert not of(AlarmRaised, world.tick(29))


# ---- which devices --------------------------------------------------------------------------------------------------


def test_a_rule_looks_only_at_the_kinds_of_device_it_names() -> None:
    world = World(pack('applies_to = ["shut_off_valve", "gateway"]\nflags = ["tamper"]'))
    for second, name in enumerate(("d1", "s1", "v1", "g1", "sd"), 1):
        world.hear(name, second, flags=Flag.TAMPER)
    assert raised(world.decided) == [("v1", "rule-0"), ("g1", "rule-0")]


def test_each_rule_judges_each_device_for_itself() -> None:
    world = World(pack(GAS, 'flags = ["tamper"]', GAS.replace("20", "50")))
    decided = world.hear("d2", 2, flags=Flag.TAMPER, combustible_lel=60)
    assert raised(decided) == [("d2", "rule-0"), ("d2", "rule-1"), ("d2", "rule-2")]
    assert raised(world.hear("d1", 3, combustible_lel=30)) == [("d1", "rule-0")]


def test_readings_of_one_device_in_one_step_are_judged_in_their_order() -> None:
    world = World(pack(GAS))
    rows = [reading("d1", 5, ts_s=1 + n, combustible_lel=lel) for n, lel in enumerate((30, 10, 40, 0, 17))]
    decided = world.step(rows, (), 5)
    assert raised(decided) == [("d1", "rule-0")]
    states = [state for _, _, state in changed(decided)]
    assert states == ["RETURNED_UNACKNOWLEDGED", "UNACKNOWLEDGED", "RETURNED_UNACKNOWLEDGED"]
    assert {decision.at for decision in decided} == {at(5)}


def test_a_latched_alarm_stays_after_its_condition_is_gone() -> None:
    world = World(pack(GAS + "latch = true"))
    world.hear("d1", 1, combustible_lel=30)
    assert changed(world.hear("d1", 2, combustible_lel=0)) == [("d1", "rule-0", "LATCHED_UNACKNOWLEDGED")]
    assert changed(world.hear("d1", 3, combustible_lel=30)) == [("d1", "rule-0", "UNACKNOWLEDGED")]
