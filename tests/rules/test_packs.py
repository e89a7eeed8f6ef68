"""The packs that Davy brings: each is sound, with what it needs and with all others, and says where it is from."""

import re

import pytest

from rules.documents.document import Action, Kind, PackRefused, RulePack, default_pack, load_pack
from rules.documents.left_out import left_out, warnings
from rules.documents.merged import DEFAULT_PACKS, as_file, built_in, built_in_pack, built_in_packs, merge, needs
from tests.rules.world import PLAIN

#: What a number in a rule may go back to; a rule without a number may be a choice of Davy's altogether.
SOURCES = re.compile(r"product choice|GB|EN |UL |CJJ|CJ/T|OSHA|NIOSH|US patent|maker's page|gas service standard")
#: A clause of a standard is cited only where domain facts name it; these are all there are.
CLAUSES = ("5.5.2", "10.8", "10.8.1", "10.8.4", "4.13.2", "9.2.3")


def everything() -> RulePack:
    return load_pack(built_in_packs(built_in()), "all")


@pytest.mark.parametrize("name", built_in())
def test_a_pack_is_sound_with_what_it_needs(name: str) -> None:
    pack = load_pack(built_in_packs([name, *needs(name)]), name)
    assert pack.rules
    assert warnings(pack) == ()
    if not needs(name):
        assert load_pack(built_in_pack(name), f"{name}.toml").rules == pack.rules


def test_a_pack_that_closes_valves_says_that_it_needs_the_rules_about_valves() -> None:
    assert {name for name in built_in() if needs(name)} == {"methane", "co_en50291", "co_ul2034", "co_dose"}
    with pytest.raises(PackRefused, match="the built-in pack 'valves' holds one"):
        load_pack(built_in_pack("methane"), "methane.toml")


def test_all_packs_are_sound_together_and_no_id_stands_in_two() -> None:
    pack = everything()
    ids = [rule.id for rule in pack.rules]
    assert len(set(ids)) == len(ids)
    assert {kind for kind in Kind if any(rule.kind is kind for rule in pack.rules)} == {*Kind}


def test_the_default_leaves_nothing_out_and_holds_the_rules_that_installations_know_by_id() -> None:
    pack = load_pack(default_pack(), "built-in rules")
    assert left_out(pack) == ""
    assert {rule.id for rule in load_pack(PLAIN.read_bytes(), "plain.toml").rules} <= {rule.id for rule in pack.rules}
    assert not {"co_ul2034", "exposure_osha", "exposure_niosh"} & {*DEFAULT_PACKS}
    assert {*DEFAULT_PACKS} <= {*built_in()}


def test_a_rule_that_installations_know_has_the_numbers_it_had() -> None:
    now = {rule.id: rule for rule in load_pack(default_pack(), "built-in rules").rules}
    for before in load_pack(PLAIN.read_bytes(), "plain.toml").rules:
        rule = now[before.id]
        for key in ("at_or_above", "clear_below", "at_or_below", "clear_above", "flags", "hold_s", "latch", "priority"):
            assert getattr(rule, key) == getattr(before, key), (before.id, key)
        assert rule.action.closes == before.action.closes


def test_every_alarm_flag_of_a_device_is_an_alarm_that_closes_valves() -> None:
    for names in (DEFAULT_PACKS, ("methane", "co_ul2034", "valves")):
        rules = load_pack(built_in_packs(names), "regional").rules
        assert {flag for rule in rules if rule.action.closes for flag in rule.flags} == {
            *("low_alarm", "high_alarm", "co_alarm")
        }


def test_what_is_only_advice_moves_nothing() -> None:
    rules = {rule.id: rule for rule in everything().rules}
    assert {rules[name].action for name in ("ch4-pre", "ch4-rise", "co-30", "co-50", "co-dose-5")} == {Action.NONE}


