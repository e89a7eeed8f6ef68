"""What people hide: shelved alarms, devices out of service. The condition is followed all the same."""

from typing import Any

import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag, ValvePosition
from rules.decisions import AlarmChanged, AlarmRaised, AlarmState, Answered, Change, CloseWanted, Decision
from rules.evaluation.kernels import compile_pack
from rules.instructions import (
    Acknowledge,
    Comment,
    Resolution,
    Resolve,
    ReturnToService,
    Shelve,
    TakeOutOfService,
    Unshelve,
)
from rules.life.lifecycle import Happening, after
from rules.stepping.reshape import reshape
from rules.stepping.snapshot import decode_snapshot, encode_snapshot, restore, snapshot
from rules.stepping.state import OpenAlarm
from tests.rules.block import NAMES, NUMBER, Block, block, told
from tests.rules.world import OF_A_CLOSING, at, of, pack

GAS = 'id = "gas"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15'
BATTERY = 'id = "battery"\npriority = "low"\nquantity = "battery_pct"\nat_or_below = 10\nclear_above = 15'
CRITICAL = GAS + '\npriority = "critical"'
HOUR = 3_600
DAY = 24 * HOUR


def raised(rule: str = GAS) -> Block:
    home = Block(pack(rule))
    home.hear("a1", 1, combustible_lel=30, battery_pct=5)
    return home


def alarm(home: Block, name: str = "a1") -> OpenAlarm:
    (found,) = (one for one in home.state.alarms() if one.device_no == NUMBER[name])
    return found


def shelve(home: Block, t: float, until: float, **what: Any) -> list[Decision]:
    about = {"alarm": alarm(home).alarm, "reason": "paint in the next flat", "role": "operator", **what}
    return home.says(Shelve, t, until=at(until), **about)


def out_of_service(home: Block, t: float, until: float | None = None, **what: Any) -> list[Decision]:
    about = {"device_no": NUMBER["a1"], "reason": "sensor is being replaced", **what}
    return home.says(TakeOutOfService, t, until=0 if until is None else at(until), **about)


def answer(home: Block) -> Answered:
    (found,) = of(Answered, home.decided[-1:])
    return found


# ---- shelving -------------------------------------------------------------------------------------------------------


def test_a_shelved_alarm_shows_who_took_it_out_of_the_list_until_when_and_why() -> None:
    home = raised()
    decided = shelve(home, 2, 100)
    (change,) = of(AlarmChanged, decided)
    assert (change.change, change.state, change.until, change.by, change.comment) == (
        Change.SHELVED,
        AlarmState.SHELVED,
        at(100),
        "li",
        "paint in the next flat",
    )
    assert (alarm(home).state, alarm(home).until) == (AlarmState.SHELVED, at(100))
    assert answer(home) == Answered(at=at(2), id="said-1", accepted=True, subject=alarm(home).alarm)


def test_its_condition_is_followed_and_its_true_state_shows_when_the_time_is_over() -> None:
    home = raised()
    shelve(home, 2, 100)
    (change,) = of(AlarmChanged, home.hear("a1", 3, combustible_lel=0))
    assert (change.change, change.state) == (Change.RETURNED, AlarmState.SHELVED)
    assert not home.tick(99.9)
    (change,) = of(AlarmChanged, home.tick(200))
    assert (change.at, change.change, change.state, change.until, change.comment) == (
        at(100),
        Change.UNSHELVED,
        AlarmState.RETURNED_UNACKNOWLEDGED,
        0,
        "its time is over",
    )


def test_a_shelf_holds_over_a_return_and_a_new_alarm_until_its_time() -> None:
    home = raised()
    shelve(home, 2, 100)
    home.says(Acknowledge, 3, alarm=alarm(home).alarm)
    (over,) = of(AlarmChanged, home.hear("a1", 4, combustible_lel=0))
    assert over.state is AlarmState.NORMAL
    (again,) = of(AlarmRaised, home.hear("a1", 5, combustible_lel=30))
    assert (again.state, again.until, again.incident) == (AlarmState.SHELVED, at(100), "")
    (change,) = of(AlarmChanged, home.tick(100))
    assert change.state is AlarmState.UNACKNOWLEDGED
    assert home.tick(101) == []
    assert not home.state.shelves


def test_an_alarm_that_was_shelved_before_it_joined_an_incident_joins_when_it_comes_back() -> None:
    home = raised()
    shelve(home, 2, 100)
    home.says(Acknowledge, 3, alarm=alarm(home).alarm)
    home.hear("a1", 4, combustible_lel=0)
    assert not told(home.hear("a1", 5, combustible_lel=30))
    assert told(home.tick(100)) == [("a1", "joined")]


