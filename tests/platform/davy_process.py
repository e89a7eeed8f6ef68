"""`davy` as people run it: a process of its own, watched from outside."""

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from davy.settings import Settings

#: A start makes a database; a busy machine needs a while for it.
WITHIN_S = 60
PARTS = {"engine", "storage", "api", "webhooks", "postgres"}


def davy(settings: Settings, *arguments: str, within_s: float = WITHIN_S) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(
        [sys.executable, "-P", "-m", "davy", *arguments],
        env=environment(settings),
        cwd="/",
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )


def environment(settings: Settings) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("DAVY_")}
    return kept | settings.environment()


class Up:
    """A running `davy up`. `said` are the supervisor's own lines so far."""

    def __init__(self, settings: Settings) -> None:
        self.said: list[str] = []
        self._rest = b""
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "davy", "up"], env=environment(settings), cwd="/", stderr=subprocess.PIPE
        )
        self.pid = self._process.pid

    def until_said(self, words: str, within_s: float = WITHIN_S) -> str:
        """The next line of the supervisor that has these words."""
        assert self._process.stderr is not None
        while True:
            for line in self._lines(within_s):
                if line.startswith("davy: "):
                    self.said.append(line)
                    if words in line:
                        return line

    def _lines(self, within_s: float) -> Iterator[str]:
        assert self._process.stderr is not None
        while b"\n" not in self._rest:
            if not select.select([self._process.stderr], [], [], within_s)[0]:
                raise TimeoutError(f"nothing more was said within {within_s} s after {self.said}")
            more = os.read(self._process.stderr.fileno(), 65536)
            if not more:
                raise EOFError(f"it ended after saying {self.said}")
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\n")
        yield line.decode(errors="replace")

    def parts(self) -> dict[str, int]:
        """Process ids of the parts that run now, by name: engine, storage, api, postgres."""
        found: dict[str, int] = {}
        for child in Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split():
            try:
                words = Path(f"/proc/{child}/cmdline").read_bytes().decode().split("\0")
            except (FileNotFoundError, ProcessLookupError):  # it has just ended
                continue
            if words[0].endswith("/postgres"):
                found["postgres"] = int(child)
            elif words[-2:-1] and words[-2] in PARTS:
                found[words[-2]] = int(child)
        return found

    def all_parts(self) -> dict[str, int]:
        """The same, once all of them run."""
        end = time.monotonic() + WITHIN_S
        while (found := self.parts()).keys() != PARTS:
            assert time.monotonic() < end, f"running: {sorted(found)}"
            threading.Event().wait(0.02)
        return found

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """The exit code."""
        self._process.send_signal(with_signal)
        return self.ended()

    def ended(self) -> int:
        _, rest = self._process.communicate(timeout=WITHIN_S)
        lines = (self._rest + rest).decode(errors="replace").splitlines()
        self.said += [line for line in lines if line.startswith("davy: ")]
        return self._process.returncode


@contextmanager
def up(settings: Settings) -> Iterator[Up]:
    """`davy up`, ready; killed at the end if the test has not stopped it."""
    running = Up(settings)
    try:
        running.until_said("administrator's token")
        yield running
    finally:
        if running._process.poll() is None:
            running._process.kill()
            running._process.communicate()
