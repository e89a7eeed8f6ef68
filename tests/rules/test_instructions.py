"""What people may tell the engine, and what it answers: always one answer, with a reason when it refuses."""

import msgspec
import pytest

from devices.quantities import Flag, ValvePosition
from rules.decisions import (
    AlarmChanged,
    AlarmState,
    Answered,
    AttemptRequested,
    Change,
    CloseWanted,
    Decision,
    Outcome,
    WantedEnded,
    command_id,
    wanted_id,
)
from rules.events import AttemptSent
from rules.instructions import Acknowledge, CancelClose, CloseValve, FieldStep, Instruction, Reset, Resolution
from rules.stepping.snapshot import encode_snapshot, snapshot
from tests.rules.world import NUMBERS, World, at, of, pack, raised

ABOUT: dict[str, object] = {
    "alarm": "nothing",
    "subject": "nothing",
    "incident": "nothing",
    "permit": "nothing",
    "wanted": "nothing",
    "rule": "nothing",
    "device_no": 999_999,
    "until": at(100),
    "value": 1.0,
    "combustible_lel": 0.0,
    "quantity": "combustible_lel",
    "resolution": Resolution.REAL,
    "step": FieldStep.VENT,
}
GAS = 'quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'


def answer(decided: list[Decision]) -> Answered:
    (answered,) = of(Answered, decided)
    assert decided[-1] is answered  # after what it brought about
    return answered


def alarm_of(world: World, rule: str = "rule-0") -> str:
    alarm = world.alarm("d1", rule)
    assert alarm is not None
    return alarm.alarm


def acknowledge(world: World, alarm: str, t: float, by: str = "li") -> list[Decision]:
    return world.tell(Acknowledge(at=at(t), id=f"ack-{t}", by=by, alarm=alarm, comment="going there"))


def reset(world: World, alarm: str, t: float) -> list[Decision]:
    return world.tell(Reset(at=at(t), id=f"reset-{t}", by="li", alarm=alarm))


@pytest.mark.parametrize("kind", Instruction.__args__, ids=lambda kind: kind.__name__)
def test_every_instruction_about_what_does_not_exist_is_answered_once_and_changes_nothing(kind: type) -> None:
    world = World(pack(GAS))
    before = encode_snapshot(snapshot(world.state))
    fields = [field.name for field in msgspec.structs.fields(kind) if field.name not in ("at", "id", "by")]
    decided = world.tell(kind(at=at(0), id="x", by="li", **{name: ABOUT.get(name, "so") for name in fields}))
    assert len(decided) == 1
    assert not answer(decided).accepted
    assert len(answer(decided).reason) > 10
    assert encode_snapshot(snapshot(world.state)) == before


def test_acknowledging_an_active_alarm_names_who_did_it() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    alarm = alarm_of(world)
    decided = acknowledge(world, alarm, 2)
    (change,) = of(AlarmChanged, decided)
    assert (change.change, change.state, change.by) == (Change.ACKNOWLEDGED, AlarmState.ACKNOWLEDGED, "li")
    assert (change.at, change.comment) == (at(2), "going there")
    assert answer(decided) == Answered(at=at(2), id="ack-2", accepted=True, subject=alarm)
    assert world.state.alarms()[0].acknowledged_by == "li"


def test_an_acknowledged_alarm_ends_when_its_condition_does() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    acknowledge(world, alarm_of(world), 2)
    (over,) = of(AlarmChanged, world.hear("d1", 3, combustible_lel=0))
    assert over.state is AlarmState.NORMAL
    assert not world.state.alarms()


def test_acknowledging_an_alarm_that_returned_ends_it() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    world.hear("d1", 2, combustible_lel=0)
    (over,) = of(AlarmChanged, acknowledge(world, alarm_of(world), 3))
    assert over.state is AlarmState.NORMAL


def test_the_next_alarm_after_one_is_over_is_another_alarm() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    first = alarm_of(world)
    acknowledge(world, first, 2)
    world.hear("d1", 3, combustible_lel=0)
    assert raised(world.hear("d1", 4, combustible_lel=30)) == [("d1", "rule-0")]
    assert alarm_of(world) != first


def test_a_latched_alarm_is_acknowledged_then_reset() -> None:
    world = World(pack(GAS + "latch = true"))
    world.hear("d1", 1, combustible_lel=30)
    alarm = alarm_of(world)
    world.hear("d1", 2, combustible_lel=0)
    acknowledge(world, alarm, 3)
    (over,) = of(AlarmChanged, reset(world, alarm, 4))
    assert (over.change, over.state, over.by) == (Change.RESET, AlarmState.NORMAL, "li")


