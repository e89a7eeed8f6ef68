"""An alarm that becomes worse, one that was only tried, and what the device itself says: at the raise and after it."""

import pytest

from devices.quantities import Flag
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Change, Decision, IncidentChanged, Priority
from rules.documents.document import RulePack
from rules.evaluation.kernels import compile_pack
from rules.instructions import Acknowledge, Shelve
from rules.life import alarms
from rules.stepping.reshape import reshape
from rules.stepping.state import OpenAlarm
from tests.rules.block import Block, told
from tests.rules.street import CLOSES, Street, reading, registry, rules
from tests.rules.world import at, of, pack

LIMIT = 'id = "gas"\npriority = "medium"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'
WORSE = """
[[rule.escalate]]
when = "combustible_lel >= 40 %LEL"
priority = "high"
[[rule.escalate]]
when = "combustible_lel >= 60 %LEL"
priority = "critical"
"""
RULES = pack(LIMIT + WORSE)


def gas(home: Block) -> OpenAlarm:
    (alarm,) = home.state.alarms()
    return alarm


def changes(decisions: list[Decision]) -> list[tuple[Change, Priority, AlarmState]]:
    return [(one.change, one.priority, one.state) for one in of(AlarmChanged, decisions)]


def edit(home: Block, rules: RulePack, t: float) -> list[Decision]:
    home.rules = rules
    return reshape(home.state, home.fleet, compile_pack(rules, home.fleet), at(t))


def test_it_is_raised_with_the_priority_that_holds_then() -> None:
    home = Block(RULES)
    (alarm,) = of(AlarmRaised, home.hear("a1", 1, combustible_lel=70))
    assert alarm.priority is Priority.CRITICAL


def test_it_rises_and_does_not_sink_while_it_is_active() -> None:
    home = Block(RULES)
    home.hear("a1", 1, combustible_lel=30)
    assert gas(home).priority is Priority.MEDIUM
    decided = home.hear("a1", 2, combustible_lel=45)
    assert changes(decided) == [(Change.ESCALATED, Priority.HIGH, AlarmState.UNACKNOWLEDGED)]
    home.says(Acknowledge, 3, alarm=gas(home).alarm)
    assert not home.hear("a1", 4, combustible_lel=30)
    assert not home.hear("a1", 5, combustible_lel=45)
    decided = home.hear("a1", 6, combustible_lel=60)
    assert changes(decided) == [(Change.ESCALATED, Priority.CRITICAL, AlarmState.ACKNOWLEDGED)]
    assert gas(home).acknowledged_by == "li"


def test_when_it_comes_again_it_has_the_priority_that_holds_then() -> None:
    home = Block(RULES)
    home.hear("a1", 1, combustible_lel=70)
    home.hear("a1", 2, combustible_lel=0)
    decided = home.hear("a1", 3, combustible_lel=30)
    assert changes(decided) == [(Change.REALARMED, Priority.MEDIUM, AlarmState.UNACKNOWLEDGED)]


def test_one_that_becomes_high_opens_an_incident_and_one_that_is_in_one_makes_it_graver() -> None:
    home = Block(RULES)
    assert not told(home.hear("a1", 1, combustible_lel=30))
    assert told(home.hear("a1", 2, combustible_lel=45)) == [("a1", "opened")]
    (graver,) = of(IncidentChanged, home.hear("a1", 3, combustible_lel=60))
    assert (graver.change, graver.priority, graver.alarm) == ("escalated", Priority.CRITICAL, gas(home).alarm)
    assert home.incident("a1").priority is Priority.CRITICAL


def test_a_shelf_does_not_hide_what_is_worse_than_what_was_shelved() -> None:
    home = Block(RULES)
    home.hear("a1", 1, combustible_lel=45)
    home.says(Shelve, 2, alarm=gas(home).alarm, until=at(1_000), reason="paint", role="operator")
    decided = home.hear("a1", 3, combustible_lel=60)
    assert changes(decided) == [
        (Change.ESCALATED, Priority.CRITICAL, AlarmState.SHELVED),
        (Change.UNSHELVED, Priority.CRITICAL, AlarmState.UNACKNOWLEDGED),
    ]
    assert of(AlarmChanged, decided)[1].comment == "it is worse than when it was shelved"
    assert not home.state.shelves
    assert not of(AlarmChanged, home.tick(1_001))


def test_nor_does_it_when_it_is_worse_from_the_start_or_comes_again_worse() -> None:
    for over in (False, True):
        home = Block(RULES)
        home.hear("a1", 1, combustible_lel=30)
        home.says(Shelve, 2, alarm=gas(home).alarm, until=at(1_000), reason="paint", role="operator")
        if over:
            home.says(Acknowledge, 3, alarm=gas(home).alarm)
        home.hear("a1", 4, combustible_lel=0)
        assert home.hear("a1", 5, combustible_lel=45)
        assert gas(home).state is AlarmState.UNACKNOWLEDGED
        assert gas(home).incident


def test_an_alarm_as_grave_as_the_shelved_one_stays_hidden() -> None:
    home = Block(RULES)
    home.hear("a1", 1, combustible_lel=45)
    home.says(Shelve, 2, alarm=gas(home).alarm, until=at(1_000), reason="paint", role="operator")
    home.says(Acknowledge, 3, alarm=gas(home).alarm)
    home.hear("a1", 4, combustible_lel=0)
    home.hear("a1", 5, combustible_lel=45)
    assert gas(home).state is AlarmState.SHELVED


