"""One text for every tree, and back."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rules.language.canonical import canonical, children, quantities, walk, windowed
from rules.language.expression import parse_condition
from rules.language.syntax import DEEPEST, LONGEST_TEXT
from rules.language.tree import Condition
from tests.rules.expression.trees import OWN, bare, conditions, missing


@given(conditions())
@settings(max_examples=400)
def test_the_text_of_any_tree_is_parsed_to_the_same_tree(tree: Condition) -> None:
    text = canonical(tree)
    if len(text) > LONGEST_TEXT:
        return
    again = parse_condition(text, OWN)
    assert bare(again) == tree
    assert canonical(again) == text


@given(missing)
def test_so_is_that_of_a_silence(tree: Condition) -> None:
    assert bare(parse_condition(canonical(tree), OWN)) == tree


@given(conditions(depth=2), conditions(depth=2))
def test_trees_of_other_shape_have_other_texts(one: Condition, other: Condition) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("combustible_lel>=20%LEL", "combustible_lel >= 20 %LEL"),
        ("((high_alarm))", "high_alarm"),
        ("co_ppm > 5 ppm and (fault and tamper)", "co_ppm > 5 ppm and fault and tamper"),
        ("(fault or tamper) and co_alarm", "(fault or tamper) and co_alarm"),
        ("any(site, low_alarm)", "at_least(1, site, low_alarm)"),
        ("pressure_kpa < 500 Pa", "pressure_kpa < 0.5 kPa"),
        ("since(fault) > 1 h", "since(fault) > 60 min"),
        ("mean(co_ppm, 5m) > 1 ppm", "mean(co_ppm, 300 s) > 1 ppm"),
        ("rate(co_ppm, 1 min) > 60 ppm/min", "rate(co_ppm, 60s) > 1 ppm/s"),
        ("missing(interval * 3)", "missing(2 * interval + interval)"),
        ("co_ppm > -5 ppm", "co_ppm > -(5 ppm)"),
        ("co_ppm > --5 ppm", "co_ppm > 5 ppm"),
        ("co_ppm > -0 ppm", "co_ppm > 0 ppm"),
    ],
)
def test_what_means_the_same_has_one_text(text: str, same: str) -> None:
    assert canonical(parse_condition(text, OWN)) == canonical(parse_condition(same, OWN))


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("co_ppm - (1 ppm - 2 ppm) > 0 ppm", "co_ppm - 1 ppm - 2 ppm > 0 ppm"),
        ("co_ppm / (2 / 3) > 0 ppm", "co_ppm / 2 / 3 > 0 ppm"),
        ("(fault or tamper) and co_alarm", "fault or tamper and co_alarm"),
        ("not (fault and tamper)", "not fault and tamper"),
        ("5 ppm / min(co_ppm, 5m) > 1", "5 ppm/min < rate(co_ppm, 5m)"),
    ],
)
def test_brackets_that_matter_are_kept(text: str, other: str) -> None:
    one, two = parse_condition(text, OWN), parse_condition(other, OWN)
    assert canonical(one) != canonical(two)
    assert bare(parse_condition(canonical(one), OWN)) == bare(one)


def test_the_own_numbers_of_a_rule_stand_as_what_they_are_when_asked_for() -> None:
    tree = parse_condition("combustible_lel > limit and since(co_ppm > co_limit) > patience", OWN)
    assert canonical(tree) == "combustible_lel > limit and since(co_ppm > co_limit) > patience"
    known = canonical(tree, {"limit": 20.0, "co_limit": 50.0, "patience": 300.0})
    assert known == "combustible_lel > 20 %LEL and since(co_ppm > 50 ppm) > 300 s"


@given(conditions(), st.data())
def test_a_walk_meets_every_node_before_those_below_it(tree: Condition, data: st.DataObject) -> None:
    nodes = list(walk(tree))
    assert nodes[0] is tree
    node = data.draw(st.sampled_from(nodes))
    for child in children(node):
        assert any(child is one for one in nodes)


def test_what_is_named_and_what_is_remembered_can_be_asked_for() -> None:
    tree = parse_condition(
        "mean(co_ppm, 5m) > 3 ppm and (max(combustible_lel, 1m) > limit or mean(co_ppm, 300s) > 5 ppm)"
        " or count(battery_pct < 5 %, 1 h) > 2 or any(riser, stuck(flow_m3h, 1 d)) or cohb(co_ppm) > 5 %",
        OWN,
    )
    assert quantities(tree) == ("combustible_lel", "co_ppm", "flow_m3h", "battery_pct")
    assert [canonical(one) for one in windowed(tree)] == [
        "mean(co_ppm, 300 s)",
        "max(combustible_lel, 60 s)",
        "count(battery_pct < 5 %, 3600 s)",
        "stuck(flow_m3h, 86400 s)",
        "cohb(co_ppm)",
    ]


def test_the_deepest_text_that_is_taken_is_taken_back() -> None:
    text = "not " * (DEEPEST - 1) + "fault"
    tree = parse_condition(text, {})
    assert canonical(tree) == text
