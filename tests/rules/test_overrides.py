"""Other numbers for some devices: what does not fit its rule, or makes it contradict itself, is refused."""

import pytest

from rules.documents.document import PackRefused, RulePack, load_pack
from rules.documents.overrides import MOST_MADE, Made, combined_faults

HEAD = """version = "1"
[[rule]]
id = "gas"
title = { zh = "气", en = "Gas" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
quantity = "combustible_lel"
at_or_above = 20
clear_below = 15
hold_s = 30
[[rule]]
id = "mean"
title = { zh = "均", en = "Mean" }
priority = "high"
source = "product choice"
numbers = { limit = "20 %LEL", gone = "15 %LEL" }
condition = "mean(combustible_lel, 5 min) >= limit"
clear_condition = "mean(combustible_lel, 5 min) < gone"
[[rule]]
id = "long"
title = { zh = "久", en = "Long" }
priority = "high"
source = "product choice"
numbers = { long = "5 min" }
condition = "since(combustible_lel > 1 %LEL) >= long"
[[rule]]
id = "silence"
title = { zh = "默", en = "Silence" }
priority = "low"
source = "product choice"
kind = "silence"
"""


def override(rule: str = "gas", only: str = 'tags = ["lpg"]', **keys: object) -> str:
    said = "".join(f"{key} = {value}\n" for key, value in keys.items())
    source = "" if "source" in keys else 'source = "product choice"\n'
    return f'[[override]]\nrule = "{rule}"\nonly = {{ {only} }}\n{source}{said}'


def load(*overrides: str, kept: bool = False) -> RulePack:
    return load_pack((HEAD + "".join(overrides)).encode(), "mine.toml", kept=kept)


def refusal(*overrides: str) -> str:
    with pytest.raises(PackRefused) as caught:
        load(*overrides)
    return str(caught.value)


def test_overrides_are_kept_in_the_order_of_the_document() -> None:
    pack = load(
        override(at_or_above=10, clear_below=8),
        override("mean", 'models = ["m"]', numbers='{ limit = "10 %LEL", gone = "5 %LEL" }'),
    )
    first, second = pack.overrides
    assert (first.rule, first.only.tags, first.at_or_above, first.hold_s) == ("gas", ("lpg",), 10.0, None)
    assert (second.only.models, second.numbers) == (("m",), {"limit": "10 %LEL", "gone": "5 %LEL"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (override("gaz", hold_s=1), "mine.toml:34: override of 'gaz': rule: there is no rule 'gaz' in the pack"),
        (override(only="", hold_s=1), "mine.toml:35: override of 'gas': only: selects every device; change the rule"),
        (override(only='tags = [""]', hold_s=1), "only.tags: holds an empty text"),
        (override(only='tags = ["a", "a"]', hold_s=1), "only.tags: names one thing twice"),
        (override(only='measures = ["ch4"]', hold_s=1), "only.measures: 'ch4' is not one of combustible_lel"),
        (override(only='tiers = ["top"]', hold_s=1), "only.tiers[0]: 'top' is not one of low, mid, high"),
        (override(only='colour = ["red"]', hold_s=1), "only.colour: there is no such key"),
        (override(source='" "', hold_s=1), "mine.toml:36: override of 'gas': source: is empty; a standard"),
        (override(), "mine.toml:33: override of 'gas': changes nothing; give at least one of numbers, at_or_above"),
        (override(latch="true"), "latch: there is no such key"),
        (override("silence", hold_s=1), "hold_s: a rule of kind silence makes no use of it"),
        (override(hold_s=-1), "mine.toml:37: override of 'gas': hold_s: must be 0 to 86400 seconds"),
        (override(at_or_below=3), "at_or_below: rule 'gas' has none to be another"),
        (override("mean", at_or_above=3), "at_or_above: rule 'mean' has none to be another"),
        (override(numbers='{ limit = "1 ppm" }'), "numbers.limit: rule 'gas' has no such number; it has none"),
        (
            override("mean", numbers='{ limits = "1 ppm" }'),
            "numbers.limits: rule 'mean' has no such number; it has limit, gone",
        ),
        (override("mean", numbers='{ limit = "10 ppm" }'), "numbers.limit: has ppm, and the rule's own has %LEL"),
        (override("long", numbers='{ long = "10" }'), "numbers.long: has no unit, and the rule's own has s"),
        (override("mean", numbers='{ limit = "10 furlong" }'), "numbers.limit: 'furlong' is not a unit"),
        (override(at_or_above=10), "mine.toml:33: override of 'gas': clear_below: 15 is on the wrong side of 10"),
        (override(clear_below=25), "mine.toml:37: override of 'gas': clear_below: 25 is on the wrong side of 20"),
        (override(at_or_above=9999), "at_or_above: must be -5 to 2300 %LEL"),
        (
            override(at_or_above=-5, clear_below=-5),
            "override of 'gas': at_or_above: -5 is true of every possible reading",
        ),
        (
            override("mean", numbers='{ gone = "30 %LEL" }'),
            "mine.toml:37: override of 'mean': numbers: with gone: clear_condition: the alarm would clear while it is",
        ),
    ],
)
def test_an_override_that_does_not_fit_its_rule_is_refused_with_place_and_reason(text: str, said: str) -> None:
    assert said in refusal(text)


