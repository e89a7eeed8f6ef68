"""A real Mosquitto as a process of its own, to be stopped, killed and started again on the same port."""

import contextlib
import signal
import socket
import subprocess
import time
from pathlib import Path

from tests.fetch_mosquitto import mosquitto_bin, mosquitto_environment, why_not

STARTED_WITHIN_S = 10.0


def mosquitto_program() -> Path | None:
    """The broker itself; None where there is none."""
    found = mosquitto_bin()
    if found is None:
        return None
    for folder in (found.parent / "sbin", found, Path("/usr/sbin")):
        if (folder / "mosquitto").exists():
            return folder / "mosquitto"
    return None


def no_mosquitto() -> str:
    return why_not()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Mosquitto:
    """`lines`: its configuration besides the port. Without any, everybody may do everything and nothing is kept."""

    def __init__(self, folder: Path, *lines: str, tls: bool = False, port: int = 0, listen: bool = True) -> None:
        self.port = port or free_port()
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "mosquitto.conf"
        head = [f"listener {self.port} 127.0.0.1"] if listen else []
        body = lines or ("allow_anonymous true", "persistence false", "max_queued_messages 100000")
        self.config.write_text("\n".join([*head, *body, "user root", ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it accepts connections."""
        program = mosquitto_program()
        assert program is not None
        with (self.folder / "mosquitto.log").open("ab") as log:
            self._process = subprocess.Popen(
                [program, "-c", self.config, "-v"], env=mosquitto_environment(), stdout=log, stderr=log, cwd=self.folder
            )
        give_up = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < give_up and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise AssertionError(f"Mosquitto did not start: {self.log()[-500:]}")

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def suspend(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")
