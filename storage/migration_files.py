"""The numbered SQL files: their names, their order, and which of their lines are for which mode."""

import hashlib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from storage.modes import Mode

_FOLDER = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
_SECTION = re.compile(r"--\s*mode:\s*(.+?)\s*\Z")


@dataclass(frozen=True, slots=True)
class Migration:
    """One file: `text` is the whole of it, over all modes, which is what the checksum covers."""

    number: int
    name: str
    text: str

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    def sql(self, mode: Mode) -> str:
        """The statements for one mode. Raises ValueError for a section that names no mode of ours."""
        kept: list[str] = []
        applies = True
        for line in self.text.splitlines():
            section = _SECTION.match(line.strip())
            if section is None:
                kept.append(line if applies else "")
            else:
                named = {word.strip() for word in section[1].split(",")}
                if not named <= {"all", *Mode}:
                    raise ValueError(f"migration {self.number:04d}: unknown mode in {line!r}")
                applies = bool(named & {"all", mode})
        return "\n".join(kept)


def migrations(folder: Path = _FOLDER) -> tuple[Migration, ...]:
    """Every file in order. Raises ValueError when a name is wrong or a number is missing or double."""
    found: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        match = _FILE_NAME.match(path.name)
        if match is None:
            raise ValueError(f"{path.name}: a migration is named NNNN_what_it_does.sql")
        found.append(Migration(int(match[1]), match[2], path.read_text("utf-8")))
    numbers = [migration.number for migration in found]
    if numbers != list(range(1, len(found) + 1)):
        raise ValueError(f"migrations must be numbered 1, 2, 3, ... without gaps, got {numbers}")
    return tuple(found)


@cache
def schema_number() -> int:
    """The number of the last migration: what a database must be at for this Davy."""
    return len(migrations())
