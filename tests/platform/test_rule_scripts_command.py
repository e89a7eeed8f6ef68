"""`davy rules test`: what it prints and how it ends."""

import json
import subprocess
import sys
from pathlib import Path

GOOD = """title Gas is an alarm.
device d1 detector
rules
    [[rule]]
    id = "gas"
    quantity = "combustible_lel"
    at_or_above = 20
    clear_below = 15
at 1s
    d1: combustible_lel=25
    expect alarm d1 gas
"""


def _davy(*words: str, here: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "davy", "rules", "test", *words]
    return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, timeout=60)


def test_a_script_that_goes_as_it_says_ends_with_0(tmp_path: Path) -> None:
    (tmp_path / "good.rules").write_text(GOOD)
    done = _davy("good.rules", here=tmp_path)
    assert (done.returncode, done.stdout) == (
        0,
        "ok   good.rules: Gas is an alarm. (1 readings, 1 expectations)\n1 of 1 scripts went as they say\n",
    )


def test_one_that_does_not_ends_with_1_and_names_its_lines(tmp_path: Path) -> None:
    (tmp_path / "good.rules").write_text(GOOD)
    (tmp_path / "bad.rules").write_text(GOOD.replace("expect alarm d1 gas", "expect nothing"))
    done = _davy("good.rules", "bad.rules", here=tmp_path)
    assert done.returncode == 1
    line = "     bad.rules:11: was not expected: expect alarm d1 gas high onset=1s at=1s value=25"
    assert line in done.stdout.splitlines()
    assert "1 of 2 scripts went as they say" in done.stdout


def test_the_same_for_programs(tmp_path: Path) -> None:
    (tmp_path / "bad.rules").write_text("device d1 toaster\n")
    done = _davy("bad.rules", "--json", here=tmp_path)
    (told,) = json.loads(done.stdout)
    assert (done.returncode, told["ok"]) == (1, False)
    assert told["failures"][0].startswith("bad.rules:1: there is no model 'toaster'")


def test_rules_are_read_from_beside_the_script(tmp_path: Path) -> None:
    head, rules = GOOD.split("rules\n")[0], GOOD.split("rules\n")[1].split("at 1s")[0]
    title = '    title = { zh = "x", en = "x" }\n    priority = "high"\n    source = "product choice"\n'
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "mine.toml").write_text('version = "1"\n' + rules + title)
    (tmp_path / "in" / "beside.rules").write_text(f"{head}rules mine.toml\nat 1s\n    expect nothing\n")
    assert _davy("in/beside.rules", here=tmp_path).returncode == 0
    (tmp_path / "in" / "mine.toml").unlink()
    done = _davy("in/beside.rules", here=tmp_path)
    assert done.returncode == 2
    assert "mine.toml" in done.stderr
