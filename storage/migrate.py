"""Numbered SQL files, applied once and in order.

M1  A file is applied in one transaction, and its checksum is written in the same one. Nothing is half applied.
M2  A file that was applied is never changed: another checksum is refused by name.
M3  One migration at a time: an advisory lock, held by the session.
M4  A database keeps the mode it was made in; a section `-- mode: a, b` of a file is for those modes, until the next.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg

from storage.database import Connection, DatabaseRefused, as_ours, connect, require_durable, translated
from storage.migration_files import Migration, migrations
from storage.mode_change import change_mode
from storage.modes import Mode, recorded_mode, served_modes

__all__ = ["Migrated", "Migration", "migrate", "migrations"]

#: Any number that is ours; two Davys that migrate one database meet at it.
_LOCK = 0x64617679


@dataclass(frozen=True, slots=True)
class Migrated:
    """What `migrate` did: the mode, and the numbers it applied now (empty: the database was up to date)."""

    mode: Mode
    applied: tuple[int, ...]
    mode_changed: bool = False


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
