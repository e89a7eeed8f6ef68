"""Which sessions we have had at brokers, kept across restarts: so that a session that is gone is known to be lost, and
not taken for the first one."""

import json
import os
from pathlib import Path

import structlog

_log = structlog.get_logger()


class KnownSessions:
    """A small file of names. Written only when a session is new; replaced whole, so that a crash leaves the old one."""

    def __init__(self, path: Path) -> None:
        """A file that is not there, or cannot be read, knows nothing; the latter is said."""
        self._path = path
        self._names: set[str] = set()
        try:
            said = json.loads(path.read_bytes())
            self._names = {name for name in said if isinstance(name, str)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError) as wrong:
            _log.error("the file of known broker sessions cannot be read; a lost one may go unnoticed", why=str(wrong))

    def __contains__(self, name: str) -> bool:
        return name in self._names

    def add(self, name: str) -> None:
        """Remember, on disk. A disk that refuses does not stop us from reading; it is said."""
        if name in self._names:
            return
        self._names.add(name)
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump(sorted(self._names), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as refused:
            _log.error("a broker session cannot be remembered; its loss may go unnoticed", why=str(refused))
