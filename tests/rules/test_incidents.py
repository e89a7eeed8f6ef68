"""Alarms that people deal with together: by site, riser, building and area, until a person closes them."""

import msgspec
import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag
from devices.sites import Registry, Site
from rules.decisions import AlarmRaised, Answered, IncidentChange, IncidentChanged, IncidentScope, Priority, incident_id
from rules.evaluation.kernels import compile_pack
from rules.instructions import Acknowledge, Arrived, CloseIncident, Comment, Dispatched, Resolution
from rules.stepping.reshape import reshape
from tests.rules.block import AREA, FLATS, HOUSES, NAMES, NUMBER, SITES, Block, block, told
from tests.rules.world import at, of, pack

GAS = 'id = "gas"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15'
WORSE = 'id = "worse"\npriority = "critical"\nquantity = "combustible_lel"\nat_or_above = 50\nclear_below = 45'
FAULT = 'id = "fault"\npriority = "medium"\nflags = ["fault"]'
RULES = pack(GAS, WORSE, FAULT)
RISER, BUILDING = f"{AREA}/7/1", f"{AREA}/7"


def answer(block: Block) -> Answered:
    decided = block.decided[-1]
    assert isinstance(decided, Answered)
    return decided


# ---- of a site ------------------------------------------------------------------------------------------------------


def test_a_high_alarm_opens_the_incident_of_its_site() -> None:
    block = Block(RULES)
    decided = block.hear("a1", 1, combustible_lel=30)
    (alarm,), (opened,) = of(AlarmRaised, decided), of(IncidentChanged, decided)
    assert opened == IncidentChanged(
        at=at(1),
        incident=incident_id(IncidentScope.SITE, "a1", at(1)),
        scope=IncidentScope.SITE,
        key="a1",
        change=IncidentChange.OPENED,
        priority=Priority.HIGH,
        alarm=alarm.alarm,
    )
    assert alarm.incident == opened.incident
    assert decided.index(alarm) < decided.index(opened)
    assert block.incident("a1").alarms == (alarm.alarm,)


def test_a_lesser_alarm_opens_none_but_joins_one_that_is_open() -> None:
    block = Block(RULES)
    assert not told(block.hear("a1", 1, flags=Flag.FAULT))
    assert told(block.hear("a1", 2, flags=Flag.FAULT, combustible_lel=30)) == [("a1", "opened")]
    decided = block.hear("a1x", 3, flags=Flag.FAULT)
    assert told(decided) == [("a1", "joined")]
    assert of(AlarmRaised, decided)[0].incident == block.incident("a1").incident


def test_an_incident_has_the_highest_priority_of_its_alarms() -> None:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    assert block.incident("a1").priority is Priority.HIGH
    words = of(IncidentChanged, block.hear("a1x", 2, combustible_lel=60))
    assert [(one.change, one.priority) for one in words] == [
        (IncidentChange.JOINED, Priority.HIGH),
        (IncidentChange.JOINED, Priority.CRITICAL),
    ]
    assert block.incident("a1").priority is Priority.CRITICAL


def test_alarms_at_two_sites_are_two_incidents() -> None:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    assert told(block.hear("far", 1, combustible_lel=30)) == [("far", "opened")]


def test_a_late_alarm_bit_opens_nothing_until_the_condition_is_really_there() -> None:
    block = Block(pack('id = "bit"\nflags = ["high_alarm"]'))
    assert not told(block.hear("a1", 10, ts_s=-90, flags=Flag.HIGH_ALARM | Flag.LATE))
    assert told(block.hear("a1", 11, flags=Flag.HIGH_ALARM)) == [("a1", "opened")]


def test_it_is_over_when_none_of_its_alarms_is_active() -> None:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    block.hear("a1x", 2, combustible_lel=30)
    assert not told(block.hear("a1", 3, combustible_lel=0))
    assert told(block.hear("a1x", 4, combustible_lel=0)) == [("a1", "over")]
    assert block.incident("a1").over == at(4)


def test_an_alarm_that_comes_again_makes_it_not_over() -> None:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    block.hear("a1", 2, combustible_lel=0)
    assert told(block.hear("a1", 3, combustible_lel=30)) == [("a1", "joined")]
    assert block.incident("a1").over == 0
    assert len(block.incident("a1").alarms) == 1
    assert told(block.hear("a1", 4, combustible_lel=0)) == [("a1", "over")]


def test_a_new_alarm_joins_one_that_is_over_and_not_closed() -> None:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    block.says(Acknowledge, 2, alarm=block.incident("a1").alarms[0])
    assert told(block.hear("a1", 3, combustible_lel=0)) == [("a1", "over")]
    assert not block.state.open
    assert told(block.hear("a1", 4, combustible_lel=30)) == [("a1", "joined")]
    assert (len(block.incident("a1").alarms), block.incident("a1").over) == (2, 0)


