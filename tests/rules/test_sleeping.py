"""A valve that sleeps: people are told at once and when it hears; it is tried when it wakes, and seldom between."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices.fleet import build_fleet
from devices.models import Actuator, DeviceModel, Reachability
from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    AttemptRequested,
    Change,
    CloseWanted,
    Outcome,
    Priority,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.documents.document import load_pack
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptFailed, AttemptSent, Connected, Listening, Paused, Replied, Resumed
from rules.instructions import Acknowledge, CancelClose, CloseValve
from rules.interlock.sleeping import pause_us
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.world import MODELS, NAMES, NUMBERS, PLAIN, SECOND, World, at, changed, of, raised, registry

Z1 = NUMBERS["z1"]
#: Of the model of z1.
WAKES_S = 120


def command(attempt: int = 1, epoch: int = 1) -> str:
    return command_id(wanted_id(Z1, epoch), attempt)


def leaking(t: float = 1.0, heard_at: float | None = None) -> World:
    """d5 has seen gas at `t`, so z1 shall be closed; z1 was last heard at `heard_at`."""
    world = World()
    if heard_at is not None:
        world.hear("z1", heard_at, valve=ValvePosition.OPEN)
    world.hear("d5", t, flags=Flag.HIGH_ALARM)
    return world


def attempts(world: World) -> list[float]:
    """Seconds after T0 of every attempt at z1."""
    return [(a.at - at(0)) / SECOND for a in of(AttemptRequested, world.decided) if a.device_no == Z1]


# ---- people are told ------------------------------------------------------------------------------------------------


def test_people_are_told_at_once_that_the_valve_sleeps_and_when_it_next_hears() -> None:
    world = leaking(t=20, heard_at=10)
    gas, asleep = of(AlarmRaised, world.decided)
    assert (asleep.rule, asleep.device_no, asleep.priority) == ("valve-asleep", Z1, Priority.HIGH)
    assert (asleep.at, asleep.onset, asleep.because) == (at(20), at(20), gas.alarm)
    assert asleep.expected == at(10 + WAKES_S)
    assert asleep.note == "it wakes every 120 s at the latest"
    (wanted,) = of(CloseWanted, world.decided)
    assert (wanted.hears_by, wanted.confirm_by) == (at(10 + WAKES_S), at(20 + 260))
    (open_alarm,) = [alarm for alarm in world.state.alarms() if alarm.rule == "valve-asleep"]
    assert (open_alarm.note, open_alarm.expected) == (asleep.note, asleep.expected)
    assert world.state.wanted()[0].hears_by == wanted.hears_by


def test_a_valve_that_does_not_sleep_hears_at_once_and_nobody_is_told_otherwise() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [0]
    assert raised(world.decided) == [("d2", "ch4-high")]


def test_a_person_who_closes_a_sleeping_valve_is_told_too() -> None:
    world = World()
    decided = world.tell(CloseValve(at=at(5), id="c", by="li", device_no=Z1, reason="works"))
    (asleep,) = of(AlarmRaised, decided)
    assert (asleep.rule, asleep.because, asleep.expected) == ("valve-asleep", "", at(5 + WAKES_S))


def test_a_valve_that_was_never_heard_hears_a_wake_interval_from_now_at_the_latest() -> None:
    (wanted,) = of(CloseWanted, (world := leaking(t=500)).decided)
    assert wanted.hears_by == at(500 + WAKES_S)
    assert of(AlarmRaised, world.decided)[-1].note == "it wakes every 120 s at the latest"


def test_a_valve_that_should_have_woken_by_now_is_expected_now_and_never_in_the_past() -> None:
    (wanted,) = of(CloseWanted, leaking(t=500, heard_at=10).decided)
    assert wanted.hears_by == at(500)


@pytest.mark.parametrize(
    ("heard_at", "back_at", "expected_s"),
    [
        (10, 100, 100 + WAKES_S),  # it was not due yet, and may have woken all the same
        (10, 71, 71 + WAKES_S),
        (10, 70, 70 + WAKES_S),  # it was heard just before
        (10, 130, 130 + WAKES_S),
        (10, 140, 140 + WAKES_S),  # it may have woken just before the engine was back
    ],
)
def test_a_valve_that_may_have_woken_while_nobody_listened_is_not_expected_too_soon(
    heard_at: float, back_at: float, expected_s: float
) -> None:
    world = World()
    world.hear("z1", heard_at, valve=ValvePosition.OPEN)
    world.tell(Resumed(at=at(back_at), down_us=60 * SECOND))
    world.hear("d5", back_at + 1, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [at(expected_s)]


def test_while_readings_are_withheld_nobody_knows_when_it_woke() -> None:
    world = World()
    world.hear("z1", 10, valve=ValvePosition.OPEN)
    world.tell(Paused(at=at(20)))
    world.hear("d5", 200, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [at(200 + WAKES_S)]
    world.tell(Listening(at=at(210)))
    assert world.state.deaf_until == at(210)


@pytest.mark.parametrize("how", ["connected", "replied", "late reading"])
def test_whatever_comes_from_the_valve_tells_when_it_was_awake(how: str) -> None:
    world = World()
    world.hear("z1", 1, valve=ValvePosition.OPEN)
    if how == "connected":
        world.tell(Connected(at=at(50), device_no=Z1))
    elif how == "replied":
        world.tell(Replied(at=at(50), command="0" * 32, device_no=Z1, valve=ValvePosition.OPEN))
    else:
        world.hear("z1", 50, ts_s=-30, flags=Flag.LATE)
    world.hear("d5", 60, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [at(50 + WAKES_S)]


def test_the_alarm_returns_when_the_valve_is_seen_closed() -> None:
    world = leaking(t=30, heard_at=10)
    world.tell(AttemptSent(at=at(31), command=command()))
    world.tick(130)
    decided = world.hear("z1", 130, valve=ValvePosition.CLOSED)
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.CONFIRMED]
    assert ("z1", "valve-asleep", "RETURNED_UNACKNOWLEDGED") in changed(decided)
    assert not of(AttemptRequested, decided)


def test_the_alarm_returns_when_a_person_cancels() -> None:
    world = leaking()
    decided = world.tell(CancelClose(at=at(5), id="x", by="li", wanted=wanted_id(Z1, 1), reason="shut by hand"))
    returned = [c for c in of(AlarmChanged, decided) if c.rule == "valve-asleep"]
    assert [(c.change, c.comment) for c in returned] == [(Change.RETURNED, "shut by hand")]


def test_the_alarm_stays_while_the_closing_is_wanted_and_the_deadline_of_the_model_has_its_own() -> None:
    world = leaking(t=1)
    decided = world.tick(1_000)
    assert ("z1", "valve-not-closed") in raised(decided)
    assert [a.at for a in of(AlarmRaised, decided) if a.rule == "valve-not-closed"] == [at(261)]
    alarm = world.alarm("z1", "valve-asleep")
    assert alarm is not None
    assert alarm.state is AlarmState.UNACKNOWLEDGED


def expected(world: World) -> tuple[float, float]:
    """By when z1 hears, in seconds: as the closing says it, and as its alarm does."""
    (wanted,) = [one for one in world.state.wanted() if one.device_no == Z1 and one.outcome is None]
    alarm = world.alarm("z1", "valve-asleep")
    assert alarm is not None
    return (wanted.hears_by - at(0)) / SECOND, (alarm.expected - at(0)) / SECOND


@pytest.mark.parametrize("how", ["open", "late", "connected", "replied"])
def test_when_it_is_heard_and_not_seen_closed_it_hears_again_a_wake_interval_later(how: str) -> None:
    world = leaking(t=1, heard_at=0.5)
    assert expected(world) == (120.5, 120.5)
    if how == "open":
        world.hear("z1", 70, valve=ValvePosition.OPEN)
    elif how == "late":
        world.hear("z1", 70, ts_s=-30, flags=Flag.LATE)
    elif how == "connected":
        world.tell(Connected(at=at(70), device_no=Z1))
    else:
        world.tell(Replied(at=at(70), command=command(), device_no=Z1, valve=ValvePosition.OPEN))
    assert expected(world) == (70 + WAKES_S, 70 + WAKES_S)
    (noted,) = [c for c in of(AlarmChanged, world.decided) if c.change is Change.NOTED]
    assert (noted.rule, noted.at, noted.expected) == ("valve-asleep", at(70), at(70 + WAKES_S))


def test_a_valve_that_is_awake_and_talks_is_noted_once_a_minute() -> None:
    world = leaking(t=0)
    for n in range(1_000):
        world.hear("z1", 100 + n / 10, valve=ValvePosition.OPEN)
    world.tick(400)
    noted = [c for c in of(AlarmChanged, world.decided) if c.change is Change.NOTED]
    assert [(c.at, c.expected) for c in noted] == [
        (at(100), at(220)),
        (at(160), at(159.9 + WAKES_S)),
        (at(220), at(199.9 + WAKES_S)),
    ]


def test_after_an_absence_it_is_expected_later() -> None:
    world = leaking(t=20, heard_at=10)
    world.tell(Resumed(at=at(200), down_us=150 * SECOND))
    assert expected(world) == (200 + WAKES_S, 200 + WAKES_S)
    world.tell(Paused(at=at(210)))
    world.tell(Listening(at=at(300)))
    assert expected(world) == (300 + WAKES_S, 300 + WAKES_S)


def test_a_second_closing_alarms_again_with_the_time_that_holds_then() -> None:
    world = leaking(t=30, heard_at=10)
    world.tell(AttemptSent(at=at(31), command=command()))
    world.hear("z1", 130, valve=ValvePosition.CLOSED)
    world.hear("d5", 131, combustible_lel=0)
    world.hear("z1", 132, valve=ValvePosition.OPEN)
    again = [c for c in of(AlarmChanged, world.hear("d5", 140, flags=Flag.HIGH_ALARM)) if c.rule == "valve-asleep"]
    assert [(c.change, c.expected) for c in again] == [(Change.REALARMED, at(132 + WAKES_S))]
    assert again[0].comment == "it wakes every 120 s at the latest"
    alarm = world.alarm("z1", "valve-asleep")
    assert alarm is not None
    assert alarm.expected == at(132 + WAKES_S)


def test_a_valve_that_sleeps_and_cannot_report_ends_unverifiable_and_its_alarm_with_it() -> None:
    actuator = Actuator(reports_position=False, reachability=Reachability.WAKES, wake_interval_s=120.0)
    world = World(what=registry(models=with_actuator(actuator)))
    world.hear("d5", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command()))
    decided = world.tell(
        Replied(at=at(100), command=command(), device_no=Z1, valve=ValvePosition.UNKNOWN),
    )
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.UNVERIFIABLE]
    assert ("z1", "valve-asleep", "RETURNED_UNACKNOWLEDGED") in changed(decided)


# ---- it is tried when it wakes, and seldom between ------------------------------------------------------------------


def test_pauses_grow_up_to_the_wake_interval() -> None:
    world = leaking(t=0)
    world.tick(800)
    assert attempts(world) == [0, 1, 3, 7, 15, 30, 60, 120, 240, 360, 480, 600, 720]


def test_months_of_attempts_at_a_valve_that_wakes_daily_are_one_a_day() -> None:
    actuator = Actuator(reachability=Reachability.WAKES, wake_interval_s=86_400.0)
    world = World(what=registry(models=with_actuator(actuator)))
    world.hear("d5", 1, flags=Flag.HIGH_ALARM)
    world.tick(90 * 86_400)
    assert len(attempts(world)) < 90 + 20


@pytest.mark.parametrize("said", [{"valve": ValvePosition.OPEN}, {"battery_pct": 90}, {}])
def test_whenever_it_is_heard_it_is_tried_at_once(said: dict[str, object]) -> None:
    world = leaking(t=0)
    world.tick(100)
    (now,) = of(AttemptRequested, world.hear("z1", 100, **said))
    assert now.at == at(100)


def test_when_it_is_heard_the_attempts_begin_anew() -> None:
    world = leaking(t=0)
    world.tick(100)
    world.hear("z1", 100, valve=ValvePosition.OPEN)
    world.tick(200)
    assert [t for t in attempts(world) if t >= 100] == [100, 101, 103, 107, 115, 130, 160]


def test_when_it_connects_it_is_tried_at_once_and_the_attempts_begin_anew() -> None:
    world = leaking(t=0)
    world.tick(100)
    world.tell(Connected(at=at(100), device_no=Z1))
    world.tick(104)
    assert [t for t in attempts(world) if t >= 100] == [100, 101, 103]


def test_a_flood_of_readings_makes_no_more_than_one_attempt_a_second() -> None:
    world = leaking(t=0)
    for n in range(100):
        world.hear("z1", 20 + n / 100, valve=ValvePosition.OPEN)
    world.tick(21.5)
    assert [t for t in attempts(world) if t >= 20] == [20, 21]


def test_replies_without_end_do_not_make_attempts_follow_each_other_faster() -> None:
    world = leaking(t=0)
    for n in range(1_100):
        world.tell(Replied(at=at(0.5 + n / 10_000), command=command(), device_no=Z1, valve=ValvePosition.OPEN))
    for n in range(20):
        world.hear("z1", 0.7 + n / 1_000, valve=ValvePosition.OPEN)
    assert attempts(world) == [0]
    world.tick(1.5)
    assert attempts(world) == [0, 1]


def test_a_late_reading_of_it_moves_nothing() -> None:
    world = leaking(t=0)
    world.tick(100)
    assert not of(AttemptRequested, world.hear("z1", 100, ts_s=-50, flags=Flag.LATE, valve=ValvePosition.OPEN))
    assert attempts(world) == [0, 1, 3, 7, 15, 30, 60]


def test_a_reading_in_which_it_was_not_heard_moves_nothing() -> None:
    world = leaking(t=40, heard_at=10)
    before = len(attempts(world))
    assert not of(AttemptRequested, world.hear("z1", 40.5, flags=Flag.STALE, valve=ValvePosition.OPEN))
    assert len(attempts(world)) == before
    assert world.state.awake == {int(world.fleet.slot_of[Z1]): at(10)}


def test_a_closed_position_confirms_and_needs_no_further_attempt() -> None:
    world = leaking(t=0)
    world.tell(AttemptSent(at=at(0.5), command=command()))
    world.tick(100)
    decided = world.hear("z1", 100, valve=ValvePosition.CLOSED)
    assert of(WantedEnded, decided)
    assert not of(AttemptRequested, [*decided, *world.tick(1_000)])


def test_a_valve_that_reads_closed_before_any_attempt_left_is_told_all_the_same() -> None:
    world = leaking(t=0)
    world.tell(AttemptFailed(at=at(0.1), command=command(), reason="the valve is not connected"))
    world.tick(10)
    decided = world.hear("z1", 10, valve=ValvePosition.CLOSED)
    assert not of(WantedEnded, decided)
    assert [a.at for a in of(AttemptRequested, decided)] == [at(10)]


@given(st.integers(1, 5_000), st.floats(0, 10_000_000))
def test_a_pause_is_never_under_a_second_nor_over_the_wake_interval_or_15_s(number: int, wakes_s: float) -> None:
    pause = pause_us(Actuator(reachability=Reachability.WAKES, wake_interval_s=wakes_s), number)
    assert SECOND <= pause <= round(max(15.0, wakes_s) * SECOND)
    assert pause <= pause_us(Actuator(reachability=Reachability.WAKES, wake_interval_s=wakes_s), number + 1)
    assert pause_us(Actuator(), number) == (1, 2, 4, 8, 15)[min(number, 5) - 1] * SECOND


# ---- changes and restarts -------------------------------------------------------------------------------------------


def with_actuator(actuator: Actuator) -> tuple[DeviceModel, ...]:
    return tuple(
        msgspec.structs.replace(model, actuator=actuator) if model.key == "sleeping_valve" else model
        for model in MODELS
    )


def test_a_valve_whose_model_no_longer_sleeps_is_tried_soon_and_its_alarm_returns() -> None:
    world = leaking(t=0)
    world.tick(150)
    assert attempts(world)[-1] == 120
    world.fleet = build_fleet(registry(models=with_actuator(Actuator())), world.fleet)
    decided = reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(160))
    assert [a.at for a in of(AttemptRequested, decided)] == [at(160)]
    assert [one.hears_by for one in world.state.wanted()] == [0]
    assert ("z1", "valve-asleep", "RETURNED_UNACKNOWLEDGED") in changed(decided)
    assert [a.at for a in of(AttemptRequested, world.tick(176))] == [at(175)]


def test_a_wanted_valve_whose_model_begins_to_sleep_is_told_of_at_once() -> None:
    world = World(what=registry(models=with_actuator(Actuator())))
    world.hear("d5", 1, flags=Flag.HIGH_ALARM)
    (gas,) = of(AlarmRaised, world.decided)
    world.fleet = build_fleet(registry(), world.fleet)
    (asleep,) = of(AlarmRaised, reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(5)))
    assert (asleep.rule, asleep.device_no, asleep.at, asleep.because) == ("valve-asleep", Z1, at(5), gas.alarm)
    assert expected(world) == (5 + WAKES_S, 5 + WAKES_S)


def test_a_wanted_valve_that_wakes_more_often_from_now_on_is_expected_sooner() -> None:
    world = leaking(t=20, heard_at=10)
    often = Actuator(confirm_within_s=260.0, reachability=Reachability.WAKES, wake_interval_s=30.0)
    world.fleet = build_fleet(registry(models=with_actuator(often)), world.fleet)
    reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(25))
    assert expected(world) == (40, 40)
    (noted,) = [c for c in of(AlarmChanged, world.tick(100)) if c.change is Change.NOTED]
    assert (noted.at, noted.comment, noted.expected) == (at(80), "it wakes every 30 s at the latest", at(40))


def test_a_rule_of_another_name_goes_on_saying_that_a_wanted_valve_sleeps() -> None:
    world = leaking(t=20, heard_at=10)
    renamed = load_pack(PLAIN.read_bytes().replace(b'"valve-asleep"', b'"asleep-on-battery"'), "renamed.toml")
    decided = reshape(world.state, world.fleet, compile_pack(renamed, world.fleet), at(25))
    assert ("z1", "valve-asleep", "NORMAL") in changed(decided)
    (asleep,) = of(AlarmRaised, decided)
    assert (asleep.rule, asleep.at, asleep.expected) == ("asleep-on-battery", at(25), at(10 + WAKES_S))
    assert not reshape(world.state, world.fleet, compile_pack(renamed, world.fleet), at(26))


def test_a_valve_that_left_and_came_back_was_never_heard() -> None:
    world = World()
    world.hear("z1", 10, valve=ValvePosition.OPEN)
    for t, names in ((20, [name for name in NAMES if name != "z1"]), (30, NAMES)):
        world.fleet = build_fleet(registry(names), world.fleet)
        reshape(world.state, world.fleet, compile_pack(world.rules, world.fleet), at(t))
    world.hear("d5", 40, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [at(40 + WAKES_S)]


def test_a_restart_does_not_forget_when_it_was_heard() -> None:
    world = World()
    world.hear("z1", 10, valve=ValvePosition.OPEN)
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    world.hear("d5", 30, flags=Flag.HIGH_ALARM)
    assert [w.hears_by for w in of(CloseWanted, world.decided)] == [at(10 + WAKES_S)]


def test_of_a_valve_that_was_heard_before_that_was_kept_nobody_says_that_it_was_never_heard() -> None:
    world = World()
    world.hear("z1", 10, valve=ValvePosition.OPEN)
    old = snapshot(world.state)
    old = msgspec.structs.replace(old, records=msgspec.structs.replace(old.records, awake={}))
    world.state = restore(old, world.fleet, world.rules)
    world.hear("d5", 30, flags=Flag.HIGH_ALARM)
    (asleep,) = [alarm for alarm in of(AlarmRaised, world.decided) if alarm.rule == "valve-asleep"]
    assert (asleep.note, asleep.expected) == ("it wakes every 120 s at the latest", at(30 + WAKES_S))


def test_acknowledging_the_alarm_changes_no_attempt() -> None:
    world, other = leaking(t=0), leaking(t=0)
    alarm = world.alarm("z1", "valve-asleep")
    assert alarm is not None
    world.tell(Acknowledge(at=at(2), id="a", by="li", alarm=alarm.alarm))
    world.tick(500)
    other.tick(500)
    assert attempts(world) == attempts(other)
