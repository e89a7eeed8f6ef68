"""What is measured on site: 20 %LEL and more is an alarm and opens the four steps of seed 003, 9.2.3."""

import math

import pytest

from devices.fleet import build_fleet
from rules.decisions import (
    AlarmChanged,
    AlarmRaised,
    AlarmState,
    Answered,
    Decision,
    IncidentChange,
    IncidentChanged,
    Priority,
)
from rules.evaluation.kernels import compile_pack
from rules.instructions import CloseIncident, Comment, FieldReading, FieldStep, Resolution, StepDone
from rules.stepping.reshape import reshape
from tests.rules.block import FLATS, NAMES, NUMBER, Block, block, told
from tests.rules.world import at, of, pack

GAS = 'id = "gas"\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15'
FIELD = 'id = "field"\nkind = "field"\npriority = "critical"\nquantity = "combustible_lel"\nat_or_above = 20'
RULES = pack(GAS, FIELD)


class OnSite:
    """A flat with an incident, and somebody who measures there."""

    def __init__(self, rules: tuple[str, ...] = (GAS, FIELD)) -> None:
        self.block = Block(pack(*rules))
        self.block.hear("a1", 1, combustible_lel=30)
        self.incident = self.block.incident("a1").incident

    def measures(
        self, value: float, t: float, place: str = "kitchen", quantity: str = "combustible_lel"
    ) -> list[Decision]:
        return self.block.says(FieldReading, t, incident=self.incident, quantity=quantity, value=value, place=place)

    def does(self, step: FieldStep, t: float) -> list[Decision]:
        return self.block.says(StepDone, t, incident=self.incident, step=step, comment="done")

    def answer(self) -> Answered:
        (answer,) = of(Answered, self.block.decided[-1:])
        return answer

    def field(self) -> AlarmState:
        rule = self.block.state.compiled.by_id["field"]
        slot = self.block.fleet.slot_of[NUMBER["a1"]]
        return AlarmState(self.block.state.phase[slot, rule])


def test_a_reading_at_the_limit_is_an_alarm_and_opens_the_four_steps() -> None:
    site = OnSite()
    decided = site.measures(20, 60)
    read, opened = [one for one in of(IncidentChanged, decided) if one.change is not IncidentChange.JOINED]
    assert (read.change, read.quantity, read.value, read.comment, read.by) == (
        IncidentChange.FIELD_READING,
        "combustible_lel",
        20,
        "kitchen",
        "li",
    )
    assert (opened.change, opened.value) == (IncidentChange.STEPS_OPENED, 20)
    (alarm,) = of(AlarmRaised, decided)
    assert (alarm.rule, alarm.device_no, alarm.priority, alarm.value, alarm.note, alarm.onset) == (
        "field",
        NUMBER["a1"],
        Priority.CRITICAL,
        20,
        "20 measured at kitchen",
        at(60),
    )
    assert alarm.incident == site.incident
    incident = site.block.incident("a1")
    assert incident.steps == (FieldStep.EVACUATE, FieldStep.CORDON, FieldStep.CLOSE_UPSTREAM, FieldStep.VENT)
    assert (incident.opened_steps, incident.priority) == (at(60), Priority.CRITICAL)
    assert site.answer().accepted


def test_less_is_kept_and_told_and_nothing_follows() -> None:
    site = OnSite()
    assert told(site.measures(19.9, 60)) == [("a1", "field reading")]
    assert [(mark.quantity, mark.value) for mark in site.block.incident("a1").marks] == [("combustible_lel", 19.9)]
    assert site.field() is AlarmState.NORMAL


def test_the_limit_is_compared_as_readings_are_kept() -> None:
    site = OnSite((GAS, FIELD.replace("= 20", "= 20.1")))
    assert of(AlarmRaised, site.measures(20.1, 60))


def test_without_a_rule_for_it_nothing_follows() -> None:
    assert told(OnSite((GAS,)).measures(80, 60)) == [("a1", "field reading")]
    assert told(OnSite().measures(400, 60, quantity="co_ppm")) == [("a1", "field reading")]


@pytest.mark.parametrize(
    ("quantity", "value", "why"),
    [
        ("combustible_lel", math.nan, "is -5 to 2300 %LEL, not nan"),
        ("combustible_lel", math.inf, "not inf"),
        ("combustible_lel", -6.0, "not -6"),
        ("combustible_lel", 2301.0, "not 2301"),
        ("smell", 1.0, "'smell' is not one of combustible_lel, co_ppm"),
    ],
)
def test_what_cannot_be_measured_is_refused(quantity: str, value: float, why: str) -> None:
    site = OnSite()
    assert len(site.measures(value, 60, quantity=quantity)) == 1
    assert not site.answer().accepted
    assert why in site.answer().reason
    assert not site.block.incident("a1").marks


def test_the_limits_of_what_can_be_measured_can_be_measured() -> None:
    for value in (-5.0, 2_300.0):
        site = OnSite()
        site.measures(value, 60)
        assert site.answer().accepted


def test_the_rule_may_stand_first_and_be_about_another_quantity() -> None:
    site = OnSite((FIELD, GAS))
    assert [one.rule for one in of(AlarmRaised, site.measures(30, 60))] == ["field"]
    site = OnSite((FIELD.replace("combustible_lel", "co_ppm"), GAS))
    assert not of(AlarmRaised, site.measures(30, 60))
    assert [one.value for one in of(AlarmRaised, site.measures(100, 61, quantity="co_ppm"))] == [100]


