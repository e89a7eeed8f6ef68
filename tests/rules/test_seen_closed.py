"""A valve that was not told to close, because it was seen closed, is told once that is not known any more (V4)."""

import pytest
from msgspec.structs import replace

from devices.quantities import Flag, ValvePosition
from rules.decisions import CloseWanted
from rules.events import AttemptSent, Listening, Paused, Resumed
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from tests.rules.test_interlock import command, shut
from tests.rules.world import NUMBERS, SECOND, World, at, of


def relied_on() -> World:
    """v2 is closed and was seen so in second 3; the alarm came again in second 6, and v2 was not told again."""
    world = shut()
    world.hear("d2", 5, combustible_lel=0)
    assert not of(CloseWanted, world.hear("d2", 6, flags=Flag.HIGH_ALARM))
    return world


SILENT_S = 3.0 * 30.0


def test_a_valve_that_was_not_told_because_it_was_seen_closed_is_told_once_when_it_falls_silent() -> None:
    world = relied_on()
    assert not of(CloseWanted, world.tick(3 + SILENT_S - 0.001))
    gas = world.alarm("d2", "ch4-high")
    assert gas is not None
    decided = world.tick(3 + SILENT_S)
    wanted = [(one.device_no, one.alarm, one.reason, one.at, one.epoch) for one in of(CloseWanted, decided)]
    assert wanted == [(NUMBERS["v2"], gas.alarm, "ch4-high", at(3 + SILENT_S), 2)]
    world.tell(AttemptSent(at=at(1000), command=command("v2", epoch=2)))
    world.hear("v2", 1001, valve=ValvePosition.CLOSED)
    assert not of(CloseWanted, world.tick(9_000))


def test_a_valve_that_still_says_that_it_is_closed_is_not_told_again() -> None:
    world = relied_on()
    for t in range(60, 1_000, 60):
        world.hear("v2", t, valve=ValvePosition.CLOSED)
    assert not [one for one in of(CloseWanted, world.decided) if one.epoch > 1]


def test_a_valve_that_went_on_saying_so_for_a_while_is_told_once_it_falls_silent() -> None:
    world = relied_on()
    world.hear("v2", 60, valve=ValvePosition.CLOSED)
    assert not of(CloseWanted, world.tick(60 + SILENT_S - 0.001))
    assert [one.at for one in of(CloseWanted, world.tick(1_000))] == [at(60 + SILENT_S)]


def test_a_valve_that_falls_silent_when_its_alarm_has_returned_is_not_told() -> None:
    world = relied_on()
    world.hear("d2", 20, combustible_lel=0)
    assert not of(CloseWanted, world.tick(3 + SILENT_S))
    assert not world.state.relied
    (wanted,) = of(CloseWanted, world.hear("d2", 1_000, flags=Flag.HIGH_ALARM))
    assert wanted.epoch == 2


@pytest.mark.parametrize("ticks", [(), (100, 2_000)], ids=["in one step", "with steps between"])
def test_while_the_engine_did_not_hear_everybody_no_valve_fell_silent(ticks: tuple[float, ...]) -> None:
    world = relied_on()
    world.tell(Paused(at=at(10)))
    for t in ticks:
        assert not of(CloseWanted, world.tick(t))
    world.tell(Listening(at=at(5_000)))
    assert not of(CloseWanted, world.tick(5_000 + SILENT_S - 0.001))
    assert of(CloseWanted, world.tick(5_000 + SILENT_S))


def test_while_the_engine_was_away_no_valve_fell_silent() -> None:
    world = relied_on()
    world.tell(Resumed(at=at(5_000), down_us=4_990 * SECOND))
    assert not of(CloseWanted, world.tick(5_000 + SILENT_S - 0.001))
    world.state = restore(decode_snapshot(encode_snapshot(snapshot(world.state))), world.fleet, world.rules)
    assert of(CloseWanted, world.tick(5_000 + SILENT_S))


def test_a_valve_of_which_an_older_store_does_not_say_when_it_was_seen_is_told() -> None:
    world = shut()
    taken = snapshot(world.state)
    taken = replace(taken, records=replace(taken.records, seen={}))
    world.state = restore(decode_snapshot(encode_snapshot(taken)), world.fleet, world.rules)
    world.hear("d2", 5, combustible_lel=0)
    assert [one.device_no for one in of(CloseWanted, world.hear("d2", 6, flags=Flag.HIGH_ALARM))] == [NUMBERS["v2"]]