def test_acknowledging_acts_on_the_true_state_while_it_is_shelved() -> None:
    home = raised(GAS + "\nlatch = true")
    shelve(home, 2, 100)
    (change,) = of(AlarmChanged, home.says(Acknowledge, 3, alarm=alarm(home).alarm))
    assert (change.change, change.state, change.by) == (Change.ACKNOWLEDGED, AlarmState.SHELVED, "li")
    home.hear("a1", 4, combustible_lel=0)
    (change,) = of(AlarmChanged, home.says(Unshelve, 5, alarm=alarm(home).alarm))
    assert (change.change, change.state, change.by) == (Change.UNSHELVED, AlarmState.LATCHED_ACKNOWLEDGED, "li")


@pytest.mark.parametrize(("rule", "longest"), [(CRITICAL, DAY), (GAS, 7 * DAY), (BATTERY, 7 * DAY)])
def test_a_critical_alarm_is_shelved_for_a_day_at_most_and_any_other_for_a_week(rule: str, longest: float) -> None:
    home = raised(rule)
    shelve(home, 2, 2 + longest + 0.000001)
    assert f"at most {longest // HOUR:.0f} hours" in answer(home).reason
    shelve(home, 2, 2 + longest)
    assert answer(home).accepted


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"reason": " "}, "needs a reason"),
        ({"reason": "x" * 2_001}, "it is 2001 characters long"),
        ({"until": 2.0}, "would be over already"),
        ({"alarm": "nothing"}, "there is no open alarm 'nothing'"),
    ],
)
def test_a_shelf_without_a_reason_an_end_or_an_alarm_is_refused(what: dict[str, Any], why: str) -> None:
    home = raised()
    assert len(shelve(home, 2, what.pop("until", 100), **what)) == 1
    assert not answer(home).accepted
    assert why in answer(home).reason
    assert alarm(home).state is AlarmState.UNACKNOWLEDGED


RESIDENTS = [
    (GAS, False),
    (CRITICAL, False),
    (GAS + '\npriority = "medium"', True),
    ('flags = ["co_alarm"]', False),
    ('condition = "mean(co_ppm, 10m) > 30 ppm"', False),
    ('quantity = "temperature_c"\nat_or_above = 60\nclear_below = 50', True),
    ('flags = ["fault"]', True),
]


@pytest.mark.parametrize(("rule", "may"), RESIDENTS)
def test_a_resident_shelves_no_high_or_critical_gas_alarm(rule: str, may: bool) -> None:
    home = Block(pack(rule))
    for t in range(2):
        flags = Flag.CO_ALARM | Flag.FAULT
        home.hear("a1", t, flags=flags, combustible_lel=30, co_ppm=100, temperature_c=70)
    shelve(home, 2, 100, role="resident")
    assert answer(home).accepted is may
    assert may or "resident cannot shelve" in answer(home).reason
    shelve(home, 3, 101, role="operator")
    assert answer(home).accepted


def test_shelving_twice_until_the_same_time_says_so_and_until_another_is_another_shelf() -> None:
    home = raised()
    shelve(home, 2, 100)
    assert len(shelve(home, 3, 100, by="wang")) == 1
    assert answer(home).reason == "it is shelved already, until 2026-06-01 12:01:40 UTC, by li"
    (change,) = of(AlarmChanged, shelve(home, 4, 50))
    assert (change.change, change.until) == (Change.SHELVED, at(50))
    assert [(one.at, one.state.name) for one in of(AlarmChanged, home.tick(200))] == [(at(50), "UNACKNOWLEDGED")]


def test_what_is_not_shelved_is_not_unshelved() -> None:
    home = raised()
    home.says(Unshelve, 2, alarm=alarm(home).alarm)
    assert answer(home).reason == "it is not shelved"
    home.says(Unshelve, 3, alarm="nothing")
    assert "there is no open alarm" in answer(home).reason


def test_a_shelf_that_waits_for_the_next_alarm_is_ended_by_the_name_of_the_last() -> None:
    home = raised()
    first = alarm(home).alarm
    shelve(home, 2, 100)
    home.says(Acknowledge, 3, alarm=first)
    home.hear("a1", 4, combustible_lel=0)
    assert len(home.says(Unshelve, 5, alarm=first)) == 1
    assert answer(home).accepted
    (again,) = of(AlarmRaised, home.hear("a1", 6, combustible_lel=30))
    assert again.state is AlarmState.UNACKNOWLEDGED


