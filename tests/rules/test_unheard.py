"""A reading flagged STALE says that nobody was heard (G7, G9): it is stored, it is no sign of life, it clears nothing,
it confirms nothing. An alarm bit in it is an alarm."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.quantities import DEVICE_FLAGS, Flag, Quality, ValvePosition
from rules.decisions import AlarmRaised, AlarmState, CloseWanted, WantedEnded, command_id, wanted_id
from rules.documents.document import Kind
from rules.evaluation.kernels import compile_pack, conditions
from rules.events import AttemptSent
from tests.rules.world import NUMBERS, World, at, changed, of, pack, raised, reading

GAS_STALE = {"combustible_lel": Quality.STALE, "co_ppm": Quality.STALE}


def test_a_stale_reading_does_not_keep_a_device_from_being_silent() -> None:
    world = World()
    world.hear("d1", 5, combustible_lel=0)
    for t in range(6, 35):
        assert ("d1", "silence") not in raised(world.hear("d1", t, flags=Flag.STALE, quality=GAS_STALE))
    (alarm,) = [a for a in of(AlarmRaised, world.hear("d1", 35, flags=Flag.STALE)) if a.device_no == 11]
    assert (alarm.rule, alarm.at, alarm.onset) == ("silence", at(35), at(35))


@pytest.mark.parametrize("late", [Flag(0), Flag.LATE, Flag.LATE | Flag.BACKFILL])
def test_a_stale_reading_does_not_end_a_silence_and_the_next_fresh_one_does(late: Flag) -> None:
    world = World()
    world.tick(31)
    assert not changed(world.hear("d1", 40, ts_s=20, flags=Flag.STALE | late, combustible_lel=0))
    assert changed(world.hear("d1", 41, combustible_lel=0)) == [("d1", "silence", "RETURNED_UNACKNOWLEDGED")]


def test_a_reading_with_nothing_in_it_is_a_sign_of_life_unless_it_is_flagged() -> None:
    world = World()
    world.hear("d1", 29)  # {"ts": .., "seq": ..}: a keep-alive
    assert ("d1", "silence") not in raised(world.tick(58))


def test_fresh_and_stale_readings_of_one_batch_do_not_hide_each_other() -> None:
    world = World()
    rows = [reading("d1", 29), reading("d1", 29, flags=Flag.STALE), reading("d2", 29, flags=Flag.STALE)]
    world.step(rows, (), 29)
    found = raised(world.tick(58))
    assert ("d2", "silence") in found
    assert ("d1", "silence") not in found


def test_values_of_a_stale_reading_raise_nothing_even_when_they_claim_to_be_good() -> None:
    world = World()
    assert not world.hear("d1", 1, flags=Flag.STALE, combustible_lel=90, co_ppm=900, battery_pct=1)
    assert not raised(world.tick(29))


def test_values_of_a_stale_reading_clear_nothing() -> None:
    world = World()
    world.hear("d1", 1, combustible_lel=90, battery_pct=5)
    world.hear("d1", 2, flags=Flag.STALE, combustible_lel=0, co_ppm=0, battery_pct=99)
    alarms = {rule: world.alarm("d1", rule) for rule in ("ch4-high", "battery-low")}
    assert [alarm.state for alarm in alarms.values() if alarm] == [AlarmState.UNACKNOWLEDGED] * 2


@pytest.mark.parametrize("bit", [Flag.TAMPER, Flag.MAINS_LOSS, Flag.FAULT, Flag.END_OF_LIFE, Flag.LOW_ALARM])
def test_a_bit_that_is_missing_from_a_stale_reading_is_not_gone(bit: Flag) -> None:
    world = World()
    (raised_rule,) = raised(world.hear("d1", 1, flags=bit))
    assert not changed(world.hear("d1", 2, flags=Flag.STALE))
    assert not changed(world.hear("d1", 3, flags=Flag.STALE, quality=GAS_STALE))
    alarm = world.alarm(*raised_rule)
    assert alarm is not None
    assert alarm.state is AlarmState.UNACKNOWLEDGED


def test_a_stale_reading_ends_no_running_hold() -> None:
    world = World()
    world.hear("d1", 1, combustible_lel=25)
    world.hear("d1", 2, flags=Flag.STALE, combustible_lel=0)
    assert ("d1", "ch4-low") in raised(world.tick(31))


def test_a_stale_reading_does_not_begin_the_end_of_an_alarm() -> None:
    world = World(pack('flags = ["mains_loss"]\nclear_hold_s = 5'))
    world.hear("d1", 1, flags=Flag.MAINS_LOSS)
    world.hear("d1", 2, flags=Flag.STALE)
    assert not changed(world.tick(20))


@pytest.mark.parametrize("bit", [Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.CO_ALARM])
def test_an_alarm_bit_in_a_stale_reading_is_an_alarm_and_closes(bit: Flag) -> None:
    world = World()
    decided = world.hear("d2", 1, flags=bit | Flag.STALE, quality=GAS_STALE)
    assert len(of(AlarmRaised, decided)) == 1
    assert [w.device_no for w in of(CloseWanted, decided)] == [NUMBERS["v2"]]


def test_an_alarm_bit_in_a_stale_reading_that_is_late_tells_people_and_closes_nothing() -> None:
    world = World()
    decided = world.hear("d2", 1, ts_s=-50, flags=Flag.HIGH_ALARM | Flag.STALE | Flag.LATE)
    assert [a.late for a in of(AlarmRaised, decided)] == [True]
    assert not of(CloseWanted, world.decided)


def test_a_position_in_a_stale_reading_confirms_nothing_and_is_not_the_known_position() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command_id(wanted_id(NUMBERS["v2"], 1), 1)))
    assert not of(WantedEnded, world.hear("v2", 3, flags=Flag.STALE, valve=ValvePosition.CLOSED))
    assert world.state.wanted()[0].position is ValvePosition.UNKNOWN
    assert world.state.position[world.fleet.slot_of[NUMBERS["v2"]]] == ValvePosition.UNKNOWN
    assert of(WantedEnded, world.hear("v2", 4, valve=ValvePosition.CLOSED))


def test_a_position_in_a_stale_reading_is_not_opened_again() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command_id(wanted_id(NUMBERS["v2"], 1), 1)))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    assert not world.hear("v2", 4, flags=Flag.STALE, valve=ValvePosition.OPEN)
    assert ("v2", "valve-reopened") in raised(world.hear("v2", 5, valve=ValvePosition.OPEN))


@settings(max_examples=200, deadline=None)
@given(
    flags=st.sets(st.sampled_from(DEVICE_FLAGS)),
    lel=st.floats(-5, 2300, width=32),
    battery=st.floats(0, 100, width=32),
    quality=st.sampled_from(Quality),
)
def test_of_a_stale_reading_every_rule_says_true_by_a_flag_or_nothing_at_all(
    flags: set[Flag], lel: float, battery: float, quality: Quality
) -> None:
    world = World()
    said = Flag.STALE
    for flag in flags:
        said |= flag
    row = reading("d1", 1, flags=said, combustible_lel=lel, battery_pct=battery, quality={"combustible_lel": quality})
    compiled = compile_pack(world.rules, world.fleet)
    classes = compiled.class_of[world.fleet.slots(row["device_no"])]
    looks, by_flags = compiled.looks[classes], compiled.by_flags[classes]
    found = conditions(compiled, row, looks, by_flags)
    true = np.array([bool(compiled.flags[n] & int(said)) for n in range(len(compiled))])
    judged = np.array([rule.kind in (Kind.MEASURED, Kind.QUALITY) for rule in compiled.rules])
    assert ((found.raised[0] == 1) == true).all()
    assert not (found.raised[0][judged & ~true & looks[0]] == 0).any()
    assert not (found.cleared[0] == 1).any()
