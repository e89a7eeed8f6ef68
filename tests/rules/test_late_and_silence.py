"""What lateness may still say, and what saying nothing means (G9, G10)."""

import msgspec
import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from devices.sites import Registry
from rules.decisions import AlarmRaised, AlarmState, AttemptRequested, CloseWanted, Outcome, WantedEnded
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptSent, Resumed
from rules.stepping.reshape import reshape
from tests.rules.world import MODELS, SECOND, World, at, changed, of, raised, reading, registry

ALARM_BITS = [Flag.LOW_ALARM, Flag.HIGH_ALARM, Flag.CO_ALARM]


@pytest.mark.parametrize("bit", ALARM_BITS)
def test_a_late_alarm_bit_tells_people_and_closes_nothing(bit: Flag) -> None:
    world = World()
    decided = world.hear("d1", 5, ts_s=-40, flags=bit | Flag.LATE | Flag.BACKFILL, combustible_lel=80)
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.state, alarm.late) == (AlarmState.RETURNED_UNACKNOWLEDGED, True)
    assert (alarm.at, alarm.onset) == (at(5), at(-40))
    assert not of(CloseWanted, world.decided)
    assert not of(CloseWanted, world.tick(600))


def test_nothing_else_in_a_late_reading_is_seen_by_any_rule() -> None:
    world = World()
    flags = Flag.LATE | Flag.FAULT | Flag.TAMPER | Flag.MAINS_LOSS | Flag.END_OF_LIFE
    assert not world.hear("d1", 5, ts_s=-90, flags=flags, combustible_lel=90, co_ppm=900, battery_pct=1)
    assert not world.tick(20)


def test_a_late_alarm_bit_raises_only_the_rules_that_listen_to_it() -> None:
    world = World()
    flags = Flag.LATE | Flag.LOW_ALARM | Flag.TAMPER | Flag.FAULT
    assert raised(world.hear("d1", 5, ts_s=-90, flags=flags)) == [("d1", "ch4-low")]


def test_a_late_alarm_bit_changes_nothing_where_the_alarm_is_open_already() -> None:
    world = World()
    world.hear("d1", 5, flags=Flag.HIGH_ALARM)
    late = Flag.HIGH_ALARM | Flag.LATE
    assert not world.hear("d1", 5, ts_s=-50, flags=late)
    world.hear("d1", 5, combustible_lel=0)
    assert not world.hear("d1", 5, ts_s=-40, flags=late)
    assert [alarm.rule for alarm in world.state.alarms()] == ["ch4-high"]


def test_a_late_low_value_neither_clears_an_alarm_nor_ends_a_hold() -> None:
    world = World()
    world.hear("d1", 1, combustible_lel=25)
    assert not world.hear("d1", 2, ts_s=-10, flags=Flag.LATE, combustible_lel=0)
    assert ("d1", "ch4-low") in raised(world.tick(31))
    assert not changed(world.hear("d1", 31, ts_s=-5, flags=Flag.LATE, combustible_lel=0))


def test_a_live_alarm_bit_after_a_late_one_alarms_again_and_closes() -> None:
    world = World()
    world.hear("d1", 5, ts_s=-50, flags=Flag.HIGH_ALARM | Flag.LATE)
    decided = world.hear("d1", 6, flags=Flag.HIGH_ALARM)
    assert changed(decided) == [("d1", "ch4-high", "UNACKNOWLEDGED")]
    assert len(of(CloseWanted, decided)) == 2


def test_a_late_position_confirms_nothing_and_is_not_the_known_position() -> None:
    world = World()
    decided = world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    (attempt,) = of(AttemptRequested, decided)
    assert of(CloseWanted, decided)
    world.tell(AttemptSent(at=at(2), command=attempt.command))
    late = {"flags": Flag.LATE, "valve": ValvePosition.CLOSED}
    assert not world.hear("v2", 3, ts_s=-20, **late)
    assert world.state.wanted()[0].position is ValvePosition.UNKNOWN
    ended = of(WantedEnded, world.hear("v2", 3.5, valve=ValvePosition.CLOSED))
    assert [one.outcome for one in ended] == [Outcome.CONFIRMED]


# ---- silence --------------------------------------------------------------------------------------------------------


def test_three_report_intervals_without_a_reading_are_a_silence_at_their_end() -> None:
    world = World()
    world.hear("d1", 5, combustible_lel=0)
    before = raised(world.tick(34.999999))
    assert ("d1", "silence") not in before
    (alarm,) = [a for a in of(AlarmRaised, world.tick(50)) if a.device_no == 11]
    assert (alarm.rule, alarm.at, alarm.onset) == ("silence", at(35), at(35))


@pytest.mark.parametrize(
    ("name", "silent_after_s"), [("d1", 30), ("v1", 90), ("m1", 90), ("s1", 180), ("g1", 10_800), ("sd", 30)]
)
def test_every_kind_of_device_that_was_never_heard_is_silent_after_three_of_its_intervals(
    name: str, silent_after_s: float
) -> None:
    world = World()
    assert (name, "silence") not in raised(world.tick(silent_after_s - 0.001))
    assert (name, "silence") in raised(world.tick(silent_after_s))


