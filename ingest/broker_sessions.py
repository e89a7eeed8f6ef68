"""Which sessions we have had at brokers, and which of them were lost and nobody was told yet, kept across restarts.

H1  A session that is gone is known to be lost, and not taken for the first one.
H2  A loss is on disk before the broker is asked for anything on the new session, and until a commit holds that it was
    said: so it is said at least once, whenever the engine dies, and however long nobody is there to be told. One moment
    remains: from the broker's making of the new session until we have read its CONNACK.
"""

import json
import os
from pathlib import Path

import structlog

_log = structlog.get_logger()


class KnownSessions:
    """A small file of names. Written only when something is new; replaced whole, so that a crash leaves the old one."""

    def __init__(self, path: Path) -> None:
        """A file that is not there, or cannot be read, knows nothing; the latter is said."""
        self._path = path
        self._known: set[str] = set()
        self._unsaid: set[str] = set()
        try:
            said = json.loads(path.read_bytes())
            # Before losses were kept, the file was a list of the sessions.
            known, unsaid = (said, []) if isinstance(said, list) else (said["known"], said["lost_unsaid"])
            self._known = {name for name in known if isinstance(name, str)}
            self._unsaid = {name for name in unsaid if isinstance(name, str)}
        except FileNotFoundError:
            pass
        except (OSError, ValueError, TypeError, LookupError) as wrong:
            _log.error("the file of known broker sessions cannot be read; a lost one may go unnoticed", why=repr(wrong))

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def unsaid(self, name: str) -> bool:
        """Whether it was lost and nobody was told."""
        return name in self._unsaid

    def add(self, name: str) -> None:
        """Remember, on disk. A disk that refuses does not stop us from reading; it is said."""
        if name not in self._known:
            self._known.add(name)
            self._write()

    def lost(self, name: str) -> None:
        """It is lost, and somebody has to be told."""
        if name not in self._unsaid:
            self._unsaid.add(name)
            self._write()

    def told(self, name: str) -> None:
        """That it was lost is said, and committed."""
        if name in self._unsaid:
            self._unsaid.remove(name)
            self._write()

    def _write(self) -> None:
        fresh = self._path.with_suffix(".new")
        try:
            with fresh.open("w", encoding="utf-8") as file:
                json.dump({"known": sorted(self._known), "lost_unsaid": sorted(self._unsaid)}, file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._path)
        except OSError as refused:
            _log.error("a broker session cannot be remembered; its loss may go unnoticed", why=str(refused))
