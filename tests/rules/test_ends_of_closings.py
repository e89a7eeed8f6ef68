"""How what is wanted of a valve or a fan ends, as people read it, and what ends with it."""

import pytest
from msgspec.structs import replace

from devices.quantities import Flag, ValvePosition
from rules.decisions import AlarmRaised, CommandStepped, Outcome, Step, WantedEnded, command_id, permit_id, wanted_id
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptAcknowledged, AttemptSent, Event, Replied
from rules.instructions import Acknowledge, ApprovePermit, CancelClose, CloseValve, RequestPermit, Reset
from rules.stepping.reshape import reshape
from tests.rules.street import RISES, Street, number, registry, row, rules
from tests.rules.world import NUMBERS, OF_A_CLOSING, World, at, changed, of, pack, raised, reading

BLOWS = RISES + 'action = "fan_on"'


def command(name: str, epoch: int = 1) -> str:
    return command_id(wanted_id(NUMBERS[name], epoch), 1)


def reopened() -> World:
    """v2 was seen closed at 3 and open again at 5, while the gas is still there."""
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    world.hear("v2", 5, valve=ValvePosition.OPEN)
    return world


def test_a_fan_that_answers_runs_and_says_so() -> None:
    world = Street(rules(BLOWS), registry(1, rows=[row("r", "c0", fans="f0")], answering=True))
    world.hear("c0", 1, 30)
    made = world.state.wanted_by_slot[world.slot("f0")].attempts[-1].command
    told = world.tell(Replied(at=at(2), command=made, device_no=number("f0"), valve=ValvePosition.UNKNOWN))
    assert [(one.step, one.note) for one in of(CommandStepped, told)] == [(Step.CONFIRMED, "the fan answered")]
    assert [one.outcome for one in of(WantedEnded, told)] == [Outcome.CONFIRMED]


def test_people_read_why_nothing_more_will_be_known_of_a_valve_or_a_fan() -> None:
    world = World()
    world.hear("d4", 1, flags=Flag.HIGH_ALARM)
    told = world.tell(AttemptAcknowledged(at=at(2), command=command("m1")))
    assert [one.note for one in of(CommandStepped, told)] == ["", "this model reports no position"]
    street = Street(rules(BLOWS), registry(1, rows=[row("r", "c0", fans="f0")]))
    street.hear("c0", 1, 30)
    made = street.state.wanted_by_slot[street.slot("f0")].attempts[-1].command
    told = street.tell(AttemptAcknowledged(at=at(2), command=made))
    assert [one.note for one in of(CommandStepped, told)] == ["", "this model says not whether it runs"]


@pytest.mark.parametrize("how", [Outcome.CONFIRMED, Outcome.CANCELLED])
def test_a_valve_is_opened_again_no_more_when_it_is_seen_closed_or_a_named_person_ends_it(how: Outcome) -> None:
    world = reopened()
    assert world.alarm("v2", "valve-reopened") is not None
    if how is Outcome.CANCELLED:
        wanted = wanted_id(NUMBERS["v2"], 2)
        told = world.tell(CancelClose(at=at(6), id="x", by="anna", wanted=wanted, reason="the pipe is being worked on"))
    else:
        world.tell(AttemptSent(at=at(6), command=command("v2", 2)))
        told = world.hear("v2", 7, valve=ValvePosition.CLOSED)
    assert [one.outcome for one in of(WantedEnded, told)] == [how]
    assert ("v2", "valve-reopened", "RETURNED_UNACKNOWLEDGED") in changed(told)


def test_a_valve_that_a_named_person_leaves_open_is_not_opened_again() -> None:
    world = reopened()
    wanted = wanted_id(NUMBERS["v2"], 2)
    world.tell(CancelClose(at=at(6), id="x", by="anna", wanted=wanted, reason="the pipe is being worked on"))
    assert world.hear("v2", 7, valve=ValvePosition.OPEN) == []


# ---- rules that close nothing hold no rule about a closing ----------------------------------------------------------

TAMPER = 'id = "tamper"\nflags = ["tamper"]'


@pytest.mark.parametrize("valve", ["v2", "z1"])
@pytest.mark.parametrize("seen", [True, False])
@pytest.mark.parametrize("stands", [Flag.TAMPER, Flag(0)])
def test_a_persons_closing_under_rules_that_close_nothing_raises_no_alarm_and_ends_none(
    valve: str, seen: bool, stands: Flag
) -> None:
    world = World(pack('id = "fault"\nflags = ["fault"]', TAMPER))
    world.hear("d1", 1, flags=Flag.TAMPER)
    world.hear(valve, 2, flags=stands, valve=ValvePosition.OPEN)
    world.tell(CloseValve(at=at(3), id="c", by="anna", device_no=NUMBERS[valve], reason="smell"))
    world.hear(valve, 4, flags=stands, valve=ValvePosition.OPEN)
    world.tick(600)
    if seen:
        world.tell(AttemptSent(at=at(601), command=world.state.wanted()[0].attempts[-1].command))
        world.hear(valve, 602, flags=stands, valve=ValvePosition.CLOSED)
        world.hear(valve, 603, flags=stands, valve=ValvePosition.OPEN)
    else:
        world.tell(CancelClose(at=at(601), id="x", by="anna", wanted=wanted_id(NUMBERS[valve], 1), reason="a mistake"))
    assert not world.state.wanted_by_slot
    assert raised(world.decided) == [("d1", "tamper"), (valve, "tamper")][: 2 if stands else 1]
    assert changed(world.decided) == []


