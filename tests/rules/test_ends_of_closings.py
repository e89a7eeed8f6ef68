"""How what is wanted of a valve or a fan ends, as people read it, and what ends with it."""

import pytest

from devices.quantities import Flag, ValvePosition
from rules.decisions import CommandStepped, Outcome, Step, WantedEnded, command_id, wanted_id
from rules.events import AttemptAcknowledged, AttemptSent, Replied
from rules.instructions import CancelClose
from tests.rules.street import RISES, Street, number, registry, row, rules
from tests.rules.world import NUMBERS, World, at, changed, of

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
