"""The embedded PostgreSQL: the programs of a wheel, supervised by ourselves.

E1  Durable: fsync, full_page_writes and synchronous_commit are on, whatever a configuration file says.
E2  Private: no TCP port; the socket stands in a folder only its owner (and root) may enter, and trust is given there.
E3  A cluster is whole or not there: initdb works under another name and the result is renamed.
E4  It dies with its parent (fast shutdown); one that a killed parent left behind is stopped before the next start, and
    a stale postmaster.pid whose number now belongs to another program does not stop us.
E5  A cluster of another major version is refused and left untouched.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TextIO

import psycopg
from psycopg import sql

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.leash import leash
from davy.log_files import bound
from davy.postgres_home import DATABASE, ROLE, Home, find_home, postmaster, url_at
from davy.settings import Settings

#: A fast shutdown writes a checkpoint; past this the server is told to stop at once, which the next start recovers.
STOP_WITHIN_S = 20.0
#: How long a killed server's last processes may hold its shared memory.
LEFTOVERS_WITHIN_S = 20.0
#: Crash recovery replays at most max_wal_size (1 GB below); a slow disk needs minutes for it.
START_WITHIN_S = 600.0
_POLL_S = 0.05

#: For a machine of 2 cores and 2 GB that runs Davy too. Durability first (E1), then sizes.
SERVER_SETTINGS: dict[str, str] = {
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "cluster_name": "davy",
    "max_connections": "40",
    "shared_buffers": "128MB",
    "maintenance_work_mem": "64MB",
    "max_wal_size": "1GB",  # less frequent checkpoints under load: each full-page-writes every hot page anew
    "wal_compression": "on",
    "temp_file_limit": "2GB",  # a wild query must not fill the disk of the engine's store
    "jit": "off",  # compiles longer than our queries run
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}

#: What postgres says when it cannot start, and what we then are: the code and the words for people.
_SAID: tuple[tuple[str, Exit, str], ...] = (
    ("No space left on device", Exit.DISK, "there is no room on the disk"),
    ("Disk quota exceeded", Exit.DISK, "the disk quota is used up"),
    ("Read-only file system", Exit.DISK, "the disk is read-only"),
    ("database files are incompatible", Exit.VERSION, "the cluster was made by another version"),
)
#: Said while processes of a killed server still live; it passes.
_LEFTOVERS = ("pre-existing shared memory block", 'lock file "', "is in use")


def prepare(settings: Settings) -> Home:
    """Find the home, refuse what cannot serve, and initialise a new cluster. Raises CannotGoOn with one line."""
    home = find_home(settings)
    marker = home.cluster / "PG_VERSION"
    try:
        if home.cluster.exists():
            made_by = marker.read_text("ascii").strip()
            if made_by != home.major:
                raise CannotGoOn(
                    Exit.VERSION,
                    f"the database in {home.cluster} was made by PostgreSQL {made_by}, this is {home.version}: run the "
                    f"Davy that made it, dump it with pg_dump and load it into a new data folder",
                )
        else:
            _initialise(home)
    except FileNotFoundError:
        raise CannotGoOn(Exit.VERSION, f"{home.cluster} is no PostgreSQL cluster: {marker} is missing") from None
    except OSError as error:
        raise disk_refused(home.folder, error) from error
    return home


def _initialise(home: Home) -> None:
    fresh = home.folder / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)  # of an initdb that was killed
    made = subprocess.run(
        [
            home.programs / "initdb",
            f"--pgdata={fresh}",
            f"--username={ROLE}",
            "--auth-local=trust",
            "--auth-host=reject",
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",  # the same order on every machine
            "--data-checksums",
            "--no-instructions",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=_environment(),
        cwd="/",
        user=None if home.account is None else home.account.uid,
        group=None if home.account is None else home.account.gid,
        extra_groups=None if home.account is None else [],
    )
    if made.returncode != 0:
        shutil.rmtree(fresh, ignore_errors=True)
        raise _told(made.stderr, f"cannot make a database in {home.folder}")
    fresh.rename(home.cluster)
    folder = os.open(home.folder, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def _environment() -> dict[str, str]:
    """Nothing of ours reaches the server: a PG* variable or a locale of the caller must not change what it does."""
    return {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}


def _told(said: str, what: str) -> CannotGoOn:
    """One line from what postgres or initdb printed."""
    for words, code, line in _SAID:
        if words in said:
            return CannotGoOn(code, f"{what}: {line}")
    lines = [line for line in said.splitlines() if "FATAL" in line or "PANIC" in line or "error:" in line]
    reason = (lines or said.strip().splitlines() or ["it said nothing"])[-1]
    for mark in ("FATAL:", "PANIC:", "error:"):
        reason = reason.split(mark)[-1]
    return CannotGoOn(Exit.DATABASE, f"{what}: {reason.strip()}")


class EmbeddedPostgres:
    """One server on one prepared home: `start`, then `wait` for its end or `stop` it. May be started again."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return self.home.url

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Returns when it answers queries and our database is there. Raises CannotGoOn; then nothing runs."""
        try:
            await self._end_what_was_left()
            await self._serve()
            await self._make_database()
        except OSError as error:  # no process or memory for it, or a disk that fails under its files
            await self.stop()
            raise CannotGoOn(Exit.DATABASE, f"PostgreSQL cannot be started: {error}") from error
        except BaseException:
            await self.stop()
            raise

    async def _serve(self) -> None:
        deadline = asyncio.get_running_loop().time() + LEFTOVERS_WITHIN_S
        while (said := await self._launch()) is not None:
            passes = any(words in said for words in _LEFTOVERS)
            if not passes or asyncio.get_running_loop().time() > deadline:
                raise _told(said, "PostgreSQL does not start")
            await asyncio.sleep(_POLL_S)

    async def wait(self) -> int:
        """The exit status, once the server has ended by itself or by `stop`."""
        assert self._process is not None
        return await self._process.wait()

    def kill(self) -> None:
        """An immediate shutdown: no checkpoint is written, and the next start recovers."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.send_signal(signal.SIGQUIT)

    async def stop(self) -> None:
        """Fast shutdown, within STOP_WITHIN_S; then an immediate one."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        for ending, within_s in ((signal.SIGINT, STOP_WITHIN_S), (signal.SIGQUIT, 5.0), (signal.SIGKILL, None)):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(ending)
            try:
                await asyncio.wait_for(asyncio.shield(process.wait()), within_s)
                return
            except TimeoutError:
                continue

    async def _launch(self) -> str | None:
        """Start the server and wait until it answers: None, or what it said before it ended."""
        home = self.home
        with _open_log(home.log) as log:
            before = log.tell()
            arguments = [f"-c{key}={value}" for key, value in SERVER_SETTINGS.items()]
            self._process = await asyncio.create_subprocess_exec(
                str(home.programs / "postgres"),
                f"-D{home.cluster}",
                f"-cunix_socket_directories={_quoted(home.sockets)}",
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=_environment(),
                cwd="/",
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the server last
                user=None if home.account is None else home.account.uid,
                group=None if home.account is None else home.account.gid,
                extra_groups=None if home.account is None else [],
                preexec_fn=leash(signal.SIGINT),
            )
        ended = asyncio.ensure_future(self._process.wait())
        answers = asyncio.ensure_future(self._answers())
        try:
            await asyncio.wait({ended, answers}, timeout=START_WITHIN_S, return_when=asyncio.FIRST_COMPLETED)
            if answers.done():
                answers.result()
                return None
            if not ended.done():
                raise CannotGoOn(
                    Exit.DATABASE, f"PostgreSQL did not start within {START_WITHIN_S:.0f} s; see {home.log}"
                )
            with home.log.open(encoding="utf-8", errors="replace") as log:
                log.seek(before)
                return log.read()
        finally:
            ended.cancel()
            answers.cancel()

    async def _answers(self) -> None:
        while True:
            try:
                async with await psycopg.AsyncConnection.connect(url_at(self.home.sockets, "postgres")):
                    return
            except psycopg.OperationalError:
                await asyncio.sleep(_POLL_S)

    async def _make_database(self) -> None:
        try:
            address = url_at(self.home.sockets, "postgres")
            async with await psycopg.AsyncConnection.connect(address, autocommit=True) as connection:
                found = await connection.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
                if await found.fetchone() is None:
                    await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(DATABASE)))
        except psycopg.Error as error:
            raise _told(str(error), "cannot make the database") from error

    async def _end_what_was_left(self) -> None:
        """Stop a server whose supervisor was killed, and drop a pid file that names some other program (E4)."""
        cluster = self.home.cluster
        for ending in (signal.SIGINT, signal.SIGQUIT):
            pid = postmaster(cluster)
            if pid is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, ending)
                await _gone(cluster, pid)
        pid = postmaster(cluster)
        if pid is not None:
            raise CannotGoOn(Exit.BUSY, f"another PostgreSQL (process {pid}) holds {cluster} and does not stop")
        (cluster / "postmaster.pid").unlink(missing_ok=True)


async def _gone(cluster: Path, pid: int) -> None:
    """Wait until this server has ended, at most STOP_WITHIN_S. It is nobody's child any more: we can only look."""
    for _ in range(round(STOP_WITHIN_S / _POLL_S)):
        if postmaster(cluster) != pid:
            return
        await asyncio.sleep(_POLL_S)


def _quoted(path: Path) -> str:
    """For a list setting: a comma or blank in the path is part of it."""
    return '"' + str(path).replace('"', '""') + '"'


def _open_log(path: Path) -> TextIO:
    """The server's log, for appending (davy/log_files.py)."""
    try:
        if path.exists():
            bound(path)
        return path.open("a", encoding="utf-8")
    except OSError as error:
        raise disk_refused(path, error) from error
