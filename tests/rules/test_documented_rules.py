"""What docs/RULES.md and docs/writing-rules.md show is run as it stands: packs, conditions, scripts, commands."""

import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from devices.classes import Group
from devices.models import DeviceKind
from rules.decisions import Priority
from rules.documents.document import Kind, Rule, load_pack
from rules.documents.keys import USES
from rules.documents.merged import built_in, built_in_pack, merge
from rules.language.expression import parse_condition
from rules.language.vocabulary import FUNCTIONS, NAMES

DOCS = Path(__file__).parents[2] / "docs"
RULES = (DOCS / "RULES.md").read_text("utf-8")
WRITING = (DOCS / "writing-rules.md").read_text("utf-8")


class Block(NamedTuple):
    sort: str
    name: str
    text: str


def blocks(text: str) -> list[Block]:
    found = re.findall(r"^```(\w*) ?(\S*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(*one) for one in found]


@pytest.mark.parametrize("text", [RULES, WRITING], ids=["RULES", "writing-rules"])
def test_every_pack_that_is_shown_and_not_called_wrong_is_sound(text: str) -> None:
    shown = [block for block in blocks(text) if block.sort == "toml" and block.name != "wrong.toml"]
    assert shown
    for block in shown:
        load_pack(merge([("shown.toml", block.text.encode()), ("valves.toml", built_in_pack("valves"))]), "shown")


def test_every_condition_that_is_shown_is_one() -> None:
    (conditions,) = [block for block in blocks(WRITING) if block.sort == "conditions"]
    of_rules = next(block for block in blocks(RULES) if block.text.startswith("combustible_lel >= 20 %LEL"))
    for line in (*conditions.text.splitlines(), *of_rules.text.splitlines()):
        parse_condition(line, {})


def test_the_steps_of_writing_a_rule_go_as_the_page_says(tmp_path: Path) -> None:
    """Files are written as they are shown, commands run in the order they stand; a line that ends in dots begins so."""
    ran = 0
    for block in blocks(WRITING):
        if block.name:
            (tmp_path / block.name).write_text(block.text, "utf-8")
        if block.sort == "database":
            continue  # tests/storage/test_writing_rules.py
        for command, output in re.findall(r"^\$ davy (.*)\n((?:(?!\$ ).*\n)*)", block.text, re.MULTILINE):
            assert block.sort == "console"
            done = subprocess.run(
                [sys.executable, "-m", "davy", *command.split()],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=False,
            )
            said, told = done.stdout.splitlines(), output.splitlines()
            for n, line in enumerate(told):
                assert n < len(said), (command, done.stdout, done.stderr)
                assert said[n].startswith(line[:-3]) if line.endswith("...") else said[n] == line, (command, said[n])
            assert len(said) == len(told) or told[-1].endswith("..."), (command, done.stdout)
            ran += 1
    assert ran >= 8


def test_the_table_of_keys_is_the_one_of_the_code() -> None:
    table = RULES.split("## The keys of a rule")[1].split("| kind | its condition")[0]
    told = {key for row in re.findall(r"^\| (`.*?) \|", table, re.MULTILINE) for key in re.findall(r"`(\w+)`", row)}
    assert told == {*Rule.__struct_fields__}


def test_the_table_of_kinds_is_the_one_of_the_code() -> None:
    table = RULES.split("| kind | its condition")[1].split("\n\n")[0]
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| (.*) \|$", table, re.MULTILINE))
    assert {*rows} == {*Kind}
    for kind, keys in rows.items():
        if kind == Kind.MEASURED:
            assert {*re.findall(r"`(\w+)`", keys)} == {*Rule.__struct_fields__} - USES[Kind(kind)] - {
                *("id", "title", "priority", "source", "kind")
            }
            continue
        told = {*re.findall(r"`(\w+)`", keys)} | ({"hold_s", "clear_hold_s"} if "holds" in keys else set())
        told |= {"canary_pct"} if "state" in told else set()
        assert told == USES[Kind(kind)] - {"notify"}, kind


def test_every_word_of_the_language_is_explained() -> None:
    for word in (*FUNCTIONS, *NAMES, *Group, *DeviceKind, *(one.name.lower() for one in Priority)):
        assert re.search(rf"`[^`]*\b{word}\b[^`]*`", RULES), word


def test_every_pack_that_davy_brings_is_in_the_table() -> None:
    table = RULES.split("| pack | what is in it |")[1].split("\n\n")[0]
    assert sorted(re.findall(r"`(\w+)`", table)) == [*built_in()]