def test_a_shelved_alarm_still_closes_valves() -> None:
    home = Block(pack(GAS + '\napplies_to = ["detector"]\naction = "close"', *OF_A_CLOSING))
    home.hear("a1", 1, flags=Flag(0), combustible_lel=30)
    shelve(home, 2, 1_000, alarm=_gas(home))
    home.hear("a1v", 3, valve=ValvePosition.CLOSED)
    home.says(Acknowledge, 4, alarm=_gas(home))
    home.hear("a1", 5, combustible_lel=0)
    before = len(of(CloseWanted, home.decided))
    decided = home.hear("a1", 6, combustible_lel=30)
    assert [one.state for one in of(AlarmRaised, decided) if one.rule == "gas"] == [AlarmState.SHELVED]
    assert before == 1


def _gas(home: Block) -> str:
    return next(one.alarm for one in home.state.alarms() if one.rule == "gas")


# ---- out of service -------------------------------------------------------------------------------------------------


def test_a_device_out_of_service_shows_its_alarms_apart() -> None:
    home = raised()
    (change,) = of(AlarmChanged, out_of_service(home, 2))
    assert (change.change, change.state, change.until, change.by, change.comment) == (
        Change.OUT_OF_SERVICE,
        AlarmState.OUT_OF_SERVICE,
        0,
        "li",
        "sensor is being replaced",
    )
    assert of(AlarmRaised, home.hear("a1x", 3, combustible_lel=30))[0].state is AlarmState.UNACKNOWLEDGED
    (change,) = of(AlarmChanged, home.says(ReturnToService, 4, device_no=NUMBER["a1"], by="wang"))
    assert (change.change, change.state, change.by) == (Change.IN_SERVICE, AlarmState.UNACKNOWLEDGED, "wang")


def test_an_alarm_that_is_raised_meanwhile_is_shown_apart_and_is_no_incident() -> None:
    home = Block(pack(GAS))
    out_of_service(home, 1, 100)
    decided = home.hear("a1", 2, combustible_lel=30)
    (new,) = of(AlarmRaised, decided)
    assert (new.state, new.until, new.incident) == (AlarmState.OUT_OF_SERVICE, at(100), "")
    assert not told(decided)
    assert told(home.tick(100)) == [("a1", "opened")]


def test_its_time_over_the_device_is_in_service_and_its_active_alarm_closes() -> None:
    home = Block(pack(GAS + '\napplies_to = ["detector"]\naction = "close"', *OF_A_CLOSING))
    out_of_service(home, 1, 100)
    home.hear("a1", 2, combustible_lel=30)
    decided = home.tick(150)
    assert [(one.at, one.change) for one in of(AlarmChanged, decided)][:1] == [(at(100), Change.IN_SERVICE)]
    assert [one.at for one in of(CloseWanted, decided)] == [at(100)]


@pytest.mark.parametrize(
    ("what", "why"),
    [
        ({"device_no": 999_999}, "there is no device 999999"),
        ({"device_no": -1}, "there is no device -1"),
        ({"reason": ""}, "needs a reason"),
        ({"reason": "x" * 2_001}, "it is 2001 characters long"),
        ({"until": 2.0}, "over already"),
    ],
)
def test_taking_nothing_or_for_no_reason_or_no_time_out_of_service_is_refused(what: dict[str, Any], why: str) -> None:
    home = raised()
    assert len(out_of_service(home, 2, what.pop("until", None), **what)) == 1
    assert not answer(home).accepted
    assert why in answer(home).reason


def test_out_of_service_twice_says_so_and_until_another_time_is_taken() -> None:
    home = raised()
    out_of_service(home, 2)
    out_of_service(home, 3, by="wang")
    assert answer(home).reason == "it is out of service already, without a limit, by li"
    out_of_service(home, 4, 100, by="wang")
    assert answer(home).accepted
    out_of_service(home, 5, 100)
    assert answer(home).reason == "it is out of service already, until 2026-06-01 12:01:40 UTC, by wang"
    home.tick(100)
    home.says(ReturnToService, 101, device_no=NUMBER["a1"])
    assert answer(home).reason == "it is in service"
    home.says(ReturnToService, 101, device_no=999_999)
    assert answer(home).reason == "there is no device 999999"


def test_out_of_service_hides_before_a_shelf_which_shows_again_after_it() -> None:
    home = raised()
    out_of_service(home, 2)
    (change,) = of(AlarmChanged, shelve(home, 3, 100))
    assert (change.change, change.state, change.until) == (Change.SHELVED, AlarmState.OUT_OF_SERVICE, 0)
    (change,) = of(AlarmChanged, home.says(ReturnToService, 4, device_no=NUMBER["a1"]))
    assert (change.change, change.state, change.until) == (Change.IN_SERVICE, AlarmState.SHELVED, at(100))


