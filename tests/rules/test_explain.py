"""Why a rule did or did not raise an alarm, recomputed from readings: one test per reason; the engine's own values."""

import numpy as np
import pytest

from devices.fleet import build_fleet
from devices.quantities import Flag, Quality
from devices.readings import Rows
from rules.decisions import AlarmState, Priority, alarm_id
from rules.documents.document import RulePack
from rules.history import explain as explain_module
from rules.history import explain_fleet
from rules.history import explain_words as words
from rules.history.explain import Question, explain
from rules.history.explain_fleet import neighbourhood
from rules.history.explain_types import Certainty, Explained, Reason, Reverted, RuleExplained, Says, Stood, Written
from rules.history.explain_words import SENTENCES
from rules.history.explain_written import _STATES
from rules.instructions import Acknowledge
from tests.rules.world import NUMBERS, T0, at, pack, reading, registry

GAS = 'id = "gas"\napplies_to = ["detector"]\nquantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'
HELD = GAS + "hold_s = 30\nclear_hold_s = 20\n"


def _why(rules: RulePack, rows: list[Rows], t: float, *, people: tuple[Acknowledge, ...] = ()) -> Explained:
    near, too_large = neighbourhood(registry(), "davysim/d1", rules)
    question = Question(build_fleet(near), rules, NUMBERS["d1"], at(t), at(0), people=people, too_large=too_large)
    return explain(question, rows, lambda us: f"{(us - T0) / 1e6:g}")


def _rule(explained: Explained, rule: str = "gas") -> RuleExplained:
    return next(one for one in explained.rules if one.rule == rule)


def _gas(*values: float, every: float = 10.0) -> list[Rows]:
    return [reading("d1", n * every, combustible_lel=value) for n, value in enumerate(values)]


def test_a_condition_that_is_false_says_its_value_and_its_limit() -> None:
    found = _why(pack(HELD), _gas(1, 18), 12)
    gas = _rule(found)
    assert gas.reason is Reason.NOT_TRUE
    assert [(p.text, p.says, p.value, p.threshold, p.unit, p.certainty) for p in gas.predicates] == [
        ("combustible_lel >= 20", Says.FALSE, 18.0, 20.0, "%LEL", Certainty.EXACT),
        ("combustible_lel < 15", Says.FALSE, 18.0, 15.0, "%LEL", Certainty.EXACT),
    ]
    assert found.last is not None
    assert found.last.values == {"combustible_lel": 18.0}


def test_a_hold_that_runs_says_how_far_it_is() -> None:
    gas = _rule(_why(pack(HELD), _gas(1, 25, 25), 22))
    assert gas.reason is Reason.HOLDING
    assert gas.running is not None
    assert (gas.running.since, gas.running.due, gas.running.lasts_s, gas.running.passed_s) == (
        at(10),
        at(40),
        30.0,
        12.0,
    )
    assert gas.sentence_en == "The condition has been true since 10; it must last 30 s, and 12 s have passed."
    assert "30 s" in gas.sentence_zh


def test_an_alarm_that_stands_is_between_the_limits_or_is_clearing() -> None:
    stands = _rule(_why(pack(HELD), _gas(25, 25, 25, 25, 25), 41))
    assert (stands.reason, stands.phase, stands.onset) == (Reason.STANDS, AlarmState.UNACKNOWLEDGED, at(0))
    assert _rule(_why(pack(HELD), _gas(25, 25, 25, 25, 18), 41)).reason is Reason.BETWEEN
    clearing = _rule(_why(pack(HELD), _gas(25, 25, 25, 25, 5), 45))
    assert clearing.reason is Reason.CLEARING
    assert clearing.running is not None
    assert clearing.running.passed_s == 5.0


def test_what_became_of_an_alarm_and_who_acknowledged_it() -> None:
    rows = _gas(25, 5)
    assert _rule(_why(pack(GAS), rows, 12)).reason is Reason.RETURNED
    latched = _rule(_why(pack(GAS + "latch = true"), rows, 12))
    assert (latched.reason, latched.phase) == (Reason.LATCHED, AlarmState.LATCHED_UNACKNOWLEDGED)
    seen = Acknowledge(at=at(11), id="1", by="anna", alarm=alarm_id("gas", NUMBERS["d1"], at(0)))
    after = _why(pack(GAS), rows, 12, people=(seen,))
    assert _rule(after).reason is Reason.NOT_TRUE
    assert [(turn.at, turn.what) for turn in after.turns] == [
        (at(0), "raised"),
        (at(10), "returned"),
        (at(11), "acknowledged"),
    ]