def test_only_the_last_thousand_alarms_are_kept() -> None:
    block = Block(RULES)
    t = 0
    for _ in range(1_005):
        t += 2
        block.hear("a1", t, combustible_lel=30)
        block.says(Acknowledge, t, alarm=block.state.alarms()[0].alarm)
        block.hear("a1", t + 1, combustible_lel=0)
    assert len(block.incident("a1").alarms) == 1_000
    assert block.incident("a1").over == at(t + 1)


# ---- what people say ------------------------------------------------------------------------------------------------


def opened() -> tuple[Block, str]:
    block = Block(RULES)
    block.hear("a1", 1, combustible_lel=30)
    return block, block.incident("a1").incident


def test_who_is_sent_and_who_is_there_is_told_and_kept() -> None:
    block, incident = opened()
    block.says(Dispatched, 2, incident=incident, crew="crew 5", comment="with ladder")
    block.says(Arrived, 60, incident=incident, by="wang", comment="at the door")
    block.says(Comment, 61, subject=incident, text="nobody at home")
    words = [(one.change, one.by, one.comment) for one in of(IncidentChanged, block.decided)[1:]]
    assert words == [
        (IncidentChange.DISPATCHED, "li", "crew 5: with ladder"),
        (IncidentChange.ARRIVED, "wang", "at the door"),
        (IncidentChange.COMMENTED, "li", "nobody at home"),
    ]
    marks = [(mark.at, mark.what, mark.by, mark.comment) for mark in block.incident("a1").marks]
    assert marks == [
        (at(2), "dispatched", "li", "crew 5: with ladder"),
        (at(60), "arrived", "wang", "at the door"),
        (at(61), "commented", "li", "nobody at home"),
    ]


@pytest.mark.parametrize(
    ("kind", "what"),
    [(Dispatched, {"crew": "crew 5"}), (Arrived, {"comment": "here"}), (Comment, {"text": "here"})],
)
def test_the_same_said_twice_is_told_so_and_said_again_later_is_taken(kind: type, what: dict[str, str]) -> None:
    block, incident = opened()
    about = {"subject" if kind is Comment else "incident": incident, **what}
    block.says(kind, 2, **about)
    assert answer(block).accepted
    before = len(block.incident("a1").marks)
    assert not told(block.says(kind, 62, **about))
    assert not answer(block).accepted
    assert "said the same already, at 2026-06-01 12:00:02 UTC" in answer(block).reason
    assert len(block.incident("a1").marks) == before
    block.says(kind, 62.000001, **about)
    assert answer(block).accepted
    block.says(kind, 63, **about, by="wang")
    assert answer(block).accepted


def test_words_about_an_incident_that_is_not_open_are_refused() -> None:
    block, incident = opened()
    for kind, what in ((Dispatched, {"crew": "x"}), (Arrived, {}), (CloseIncident, {"resolution": Resolution.TEST})):
        block.says(kind, 2, incident="nothing", **what)
        assert "there is no open incident 'nothing'" in answer(block).reason
    block.says(Comment, 2, subject="nothing", text="x")
    assert "there is no open alarm or incident 'nothing'" in answer(block).reason
    for kind, what in ((Dispatched, {"incident": incident, "crew": " "}), (Comment, {"subject": incident, "text": ""})):
        block.says(kind, 2, **what)
        assert not answer(block).accepted
    block.says(Arrived, 2, incident=incident, comment="x" * 2_001)
    assert "2001 characters long" in answer(block).reason
    assert not block.incident("a1").marks


def test_only_the_last_two_hundred_marks_are_kept() -> None:
    block, incident = opened()
    for number in range(205):
        block.says(Comment, 2 + number, subject=incident, text=f"word {number}")
    marks = block.incident("a1").marks
    assert [mark.comment for mark in marks] == [f"word {number}" for number in range(5, 205)]


def test_an_incident_is_closed_by_a_person_when_it_is_over() -> None:
    block, incident = opened()
    block.says(CloseIncident, 2, incident=incident, resolution=Resolution.FALSE)
    assert answer(block).reason == "an alarm of it still active, gas at davysim/a1 since 2026-06-01 12:00:01 UTC"
    block.hear("a1", 3, combustible_lel=0)
    decided = block.says(CloseIncident, 4, incident=incident, resolution=Resolution.FALSE, comment="paint")
    (closed,) = of(IncidentChanged, decided)
    assert (closed.change, closed.resolution, closed.comment, closed.by) == (
        IncidentChange.CLOSED,
        "false",
        "paint",
        "li",
    )
    assert not block.state.incidents
    block.says(CloseIncident, 5, incident=incident, resolution=Resolution.FALSE)
    assert "it may be closed" in answer(block).reason


