"""What commands print: other people's words as they are, and work that goes on where nothing can be printed."""

import subprocess
import sys
from pathlib import Path

import pytest

from davy.output import write_table

ROOT = Path(__file__).parents[2]


def test_a_table_shows_what_looks_like_markup(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("source", "rows"), [("davysim/[/b]", "1"), ("[red]x\x1b[2J", "2")])
    shown = capsys.readouterr().out.splitlines()
    assert [line.split() for line in shown[1:]] == [["davysim/[/b]", "1"], ["[red]x\N{REPLACEMENT CHARACTER}[2J", "2"]]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    "line",
    [
        "from davy.output import say; say('starting')",
        "import structlog, pathlib; from davy.settings import load_settings; from davy.log import configure_log;"
        "configure_log(load_settings({'DAVY_CONFIG': ''}, pathlib.Path('/')), 'engine');"
        "structlog.get_logger().warning('engine is protecting')",
    ],
)
def test_a_line_that_finds_no_room_does_not_end_the_work(line: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-c", f"{line}; print('on')"], stderr=full, stdout=subprocess.PIPE, cwd=ROOT
        )
    assert done.returncode == 0
    assert done.stdout == b"on\n"