def test_what_is_unknown_says_why() -> None:
    rows = [*_gas(1), reading("d1", 10, quality={"combustible_lel": Quality.SENSOR_FAULT})]
    gas = _rule(_why(pack(GAS), rows, 12))
    assert gas.reason is Reason.NOT_KNOWN
    assert gas.predicates[0].why == "combustible_lel: sensor_fault"
    assert "sensor_fault" in gas.sentence_en
    assert "传感器故障" in gas.sentence_zh
    rows = [*_gas(25), reading("d1", 10, quality={"combustible_lel": Quality.WARM_UP})]
    assert _rule(_why(pack(GAS), rows, 12)).reason is Reason.CLEAR_UNKNOWN


def test_rules_that_do_not_look_say_why() -> None:
    draft = GAS.replace('"gas"', '"draft"') + 'state = "draft"'
    other = 'id = "other"\napplies_to = ["gateway"]\nquantity = "battery_pct"\nat_or_below = 5\nclear_above = 8'
    not_selected = GAS.replace('"gas"', '"elsewhere"') + 'only = { tags = ["vip"] }'
    found = _why(pack(draft, other, not_selected), _gas(50), 1)
    reasons = {one.rule: one.reason for one in found.rules}
    assert reasons == {"draft": Reason.DRAFT, "other": Reason.OTHER_KIND, "elsewhere": Reason.NOT_SELECTED}


def test_a_device_that_was_not_heard_and_one_that_is_silent() -> None:
    rules = pack(GAS, 'id = "silence"\nkind = "silence"')
    found = _why(rules, [], 12)
    assert _rule(found).reason is Reason.NOT_HEARD
    assert _rule(found, "silence").reason is Reason.NOT_HEARD
    silent = _rule(_why(rules, _gas(1), 40), "silence")
    assert silent.reason is Reason.SILENT
    assert silent.sentence_en == "Nothing was heard since 0, which is longer than 30 s."


def test_a_late_reading_is_not_what_rules_saw() -> None:
    rows = [*_gas(1), reading("d1", 20, ts_s=-5, combustible_lel=60, flags=Flag.LATE)]
    found = _why(pack(GAS), rows, 21)
    assert found.last is not None
    assert found.last.values == {"combustible_lel": 1.0}
    assert found.heard == at(20)
    assert _rule(found).reason is Reason.HELD_LATE


def test_expressions_show_every_comparison_with_the_engines_own_values() -> None:
    rules = pack(
        'id = "rise"\napplies_to = ["detector"]\nnumbers = { limit = "20 %LEL" }\n'
        'condition = "mean(combustible_lel, 60s) >= limit and rate(combustible_lel, 60s) > 5 %LEL/min or low_alarm"'
    )
    found = _rule(_why(rules, _gas(0, 10, 20, 30, 40, 50, 60), 61), "rise")
    by_text = {one.text: one for one in found.predicates}
    mean = by_text["mean(combustible_lel, 60s) >= limit"]
    assert (mean.says, mean.threshold, mean.comparator) == (Says.TRUE, 20.0, ">=")
    assert mean.value is not None
    assert 30 <= mean.value <= 40
    rate = by_text["rate(combustible_lel, 60s) > 5 %LEL/min"]
    assert (rate.threshold, rate.unit) == (pytest.approx(5.0), "%LEL/min")
    assert by_text["low_alarm"].says is Says.FALSE
    assert found.reason is Reason.STANDS


def test_only_the_neighbourhood_is_looked_at() -> None:
    near, _ = neighbourhood(registry(), "davysim/sd", pack(GAS))
    assert [device.serial for device in near.devices] == ["sd", "sv"]
    with pytest.raises(ValueError, match="not registered"):
        neighbourhood(registry(), "davysim/nobody", pack(GAS))


def test_a_rule_that_votes_in_too_large_a_group_is_said_to(monkeypatch: pytest.MonkeyPatch) -> None:
    voting = 'id = "two"\ncondition = "at_least(2, site, combustible_lel >= 10 %LEL)"'
    unheard = _rule(_why(pack(voting), _gas(15), 1), "two")
    assert unheard.reason is Reason.NOT_KNOWN
    assert "not enough of the group is known" in unheard.sentence_en
    monkeypatch.setattr(explain_fleet, "MOST_VOTERS", 2)
    assert _rule(_why(pack(voting), _gas(15), 1), "two").reason is Reason.GROUP_TOO_LARGE


def test_history_in_any_chunks_is_explained_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [*_gas(1, 25, 25, 25, 25, 5, 5), *(reading("d2", 61 + n, combustible_lel=1) for n in range(5))]
    whole = [np.concatenate(rows)]
    alike = [_why(pack(HELD), whole, t) for t in (22, 41, 55, 70)]
    assert [_why(pack(HELD), rows, t) for t in (22, 41, 55, 70)] == alike
    monkeypatch.setattr(explain_module, "MOST_WAITING", 2)
    assert [_why(pack(HELD), rows, t) for t in (22, 41, 55, 70)] == alike


def test_rules_that_there_are_not_are_named() -> None:
    fleet = build_fleet(registry())
    with pytest.raises(ValueError, match="no rule 'x'"):
        explain(Question(fleet, pack(GAS), NUMBERS["d1"], at(1), at(0), rules=("x",)), [])