def test_an_alarm_that_comes_again_after_its_incident_was_closed_opens_another() -> None:
    block, incident = opened()
    block.hear("a1", 2, combustible_lel=0)
    block.says(CloseIncident, 3, incident=incident, resolution=Resolution.FALSE)
    assert told(block.hear("a1", 4, combustible_lel=30)) == [("a1", "opened")]
    assert block.incident("a1").incident != incident
    assert block.state.alarms()[0].incident == block.incident("a1").incident


# ---- of many sites --------------------------------------------------------------------------------------------------


def gas(block: Block, names: tuple[str, ...], t: float, apart_s: float = 1) -> list[tuple[str, str]]:
    found = []
    for number, name in enumerate(names):
        found += told(block.hear(name, t + number * apart_s, combustible_lel=30))
    return found


def test_three_sites_of_one_riser_are_one_larger_incident() -> None:
    block = Block(RULES)
    assert gas(block, FLATS[:2], 1) == [("a1", "opened"), ("a2", "opened")]
    assert gas(block, FLATS[2:3], 3) == [
        ("a3", "opened"),
        (RISER, "opened"),
        ("a1", "merged"),
        ("a2", "merged"),
        ("a3", "merged"),
    ]
    riser = block.incident(RISER)
    assert (riser.scope, riser.parts) == (
        IncidentScope.RISER,
        tuple(block.incident(name).incident for name in ("a1", "a2", "a3")),
    )
    assert block.incident("a2").into == riser.incident
    assert block.incident("a2").alarms


def test_a_further_site_of_the_riser_joins_at_its_opening() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    assert gas(block, FLATS[3:4], 5_000) == [("a4", "opened"), ("a4", "merged")]
    assert len(block.incident(RISER).parts) == 4


def test_what_was_opened_more_than_ten_minutes_ago_is_not_together() -> None:
    block = Block(RULES)
    gas(block, FLATS[:2], 0)
    assert gas(block, FLATS[2:3], 600.000001) == [("a3", "opened")]
    block = Block(RULES)
    gas(block, FLATS[:2], 0)
    assert ("a1", "merged") in gas(block, FLATS[2:3], 600)


def test_three_sites_of_one_building_on_different_risers_are_an_incident_of_the_building() -> None:
    block = Block(RULES)
    assert gas(block, ("a1", "b1", "a2"), 1)[-4:] == [
        (BUILDING, "opened"),
        ("a1", "merged"),
        ("b1", "merged"),
        ("a2", "merged"),
    ]
    assert block.incident(BUILDING).scope is IncidentScope.BUILDING
    assert gas(block, ("a3",), 5) == [("a3", "opened"), ("a3", "merged")]
    assert [one.key for one in block.state.incidents.values() if one.scope is not IncidentScope.SITE] == [BUILDING]


def test_a_riser_and_a_flat_of_another_are_an_incident_of_the_building() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    assert gas(block, ("b1",), 5) == [("b1", "opened"), (BUILDING, "opened"), (RISER, "merged"), ("b1", "merged")]
    assert block.incident("a1").into == block.incident(RISER).incident
    assert block.incident(RISER).into == block.incident(BUILDING).incident


def test_ten_sites_of_one_area_are_a_storm_that_a_desk_sees_once() -> None:
    block = Block(RULES)
    gas(block, (*FLATS[:3], *HOUSES[:6]), 1)
    words = gas(block, HOUSES[6:7], 20)
    assert words[:2] == [("h7", "opened"), (AREA, "opened")]
    assert [key for key, what in words if what == "merged"] == [RISER, *HOUSES[:7]]
    area = block.incident(AREA)
    assert [one for one in block.state.incidents.values() if not one.into] == [area]
    assert gas(block, ("far",), 30) == [("far", "opened")]
    assert gas(block, HOUSES[7:8], 31) == [("h8", "opened"), ("h8", "merged")]
    assert gas(block, FLATS[3:4], 32) == [("a4", "opened"), ("a4", "merged")]
    assert block.incident("a4").into == block.incident(RISER).incident


def test_sites_that_are_part_of_an_area_make_no_riser_beside_it() -> None:
    block = Block(RULES)
    gas(block, HOUSES[:10], 1)
    assert gas(block, FLATS[:4], 20) == [(name, what) for name in FLATS[:4] for what in ("opened", "merged")]