# ---- trials ---------------------------------------------------------------------------------------------------------


def test_a_trial_lives_its_life_and_nothing_follows() -> None:
    home = Block(pack(LIMIT.replace("medium", "critical") + 'state = "dry_run"'))
    decided = home.hear("a1", 1, combustible_lel=30)
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.trial, alarm.incident) == (True, "")
    assert not told(decided)
    (change,) = of(AlarmChanged, home.hear("a1", 2, combustible_lel=0))
    assert (change.change, change.trial) == (Change.RETURNED, True)


def test_an_edit_that_brings_a_rule_into_force_does_so_for_its_alarm_and_back() -> None:
    tried, active = (pack(LIMIT.replace("medium", "high") + f'state = "{state}"') for state in ("dry_run", "active"))
    home = Block(tried)
    home.hear("a1", 1, combustible_lel=30)
    decided = edit(home, active, 2)
    (change,) = of(AlarmChanged, decided)
    assert (change.change, change.trial, change.state) == (Change.TRIED, False, AlarmState.UNACKNOWLEDGED)
    assert told(decided) == [("a1", "opened")]
    assert gas(home).incident == home.incident("a1").incident
    decided = edit(home, tried, 3)
    assert [(one.change, one.trial) for one in of(AlarmChanged, decided)] == [(Change.TRIED, True)]
    assert told(decided) == [("a1", "over")]


# ---- what the device says -------------------------------------------------------------------------------------------


def test_an_alarm_knows_whether_the_device_itself_said_so() -> None:
    home = Block(pack(LIMIT + 'flags = ["low_alarm"]'))
    home.hear("a1", 1, flags=Flag.LOW_ALARM)
    assert gas(home).device_says
    home.hear("a1", 2, combustible_lel=0)
    home.hear("a1", 3, combustible_lel=30)
    assert not gas(home).device_says
    assert not home.hear("a1", 4, flags=Flag.LOW_ALARM, combustible_lel=30)
    assert gas(home).device_says


# ---- what is asked of an alarm that it cannot do --------------------------------------------------------------------


def test_what_is_not_active_does_not_rise_and_says_nothing_of_the_device() -> None:
    home = Block(pack(LIMIT))
    home.hear("a1", 1, combustible_lel=30)
    place = home.state.by_alarm[gas(home).alarm]
    out: list[Decision] = []
    for priority in (Priority.MEDIUM, Priority.LOW):
        alarms.escalate(home.state, out, *place, priority, at(2))
    home.hear("a1", 3, combustible_lel=0)
    alarms.escalate(home.state, out, *place, Priority.CRITICAL, at(4))
    alarms.escalate(home.state, out, place[0] + 1, place[1], Priority.CRITICAL, at(4))
    assert not out
    assert not alarms.device_said(home.state, out, *place, int(Flag.LOW_ALARM), at(5))
    home.hear("a1", 5, combustible_lel=30)
    assert alarms.device_said(home.state, out, *place, int(Flag.LOW_ALARM), at(5))
    assert not alarms.device_said(home.state, out, *place, int(Flag.LOW_ALARM), at(5))
    assert not alarms.device_said(home.state, out, place[0] + 1, place[1], int(Flag.LOW_ALARM), at(5))


def test_only_an_active_alarm_acts_when_it_comes_into_force() -> None:
    for active in (True, False):
        home = Block(pack(LIMIT))
        home.hear("a1", 1, combustible_lel=30)
        place, out = home.state.by_alarm[gas(home).alarm], list[Decision]()
        if not active:
            home.hear("a1", 2, combustible_lel=0)
        assert not alarms.tried(home.state, out, *place, at(3))
        assert not out
        home.state.reverted["gas"] = "too many"
        assert not alarms.tried(home.state, out, *place, at(4))
        assert gas(home).trial
        del home.state.reverted["gas"]
        assert alarms.tried(home.state, out, *place, at(5)) is active
        assert [one.trial for one in of(AlarmChanged, out)] == [True, False]


@pytest.mark.parametrize(
    "says", ['quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n', 'flags = ["tamper"]\n']
)
def test_a_limit_or_a_flag_escalates_by_a_closing_that_an_earlier_reading_of_the_moment_brought_about(
    says: str,
) -> None:
    body = f'id = "valve"\npriority = "medium"\napplies_to = ["shut_off_valve"]\n{says}'
    worse = '[[rule.escalate]]\nwhen = "commanded_closed"\npriority = "high"\n'
    street = Street(rules(CLOSES, body + worse), registry(1))
    detector, valve = reading("a0", 1, 30), reading("b0", 1, 30, Flag.TAMPER)
    street.step([valve, detector, valve], (), 1)
    (alarm,) = [one for one in of(AlarmRaised, street.decided) if one.rule == "valve"]
    assert alarm.priority is Priority.MEDIUM
    assert [one.priority for one in of(AlarmChanged, street.decided) if one.rule == "valve"] == [Priority.HIGH]
    street = Street(street.rules, registry(1))
    street.step([detector, valve], (), 1)
    assert [one.priority for one in of(AlarmRaised, street.decided) if one.rule == "valve"] == [Priority.HIGH]
