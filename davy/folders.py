"""The data folder: made, locked, marked; and the administrator's first secret in it.

F1  Only folders that we make get a mode from us; a folder that was there before keeps its own.
F2  One `davy up` per data folder: the lock is the kernel's (flock), so a killed holder leaves none behind.
F3  Demo data lives in a folder with a marker. A plain `up` refuses it, and a demo refuses a folder with other data, so
    that demo credentials never meet real devices.
"""

import contextlib
import fcntl
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from davy.exits import CannotGoOn, Exit, disk_refused
from davy.settings import Settings

#: Less than this free and neither store nor database can be made: an empty cluster with its first WAL is 60 MB.
LEAST_ROOM_BYTES = 256 * 1024 * 1024
#: Bits of the administrator's secret, as of every token (design: 256 random bits).
TOKEN_BYTES = 32

_DEMO_TEXT = "Demo data of davy up --demo: simulated homes with public credentials. Delete this folder at will.\n"


def prepare_data_folder(settings: Settings, demo: bool) -> None:
    """The data folder exists, can be written, has room, and is of the right sort. Raises CannotGoOn."""
    folder = settings.data
    try:
        if not folder.exists():
            folder.parent.mkdir(parents=True, exist_ok=True)
            folder.mkdir(mode=0o700)
            if os.geteuid() == 0:
                # The database then runs as somebody else, who must be able to pass through to its own folder.
                folder.chmod(0o711)
        _check_sort(settings, demo)
        if demo and not settings.demo_marker.exists():  # first, or a kill here would leave a folder of neither sort
            settings.demo_marker.write_text(_DEMO_TEXT)
        for inside in (settings.checkpoints, settings.logs):
            inside.mkdir(mode=0o700, exist_ok=True)
        room = os.statvfs(folder)
    except OSError as error:
        raise disk_refused(folder, error) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise CannotGoOn(Exit.DISK, f"cannot write {folder}: the disk is read-only or permission is denied")
    free = room.f_bavail * room.f_frsize
    # Only what is to be made needs room: an engine that finds its disk full must start all the same, and protect.
    if free < LEAST_ROOM_BYTES and not settings.engine_store.exists():
        raise CannotGoOn(
            Exit.DISK, f"cannot use {folder}: {free >> 20} MiB are free, at least {LEAST_ROOM_BYTES >> 20} are needed"
        )


def _check_sort(settings: Settings, demo: bool) -> None:
    marked = settings.demo_marker.exists()
    empty = not any(settings.data.iterdir())
    if marked and not demo:
        raise CannotGoOn(
            Exit.USAGE, f"{settings.data} holds demo data: run `davy up --demo`, or name another folder by DAVY_DATA"
        )
    if demo and not marked and not empty:
        raise CannotGoOn(
            Exit.USAGE, f"{settings.data} is not empty and no demo folder: a demo needs a folder of its own (DAVY_DATA)"
        )


@contextmanager
def held(settings: Settings) -> Iterator[bool]:
    """Hold the data folder; gives whether its last holder was killed. Raises CannotGoOn (busy) when another has it."""
    try:
        descriptor = os.open(settings.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise disk_refused(settings.lock, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(descriptor, 20).decode(errors="replace") or "unknown"
        os.close(descriptor)
        raise CannotGoOn(Exit.BUSY, f"davy is already running on {settings.data} (process {holder})") from None
    try:
        killed = os.fstat(descriptor).st_size > 0  # a clean end empties the file
        with contextlib.suppress(OSError):  # the number is for people; on a full disk the lock holds without it
            os.ftruncate(descriptor, os.pwrite(descriptor, str(os.getpid()).encode(), 0))
        yield killed
    finally:
        with contextlib.suppress(OSError):
            os.ftruncate(descriptor, 0)
        os.close(descriptor)


def private_folder(path: Path, owner: int | None = None) -> None:
    """Make `path` a folder that only we may enter, or accept one that already is. `owner`: hand a new one to this uid.
    Raises CannotGoOn when somebody else's folder (or a link) stands there: a socket in it would be theirs."""
    try:
        path.mkdir(mode=0o700)
        if owner is not None:
            os.chown(path, owner, -1)
        return
    except FileExistsError:
        pass
    except OSError as error:
        raise disk_refused(path, error) from error
    found = path.lstat()
    wanted = os.geteuid() if owner is None else owner
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != wanted or stat.S_IMODE(found.st_mode) & 0o077:
        raise CannotGoOn(Exit.DISK, f"{path} is not a private folder of user {wanted}; move it away")


def prepare_door(settings: Settings) -> None:
    """The folder of the engine's socket exists. Needed by whoever starts an engine."""
    if settings.door.parent != settings.data:
        private_folder(settings.door.parent)


def administrator_token(settings: Settings) -> str:
    """The administrator's secret; made, 0600, where there is none yet. Raises CannotGoOn."""
    path = settings.admin_token
    try:
        if not path.exists():
            fresh = path.with_name(f"{path.name}.new")
            fresh.unlink(missing_ok=True)
            descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w") as file:
                file.write(secrets.token_hex(TOKEN_BYTES) + "\n")
                file.flush()
                os.fsync(descriptor)
            fresh.rename(path)
        if path.stat().st_mode & 0o077:
            raise CannotGoOn(Exit.USAGE, f"{path} may be read by others: chmod 600 it, or delete it for a new secret")
        token = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        if isinstance(error, OSError):
            raise disk_refused(path, error) from error
        token = ""
    if len(token) < 2 * TOKEN_BYTES:
        raise CannotGoOn(Exit.USAGE, f"{path} does not hold a token of {TOKEN_BYTES * 8} bits; delete it for a new one")
    return token
