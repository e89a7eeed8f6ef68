"""docs/rule-scripts.md: its scripts run, and it names everything that a script may say."""

import re
from pathlib import Path

import pytest

from devices.quantities import QUANTITY_NAMES
from rules.decisions import Change
from rules.scripts.devices import PLAIN_MODELS
from rules.scripts.happened import ALSO, KINDS
from rules.scripts.inputs import VERBS
from rules.scripts.run import run_script
from rules.scripts.script import parse_script
from rules.scripts.series import COLUMNS

PAGE = (Path(__file__).parents[2] / "docs" / "rule-scripts.md").read_text("utf-8")
WHOLE = re.findall(r"^```rules\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
PARTS = re.findall(r"^```rules-part\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def _no_file(name: str) -> bytes:
    raise AssertionError(name)


@pytest.mark.parametrize("text", WHOLE)
def test_the_scripts_of_the_page_go_as_they_say(text: str) -> None:
    ran = run_script(parse_script(text, "page.rules"), _no_file)
    assert ran.ok, ran.failures
    said = f"ok   kitchen.rules: {ran.title} ({ran.readings} readings, {ran.expectations} expectations)"
    assert said in PAGE


@pytest.mark.parametrize("text", PARTS)
def test_the_parts_of_scripts_on_the_page_can_be_read(text: str) -> None:
    assert parse_script(text, "page.rules").statements


def test_the_page_names_every_word() -> None:
    words = {*VERBS, *KINDS, *ALSO, *(model.key for model in PLAIN_MODELS), *set(COLUMNS) - set(QUANTITY_NAMES)}
    words |= {change.value.replace(" ", "-") for change in Change}
    missing = sorted(word for word in words if not re.search(rf"`[^`]*\b{re.escape(word)}\b[^`]*`", PAGE))
    assert not missing