@pytest.mark.parametrize(
    ("latch", "happened", "instruction", "reason"),
    [
        ("false", "", "ack", "no open alarm"),
        ("false", "alarm ack", "ack", "acknowledged already"),
        ("false", "alarm ack return", "ack", "no open alarm"),
        ("true", "alarm return ack", "ack", "acknowledged already"),
        ("false", "", "reset", "no open alarm"),
        ("true", "alarm", "reset", "still present"),
        ("true", "alarm ack", "reset", "still present"),
        ("true", "alarm return", "reset", "acknowledge it first"),
        ("false", "alarm return", "reset", "does not latch"),
    ],
)
def test_what_an_alarms_state_does_not_allow_is_refused_with_the_reason(
    latch: str, happened: str, instruction: str, reason: str
) -> None:
    world = World(pack(GAS + f"latch = {latch}"))
    alarm = "0" * 32
    for second, what in enumerate(happened.split(), 1):
        if what == "ack":
            acknowledge(world, alarm, second)
        else:
            world.hear("d1", second, combustible_lel=30 if what == "alarm" else 0)
        alarm = world.state.alarms()[0].alarm if world.state.alarms() else alarm
    before = [open_alarm.state for open_alarm in world.state.alarms()]
    decided = acknowledge(world, alarm, 9) if instruction == "ack" else reset(world, alarm, 9)
    assert len(decided) == 1
    assert not answer(decided).accepted
    assert reason in answer(decided).reason
    assert [open_alarm.state for open_alarm in world.state.alarms()] == before


# ---- closing by hand ------------------------------------------------------------------------------------------------


def close(world: World, name: str, t: float) -> list[Decision]:
    number = NUMBERS.get(name, 999_999)
    return world.tell(CloseValve(at=at(t), id=f"close-{t}", by="li", device_no=number, reason="smell of gas"))


@pytest.mark.parametrize("name", ["v1", "m1", "sv"])
def test_a_person_may_close_any_shut_off_valve_at_any_time(name: str) -> None:
    world = World()
    decided = close(world, name, 1)
    (wanted,) = of(CloseWanted, decided)
    assert (wanted.by, wanted.alarm, wanted.reason) == ("li", "", "smell of gas")
    assert len(of(AttemptRequested, decided)) == 1
    assert answer(decided) == Answered(at=at(1), id="close-1", accepted=True, subject=wanted.wanted)


def test_closing_what_is_wanted_closed_already_is_accepted_and_names_the_closing_under_way() -> None:
    world = World()
    world.hear("d1", 1, flags=Flag.HIGH_ALARM)
    decided = close(world, "v1", 1.5)
    assert answer(decided).accepted
    assert answer(decided).subject == wanted_id(NUMBERS["v1"], 1)
    assert not of(CloseWanted, decided)


def test_closing_a_valve_that_was_closed_already_is_a_new_closing() -> None:
    world = World()
    close(world, "v1", 1)
    world.tell(AttemptSent(at=at(2), command=command_id(wanted_id(NUMBERS["v1"], 1), 1)))
    world.hear("v1", 3, valve=ValvePosition.CLOSED)
    assert [wanted.epoch for wanted in of(CloseWanted, close(world, "v1", 4))] == [2]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("d1", "a detector takes no commands"),
        ("s1", "a self closing valve takes no commands"),
        ("g1", "a gateway takes no commands"),
        ("nobody", "there is no device 999999"),
    ],
)
def test_only_a_shut_off_valve_can_be_told_to_close(name: str, reason: str) -> None:
    decided = close(World(), name, 1)
    assert len(decided) == 1
    assert not answer(decided).accepted
    assert reason in answer(decided).reason


def test_a_named_person_ends_the_attempts() -> None:
    world = World()
    close(world, "v1", 1)
    wanted = wanted_id(NUMBERS["v1"], 1)
    decided = world.tell(CancelClose(at=at(1.5), id="c", by="wang", wanted=wanted, reason="valve is being replaced"))
    (ended,) = of(WantedEnded, decided)
    assert (ended.outcome, ended.by, ended.comment) == (Outcome.CANCELLED, "wang", "valve is being replaced")
    assert answer(decided) == Answered(at=at(1.5), id="c", accepted=True, subject=wanted)
    assert not of(AttemptRequested, world.tick(29))


def test_cancelling_ends_the_alarm_that_the_valve_was_not_closed() -> None:
    world = World()
    close(world, "v1", 1)
    world.tick(12)
    decided = world.tell(CancelClose(at=at(13), id="c", by="li", wanted=wanted_id(NUMBERS["v1"], 1), reason="on site"))
    (change,) = of(AlarmChanged, decided)
    assert (change.rule, change.state) == ("valve-not-closed", AlarmState.RETURNED_UNACKNOWLEDGED)


def test_a_closing_that_does_not_exist_or_has_ended_cannot_be_cancelled() -> None:
    world = World()
    close(world, "v1", 1)
    wanted = wanted_id(NUMBERS["v1"], 1)
    world.tell(CancelClose(at=at(2), id="c", by="li", wanted=wanted, reason="on site"))
    for name, reason in ((wanted, "ended already: cancelled"), ("0" * 32, "there is no wanted position")):
        decided = world.tell(CancelClose(at=at(3), id="d", by="li", wanted=name, reason="on site"))
        assert not answer(decided).accepted
        assert reason in answer(decided).reason
