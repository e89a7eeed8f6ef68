"""A rule pack is refused as a whole, with every fault named; what loads is complete."""

import re
import tomllib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices.models import DeviceKind
from devices.quantities import QUANTITY_NAMES
from rules.decisions import Priority
from rules.documents.document import RULE_FLAGS, Action, Kind, PackRefused, Rule, default_pack, load_pack
from tests.rules.world import PLAIN

RULE = """
version = "1"
[[rule]]
id = "gas"
title = { zh = "气", en = "Gas" }
priority = "high"
source = "product choice"
applies_to = ["detector"]
"""
LIMIT = RULE + 'quantity = "combustible_lel"\nat_or_above = 20\nclear_below = 15\n'


def refusal(text: str | bytes) -> str:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 the text is what the callers look at
        load_pack(text.encode() if isinstance(text, str) else text, "mine.toml")
    return str(caught.value)


def test_a_pack_is_frozen_rules_in_document_order() -> None:
    pack = load_pack(LIMIT.encode(), "mine.toml")
    (rule,) = pack.rules
    assert (pack.name, pack.version) == ("mine.toml", "1")
    assert (rule.id, rule.priority, rule.kind) == ("gas", Priority.HIGH, Kind.MEASURED)
    assert (rule.at_or_above, rule.clear_below, rule.applies_to) == (20.0, 15.0, (DeviceKind.DETECTOR,))
    with pytest.raises(AttributeError):
        rule.hold_s = 1.0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("version = ", "mine.toml: Invalid value at its end"),
        (b"version = '\xff'", "mine.toml: not UTF-8 at byte 11"),
        ("", "mine.toml: version: must stand at the top, a text of yours in quotes"),
        ("version = 1\nrule = []", "mine.toml: version: must stand at the top, a text of yours in quotes"),
        ("version = '1'\nrule = []\nrules = []", "mine.toml: there is no 'rules'; write [[rule]]"),
        (LIMIT + "hold = 3", "mine.toml:12: rule 'gas': hold: there is no such key"),
        (LIMIT + "hold_s = '3'", "mine.toml:12: rule 'gas': hold_s: must be a number, not a text in quotes"),
        (LIMIT + "latch = 1", "mine.toml:12: rule 'gas': latch: must be true or false, not a whole number"),
        (LIMIT.replace('"gas"', '"Gas leak"'), "mine.toml:4: rule 'Gas leak': id: must be 1 to 40 of a-z 0-9 -"),
        (
            LIMIT.replace('"high"', '"urgent"'),
            "mine.toml:6: rule 'gas': priority: 'urgent' is not one of critical, high",
        ),
        (LIMIT.replace('"high"', "2"), "mine.toml:6: rule 'gas': priority: 2 is not one of critical, high"),
        (LIMIT.replace("气", " "), "mine.toml:5: rule 'gas': title.zh: is empty"),
        (LIMIT.replace("product choice", ""), "mine.toml:7: rule 'gas': source: is empty; a standard and its clause"),
        (
            LIMIT.replace('["detector"]', '["camera"]'),
            "mine.toml:8: rule 'gas': applies_to[0]: 'camera' is not one of detector, ",
        ),
        (RULE, "mine.toml:3: rule 'gas': needs a limit (at_or_above or at_or_below), a condition, or flags"),
        (
            RULE + 'quantity = "co_ppm"\nflags = ["fault"]',
            ":9: rule 'gas': quantity: is named without a limit",
        ),
        (RULE + 'hold_s = 3\nflags = ["fault"]', "mine.toml:9: rule 'gas': hold_s: has no limit to hold"),
        (
            RULE + 'flags = ["low"]',
            "mine.toml:9: rule 'gas': flags: 'low' is not one of low_alarm, high_alarm",
        ),
        (RULE + 'flags = ["backfill"]', "flags: 'backfill' is not one of"),
        (RULE + 'flags = ["late"]', "flags: 'late' is not one of"),
        (
            LIMIT.replace("combustible_lel", "ch4"),
            "mine.toml:9: rule 'gas': quantity: 'ch4' is not one of",
        ),
        (LIMIT.replace("clear_below = 15", ""), "mine.toml:10: rule 'gas': at_or_above: needs clear_below"),
        (LIMIT.replace("at_or_above = 20", ""), "mine.toml:11: rule 'gas': clear_below: needs at_or_above"),
        (LIMIT.replace("= 15", "= 21"), "mine.toml:11: rule 'gas': clear_below: 21 is on the wrong side of 20"),
        (
            LIMIT.replace("at_or_above", "at_or_below").replace("clear_below", "clear_above"),
            "mine.toml:11: rule 'gas': clear_above: 15 is on the wrong side of 20",
        ),
        (LIMIT + "at_or_below = 3\nclear_above = 4", "mine.toml:12: rule 'gas': at_or_below: one rule has one limit"),
        (LIMIT.replace("= 20", "= nan"), "mine.toml:10: rule 'gas': at_or_above: must be -5 to 2300 %LEL"),
        (LIMIT.replace("= 15", "= -inf"), "mine.toml:11: rule 'gas': clear_below: must be -5 to 2300 %LEL"),
        (LIMIT.replace("= 20", "= 5000"), "mine.toml:10: rule 'gas': at_or_above: must be -5 to 2300 %LEL"),
        (LIMIT + "hold_s = -1", "mine.toml:12: rule 'gas': hold_s: must be 0 to 86400 seconds"),
        (LIMIT + "hold_s = 86401", "mine.toml:12: rule 'gas': hold_s: must be 0 to 86400 seconds"),
        (LIMIT + "clear_hold_s = nan", "mine.toml:12: rule 'gas': clear_hold_s: must be 0 to 86400 seconds"),
        (LIMIT + 'kind = "silence"', "mine.toml:9: rule 'gas': quantity: a rule of kind silence makes no use of it"),
        (RULE + 'kind = "no_valve"', "mine.toml:8: rule 'gas': applies_to: a rule of kind no_valve makes no use of it"),
        (RULE + 'kind = "quality"\naction = "close"', "action: a rule of kind quality makes no use of it"),
        (
            LIMIT.replace('["detector"]', "[]") + 'action = "close"',
            "mine.toml:12: rule 'gas': action: only a rule with applies_to = [\"detector\"] may close valves",
        ),
        (LIMIT + 'action = "open"', "mine.toml:12: rule 'gas': action: 'open' is not one of none, close, "),
        (
            LIMIT + 'action = "close"',
            "mine.toml: no rule of kind no_valve, which a pack that closes valves (rule 'gas') must have",
        ),
        (
            LIMIT + LIMIT.replace('version = "1"', ""),
            "mine.toml:15: rule 'gas': id: 'gas' stands twice; an id is one rule (mine.toml:3)",
        ),
    ],
)
def test_a_fault_is_named_with_its_file_line_rule_key_and_reason(text: str | bytes, said: str) -> None:
    assert said in refusal(text)


