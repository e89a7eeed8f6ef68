"""`davy up --demo` from beginning to end, and without its database in the middle."""

import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from davy.settings import Settings
from tests.platform.davy_process import WITHIN_S, davy, environment

SettingsFor = Callable[..., Settings]


def ask(settings: Settings, path: str, body: dict[str, str] | None = None) -> dict[str, list[dict[str, str]]]:
    request = urllib.request.Request(
        f"http://127.0.0.1:{settings.http_port}{path}",
        json.dumps(body).encode() if body is not None else None,
        {"Authorization": f"Bearer {settings.admin_token.read_text().strip()}", "Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=WITHIN_S) as answer:
        found: dict[str, list[dict[str, str]]] = json.load(answer)
        return found


@contextmanager
def database_stopped(settings: Settings) -> Iterator[None]:
    """Every process of the server hangs, as on a disk that does not answer."""
    server = int((settings.postgres / "data/postmaster.pid").read_text().split("\n", 1)[0])
    os.kill(server, signal.SIGSTOP)
    processes = [server, *map(int, Path(f"/proc/{server}/task/{server}/children").read_text().split())]
    for process in processes:
        os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            os.kill(process, signal.SIGCONT)


def test_the_demo_shuts_the_valve_without_its_database_and_nothing_is_missing_afterwards(
    open_folder: Path, settings_for: SettingsFor
) -> None:
    settings = settings_for(open_folder / "data")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "davy", "up", "--demo"],
        env=environment(settings) | {"PYTHONUNBUFFERED": "1"},
        cwd="/",
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        lines: list[str] = []

        def until(words: str) -> str:
            assert demo.stdout is not None
            for line in demo.stdout:
                lines.append(line)
                if words in line:
                    return line
            raise AssertionError(f"the demo ended without {words!r}:\n" + "".join(lines))

        assert "PostgreSQL" in until("database")
        until("gas escapes")
        with database_stopped(settings):
            until("ALARM ch4-low")
            until("CLOSE sent")
            until("is seen closed")
            (alarm,) = [one for one in ask(settings, "/v1/alarms")["alarms"] if one["rule"] == "ch4-low"]
            ask(settings, f"/v1/alarms/{alarm['alarm']}/acknowledge", {"comment": "on my way"})
            until("alarm ch4-low acknowledged")
        refused = davy(settings, "up")
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=WITHIN_S)
        assert demo.returncode == 0
    assert "it balances" in rest, rest
    assert refused.returncode != 0
    assert "holds demo data" in refused.stderr