def test_every_why_has_its_chinese() -> None:
    for quality in Quality:
        assert words.why_zh(words.of_quality("co_ppm", quality)).startswith("co_ppm: ")
        assert quality.name.lower() not in words.why_zh(words.of_quality("co_ppm", quality))
    for why in (words.STALE, words.FEW_VOTES, words.SHORT_WINDOW, words.NOT_REGISTERED, words.NOT_SAID):
        assert words.why_zh(why) != why


def test_every_reason_has_its_sentences() -> None:
    assert set(SENTENCES) == set(Reason)
    assert all(zh.strip() and en.strip() for zh, en in SENTENCES.values())


def test_what_was_shown_then_stands_beside_what_is_recomputed() -> None:
    def told(stood: Stood | None, *reverted: Reverted, rows: list[Rows]) -> RuleExplained:
        near, _ = neighbourhood(registry(), "davysim/d1", pack(GAS))
        written = Written(() if stood is None else (stood,), reverted)
        question = Question(build_fleet(near), pack(GAS), NUMBERS["d1"], at(12), at(0), written=written)
        return _rule(explain(question, rows, lambda us: f"{(us - T0) / 1e6:g}"))

    alarm = alarm_id("gas", NUMBERS["d1"], at(0))
    shelved = Stood(
        alarm, "gas", AlarmState.SHELVED, Priority.LOW, False, at(0), at(5), "shelved", "anna", "works in the kitchen"
    )
    found = told(shelved, rows=_gas(25, 25))
    assert (found.state, found.stood) == (AlarmState.UNACKNOWLEDGED, shelved)
    assert "it was shown as shelved (shelved at 5 by anna: works in the kitchen)" in found.differs_en
    assert "已搁置" in found.differs_zh
    assert "no such alarm was written then" in told(None, rows=_gas(25, 25)).differs_en
    assert "an alarm stood then, shown as shelved" in told(shelved, rows=_gas(1, 1)).differs_en
    assert told(None, rows=_gas(1, 1)).differs_en == ""
    reverted = told(None, Reverted("gas", at(3), "reverted: too many"), rows=_gas(1, 1))
    assert "had taken itself back at 3 (reverted: too many)" in reverted.differs_en
    assert set(_STATES) == set(AlarmState)


def test_a_device_that_reports_once_a_day_was_last_heard_before_what_was_looked_at() -> None:
    rules = pack('id = "silence"\nkind = "silence"')

    def told(t: float) -> tuple[Explained, RuleExplained]:
        heard = ((NUMBERS["d1"], at(-20)),)
        question = Question(build_fleet(registry()), rules, NUMBERS["d1"], at(t), at(0), heard=heard)
        found = explain(question, [], lambda us: f"{(us - T0) / 1e6:g}")
        return found, _rule(found, "silence")

    found, silence = told(5)
    assert (found.heard, silence.reason) == (at(-20), Reason.HEARD)
    assert silence.sentence_en == "Last heard at -20; an alarm after 30 s of silence."
    _, silence = told(15)
    assert (silence.reason, silence.onset) == (Reason.SILENT, at(10))
    heard = ((NUMBERS["d1"], at(-200)),)
    question = Question(build_fleet(registry()), rules, NUMBERS["d1"], at(1), at(0), heard=heard)
    assert _rule(explain(question, []), "silence").onset == at(-170)


def test_an_alarm_from_before_what_was_looked_at_has_the_onset_that_was_written_or_says_so() -> None:
    def told(*, in_force: bool = True, heard: bool = True, stood: bool = True, rows: list[Rows]) -> RuleExplained:
        before = ((NUMBERS["d1"], at(-5)),) if heard else ()
        alarm = Stood(
            "written", "gas", AlarmState.UNACKNOWLEDGED, Priority.LOW, False, at(-9000), at(-9000), "raised", "", ""
        )
        written = Written((alarm,) if stood else ())
        fleet = build_fleet(registry())
        question = Question(
            fleet, pack(GAS), NUMBERS["d1"], at(25), at(0), written=written, heard=before, in_force=in_force
        )
        return _rule(explain(question, rows, lambda us: f"{(us - T0) / 1e6:g}"))

    known = told(rows=_gas(25, 25))
    assert (known.alarm, known.onset, known.older) == ("written", at(-9000), False)
    assert known.sentence_en.startswith("In alarm since -9000;")
    assert "as it was written" in known.sentence_en
    for found in (told(stood=False, rows=_gas(25, 25)), told(in_force=False, rows=_gas(25, 25))):
        assert (found.onset, found.older) == (at(0), True)
        assert "may have begun earlier" in found.sentence_en
        assert "可能开始得更早" in found.sentence_zh
    assert not told(stood=False, rows=_gas(1, 25)).older
    assert not told(stood=False, heard=False, rows=_gas(25, 25)).older
