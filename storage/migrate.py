"""Numbered SQL files, applied once and in order.

M1  A file is applied in one transaction, and its checksum is written in the same one. Nothing is half applied.
M2  A file that was applied is never changed: another checksum is refused by name.
M3  One migration at a time: an advisory lock, held by the session.
M4  A database keeps the mode it was made in; a section `-- mode: a, b` of a file is for those modes, until the next.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

from storage.database import Connection, DatabaseRefused, as_ours, connect, require_durable, translated
from storage.mode_change import change_mode
from storage.modes import Mode, recorded_mode, served_modes

_FOLDER = Path(__file__).parent / "migrations"
_FILE_NAME = re.compile(r"(\d{4})_([a-z0-9_]+)\.sql\Z")
_SECTION = re.compile(r"--\s*mode:\s*(.+?)\s*\Z")
#: Any number that is ours; two Davys that migrate one database meet at it.
_LOCK = 0x64617679


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


@dataclass(frozen=True, slots=True)
class Migrated:
    """What `migrate` did: the mode, and the numbers it applied now (empty: the database was up to date)."""

    mode: Mode
    applied: tuple[int, ...]
    mode_changed: bool = False


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


async def migrate(
    url: str, *, create_as: Mode | None = None, to: Mode | None = None, files: Sequence[Migration] | None = None
) -> Migrated:
    """Bring a database up to date. `create_as` is the mode of a new one (None: the best the server can serve; an
    existing database keeps its own, and another `create_as` is refused); `to` changes the mode of an existing one.
    Raises DatabaseAway, DatabaseRefused."""
    connection = await connect(url, name="migrate")
    try:
        with translated():
            await require_durable(connection)
            await connection.execute("SELECT pg_advisory_lock(%s)", (_LOCK,))
            return await _migrate(connection, create_as, to, tuple(files or migrations()))
    finally:
        await connection.close()


async def _migrate(
    connection: Connection, create_as: Mode | None, to: Mode | None, files: tuple[Migration, ...]
) -> Migrated:
    mode = await recorded_mode(connection)
    served = await served_modes(connection)
    if (to or mode or create_as) is not Mode.PLAIN and Mode.TIMESCALE_APACHE in served:
        # The server tells its edition only where the extension is.
        await connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb")
        served = await served_modes(connection)
    if mode is None:
        mode = to or create_as or served[-1]
        to = None
        _require_served(mode, served)
        await _create(connection, mode)
    else:
        _require_served(mode, served)
        if create_as not in (None, mode):
            raise DatabaseRefused(
                f"this database was made in mode {mode}, not {create_as}; `davy migrate --to {create_as}` changes it"
            )
    applied = await _apply(connection, mode, files)
    if to is None or to == mode:
        return Migrated(mode, applied)
    _require_served(to, served)
    await change_mode(connection, mode, to)
    return Migrated(to, applied, mode_changed=True)


def _require_served(mode: Mode, served: tuple[Mode, ...]) -> None:
    if mode not in served:
        raise DatabaseRefused(f"mode {mode} cannot be served: this server offers {', '.join(served)}")


async def _create(connection: Connection, mode: Mode) -> None:
    async with connection.transaction():
        await connection.execute(
            "CREATE TABLE davy_mode (one boolean PRIMARY KEY DEFAULT true CHECK (one), mode text NOT NULL)"
        )
        await connection.execute("INSERT INTO davy_mode (mode) VALUES (%s)", (mode.value,))
        await connection.execute(
            "CREATE TABLE davy_migration (number integer PRIMARY KEY, name text NOT NULL, sha256 text NOT NULL,"
            " applied timestamptz NOT NULL DEFAULT now())"
        )


async def _apply(connection: Connection, mode: Mode, files: tuple[Migration, ...]) -> tuple[int, ...]:
    cursor = await connection.execute("SELECT number, sha256 FROM davy_migration ORDER BY number")
    done = {int(number): str(sha256) for number, sha256 in await cursor.fetchall()}
    if done and max(done) > len(files):
        raise DatabaseRefused(
            f"this database is at migration {max(done)}, newer than this Davy, which knows {len(files)}; update Davy"
        )
    applied: list[int] = []
    for migration in files:
        if migration.number in done:
            if done[migration.number] != migration.sha256:
                raise DatabaseRefused(
                    f"migration {migration.number:04d}_{migration.name} is not the one that was applied to this "
                    "database; restore its file and put the change into a new migration"
                )
            continue
        try:
            await _apply_one(connection, mode, migration)
        except psycopg.Error as failed:
            ours = as_ours(failed)
            raise type(ours)(f"migration {migration.number:04d}_{migration.name}: {ours}") from failed
        applied.append(migration.number)
    return tuple(applied)


async def _apply_one(connection: Connection, mode: Mode, migration: Migration) -> None:
    async with connection.transaction():
        # No parameters: the simple protocol takes a whole file of statements.
        await connection.execute(migration.sql(mode).encode())
        await connection.execute(
            "INSERT INTO davy_migration (number, name, sha256) VALUES (%s, %s, %s)",
            (migration.number, migration.name, migration.sha256),
        )