def test_a_larger_incident_is_over_with_the_last_of_its_parts_and_not_over_with_the_first() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    assert told(block.hear("a1", 10, combustible_lel=0)) == [("a1", "over")]
    block.hear("a2", 11, combustible_lel=0)
    assert told(block.hear("a3", 12, combustible_lel=0)) == [("a3", "over"), (RISER, "over")]
    assert told(block.hear("a2", 13, combustible_lel=30)) == [("a2", "joined"), (RISER, "joined")]
    assert told(block.hear("a1", 14, combustible_lel=30)) == [("a1", "joined")]
    assert told(block.hear("a2", 15, combustible_lel=0)) == [("a2", "over")]
    assert told(block.hear("a1", 16, combustible_lel=0)) == [("a1", "over"), (RISER, "over")]
    assert gas(block, ("a4",), 17) == [("a4", "opened"), ("a4", "merged"), (RISER, "joined")]


def test_a_larger_incident_is_as_grave_as_the_gravest_of_its_parts() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    assert block.incident(RISER).priority is Priority.HIGH
    decided = block.hear("a2", 5, combustible_lel=60)
    assert [(one.key, one.change, one.priority) for one in of(IncidentChanged, decided)] == [
        ("a2", IncidentChange.JOINED, Priority.CRITICAL),
        (RISER, IncidentChange.ESCALATED, Priority.CRITICAL),
    ]


def test_closing_a_larger_incident_closes_its_parts() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    riser = block.incident(RISER).incident
    for name in ("a1", "a3"):
        block.hear(name, 10, combustible_lel=0)
    block.says(CloseIncident, 11, incident=riser, resolution=Resolution.REAL)
    assert "gas at davysim/a2" in answer(block).reason
    block.hear("a2", 12, combustible_lel=0)
    decided = block.says(CloseIncident, 13, incident=riser, resolution=Resolution.REAL)
    assert told(decided) == [("a1", "closed"), ("a2", "closed"), ("a3", "closed"), (RISER, "closed")]
    assert not block.state.incidents
    assert gas(block, FLATS[:3], 20)[-4:] == [(RISER, "opened"), *((name, "merged") for name in FLATS[:3])]


def test_a_part_may_be_closed_by_itself() -> None:
    block = Block(RULES)
    gas(block, FLATS[:3], 1)
    block.hear("a1", 10, combustible_lel=0)
    block.says(CloseIncident, 11, incident=block.incident("a1").incident, resolution=Resolution.REAL)
    assert answer(block).accepted
    assert len(block.incident(RISER).parts) == 2
    assert gas(block, ("a1",), 12) == [("a1", "opened"), ("a1", "merged")]


# ---- registry changes -----------------------------------------------------------------------------------------------


def change_registry(block_: Block, what: Registry, t: float) -> list[tuple[str, str]]:
    block_.fleet = build_fleet(what, block_.fleet)
    return told(reshape(block_.state, block_.fleet, compile_pack(block_.rules, block_.fleet), at(t)))


def without(*gone: str) -> Registry:
    return block(tuple(name for name in NAMES if name not in gone))


def test_an_incident_whose_devices_left_is_over_and_one_of_whose_devices_is_left_is_known_by_that() -> None:
    home = Block(RULES)
    gas(home, ("a1", "a1x", "a2"), 1)
    assert change_registry(home, without("a1", "a2"), 10) == [("a2", "over")]
    assert home.incident("a1").slot == home.fleet.slot_of[NUMBER["a1x"]]
    assert gas(home, ("a3",), 11) == [("a3", "opened")]
    assert gas(home, ("a4",), 12)[1:] == [(RISER, "opened"), ("a1", "merged"), ("a3", "merged"), ("a4", "merged")]


def test_sites_are_together_where_they_stand_now() -> None:
    home = Block(RULES)
    gas(home, FLATS[:2], 1)
    moved = tuple(Site(site.key, area=AREA, building="7", riser="2") if site.key == "a1" else site for site in SITES)
    assert not change_registry(home, block(sites=moved), 10)
    assert gas(home, ("a3",), 11) == [
        ("a3", "opened"),
        (BUILDING, "opened"),
        ("a1", "merged"),
        ("a2", "merged"),
        ("a3", "merged"),
    ]


def test_a_device_that_moved_to_another_site_takes_no_incident_with_it() -> None:
    home = Block(RULES)
    gas(home, ("a1", "a2"), 1)
    devices = tuple(msgspec.structs.replace(one, site="far") if one.serial == "a1" else one for one in block().devices)
    change_registry(home, msgspec.structs.replace(block(), devices=devices), 10)
    assert gas(home, ("a3",), 11) == [("a3", "opened")]
    assert home.incident("a1").key == "a1"