def test_where_the_only_device_has_left_the_registry_the_four_steps_are_to_be_done_all_the_same() -> None:
    site = OnSite()
    home = site.block
    home.fleet = build_fleet(block(tuple(name for name in NAMES if name != "a1")), home.fleet)
    reshape(home.state, home.fleet, compile_pack(home.rules, home.fleet), at(10))
    assert told(site.measures(30, 60)) == [("a1", "field reading"), ("a1", "steps opened")]
    assert not home.state.open
    assert told(site.measures(31, 61)) == [("a1", "field reading")]  # they are open already


def test_where_the_first_device_has_left_the_registry_the_alarm_stands_at_another_of_the_incident() -> None:
    site = OnSite()
    home = site.block
    home.fleet = build_fleet(block(tuple(name for name in NAMES if name != "a1")), home.fleet)
    reshape(home.state, home.fleet, compile_pack(home.rules, home.fleet), at(10))
    home.hear("a1x", 20, combustible_lel=30)
    (raised,) = of(AlarmRaised, site.measures(60, 60))
    assert (raised.rule, raised.device_no) == ("field", NUMBER["a1x"])


def test_a_reading_of_an_incident_that_is_not_open_is_refused() -> None:
    site = OnSite()
    site.incident = "nothing"
    site.measures(30, 60)
    assert "there is no open incident 'nothing'" in site.answer().reason
    site.does(FieldStep.VENT, 61)
    assert "there is no open incident 'nothing'" in site.answer().reason


def test_the_alarm_ends_when_less_is_measured_at_every_place_that_was_at_the_limit() -> None:
    site = OnSite()
    site.measures(30, 60, "kitchen")
    site.measures(25, 61, "hall")
    site.measures(3, 62, "kitchen")
    assert site.field() is AlarmState.UNACKNOWLEDGED
    site.measures(3, 63, "stairs")
    assert site.field() is AlarmState.UNACKNOWLEDGED
    back = of(AlarmChanged, site.measures(19, 64, " hall "))[-1]
    assert (back.rule, back.state, back.comment) == (
        "field",
        AlarmState.RETURNED_UNACKNOWLEDGED,
        "less is measured now",
    )


def test_what_it_says_follows_the_newest_reading_at_the_limit() -> None:
    site = OnSite()
    site.measures(30, 60)
    assert not of(AlarmRaised, site.measures(45, 130, "hall"))
    (alarm,) = (one for one in site.block.state.alarms() if one.rule == "field")
    assert (alarm.note, alarm.onset) == ("45 measured at hall", at(60))


def test_a_step_is_done_once_and_the_incident_closes_after_the_last() -> None:
    site = OnSite()
    site.measures(30, 60)
    site.block.hear("a1", 61, combustible_lel=0)
    site.measures(0, 62)
    assert told(site.block.decided[-4:])[-1] == ("a1", "over")
    for number, step in enumerate(FieldStep):
        site.block.says(CloseIncident, 63 + number, incident=site.incident, resolution=Resolution.REAL)
        assert "not done at a1" in site.answer().reason
        assert step in site.answer().reason
        (done,) = of(IncidentChanged, site.does(step, 63 + number))
        assert (done.change, done.step, done.by, done.comment) == (IncidentChange.STEP_DONE, step, "li", "done")
        site.does(step, 63 + number)
        assert site.answer().reason == f"the step {step} is done already"
    assert [mark.what for mark in site.block.incident("a1").marks][-1] == "step done: vent"
    site.block.says(CloseIncident, 70, incident=site.incident, resolution=Resolution.REAL)
    assert site.answer().accepted


def test_a_step_that_nobody_asked_for_is_not_done() -> None:
    site = OnSite()
    site.does(FieldStep.VENT, 2)
    assert "no reading on site has reached the limit" in site.answer().reason


def test_an_alarm_that_comes_again_asks_for_all_four_steps_again() -> None:
    site = OnSite()
    site.measures(30, 60)
    site.does(FieldStep.EVACUATE, 61)
    assert IncidentChange.STEPS_OPENED not in [one.change for one in of(IncidentChanged, site.measures(31, 62))]
    assert len(site.block.incident("a1").steps) == 3
    site.measures(0, 63)
    site.measures(30, 200)
    assert len(site.block.incident("a1").steps) == 4


def test_an_incident_is_not_closed_while_the_last_reading_at_a_place_is_at_the_limit() -> None:
    site = OnSite()
    site.measures(30, 60)
    site.block.hear("a1", 61, combustible_lel=0)
    for step in FieldStep:
        site.does(step, 62)
    site.block.says(CloseIncident, 63, incident=site.incident, resolution=Resolution.REAL)
    assert "field at davysim/a1" in site.answer().reason


def test_two_hundred_words_do_not_push_out_a_reading_that_still_counts() -> None:
    site = OnSite()
    site.measures(30, 60, "kitchen")
    site.measures(10, 61, "hall")
    site.measures(25, 62, "hall")
    for number in range(300):
        site.block.says(Comment, 100 + number, subject=site.incident, text=f"word {number}")
    marks = site.block.incident("a1").marks
    assert len(marks) == 200
    assert [(mark.comment, mark.value) for mark in marks if mark.value is not None] == [("kitchen", 30), ("hall", 25)]
    site.measures(3, 500, "hall")
    assert site.field() is AlarmState.UNACKNOWLEDGED


def test_a_reading_told_to_the_incident_of_a_riser_is_one_of_its_first_site() -> None:
    site = OnSite()
    for number, name in enumerate(FLATS[1:3]):
        site.block.hear(name, 2 + number, combustible_lel=30)
    part, site.incident = site.incident, next(one for one in site.block.state.incidents.values() if one.parts).incident
    slot = int(site.block.fleet.slot_of[NUMBER["a3"]])
    site.measures(30, 60)
    rule = site.block.state.compiled.by_id["field"]
    assert (slot, rule) in site.block.state.open
    assert len(site.block.state.incidents[site.incident].steps) == 4
    assert not site.block.state.incidents[part].steps
