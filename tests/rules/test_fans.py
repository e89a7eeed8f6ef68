"""Fans: wanted to run, attempted as a CLOSE is, and what ends that."""

import pytest

from devices.commands import Verb
from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import AlarmRaised, AttemptRequested, CommandStepped, FanWanted, Outcome, Step, WantedEnded
from rules.evaluation.kernels import compile_pack
from rules.events import AttemptAcknowledged, AttemptFailed, AttemptSent, Connected, Replied, Resumed
from rules.instructions import CancelClose
from rules.stepping.reshape import reshape
from tests.rules.street import RISES, Street, number, registry, row, rules
from tests.rules.world import SECOND, at, of

BOTH = RISES + 'action = "close_and_fan"\nflags = ["high_alarm"]'
F0 = number("f0")


def blowing(*, answering: bool = False) -> Street:
    world = Street(rules(BOTH), registry(1, rows=[row("r", "c0", fans="f0")], answering=answering))
    world.hear("c0", 1, 30)
    return world


def command(world: Street) -> str:
    return world.state.wanted_by_slot[world.slot("f0")].attempts[-1].command


def test_a_fan_is_wanted_and_attempted_with_fan_on_again_and_again() -> None:
    world = blowing()
    (wanted,) = of(FanWanted, world.decided)
    alarm = world.alarm("c0", "rises")
    assert alarm is not None
    assert (wanted.device_no, wanted.epoch, wanted.reason, wanted.alarm) == (F0, 1, "rises", alarm.alarm)
    world.tick(17)
    attempts = of(AttemptRequested, world.decided)
    assert [(one.verb, one.at, one.attempt) for one in attempts] == [
        (Verb.FAN_ON, at(t), n) for n, t in enumerate((1, 2, 4, 8, 16), 1)
    ]


def test_an_acknowledgement_ends_it_unverifiable_where_the_model_promises_no_answer() -> None:
    world = blowing()
    world.tell(AttemptSent(at=at(2), command=command(world)))
    decided = world.tell(AttemptAcknowledged(at=at(3), command=command(world)))
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.UNVERIFIABLE]
    assert [one.step for one in of(CommandStepped, decided)] == [Step.ACKNOWLEDGED, Step.UNVERIFIABLE]
    assert not of(AttemptRequested, world.tick(100))


def test_a_fan_that_answers_is_confirmed_by_its_answer_and_not_by_an_acknowledgement() -> None:
    world = blowing(answering=True)
    world.tell(AttemptSent(at=at(2), command=command(world)))
    world.tell(AttemptAcknowledged(at=at(3), command=command(world)))
    assert world.state.wanted_by_slot
    said = Replied(at=at(4), command=command(world), device_no=F0, valve=ValvePosition.UNKNOWN)
    assert [one.outcome for one in of(WantedEnded, world.tell(said))] == [Outcome.CONFIRMED]


@pytest.mark.parametrize("answering", [False, True])
def test_an_answer_confirms_whatever_the_model_promises_but_only_the_fans_own(answering: bool) -> None:
    world = blowing(answering=answering)
    wrong = Replied(at=at(2), command=command(world), device_no=number("e0"), valve=ValvePosition.UNKNOWN)
    assert not of(WantedEnded, world.tell(wrong))
    said = Replied(at=at(4), command=command(world), device_no=F0, valve=ValvePosition.UNKNOWN)
    assert [one.outcome for one in of(WantedEnded, world.tell(said))] == [Outcome.CONFIRMED]


def test_a_fan_that_cannot_be_reached_is_tried_on_and_at_once_when_it_connects_or_the_engine_is_back() -> None:
    world = blowing()
    world.tell(AttemptFailed(at=at(1.5), command=command(world), reason="not connected"))
    assert of(AttemptRequested, world.tell(Connected(at=at(60.5), device_no=F0)))
    assert of(AttemptRequested, world.tell(Resumed(at=at(300), down_us=100 * SECOND)))


def test_a_named_person_ends_it() -> None:
    world = blowing()
    wanted = world.state.wanted_by_slot[world.slot("f0")].wanted
    decided = world.tell(CancelClose(at=at(2), id="c", by="anna", wanted=wanted, reason="noise"))
    assert [one.outcome for one in of(WantedEnded, decided)] == [Outcome.CANCELLED]


def test_a_further_alarm_wants_it_again_when_it_is_wanted_no_more() -> None:
    world = blowing()
    assert not of(FanWanted, world.hear("c0", 2, 30, Flag.HIGH_ALARM))
    world.tell(AttemptAcknowledged(at=at(3), command=command(world)))
    world.hear("c0", 4, 1)
    (again,) = of(FanWanted, world.hear("c0", 5, 30))
    assert again.epoch == 2


def test_a_registry_change_leaves_it_wanted_and_without_the_fan_it_ends() -> None:
    world = blowing()
    same = registry(1, rows=[row("r", "c0", fans="f0")])
    fleet = build_fleet(same, world.fleet)
    assert not of(WantedEnded, reshape(world.state, fleet, compile_pack(world.rules, fleet), at(2)))
    gone = registry(1)
    gone = type(gone)(
        models=gone.models,
        sites=gone.sites,
        devices=tuple(one for one in gone.devices if one.serial != "f0"),
        links=gone.links,
    )
    fleet = build_fleet(gone, fleet)
    (ended,) = of(WantedEnded, reshape(world.state, fleet, compile_pack(world.rules, fleet), at(3)))
    assert ended.outcome is Outcome.CANCELLED
    assert ended.comment == "the fan has left the registry, or its model no longer takes commands"


def test_a_fan_that_never_answers_is_told_of_at_its_deadline() -> None:
    world = blowing()
    (told,) = of(AlarmRaised, world.tick(100))
    assert (told.rule, told.device_no, told.onset) == ("valve-not-closed", F0, at(1))


def test_a_fan_that_nothing_asks_for_any_more_is_not_attempted_any_more() -> None:
    world = blowing()
    decided = world.hear("c0", 20, 0)
    (ended,) = of(WantedEnded, decided)
    assert (ended.device_no, ended.outcome) == (F0, Outcome.OVER)
    assert not [one for one in of(AttemptRequested, world.tick(86_400)) if one.device_no == F0]


def test_a_fan_that_another_rule_still_asks_for_runs_on() -> None:
    other = BOTH.replace('"rises"', '"other"').replace("10.0", "40.0").replace("5.0", "30.0")
    world = Street(rules(BOTH, other), registry(1, rows=[row("r", "c0", fans="f0")]))
    world.hear("c0", 1, 50)
    assert not of(WantedEnded, world.hear("c0", 2, 20))  # the other one is over
    assert [one.outcome for one in of(WantedEnded, world.hear("c0", 3, 0))] == [Outcome.OVER]
