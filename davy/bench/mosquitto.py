"""A real Mosquitto to measure and to hurt: a process of its own on loopback, stopped, killed and started again."""

import contextlib
import os
import secrets
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

#: Where the test suite keeps one (tests/fetch_mosquitto.py), beside what the system has.
_FETCHED = Path(__file__).parents[2] / ".cache/test/mosquitto/usr"
_FOLDERS = (_FETCHED / "bin", _FETCHED / "sbin", Path("/usr/sbin"), Path("/usr/local/sbin"))
STARTED_WITHIN_S = 10.0
#: Everybody may do everything, nothing is kept: killed, it forgets every session. Queues hold a benchmark's backlog.
FORGETFUL = (
    "allow_anonymous true",
    "persistence false",
    "max_inflight_messages 0",
    "max_queued_messages 1000000",
    "max_queued_bytes 0",
)


def program(name: str) -> Path | None:
    """The path of `mosquitto`, `mosquitto_sub`, ...: of DAVY_TEST_MOSQUITTO_BIN, the fetched one, or the system's."""
    named = os.environ.get("DAVY_TEST_MOSQUITTO_BIN")
    folders = ([Path(named), Path(named).parent / "sbin"] if named else []) + list(_FOLDERS)
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    found = shutil.which(name)
    return Path(found) if found else None


def environment() -> dict[str, str]:
    """In which a fetched program finds its libraries."""
    folders = [str(path.parent) for path in _FETCHED.glob("lib/*/libmosquitto.so.1")]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(folders)} if folders else dict(os.environ)


def free_port() -> int:
    """One that nobody listens on, below the range from which systems give ports to outgoing connections (Linux: 32768
    and up): a server that is killed and started again finds it free again. Raises RuntimeError."""
    for _ in range(100):
        port = 20_000 + secrets.randbelow(12_000)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port between 20,000 and 32,000")


class Mosquitto:
    """`lines`: its configuration besides the listener. Killed and started again it has the same port and folder."""

    def __init__(self, folder: Path, *lines: str, port: int = 0) -> None:
        """Raises RuntimeError when there is none on this machine."""
        self.port = port or free_port()
        self.folder = folder
        found = program("mosquitto")
        if found is None:
            raise RuntimeError("there is no Mosquitto here; install Debian's mosquitto and mosquitto-clients")
        self._program = found
        folder.mkdir(parents=True, exist_ok=True)
        self.config = folder / "mosquitto.conf"
        user = ["user root"] if os.geteuid() == 0 else []  # else it gives its rights away, and cannot write its folder
        self.config.write_text("\n".join([f"listener {self.port} 127.0.0.1", *(lines or FORGETFUL), *user, ""]))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns once it accepts connections. Raises RuntimeError with its own words."""
        with (self.folder / "mosquitto.log").open("ab") as log:
            command = [str(self._program), "-c", str(self.config)]
            self._process = subprocess.Popen(command, env=environment(), stdout=log, stderr=log, cwd=self.folder)
        give_up = time.monotonic() + STARTED_WITHIN_S
        while time.monotonic() < give_up and self._process.poll() is None:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.01)
        raise RuntimeError(f"Mosquitto did not start: {self.log()[-500:]}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        self.stop(signal.SIGKILL)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def suspend(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def log(self) -> str:
        return (self.folder / "mosquitto.log").read_text(errors="replace")
