"""The semantics of rules as scripts, one per clause; each runs in one step, reading by reading, and with restarts."""

from pathlib import Path

import pytest

from rules.scripts.run import run_script
from rules.scripts.script import parse_script

FOLDER = Path(__file__).parent
SCRIPTS = sorted(FOLDER.glob("*.rules"))


def _read(name: str) -> bytes:
    return (FOLDER / name).read_bytes()


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("how", ["together", "one_by_one", "restarts"])
def test_what_a_script_says_is_what_happens(path: Path, how: str) -> None:
    script = parse_script(path.read_text("utf-8"), path.name)
    ran = run_script(script, _read, one_by_one=how == "one_by_one", restarts=how == "restarts")
    assert ran.ok, "\n" + "\n".join(map(str, ran.failures))