def test_two_overrides_that_contradict_each_other_where_both_hold_are_refused() -> None:
    low = override(only='tags = ["a"]', at_or_above=18)
    high = override(only='enterprises = ["e"]', clear_below=19)
    assert "clear_below: 19 is on the wrong side of 18" in refusal(low, high)
    assert "(where an earlier override of 'gas' holds too)" in refusal(low, high)


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ('models = ["a"]', 'models = ["b"]', False),
        ('models = ["a"]', 'models = ["a", "b"]', True),
        ('areas = ["4201"]', 'areas = ["4202"]', False),
        ('areas = ["4201"]', 'areas = ["42"]', True),
        ('tags = ["a"]', 'tags = ["b"]', True),
        ('tiers = ["low"], tags = ["a"]', 'tiers = ["high"], tags = ["a"]', False),
    ],
)
def test_two_overrides_are_looked_at_together_where_one_device_may_have_both(one: str, other: str, both: bool) -> None:
    texts = override(only=one, at_or_above=18), override(only=other, clear_below=19)
    if both:
        assert "clear_below: 19 is on the wrong side of 18" in refusal(*texts)
    else:
        assert len(load(*texts).overrides) == 2


def test_the_faults_of_a_rule_and_of_its_override_are_told_at_once() -> None:
    text = HEAD.replace("hold_s = 30", "hold_s = -1") + override(hold_s=-2)
    with pytest.raises(PackRefused) as caught:
        load_pack(text.encode(), "mine.toml")
    assert [str(one).split(": ")[1] for one in caught.value.faults] == ["rule 'gas'", "override of 'gas'"]


# ---- what a document costs to read ----------------------------------------------------------------------------------


def test_a_document_has_so_many_overrides_at_most() -> None:
    every = [override(only=f'areas = ["{110000 + n}"]', at_or_above=20 + n / 100) for n in range(501)]
    assert len(load(*every[:500]).overrides) == 500
    assert refusal(*every) == "mine.toml: 501 overrides; a pack has at most 500"
    assert len(load(*every, kept=True).overrides) == 501


def test_overrides_that_meet_in_too_many_ways_are_refused() -> None:
    """Each device may have any of the one and any of the other: 1,600 rules, and each would be searched."""
    limits = [override("mean", f'tags = ["a{n}"]', numbers=f'{{ limit = "{20 + n} %LEL" }}') for n in range(40)]
    clears = [override("mean", f'tags = ["b{n}"]', numbers=f'{{ gone = "{n / 10} %LEL" }}') for n in range(40)]
    assert "only: the overrides of the document meet in more than 1000 different ways; select by areas" in refusal(
        *limits, *clears
    )
    assert len(load(*limits, *clears, kept=True).overrides) == 80


def test_overrides_that_make_the_same_of_a_rule_are_searched_once() -> None:
    """Of two that give the same key the later holds: together they make what it makes alone."""
    every = [override("mean", f'tags = ["a{n}"]', numbers=f'{{ limit = "{20 + n % 9} %LEL" }}') for n in range(50)]
    pack, made = load(*every), Made()
    assert list(combined_faults(pack.overrides, pack.rules[1], pack.parsed[1], made)) == []
    assert made.left == MOST_MADE - 9
