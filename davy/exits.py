"""How Davy's commands end: the exit codes, and the one error that carries them.

The table is a promise to scripts and service units: a code is never given another meaning.
"""

import errno
from enum import IntEnum
from pathlib import Path


class Exit(IntEnum):
    """Exit codes of every `davy` command."""

    OK = 0
    #: A check, a ledger or a simulation found something wrong.
    FAILED = 1
    #: A wrong option, setting or input file; the line names it, its value and what is allowed.
    USAGE = 2
    #: A port to listen on is taken or may not be bound.
    PORT = 3
    #: The disk is read-only, full, or the folder may not be used.
    DISK = 4
    #: The data folder was made by another version.
    VERSION = 5
    #: The database cannot be reached, or refuses to serve us.
    DATABASE = 6
    #: Another `davy up` holds this data folder.
    BUSY = 7


#: What `davy --help` and the README say of each code.
MEANING: dict[Exit, str] = {
    Exit.OK: "done; also a clean stop by Ctrl-C or SIGTERM",
    Exit.FAILED: "a check, ledger or simulation found something wrong",
    Exit.USAGE: "wrong option, setting or input file",
    Exit.PORT: "a port is in use or may not be bound",
    Exit.DISK: "the disk is read-only, full, or the folder may not be used",
    Exit.VERSION: "the data folder was made by another version",
    Exit.DATABASE: "the database is away or refuses",
    Exit.BUSY: "another davy holds this data folder",
}


class CannotGoOn(Exception):
    """A command ends with one clear line and this code; there is nothing more to say and nothing left half done."""

    def __init__(self, code: Exit, line: str) -> None:
        super().__init__(line)
        self.code = code


#: What the system says when a disk does not serve us, in words a person can act on.
_DISK_WORDS = {
    errno.EROFS: "the disk is read-only",
    errno.ENOSPC: "there is no room on the disk",
    errno.EDQUOT: "the disk quota is used up",
    errno.EACCES: "permission is denied",
    errno.EPERM: "permission is denied",
    errno.ENOTDIR: "part of the path is not a folder",
    errno.EEXIST: "a file stands where a folder is needed",
    errno.EIO: "the disk reports an I/O error",
}


def disk_refused(path: Path, error: OSError) -> CannotGoOn:
    """The one line for a folder or file that cannot be made or written."""
    words = _DISK_WORDS.get(error.errno or 0, error.strerror or str(error))
    return CannotGoOn(Exit.DISK, f"cannot write {path}: {words} (DAVY_DATA names the data folder)")
