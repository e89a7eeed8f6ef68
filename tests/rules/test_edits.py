"""What an edit of the rules says, and what it does to alarms that stand (rules/stepping/edits.py; reshape H5)."""

import pytest

from devices.quantities import Flag
from rules.decisions import AlarmChanged, AlarmRaised, Change, CloseWanted, IncidentChanged, Priority, RuleNoted
from tests.rules.test_reshape import change
from tests.rules.world import OF_A_CLOSING, World, at, of, pack, raised

GAS = 'id = "gas"\napplies_to = ["detector"]\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'
CLOSES = GAS + 'action = "close"\n'


def notes(world: World, t: float, *rules: str) -> list[str]:
    return [one.what for one in of(RuleNoted, change(world, t, rules=pack(*rules))) if one.rule == "gas"]


@pytest.mark.parametrize(
    ("after", "what"),
    [
        (GAS.replace("20", "25"), "at_or_above: 20.0 -> 25.0"),
        (GAS + "hold_s = 30", "hold_s: 0.0 -> 30.0"),
        (GAS + 'flags = ["low_alarm"]', 'flags: nothing -> ["low_alarm"]'),
        (GAS + 'state = "dry_run"', "state: active -> dry_run"),
        (GAS + 'only = { areas = ["50"] }', 'only: {} -> {"areas":["50"]}'),
        (GAS.replace("20", "30").replace("15", "10"), "at_or_above: 20.0 -> 30.0; clear_below: 15.0 -> 10.0"),
    ],
)
def test_a_rule_that_was_edited_says_key_by_key_what_it_was_and_is(after: str, what: str) -> None:
    assert notes(World(pack(GAS)), 5, after) == [what]


def test_other_numbers_for_some_devices_are_an_edit_of_their_rule() -> None:
    other = (
        'priority = "high"\n'
        + GAS
        + '[[override]]\nrule = "gas"\nonly = { areas = ["50"] }\nsource = "product choice"\nat_or_above = 25\n'
    )
    (what,) = notes(World(pack(GAS)), 5, other)
    assert what.startswith("overrides: nothing -> [")
    assert '"at_or_above":25.0' in what


def test_what_is_new_gone_or_the_same_is_no_edit() -> None:
    world = World(pack(GAS, 'id = "door"\nflags = ["tamper"]'))
    assert notes(world, 5, GAS, 'id = "other"\nflags = ["mains_loss"]') == []
    assert not of(RuleNoted, change(world, 6, rules=world.rules))


def test_an_edit_is_told_before_what_it_brings_about() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    decided = change(world, 2, rules=pack(GAS.replace('["detector"]', '["gateway"]')))
    assert [type(one) for one in decided] == [RuleNoted, AlarmChanged, IncidentChanged]


def test_an_alarm_whose_rule_comes_into_force_acts_from_then_on() -> None:
    world = World(pack(CLOSES + 'state = "dry_run"', *OF_A_CLOSING))
    decided = world.hear("d2", 1, combustible_lel=30)
    assert [one.trial for one in of(AlarmRaised, decided)] == [True]
    assert not of(CloseWanted, decided)
    decided = change(world, 5, rules=pack(CLOSES, *OF_A_CLOSING))
    (tried,) = [one for one in of(AlarmChanged, decided) if one.change is Change.TRIED]
    assert (tried.trial, tried.at) == (False, at(5))
    assert [one.alarm for one in of(CloseWanted, decided)] == [tried.alarm]


def test_an_alarm_whose_rule_is_only_tried_from_now_on_keeps_no_valve_closed() -> None:
    world = World(pack(CLOSES, *OF_A_CLOSING))
    world.hear("d2", 1, combustible_lel=30)
    decided = change(world, 5, rules=pack(CLOSES + 'state = "dry_run"', *OF_A_CLOSING))
    assert [one.trial for one in of(AlarmChanged, decided) if one.change is Change.TRIED] == [True]
    assert world.state.closed_for == {}


def test_a_rule_that_becomes_a_draft_ends_its_alarms() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    decided = change(world, 2, rules=pack(GAS + 'state = "draft"'))
    assert [one.change for one in of(AlarmChanged, decided)] == [Change.REMOVED]
    assert not world.hear("d1", 3, combustible_lel=40)


def test_a_hold_that_runs_outlives_an_edit_after_which_its_rule_has_none() -> None:
    world = World(pack(GAS + "hold_s = 30"))
    world.hear("d1", 1, combustible_lel=30)
    change(world, 2, rules=pack(GAS))
    assert [(one.at, one.onset) for one in of(AlarmRaised, world.tick(40))] == [(at(31), at(1))]


# ---- what readings say more of an alarm that stands -----------------------------------------------------------------

WORSE = (
    'priority = "high"\nid = "co"\nquantity = "co_ppm"\nat_or_above = 100\nclear_below = 50\n'
    'escalate = [{ when = "co_ppm >= 300 ppm", priority = "critical" }]'
)


def test_an_alarm_that_gets_worse_has_a_higher_priority_until_it_is_over() -> None:
    world = World(pack(WORSE))
    world.hear("d1", 1, co_ppm=120)
    (worse,) = of(AlarmChanged, world.hear("d1", 2, co_ppm=320))
    assert (worse.change, worse.priority) == (Change.ESCALATED, Priority.CRITICAL)
    assert not world.hear("d1", 3, co_ppm=350)
    assert not world.hear("d1", 4, co_ppm=120)
    world.hear("d1", 5, co_ppm=10)
    (again,) = of(AlarmChanged, world.hear("d1", 6, co_ppm=120))
    assert (again.change, again.priority) == (Change.REALARMED, Priority.HIGH)


def test_an_alarm_that_is_raised_at_its_worst_has_that_priority_at_once() -> None:
    world = World(pack(WORSE))
    decided = world.hear("d1", 1, co_ppm=400)
    assert [one.priority for one in of(AlarmRaised, decided)] == [Priority.CRITICAL]
    assert not of(AlarmChanged, decided)


def test_a_device_that_says_so_itself_is_remembered_once_it_did() -> None:
    world = World(pack(GAS))
    world.hear("d1", 1, combustible_lel=30)
    (alarm,) = world.state.alarms()
    assert not alarm.device_says
    world.hear("d1", 2, combustible_lel=30, flags=Flag.TAMPER)
    assert not world.state.alarms()[0].device_says
    world.hear("d1", 3, combustible_lel=30, flags=Flag.LOW_ALARM | Flag.LATE)
    assert not world.state.alarms()[0].device_says
    world.hear("d1", 4, combustible_lel=30, flags=Flag.LOW_ALARM)
    assert world.state.alarms()[0].device_says


def test_a_hold_that_ends_outside_the_hours_of_its_rule_is_dropped() -> None:
    hours = GAS + 'hold_s = 30\nschedule = { from = "12:00", until = "12:01" }'  # T0 is noon
    world = World(pack(hours))
    world.hear("d1", 20, combustible_lel=30)
    world.hear("d2", 45, combustible_lel=30)
    assert raised(world.tick(200)) == [("d1", "gas")]
