"""Every text is a condition or a fault that names its place, its reason and what to do."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language.canonical import walk
from rules.language.expression import ExpressionFault, parse_condition
from rules.language.syntax import DEEPEST, LONGEST_TEXT
from rules.language.units import UNITS
from rules.language.vocabulary import FUNCTIONS, RESERVED
from tests.rules.expression.trees import OWN

WORDS = st.sampled_from(
    sorted({*RESERVED, *FUNCTIONS, *UNITS, "limit", "x"})
    + list("()+-*/,<>=!%")
    + [">=", "<=", "==", "!=", "20", "0.5", " "]
)


def faults(text: str) -> list[tuple[int, str, str]]:
    with pytest.raises(ExpressionFault) as caught:
        parse_condition(text, OWN)
    return [(fault.span.start, fault.reason, fault.remedy) for fault in caught.value.faults]


def tree_or_fault(text: str) -> None:
    wrong, spans = None, []
    try:
        spans = [node.span for node in walk(parse_condition(text, OWN))]
    except ExpressionFault as fault:
        wrong = fault
    assert all(0 <= span.start < span.end <= len(text) for span in spans)
    if wrong is not None:
        assert wrong.faults
        assert all(0 <= fault.span.start <= fault.span.end <= len(text) for fault in wrong.faults)
        assert str(wrong) == "\n".join(str(fault) for fault in wrong.faults)
        assert all(fault.reason for fault in wrong.faults)


@given(st.text(max_size=80))
@settings(max_examples=300)
def test_any_characters_give_a_tree_or_a_fault(text: str) -> None:
    tree_or_fault(text)


@given(st.lists(WORDS, max_size=40).map(" ".join) | st.lists(WORDS, max_size=40).map("".join))
@settings(max_examples=600)
def test_any_words_of_the_language_give_a_tree_or_a_fault(text: str) -> None:
    tree_or_fault(text)


@pytest.mark.parametrize("opening", ["(", "not ", "-", "any(site, ", "since(", "fault and (", "1 + (", "min("])
def test_no_nesting_however_deep_gives_anything_else(opening: str) -> None:
    for many in (DEEPEST - 1, DEEPEST, DEEPEST + 1, 150):
        tree_or_fault(opening * many + "fault" + ")" * many)


def test_a_long_sum_is_as_deep_as_nested_brackets() -> None:
    assert "deeper than 40" in faults("+".join(["co_ppm"] * 200) + " > 5 ppm")[0][1]
    parse_condition(" or ".join(["fault"] * 200), {})


def test_a_text_that_is_too_long_is_refused() -> None:
    assert "2000 are the most" in faults("fault or " * 300 + "fault")[0][1]
    assert len("fault or " * 200 + "fault") < LONGEST_TEXT


@pytest.mark.parametrize(
    ("text", "column", "reason", "remedy"),
    [
        ("", 0, "empty", "combustible_lel >= 20 %LEL"),
        ("combustible_lel > 20", 0, "%LEL and a mere number are not the same unit", "write 20 %LEL"),
        ("20 < combustible_lel", 0, "a mere number and %LEL", "write 20 %LEL"),
        ("combustible_lel > 20 ppm", 0, "%LEL and ppm are not the same unit", "same unit"),
        ("combustible_lel + 5 > 20 %LEL", 0, "%LEL and a mere number", "write 5 %LEL"),
        ("rate(co_ppm, 60s) > 5 ppm", 0, "ppm/s and ppm", "same unit"),
        ("since(fault) > 5", 0, "s and a mere number", "write 5 s"),
        ("co_ppm * co_ppm > 5 ppm", 0, "ppm * ppm is a unit that means nothing", "mere numbers"),
        ("1 / co_ppm > 5", 0, "a mere number / ppm", "mere numbers"),
        ("co_ppm > 30 mg/m3", 9, "mg/m3 is not converted", "25.76 ppm"),
        ("combustible_lel > 1 %vol", 18, "%vol is not converted", "20 %LEL if the limit is 5.0 %vol, 22.73 %LEL"),
        ("combustible_lel > 20 %lel", 18, "'%lel' is not a unit", "write %LEL"),
        ("combustible_lel > 20 % LEL", 21, "a unit is one word", "write %LEL"),
        ("co_ppm > 20 PPM", 9, "'PPM' is not a unit", "write ppm"),
        ("co_ppm > 20 parsecs", 9, "'parsecs' is not a unit", "the units are"),
        ("rate(co_ppm, 1 min) > 5 ppm/m", 22, "'ppm/m' is not a unit", "write ppm/min"),
        ("co_pm > 5 ppm", 0, "'co_pm' is not known", "did you mean co_ppm?"),
        ("combustible_lel > limits", 18, "'limits' is not known", "did you mean limit?"),
        ("combustible_lel > quux", 18, "'quux' is not known", "a name of `numbers`"),
        ("LOW_ALARM", 0, "'LOW_ALARM' is not known", "did you mean low_alarm?"),
        ("simulated", 0, "is set by Davy, not by the device", "take it away"),
        ("late and fault", 0, "is set by Davy, not by the device", "take it away"),
        ("backfill", 0, "is set by Davy, not by the device", "take it away"),
        ("closed", 0, "is a word by itself", "write valve == closed"),
        ("riser", 0, "is a group of devices", "write any(riser, condition)"),
        ("rate > 5 ppm/s", 0, "'rate' is a function", "write rate(quantity, 60 s)"),
        ("valve", 0, "is a word, not a number", "write valve == open"),
        ("valve == closd", 9, "is not a word that valve can be", "did you mean closed?"),
        ("valve == 3", 9, "is not a word that valve can be", "write one of open, opening"),
        ("valve == manual", 9, "is not a word that valve can be", "write one of"),
        ("valve == unknown", 9, "unknown to every rule", "write one of"),
        ("valve > closed", 6, "it is equal to another or not", "write == or !="),
        ("closed == valve", 0, "valve stands on the left", "write valve == closed"),
        ("fault == 1", 0, "is true or false, where a number is needed", "write fault or not fault"),
        ("combustible_lel", 0, "is a number of %LEL, where a condition is needed", "compare it"),
        ("not 5", 4, "is a number, where a condition is needed", "compare it"),
        ("5 %LEL < combustible_lel < 20 %LEL", 25, "comparisons do not chain", "a < b and b < c"),
        ("co_ppm = 5 ppm", 7, "'=' is not a sign of the language", "write =="),
        ("co_ppm ≥ 5 ppm", 7, "'≥' is not a sign of the language", "write >="),
        ("fault && tamper", 6, "'&&' is not a sign", "write and"),
        ("fault、tamper", 5, "'、' is not a sign", "write ,"),
        ("（fault)", 0, "'（' is not a sign", "write ("),
        ("(fault", 0, "'(' is never closed", "write )"),
        ("fault)", 5, "')' has no '(' before it", "take it away"),
        ("fault tamper", 6, "'tamper' is not expected here", "and, or"),
        ("co_ppm >", 8, "ends too early", "what is missing"),
        ("co_ppm > 9999999999999 ppm", 9, "the number is too large", "below 1e+12"),
        ("rate(co_ppm) > 1 ppm/s", 0, "rate takes 2, and 1 is given", "write rate(quantity, 60 s)"),
        ("cohb() > 1 %", 0, "cohb takes 1, and nothing is given", "write cohb(co_ppm)"),
        ("avg(co_ppm, 5m) > 1 ppm", 0, "'avg' is not a function", "the functions are"),
        ("means(co_ppm, 5m) > 1 ppm", 0, "'means' is not a function", "did you mean mean"),
        ("mean(co_ppm + 1 ppm, 5m) > 1 ppm", 5, "remembers one quantity, not a calculation", "the name of one"),
        ("mean(co, 5m) > 1 ppm", 5, "'co' is not a quantity", "write one of"),
        ("mean(co_ppm, patience) > 1 ppm", 13, "must be a duration written here", "write mean(quantity, 5 min)"),
        ("mean(co_ppm, 5) > 1 ppm", 13, "must be a duration written here", "write mean"),
        ("mean(co_ppm, 5 mins) > 1 ppm", 13, "'mins' is not a unit", "write min"),
        ("mean(co_ppm, 0.5 s) > 1 ppm", 13, "a window of mean is 1 s to 2678400 s", "within"),
        ("mean(co_ppm, 32 d) > 1 ppm", 13, "a window of mean is 1 s to 2678400 s", "within"),
        ("stel(co_ppm, 30 s) > 1 ppm", 13, "a window of stel is 60 s to 86400 s", "within"),
        ("twa(co_ppm, 25 h) > 1 ppm", 12, "a window of twa is 60 s to 86400 s", "within"),
        ("twa(pressure_kpa, 8h) > 1 kPa", 4, "an exposure is to a gas", "combustible_lel or co_ppm"),
        ("cohb(combustible_lel) > 1 %", 5, "an exposure is to a gas", "it is of co_ppm"),
        ("count(mean(co_ppm, 5m) > 1 ppm, 5m) > 2", 6, "cannot stand inside count(...)", "a rule of its own"),
        ("since(since(fault) > 5 s) > 5 s", 6, "cannot stand inside since(...)", "a rule of its own"),
        ("since(life_left < 5 d) > 5 s", 6, "cannot stand inside since(...)", "a rule of its own"),
        ("count(commanded_closed, 5m) > 2", 6, "cannot stand inside count(...)", "a rule of its own"),
        ("any(site, any(riser, fault))", 10, "cannot stand inside any(...)", "no other vote"),
        ("at_least(2, site, commanded_closed)", 18, "cannot stand inside at_least(...)", "a rule of its own"),
        ("at_least(0, site, fault)", 9, "needs a whole number from 1", "write at_least"),
        ("at_least(1.5, site, fault)", 9, "needs a whole number from 1", "write at_least"),
        ("at_least(2 s, site, fault)", 9, "needs a whole number from 1", "write at_least"),
        ("any(sites, fault)", 4, "is not a group of devices", "did you mean site?"),
        ("any(5, fault)", 4, "is not a group of devices", "site, riser, building, area, gateway"),
        ("missing(3 * interval) and fault", 0, "missing(...) stands alone", "a rule of its own"),
        ("not missing(3 * interval)", 4, "missing(...) stands alone", "a rule of its own"),
        ("any(site, missing(3 * interval))", 10, "cannot stand inside any(...)", "a rule of its own"),
        ("missing(3)", 8, "is not a sum", "write missing(3 * interval)"),
        ("missing(3 * life_left)", 8, "is not a sum", "write missing(3 * interval)"),
        ("missing(2 * interval * 2)", 8, "is not a sum", "write missing(3 * interval)"),
        ("missing(5 h - 3 * interval)", 8, "is not a sum", "write missing(3 * interval)"),
        ("missing(0.5 * interval)", 8, "shorter than a report interval", "3 is usual"),
        ("missing(-3 * interval)", 8, "too long or negative", "at most 1000 * interval"),
        ("missing(99 d)", 8, "too long or negative", "31 d"),
    ],
)
def test_a_refusal_names_the_place_the_reason_and_the_remedy(text: str, column: int, reason: str, remedy: str) -> None:
    found = faults(text)
    assert found[0][0] == column, found
    assert reason in found[0][1], found
    assert remedy in found[0][2], found


def test_all_that_can_be_known_is_said_at_once_in_the_order_of_the_text() -> None:
    found = faults("co_pm > 5 ppm and valve == closd or mean(co_ppm, 99 d) > 5 and rate(combustible_lel, 5) > 5 %LEL/s")
    assert [at for at, _, _ in found] == [0, 27, 49, 85]


def test_where_a_rule_cannot_be_about_silence_missing_is_refused() -> None:
    parse_condition("missing(3 * interval)", {})
    with pytest.raises(ExpressionFault, match="stands alone"):
        parse_condition("missing(3 * interval)", {}, silence=False)
