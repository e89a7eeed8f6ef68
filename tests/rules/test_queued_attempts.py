"""Attempts that wait for a bus to be free (G6, G7, G8): what is said of them comes late, in any order, or never."""

from devices.quantities import Flag, ValvePosition
from rules.decisions import AttemptRequested, CommandStepped, Outcome, Step, WantedEnded, command_id, wanted_id
from rules.events import AttemptFailed, AttemptSent
from rules.instructions import CancelClose
from tests.rules.world import NUMBERS, World, at, of, raised, reading


def command(attempt: int = 1, epoch: int = 1) -> str:
    return command_id(wanted_id(NUMBERS["v2"], epoch), attempt)


def leaking() -> World:
    """v2 shall be closed since second 1; its first attempt waits for the bus."""
    world = World()
    world.hear("d2", 1, flags=Flag.HIGH_ALARM)
    return world


def steps(world: World) -> list[tuple[str, Step]]:
    return [(one.command, one.step) for one in of(CommandStepped, world.decided)]


def test_an_attempt_whose_bytes_left_seconds_later_counts_from_then() -> None:
    world = leaking()
    assert not of(WantedEnded, world.hear("v2", 3, valve=ValvePosition.CLOSED))  # nothing had left yet
    world.tell(AttemptSent(at=at(4), command=command()))
    decided = world.hear("v2", 5, valve=ValvePosition.CLOSED)
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.CONFIRMED]
    assert steps(world)[-1] == (command(), Step.CONFIRMED)


def test_a_position_taken_together_with_the_news_that_the_bytes_left_came_after_them() -> None:
    world = leaking()
    row = reading("v2", 4, valve=ValvePosition.CLOSED)
    decided = world.step([row], [AttemptSent(at=at(4), command=command())], 4)
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.CONFIRMED]


def test_a_second_attempt_while_the_first_still_waits_is_only_another_close() -> None:
    world = leaking()
    world.tick(4)  # attempts 1, 2 and 3 wait
    for n, attempt in enumerate((2, 1, 3)):
        world.tell(AttemptSent(at=at(4 + n / 10), command=command(attempt)))
    decided = world.hear("v2", 5, valve=ValvePosition.CLOSED)
    assert len(of(WantedEnded, decided)) == 1
    assert [step for step in steps(world) if step[1] is Step.CONFIRMED] == [(command(3), Step.CONFIRMED)]
    assert not of(AttemptRequested, world.tick(100))


def test_what_is_said_of_a_waiting_attempt_after_the_valve_was_seen_closed_changes_nothing() -> None:
    world = leaking()
    world.tick(2)
    world.tell(AttemptSent(at=at(2), command=command()))
    world.hear("v2", 3, valve=ValvePosition.CLOSED)
    assert not world.tell(AttemptSent(at=at(3.5), command=command(2)))
    assert not world.tell(AttemptFailed(at=at(3.6), command=command(2), reason="not wanted any more"))


def test_an_attempt_of_which_nothing_is_ever_said_expires_and_others_follow() -> None:
    world = leaking()
    world.tick(60)
    assert (command(), Step.EXPIRED) in steps(world)
    assert of(AttemptRequested, world.decided)[-1].at == at(46)
    assert ("v2", "valve-not-closed") in raised(world.decided)


def test_an_attempt_that_could_not_leave_is_followed_by_the_next_at_its_time() -> None:
    world = leaking()
    world.tell(AttemptFailed(at=at(1.4), command=command(), reason="unit 7 gave no answer"))
    assert steps(world) == [(command(), Step.FAILED)]
    assert [one.at for one in of(AttemptRequested, world.tick(2))] == [at(2)]


def test_an_attempt_has_one_end() -> None:
    world = leaking()
    world.tick(32)
    assert not world.tell(AttemptFailed(at=at(32.5), command=command(), reason="expired before the bus was free"))
    world.tell(AttemptFailed(at=at(32.6), command=command(5), reason="refused"))
    assert not world.tell(AttemptFailed(at=at(32.7), command=command(5), reason="refused"))
    ends = [step for step in steps(world) if step[1] in (Step.EXPIRED, Step.FAILED)]
    assert len(ends) == len({name for name, _ in ends})


def test_an_attempt_that_failed_after_its_bytes_left_still_makes_a_closed_position_a_confirmation() -> None:
    """The bus saw the write and the device refused it; what confirms is the position, whoever closed the valve."""
    world = leaking()
    world.tell(AttemptSent(at=at(1.2), command=command()))
    world.tell(AttemptFailed(at=at(1.3), command=command(), reason="exception 4"))
    decided = world.hear("v2", 1.5, valve=ValvePosition.CLOSED)
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.CONFIRMED]


def test_bytes_of_a_cancelled_closing_that_leave_later_confirm_no_later_closing() -> None:
    world = leaking()
    world.tell(CancelClose(at=at(2), id="x", by="li", wanted=wanted_id(NUMBERS["v2"], 1), reason="works"))
    world.hear("d2", 3, combustible_lel=0)
    world.hear("d2", 4, flags=Flag.HIGH_ALARM)
    assert not world.tell(AttemptSent(at=at(4.1), command=command(1, epoch=1)))
    assert not of(WantedEnded, world.hear("v2", 4.2, valve=ValvePosition.CLOSED))
    world.tell(AttemptSent(at=at(4.3), command=command(1, epoch=2)))
    assert of(WantedEnded, world.hear("v2", 4.4, valve=ValvePosition.CLOSED))