# ---- comments and resolutions ---------------------------------------------------------------------------------------


def test_a_comment_and_what_it_was_change_no_state() -> None:
    home = raised()
    (change,) = of(AlarmChanged, home.says(Comment, 2, subject=alarm(home).alarm, text="smells of paint"))
    assert (change.change, change.state, change.by, change.comment) == (
        Change.COMMENTED,
        AlarmState.UNACKNOWLEDGED,
        "li",
        "smells of paint",
    )
    about = {"alarm": alarm(home).alarm, "resolution": Resolution.FALSE}
    (change,) = of(AlarmChanged, home.says(Resolve, 3, **about, comment="paint"))
    assert (change.change, change.state, change.resolution, change.comment) == (
        Change.RESOLVED,
        AlarmState.UNACKNOWLEDGED,
        "false",
        "paint",
    )
    assert alarm(home).resolution == "false"
    home.says(Resolve, 4, **about)
    assert answer(home).reason == "it is said to be false already"
    assert of(AlarmChanged, home.says(Resolve, 5, alarm=alarm(home).alarm, resolution=Resolution.REAL))
    home.says(Resolve, 6, alarm="nothing", resolution=Resolution.REAL)
    assert "closing its incident says what it was" in answer(home).reason
    home.says(Resolve, 7, alarm=alarm(home).alarm, resolution=Resolution.TEST, comment="x" * 2_001)
    assert "2001 characters" in answer(home).reason
    home.says(Comment, 8, subject=alarm(home).alarm, text="x" * 2_001)
    assert "2001 characters" in answer(home).reason


# ---- over restarts and edits ----------------------------------------------------------------------------------------


def test_shelves_and_service_outlive_a_restart() -> None:
    home = raised()
    shelve(home, 2, 100)
    out_of_service(home, 3, 50)
    taken = decode_snapshot(encode_snapshot(snapshot(home.state)))
    home.state = restore(taken, home.fleet, home.rules)
    assert [(one.at, one.change, one.state) for one in of(AlarmChanged, home.tick(200))] == [
        (at(50), Change.IN_SERVICE, AlarmState.SHELVED),
        (at(100), Change.UNSHELVED, AlarmState.UNACKNOWLEDGED),
    ]


def test_the_table_is_what_the_engine_does_also_while_it_hides() -> None:
    for hides in (False, True):
        home = raised(GAS + "\nlatch = true")
        if hides:
            shelve(home, 2, 1_000)
        state = AlarmState.UNACKNOWLEDGED
        for t, happening in enumerate((Happening.RETURN_LATCHED, Happening.CONDITION, Happening.ACKNOWLEDGE), 10):
            if happening is Happening.ACKNOWLEDGE:
                home.says(Acknowledge, t, alarm=alarm(home).alarm)
            else:
                home.hear("a1", t, combustible_lel=30 if happening is Happening.CONDITION else 0)
            state = after(state, happening)
            assert home.state.phase[alarm(home).slot, 0] == state
            assert alarm(home).state is (AlarmState.SHELVED if hides else state)


def test_a_time_that_was_put_off_does_not_end_anything() -> None:
    home = raised()
    for t, until in ((2, 50), (3, 100)):
        shelve(home, t, until)
        out_of_service(home, t, until)
    assert [(one.at, one.change) for one in of(AlarmChanged, home.tick(200))] == [
        (at(100), Change.UNSHELVED),
        (at(100), Change.IN_SERVICE),
    ]


def test_a_shelf_goes_with_its_rule() -> None:
    home = raised()
    shelve(home, 2, 1_000)
    for rules in (pack(BATTERY), pack(BATTERY, GAS)):
        home.rules = rules
        reshape(home.state, home.fleet, compile_pack(rules, home.fleet), at(3))
    assert not home.state.shelves
    assert of(AlarmRaised, home.hear("a1", 5, combustible_lel=30))[-1].state is AlarmState.UNACKNOWLEDGED


def test_a_shelf_goes_with_its_device() -> None:
    home = raised()
    shelve(home, 2, 1_000)
    out_of_service(home, 3)
    for names in (tuple(name for name in NAMES if name != "a1"), NAMES):
        home.fleet = build_fleet(block(names), home.fleet)
        home.decided += reshape(home.state, home.fleet, compile_pack(home.rules, home.fleet), at(4))
    assert not home.state.shelves
    assert not home.state.out_of_service
    (new,) = of(AlarmRaised, home.hear("a1", 5, combustible_lel=30))
    assert new.state is AlarmState.UNACKNOWLEDGED