def test_every_rule_and_override_names_its_source_and_no_clause_is_made_up() -> None:
    pack = everything()
    for one in (*pack.rules, *pack.overrides):
        assert SOURCES.search(one.source), one
        cited = re.findall(r"(?<![\d.])\d+\.\d+(?:\.\d+)+(?!\d)", one.source)
        assert {*cited} <= {*CLAUSES}, one.source


def test_every_hold_of_a_table_lies_within_its_row() -> None:
    rows = {  # id: ppm, not before min, by min
        "co-50": (50, 60, 90),
        "co-alarm": (100, 10, 40),
        "co-high": (300, 0, 3),
        "co-ul-70": (70, 60, 240),
        "co-ul-150": (150, 10, 50),
        "co-ul-400": (400, 4, 15),
    }
    rules = {rule.id: rule for rule in everything().rules}
    for name, (ppm, earliest, latest) in rows.items():
        assert rules[name].at_or_above == ppm
        assert earliest * 60 <= rules[name].hold_s <= latest * 60
    assert rules["co-30"].hold_s >= 120 * 60  # EN 50291-1: no alarm before 120 min


def test_a_fault_in_packs_together_is_named_by_the_pack_and_its_own_line() -> None:
    mine = PLAIN.read_bytes().split(b"[[rule]]")[0] + (
        b'\n[[rule]]\nid = "ch4-low"\ntitle = { zh = "x", en = "x" }\npriority = "low"\nsource = "s"\n'
        b'flags = ["tamper"]\nhold_s = 3\n'
    )
    line = mine.decode().splitlines().index("[[rule]]") + 1
    with pytest.raises(PackRefused) as caught:
        load_pack(
            merge(
                [("methane.toml", built_in_pack("methane")), ("mine.toml", mine), ("v.toml", built_in_pack("valves"))]
            ),
            "together",
        )
    said = str(caught.value).splitlines()
    assert said[0] == f"mine.toml:{line + 6}: rule 'ch4-low': hold_s: has no limit to hold: flags are true at once"
    head = next(n for n, text in enumerate(built_in_pack("methane").decode().splitlines(), 1) if text == "[[rule]]")
    twice = f"mine.toml:{line + 1}: rule 'ch4-low': id: 'ch4-low' stands twice; an id is one rule (methane.toml:{head})"
    assert said[1] == twice


def test_the_version_of_packs_together_names_each() -> None:
    assert load_pack(built_in_packs(["life", "field"]), "both").version == "life 1, field 1"
    assert built_in_packs(["life"]) == built_in_pack("life")


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"\xff", "mine.toml: not UTF-8 at byte 0"),
        (b"version =", "mine.toml: Invalid value"),
        (b"[[rule]]", 'mine.toml: version: must stand at the top, a text of yours in quotes: version = "1"'),
        (b"version = 1", 'mine.toml: version: must stand at the top, a text of yours in quotes: version = "1"'),
        (b'version = "1"\nrule = []', "mine.toml: beside others a pack has a version on one line and then [[rule]]"),
        (b'version = """\n1"""\n', "mine.toml: beside others a pack has a version on one line"),
        (b'version = "1"\n[other]\nx = 1', "mine.toml: there is no such key: other"),
    ],
)
def test_what_cannot_stand_beside_others_is_refused_by_its_name(body: bytes, said: str) -> None:
    with pytest.raises(PackRefused, match=re.escape(said)):
        merge([("life.toml", built_in_pack("life")), ("mine.toml", body)])


def test_a_name_that_is_no_pack_is_told() -> None:
    with pytest.raises(KeyError, match="nope"):
        built_in_packs(["life", "nope"])


def test_the_default_written_to_a_file_counts_its_lines_from_the_top() -> None:
    text = as_file(default_pack()).decode().replace("at_or_above = 50.0", "at_or_above = 40.0", 1)
    line = next(n for n, one in enumerate(text.splitlines(), 1) if one == "clear_below = 45.0")
    with pytest.raises(PackRefused) as caught:
        load_pack(text.encode(), "mine.toml")
    assert str(caught.value).startswith(
        f"mine.toml:{line}: rule 'ch4-high': clear_below: 45 is on the wrong side of 40"
    )