def test_a_document_of_brackets_only_is_refused_like_any_other() -> None:
    with pytest.raises(PackRefused, match=r"^deep\.toml: brackets within brackets"):
        load_pack(b"version = " + b"[" * 100_000, "deep.toml")


def test_every_fault_is_named_not_only_the_first() -> None:
    text = LIMIT.replace("= 15", "= 25") + "hold_s = -1\n" + LIMIT.replace('version = "1"', "").replace("Gas", "")
    assert [line.split(": ", 1)[1].split(":")[0] for line in refusal(text).splitlines()] == ["rule 'gas'"] * 4


def test_no_line_is_named_when_the_document_is_written_in_another_way() -> None:
    text = "version = '1'\nrule = [{ id = 'x', title = { zh = '', en = 'y' } , priority = 'low', source = 's' }]"
    assert refusal(text).splitlines()[0] == "mine.toml: rule 'x': title.zh: is empty"


def test_a_rule_without_an_id_is_named_by_its_number() -> None:
    assert "mine.toml:2: rule number 1: id: is missing" in refusal("version = '1'\n[[rule]]\n")


def test_a_pack_has_at_most_one_rule_of_each_kind_that_speaks_of_a_closing() -> None:
    one = RULE.replace('applies_to = ["detector"]', 'kind = "reopened"')
    two = one + one.replace('version = "1"', "").replace('"gas"', '"again"')
    assert "rule 'again': kind: a pack has at most one rule of kind reopened; 'gas' is one (mine.toml:3)" in refusal(
        two
    )


