"""The installation's master key, which wraps the keys of tenants' personal data: made at first start, 0600, and refused
where it could be anybody's.

A copy of the database without this file tells nobody's name or number; a copy of both does. So they are backed up apart
(docs/SECURITY.md). Without the file what was sealed is lost.
"""

import contextlib
import os
import re
from pathlib import Path

from davy.exits import CannotGoOn, Exit, disk_refused
from storage.sealed import KEY_BYTES, MasterKey

_HEX = re.compile(rf"[0-9a-f]{{{2 * KEY_BYTES}}}\Z")
#: Fewer different bytes than this in 32 random ones happens less than once in 10^30 files; it is a pattern.
_LEAST_DIFFERENT = 12


def master_key(path: Path) -> MasterKey:
    """The key in `path`; made where there is no such file. Raises CannotGoOn for one that others may read, that is too
    short, or that nobody drew by lot."""
    try:
        if not path.exists():
            _make(path)
        found = path.stat()
        text = path.read_text("ascii").strip()
    except UnicodeDecodeError:
        text = ""
    except OSError as error:
        raise disk_refused(path, error) from error
    if found.st_mode & 0o077:
        raise CannotGoOn(Exit.USAGE, f"{path} may be read by others: chmod 600 it; who has it can read personal data")
    if found.st_uid not in (os.geteuid(), 0):
        raise CannotGoOn(Exit.USAGE, f"{path} belongs to somebody else (user {found.st_uid}); make it your own")
    if not _HEX.match(text):
        raise CannotGoOn(
            Exit.USAGE,
            f"{path} does not hold a master key of {KEY_BYTES * 8} bits as {2 * KEY_BYTES} hex digits; put back the"
            " file that was there when personal data was sealed",
        )
    plain = bytes.fromhex(text)
    if len(set(plain)) < _LEAST_DIFFERENT:
        raise CannotGoOn(Exit.USAGE, f"{path} holds a pattern and no random key; put back the file that Davy made")
    return MasterKey(plain)


def _make(path: Path) -> None:
    """Whole or not at all, and on disk before anything is sealed under it."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}.new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(os.urandom(KEY_BYTES).hex() + "\n")
        file.flush()
        os.fsync(descriptor)
    with contextlib.suppress(FileExistsError):  # of two that start at once the second finds the first's
        os.link(fresh, path)
    fresh.unlink()
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)
