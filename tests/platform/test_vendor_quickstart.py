"""A new vendor gets from its account to its first accepted reading by docs/vendor-quickstart.md alone: it is run."""

import re
import subprocess
from collections.abc import Callable
from pathlib import Path

from davy.exits import Exit
from davy.settings import Settings
from tests.platform.davy_process import up

DOCS = Path(__file__).parents[2] / "docs"
#: The page waits ten seconds twice at most; a busy machine takes longer for what is between.
_WITHIN_S = 120.0


def _blocks(name: str) -> list[str]:
    return re.findall(r"```sh\n(.*?)```", (DOCS / name).read_text("utf-8"), re.DOTALL)


def test_both_languages_show_the_same_commands() -> None:
    assert _blocks("vendor-quickstart.md") == _blocks("vendor-quickstart.zh.md") != []


def test_the_page_leads_to_a_reading_that_is_accepted_and_seen(
    open_folder: Path, settings_for: Callable[..., Settings]
) -> None:
    settings = settings_for(open_folder / ".davy")
    script = "set -euo pipefail\n" + "\n".join(_blocks("vendor-quickstart.md"))
    with up(settings) as running:
        walked = subprocess.run(
            ["bash", "-c", script],
            env={"PATH": "/usr/bin:/bin", "DAVY": f"http://127.0.0.1:{settings.http_port}", "NO_PROXY": "127.0.0.1"},
            cwd=open_folder,
            capture_output=True,
            text=True,
            timeout=_WITHIN_S,
            check=False,
        )
        assert walked.returncode == 0, walked.stdout + walked.stderr
        assert '"stored":1' in walked.stdout.replace(" ", "")
        assert walked.stdout.splitlines()[-1] == "0.5"
        assert running.stop() == Exit.OK
