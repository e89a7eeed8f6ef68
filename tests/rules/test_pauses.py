"""How close attempts at one valve may be, whatever asks for them."""

from itertools import pairwise

from devices.quantities import Flag, ValvePosition
from rules.decisions import AttemptRequested, CloseWanted, Outcome, WantedEnded
from rules.events import AttemptSent
from rules.instructions import CancelClose, CloseValve
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.street import CLOSES, Street, number, registry, rules
from tests.rules.world import at, of

SAYS = Flag.HIGH_ALARM


def attempted(world: Street) -> list[float]:
    """When attempts were made, in seconds."""
    return [(one.at - at(0)) / 1e6 for one in of(AttemptRequested, world.decided)]


def test_a_valve_that_toggles_is_attempted_once_a_second_and_no_more() -> None:
    world, t = Street(rules(CLOSES), registry(1)), 2.0
    world.hear("a0", 1, 30, SAYS)
    for _ in range(100):
        wanted = world.state.wanted_by_slot.get(world.slot("b0"))
        if wanted is not None and wanted.attempts:
            world.seen_closed("b0", t)
        world.hear("b0", round(t + 0.2, 2), valve=ValvePosition.OPEN)
        t = round(t + 0.25, 2)
    times = attempted(world)
    assert 20 < len(times) < 30
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1
    assert len({one.wanted for one in of(CloseWanted, world.decided)}) > 10


def test_the_first_close_after_an_opening_waits_for_the_pause_and_no_longer() -> None:
    world = Street(rules(CLOSES), registry(1))
    world.hear("a0", 1, 30, SAYS)
    world.seen_closed("b0", 1.2)
    world.hear("b0", 1.5, valve=ValvePosition.OPEN)
    (wanted,) = world.state.wanted_by_slot.values()
    assert (wanted.attempts, wanted.next_attempt) == ((), at(2))
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert [one.attempt for one in of(AttemptRequested, world.tick(2))] == [1]
    assert attempted(world) == [1, 2]
    (wanted,) = world.state.wanted_by_slot.values()
    world.tell(AttemptSent(at=at(2.1), command=wanted.attempts[-1].command))
    (ended,) = of(WantedEnded, world.hear("b0", 2.2, valve=ValvePosition.CLOSED))
    assert ended.outcome is Outcome.CONFIRMED


def test_a_persons_close_waits_for_nothing_but_the_pause_since_the_last_attempt() -> None:
    world = Street(rules(CLOSES), registry(1))
    world.hear("a0", 1, 30, SAYS)
    wanted = world.state.wanted_by_slot[world.slot("b0")].wanted
    world.tell(CancelClose(at=at(1.2), id="c", by="anna", wanted=wanted, reason="a drill"))
    world.tell(CloseValve(at=at(1.3), id="x", by="bo", device_no=number("b0"), reason="it is none"))
    world.tick(2)
    wanted = world.state.wanted_by_slot[world.slot("b0")].wanted
    world.tell(CancelClose(at=at(20), id="d", by="anna", wanted=wanted, reason="a drill"))
    world.tell(CloseValve(at=at(30), id="y", by="bo", device_no=number("b0"), reason="it is none"))
    times = attempted(world)
    assert times[:2] == [1, 2]
    assert times[-1] == 30
