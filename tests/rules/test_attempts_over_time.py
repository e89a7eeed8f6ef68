"""Attempts at one valve: never two within a second, whoever asks, and what is remembered of many."""

from devices.quantities import Flag, ValvePosition
from rules.decisions import AttemptRequested, CommandStepped, Decision, Step, command_id, wanted_id
from rules.events import AttemptAcknowledged, AttemptFailed, AttemptSent, Connected
from rules.instructions import CloseValve
from rules.interlock.attempts import OVER_ATTEMPTS
from tests.rules.world import NUMBERS, SECOND, World, at, of

V2 = NUMBERS["v2"]


def leaking() -> World:
    """v2 shall be closed since second 1: attempts at 1, 2, 4, 8, 16 and every 15 s."""
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    return world


def command(attempt: int) -> str:
    return command_id(wanted_id(V2, 1), attempt)


def attempts(world: World) -> list[float]:
    return [(one.at - at(0)) / SECOND for one in of(AttemptRequested, world.decided)]


def steps(decided: list[Decision]) -> list[tuple[str, Step]]:
    return [(one.command, one.step) for one in of(CommandStepped, decided)]


def test_a_valve_that_connects_within_a_second_of_an_attempt_is_tried_when_the_second_is_over() -> None:
    world = leaking()
    world.tick(8)
    world.tell(Connected(at=at(8.4), device_no=V2))
    world.tell(Connected(at=at(8.7), device_no=V2))
    world.tick(8.99)
    assert attempts(world) == [1, 2, 4, 8]
    world.tick(12)
    assert attempts(world) == [1, 2, 4, 8, 9]


def test_one_that_connects_a_second_after_an_attempt_is_tried_at_once() -> None:
    world = leaking()
    world.tick(8)
    world.tell(Connected(at=at(9), device_no=V2))
    assert attempts(world) == [1, 2, 4, 8, 9]


def test_an_attempt_that_is_due_sooner_anyhow_stays_where_it_is() -> None:
    world = leaking()
    world.tell(Connected(at=at(1.5), device_no=V2))
    world.tick(3)
    assert attempts(world) == [1, 2]


def test_a_person_who_asks_again_makes_it_an_attempt_and_no_second_closing() -> None:
    world = leaking()
    world.tick(8)
    asked = [CloseValve(at=at(8.2 + n / 10), id=f"c{n}", by="anna", device_no=V2, reason="smell") for n in range(3)]
    for one in asked:
        world.tell(one)
    world.tick(12)
    assert attempts(world) == [1, 2, 4, 8, 9]
    assert len(world.state.wanted()) == 1


def test_of_many_attempts_the_last_are_remembered_and_the_last_that_left() -> None:
    world = leaking()
    world.tell(AttemptSent(at=at(1.1), command=command(1)))
    world.tell(AttemptFailed(at=at(1.9), command=command(1), reason="no answer"))
    world.tick(2)
    world.tell(AttemptSent(at=at(2.1), command=command(2)))
    most = 0
    for second in range(10, 3_600, 10):
        world.tick(second)
        most = max(most, len(world.state.wanted()[0].attempts))
    assert OVER_ATTEMPTS <= most <= 2 * OVER_ATTEMPTS
    number = of(AttemptRequested, world.decided)[-1].attempt
    assert number > 200
    kept = [one.number for one in world.state.wanted()[0].attempts]
    assert kept[0] == 2
    assert kept[-OVER_ATTEMPTS:] == list(range(number - OVER_ATTEMPTS + 1, number + 1))
    last = command(number - OVER_ATTEMPTS + 1)
    world.tick(3_601)
    told = world.tell(AttemptAcknowledged(at=at(3_601), command=last))
    assert steps(told) == [(last, Step.ACKNOWLEDGED)]
    assert world.tell(AttemptAcknowledged(at=at(3_601), command=command(3))) == []
    assert steps(world.hear("v2", 3_602, valve=ValvePosition.CLOSED)) == [(command(2), Step.CONFIRMED)]


def test_the_newest_that_left_is_the_one_that_a_position_confirms() -> None:
    world = leaking()
    world.tick(4)
    for number in (1, 3, 2):
        world.tell(AttemptSent(at=at(4.5), command=command(number)))
    assert steps(world.hear("v2", 5, valve=ValvePosition.CLOSED)) == [(command(3), Step.CONFIRMED)]
