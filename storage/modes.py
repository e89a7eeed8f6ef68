"""The three ways one SQL surface is served: native partitions, or TimescaleDB in one of its two editions."""

from enum import StrEnum
from typing import Any, LiteralString

import psycopg
from psycopg import AsyncConnection


class Mode(StrEnum):
    """PLAIN: PostgreSQL's native range partitions. TIMESCALE_APACHE: hypertables. TIMESCALE_TSL: hypertables and the
    columnstore of the community edition."""

    PLAIN = "plain"
    TIMESCALE_APACHE = "timescale-apache"
    TIMESCALE_TSL = "timescale-tsl"


async def recorded_mode(connection: AsyncConnection[tuple[Any, ...]]) -> Mode | None:
    """The mode written down when this database was made; None when it has no Davy tables."""
    cursor = await connection.execute("SELECT to_regclass('davy_mode') IS NOT NULL")
    if await cursor.fetchone() != (True,):
        return None
    row = await (await connection.execute("SELECT mode FROM davy_mode")).fetchone()
    return Mode(row[0]) if row else None


_PRELOADED: LiteralString = (
    "EXISTS (SELECT FROM unnest(string_to_array(current_setting('shared_preload_libraries'), ',')) AS library"
    "        WHERE trim(library) LIKE '%timescaledb')"
)
_MADE: LiteralString = "EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"


async def served_modes(connection: AsyncConnection[tuple[Any, ...]]) -> tuple[Mode, ...]:
    """What this server can serve, simplest first. TimescaleDB counts only where it is preloaded as well as installed;
    its edition is what `timescaledb.license` says (an Apache-only build knows no other value). An owner without
    pg_read_all_settings is served it only where a superuser has made the extension."""
    # Not every owner of a database may look at what is preloaded; where the extension is in use, it is.
    may_look = await (await connection.execute("SELECT pg_has_role('pg_read_all_settings', 'USAGE')")).fetchone()
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM pg_available_extensions WHERE name = 'timescaledb'), "  # noqa: S608  both are ours
        + (_PRELOADED if may_look == (True,) else _MADE)
        + ", current_setting('timescaledb.license', true)"
    )
    row = await cursor.fetchone()
    assert row is not None
    installed, preloaded, edition = row
    if not (installed and preloaded):
        return (Mode.PLAIN,)
    if edition is None:
        edition = await _edition(connection)
    if edition == "timescale":
        return (Mode.PLAIN, Mode.TIMESCALE_APACHE, Mode.TIMESCALE_TSL)
    return (Mode.PLAIN, Mode.TIMESCALE_APACHE)


async def _edition(connection: AsyncConnection[tuple[Any, ...]]) -> str | None:
    """What `timescaledb.license` will say: known only where the extension is, so it is made and unmade. None where we
    may not make it; then only the smaller edition is certain."""
    try:
        async with connection.transaction(force_rollback=True):
            await connection.execute("CREATE EXTENSION timescaledb")
            row = await (await connection.execute("SELECT current_setting('timescaledb.license', true)")).fetchone()
    except psycopg.Error:
        return None
    return row[0] if row else None