@pytest.mark.parametrize("kind", [Kind.ASLEEP, Kind.LINK_DOWN, Kind.SESSION_LOST, Kind.MISSING])
def test_a_pack_has_at_most_one_rule_of_each_kind_that_speaks_of_a_way_in_or_of_a_sleeping_valve(kind: Kind) -> None:
    one = RULE.replace('applies_to = ["detector"]', f'kind = "{kind}"')
    assert load_pack(one.encode(), "mine.toml").rules[0].kind is kind
    two = one + one.replace('version = "1"', "").replace('"gas"', '"again"')
    assert f"rule 'again': kind: a pack has at most one rule of kind {kind}; 'gas' is one (mine.toml:3)" in refusal(two)
    assert "applies_to: a rule of kind" in refusal(RULE + f'kind = "{kind}"')


def test_a_pack_that_closes_valves_must_say_what_a_sleeping_valve_is_and_need_not_speak_of_the_way_in() -> None:
    said = refusal(LIMIT + 'action = "close"')
    assert "no rule of kind asleep, which a pack that closes valves (rule 'gas') must have" in said
    assert not [kind for kind in ("link_down", "session_lost", "missing") if kind in said]


def without(*kinds: Kind) -> str:
    """The plain pack less the rules of these kinds."""
    head, *rules = re.split(r"^(?=\[\[rule\]\])", PLAIN.read_text("utf-8"), flags=re.MULTILINE)
    return "".join([head, *(rule for rule in rules if not any(f'kind = "{kind}"' in rule for kind in kinds))])


def test_a_pack_that_was_in_force_before_a_kind_was_known_stays_in_force_and_is_not_taken_anew() -> None:
    older = without(Kind.ASLEEP, Kind.HELD, Kind.REVERTED)
    assert "valve-asleep" not in [rule.id for rule in load_pack(older.encode(), "in force", kept=True).rules]
    said = refusal(older)
    assert [kind for kind in ("asleep", "held", "reverted") if f"no rule of kind {kind}" in said] == [
        *("asleep", "held", "reverted")
    ]
    with pytest.raises(ValueError, match="no rule of kind no_valve"):
        load_pack(without(Kind.NO_VALVE).encode(), "in force", kept=True)


def test_a_pack_has_at_most_200_rules() -> None:
    rule = LIMIT.replace('version = "1"', "")
    many = 'version = "1"' + "".join(rule.replace('"gas"', f'"gas-{n}"') for n in range(201))
    assert "201 rules; a pack has at most 200" in refusal(many)
    assert len(load_pack(many.replace(rule.replace('"gas"', '"gas-200"'), "").encode(), "m").rules) == 200


words = st.sampled_from([*QUANTITY_NAMES, *RULE_FLAGS, *Kind, *Action, *DeviceKind, "critical", "", "x"])
numbers = st.one_of(st.integers(-10, 10_000), st.just(10**400), st.floats(), st.booleans())
values = st.one_of(words, numbers, st.lists(words, max_size=3))
keys = st.sampled_from([name for name in Rule.__struct_fields__ if name != "title"] + ["junk"])


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, list):
        return "[" + ", ".join(_toml(item) for item in value) + "]"
    return repr(value)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, max_size=8))
def test_whatever_stands_in_a_pack_it_loads_or_is_refused_with_the_files_name(changes: dict[str, Any]) -> None:
    fields = tomllib.loads(LIMIT)["rule"][0] | changes
    title = fields.pop("title")
    text = 'version = "1"\n[[rule]]\n' + "".join(f"{key} = {_toml(value)}\n" for key, value in fields.items())
    text += f'title = {{ zh = "{title["zh"]}", en = "{title["en"]}" }}\n'
    try:
        (rule,) = load_pack(text.encode(), "mine.toml").rules
    except ValueError:
        assert all(line.startswith("mine.toml") for line in refusal(text).splitlines())
        return
    if rule.at_or_above is not None and rule.clear_below is not None:
        assert rule.clear_below <= rule.at_or_above
    if rule.at_or_below is not None and rule.clear_above is not None:
        assert rule.clear_above >= rule.at_or_below
    assert 0 <= rule.hold_s <= 86_400


def test_a_document_saved_with_a_mark_of_byte_order_is_read_like_any_other() -> None:
    assert load_pack(b"\xef\xbb\xbf" + default_pack(), "notepad.toml").rules == load_pack(default_pack(), "d").rules