def test_a_valve_that_no_rule_closes_any_more_is_free_and_no_alarm_ends_with_that() -> None:
    closes = 'id = "gas"\napplies_to = ["detector"]\nflags = ["high_alarm"]\naction = "close"'
    world = World(pack(closes, *OF_A_CLOSING, TAMPER))
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.hear("v2", 2, flags=Flag.TAMPER, valve=ValvePosition.OPEN)
    rules = pack(closes.replace('"close"', '"none"'), TAMPER)
    decided = reshape(world.state, world.fleet, compile_pack(rules, world.fleet), at(3))
    assert not world.state.closed_for
    assert ("v2", "tamper") not in {(name, rule) for name, rule, _ in changed(decided)}
    assert world.alarm("v2", "tamper") is not None


def test_what_a_valve_replies_to_a_permit_under_rules_that_close_nothing_ends_no_alarm() -> None:
    world = World(pack('id = "fault"\nflags = ["fault"]', TAMPER))
    number = NUMBERS["v2"]
    world.hear("v2", 1, flags=Flag.TAMPER)
    world.tell(RequestPermit(at=at(2), id="r", by="anna", device_no=number, reason="a new hose"))
    world.tell(ApprovePermit(at=at(3), id="p", by="ben", permit=permit_id(number, at(2))))
    sent = command_id(permit_id(number, at(2)), 1)
    world.tell(Replied(at=at(4), command=sent, device_no=number, valve=ValvePosition.CLOSED))
    assert changed(world.decided) == []


@pytest.mark.parametrize("first", ["ch4-high", "valve-reopened"])
def test_a_valve_that_is_seen_closed_again_is_opened_again_no_more_although_nothing_was_wanted(first: str) -> None:
    """Two alarms have latched; the valve is opened, which is told for the first of them, and closed by hand."""
    plain = pack()
    order = sorted(range(len(plain.rules)), key=lambda at: plain.rules[at].id != first)
    parsed = tuple(plain.parsed[at] for at in order)
    world = World(replace(plain, rules=tuple(plain.rules[at] for at in order), parsed=parsed))
    for t, name in ((1, "d1"), (1.5, "d2")):
        world.hear(name, t, flags=Flag.HIGH_ALARM)
    for name in ("v1", "v2"):
        world.tell(AttemptSent(at=at(2), command=command(name)))
        world.hear(name, 3, valve=ValvePosition.CLOSED)
    for name in ("d1", "d2"):
        world.hear(name, 4, combustible_lel=0)
    (told,) = of(AlarmRaised, world.hear("v2", 5, valve=ValvePosition.OPEN))
    assert told.because == world.alarm("d1", "ch4-high").alarm  # type: ignore[union-attr]
    assert not world.state.wanted_by_slot
    decided = world.hear("v2", 6, valve=ValvePosition.CLOSED)
    assert changed(decided) == [("v2", "valve-reopened", "RETURNED_UNACKNOWLEDGED")]


def test_under_rules_that_only_run_fans_nobody_misses_a_valve() -> None:
    street = Street(pack(BLOWS, TAMPER), registry(1, rows=[row("r", "c0", fans="f0")]))
    street.hear("c0", 1, 30, Flag.TAMPER)
    street.hear("c0", 2, 0, Flag.TAMPER)
    tamper = street.alarm("c0", "tamper")
    assert tamper is not None
    assert tamper.state.name == "UNACKNOWLEDGED"


def test_a_person_who_closed_a_valve_has_seen_it_closed_and_what_it_says_then_is_nobodys_alarm() -> None:
    world = World()
    world.tell(CloseValve(at=at(1), id="c", by="anna", device_no=NUMBERS["v2"], reason="smell"))
    said = reading("v2", 3, valve=ValvePosition.OPEN)
    slots = world.fleet.slots(said["device_no"])
    assert world.state.matters(said, slots).all()
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 2.5, valve=ValvePosition.CLOSED)
    assert not world.state.matters(said, slots).any()


def test_what_a_valve_says_matters_until_the_alarm_that_closed_it_is_over() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tell(AttemptSent(at=at(2), command=command("v2")))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    said = reading("v2", 4, valve=ValvePosition.OPEN)
    slots = world.fleet.slots(said["device_no"])
    world.hear("d2", 5, combustible_lel=0)
    assert world.state.matters(said, slots).all()
    (gas,) = (one for one in world.state.alarms() if one.rule == "ch4-high")
    world.tell(Acknowledge(at=at(6), id="k", by="anna", alarm=gas.alarm))
    world.tell(Reset(at=at(7), id="z", by="anna", alarm=gas.alarm))
    assert not world.state.matters(said, slots).any()


def test_what_a_valve_that_cannot_report_says_of_itself_is_shown_to_nobody() -> None:
    world = World()
    world.hear("m1", 1, valve=ValvePosition.CLOSED)
    world.hear("d4", 2, flags=Flag.HIGH_ALARM)
    assert [one.position for one in world.state.wanted()] == [ValvePosition.UNKNOWN]


# ---- what is kept of those that ended -------------------------------------------------------------------------------


def test_the_last_thousand_that_ended_are_kept() -> None:
    world, number = World(), NUMBERS["v1"]
    said: list[Event] = []
    for n in range(1, 1_004):
        said.append(CloseValve(at=at(n), id=f"c{n}", by="anna", device_no=number, reason="smell"))
        said.append(CancelClose(at=at(n), id=f"x{n}", by="anna", wanted=wanted_id(number, n), reason="a mistake"))
    world.step((), said, 1_003)
    assert [one.epoch for one in world.state.wanted()] == list(range(1_003, 3, -1))


def test_of_one_that_ended_the_last_hundred_steps_are_kept() -> None:
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    world.tick(3_600)
    steps = world.state.wanted()[0].steps
    assert len(steps) > 100
    world.tell(CancelClose(at=at(3_600), id="x", by="anna", wanted=wanted_id(NUMBERS["v2"], 1), reason="it is shut"))
    assert world.state.wanted()[0].steps == steps[-100:]