def quiet_gateways() -> Registry:
    """The model of g1 promises no readings."""
    return registry(
        models=[
            msgspec.structs.replace(model, report_interval_s=0.0) if model.key == "gateway" else model
            for model in MODELS
        ]
    )


def test_a_gateway_that_promises_no_readings_is_never_silent_even_when_it_sends_one() -> None:
    world = World(what=quiet_gateways())
    found = raised(world.tick(100_000))
    assert ("d1", "silence") in found
    assert ("g1", "silence") not in found
    world.hear("g1", 100_001)
    assert not world.tick(300_000)


def test_a_silence_ends_when_the_model_promises_no_readings_any_more() -> None:
    world = World()
    assert ("g1", "silence") in raised(world.tick(20_000))
    world.fleet = build_fleet(quiet_gateways(), world.fleet)
    decided = reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(20_001))
    assert changed(decided) == [("g1", "silence", "NORMAL")]
    assert not world.tick(100_000)


def test_a_silence_is_told_once() -> None:
    world = World()
    world.tick(31)
    assert ("d1", "silence") not in raised(world.tick(500))


@pytest.mark.parametrize("flags", [Flag(0), Flag.LATE, Flag.LATE | Flag.BACKFILL])
def test_any_reading_keeps_a_device_from_being_silent_and_ends_its_silence(flags: Flag) -> None:
    world = World()
    world.hear("d1", 29, ts_s=-60, flags=flags)
    assert ("d1", "silence") not in raised(world.tick(58))
    assert ("d1", "silence") in raised(world.tick(59))
    decided = world.hear("d1", 70, ts_s=-50, flags=flags)
    assert changed(decided) == [("d1", "silence", "RETURNED_UNACKNOWLEDGED")]


def test_a_device_that_fell_silent_and_spoke_is_found_silent_again_in_time() -> None:
    world = World()
    world.tick(10_801)  # everybody is silent; no other silence is awaited
    world.hear("d1", 10_802, combustible_lel=0)
    assert world.state.next_deadline <= at(10_832)
    assert changed(world.tick(10_832)) == [("d1", "silence", "UNACKNOWLEDGED")]


def test_an_active_gas_alarm_stays_active_while_its_detector_is_silent() -> None:
    world = World()
    world.hear("d1", 1, flags=Flag.HIGH_ALARM)
    world.tick(3_600)
    alarm = world.alarm("d1", "ch4-high")
    assert alarm is not None
    assert alarm.state is AlarmState.UNACKNOWLEDGED


def test_the_time_the_engine_was_away_is_nobodys_silence() -> None:
    world = World()
    world.hear("d1", 5, combustible_lel=0)
    world.tick(10)  # the engine stops here and is back an hour later
    assert not raised(world.tell(Resumed(at=at(3_610), down_us=3_600 * SECOND)))
    assert ("d1", "silence") not in raised(world.tick(3_634.9))
    (alarm,) = [a for a in of(AlarmRaised, world.tick(3_636)) if a.device_no == 11]
    assert alarm.at == at(3_635)


def test_a_silence_that_was_due_before_the_engine_went_away_is_still_told() -> None:
    world = World()
    world.hear("d1", 5, combustible_lel=0)
    world.tick(34)
    decided = world.tell(Resumed(at=at(3_636), down_us=3_600 * SECOND))
    assert [a.at for a in of(AlarmRaised, decided) if a.device_no == 11] == [at(35)]


def test_a_hold_that_ended_while_the_engine_was_away_is_an_alarm_on_its_return_with_its_own_onset() -> None:
    world = World()
    world.hear("d2", 5, combustible_lel=25)
    decided = world.tell(Resumed(at=at(3_605), down_us=3_600 * SECOND))
    assert [(a.rule, a.at, a.onset) for a in of(AlarmRaised, decided)] == [("ch4-low", at(3_605), at(5))]
    assert [a.at for a in of(AttemptRequested, decided)] == [at(3_605)]


def test_a_days_absence_is_not_followed_by_a_days_attempts() -> None:
    world = World()
    world.hear("d2", 5, flags=Flag.HIGH_ALARM)
    decided = world.tell(Resumed(at=at(86_405), down_us=86_400 * SECOND))
    assert [(a.at, a.attempt) for a in of(AttemptRequested, decided)] == [(at(86_405), 2)]
    assert ("v2", "valve-not-closed") in raised(decided)
    assert [a.at for a in of(AttemptRequested, world.tick(86_408))] == [at(86_407)]


def test_a_reading_received_at_the_deadline_comes_after_the_silence() -> None:
    world = World()
    world.hear("d1", 1, combustible_lel=0)
    decided = world.step([reading("d1", 31, combustible_lel=0)], (), 31)
    assert ("d1", "silence") in raised(decided)
    assert ("d1", "silence", "RETURNED_UNACKNOWLEDGED") in changed(decided)
