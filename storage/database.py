"""Connecting to PostgreSQL, and what can go wrong with it, as two types.

D1  A server that would forget a commit is refused: fsync, full_page_writes and synchronous_commit must be on.
D2  A recorded mode that the server cannot serve is refused; nothing is adapted silently (storage/modes.py).
D3  A server older than OLDEST_SERVER is refused, and so is a database whose tables are not exactly this Davy's.
"""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from storage.migration_files import schema_number
from storage.modes import Mode, recorded_mode, served_modes

Connection = AsyncConnection[tuple[Any, ...]]
Pool = AsyncConnectionPool[Connection]

#: The oldest major version that docs/STORAGE.md promises to serve.
OLDEST_SERVER = 16
#: A server that does not answer a connection attempt by then is away.
CONNECT_TIMEOUT_S = 5
#: A query of the API runs at most so long (reliability.md, section 4: statement_timeout 5 s).
QUERY_TIMEOUT_MS = 5_000
#: How long a request waits for a free connection before it hears that the database is away.
POOL_WAIT_S = 2.0
#: psycopg_pool doubles its pause between attempts until it gives up; with its own 300 s a database that comes back
#: after an hour could be found minutes later. Having given up, it tries again at the next request.
POOL_GIVES_UP_S = 2.0
_POOL_MOST = 8
#: A server that falls silent (a cut cable, a frozen machine) is noticed within about 30 s; in
#: milliseconds, seconds, seconds, probes.
_SILENCE: Mapping[str, Any] = {
    "tcp_user_timeout": 30_000,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 4,
}

#: Classes of SQLSTATE that pass by themselves: connection lost, out of resources (disk full, too many connections),
#: operator intervention, rolled back by a deadlock or a conflict, system error; 25006: a standby, before its promotion.
_TRANSIENT = ("08", "53", "57", "40", "58", "25006", "55P03")


class DatabaseAway(ConnectionError):
    """The database cannot be reached, or cannot do it now. Transient: wait and ask again."""


class DatabaseRefused(RuntimeError):
    """The database will never do this as it stands; the text names what, why and the remedy. Permanent."""


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Turn psycopg's errors into DatabaseAway and DatabaseRefused. Errors about rows (class 22 and 23: data and
    constraints) pass through untouched, because the follower tells them apart."""
    try:
        yield
    except (psycopg.DataError, psycopg.IntegrityError):
        raise
    except (psycopg.Error, PoolTimeout, TimeoutError) as wrong:
        raise as_ours(wrong) from wrong


def as_ours(wrong: Exception) -> DatabaseAway | DatabaseRefused:
    """DatabaseAway for what passes by itself, DatabaseRefused for the rest."""
    state = getattr(wrong, "sqlstate", None)
    text = " ".join(str(wrong).split()) or type(wrong).__name__
    if state is not None and not state.startswith(_TRANSIENT):
        return DatabaseRefused(f"the database refused: {text}")
    if state is None and not isinstance(wrong, psycopg.OperationalError | psycopg.InterfaceError | TimeoutError):
        return DatabaseAway(text) if isinstance(wrong, PoolTimeout) else DatabaseRefused(text)
    return DatabaseAway(text)


async def connect(url: str, *, name: str) -> Connection:
    """One autocommit connection in UTC; `name` is what pg_stat_activity shows. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        connection = await AsyncConnection.connect(
            url,
            autocommit=True,
            application_name=f"davy {name}",
            connect_timeout=CONNECT_TIMEOUT_S,
            options="-c timezone=UTC -c datestyle=ISO",
            **_SILENCE,
        )
    major = connection.info.server_version // 10_000
    if major < OLDEST_SERVER:
        await connection.close()
        raise DatabaseRefused(f"the server is PostgreSQL {major}; Davy needs {OLDEST_SERVER} or newer")
    return connection


def query_pool(url: str, *, name: str, configure: Callable[[Connection], Awaitable[None]] | None = None) -> Pool:
    """A pool for queries, not yet opened: `await pool.open(wait=False)` returns at once, so that its owner starts
    while the database is away. Every query is bounded by QUERY_TIMEOUT_MS. `configure`: done with every new connection
    before anybody has it."""
    kwargs: Mapping[str, Any] = {
        "autocommit": True,
        "application_name": f"davy {name}",
        "connect_timeout": CONNECT_TIMEOUT_S,
        **_SILENCE,
        "options": f"-c timezone=UTC -c datestyle=ISO -c statement_timeout={QUERY_TIMEOUT_MS}",
    }
    return AsyncConnectionPool(
        url,
        kwargs=dict(kwargs),
        min_size=1,
        max_size=_POOL_MOST,
        timeout=POOL_WAIT_S,
        reconnect_timeout=POOL_GIVES_UP_S,
        open=False,
        name=name,
        configure=configure,
        check=AsyncConnectionPool.check_connection,
    )


@contextlib.asynccontextmanager
async def from_pool(pool: Pool) -> AsyncIterator[Connection]:
    """A pooled connection whose errors are ours."""
    with translated():
        async with pool.connection() as connection:
            yield connection


async def ready(connection: Connection) -> Mode:
    """The mode this database is in, once it is seen to be durable (D1), able to serve that mode (D2) and migrated (D3).
    Raises DatabaseRefused; DatabaseAway."""
    with translated():
        await require_durable(connection)
        mode = await recorded_mode(connection)
        if mode is None:
            raise DatabaseRefused("this database has no Davy tables yet; run `davy migrate`")
        await _require_migrated(connection)
        served = await served_modes(connection)
    if mode not in served:
        raise DatabaseRefused(
            f"this database was made in mode {mode}, but its server can serve only {', '.join(served)}; start it with "
            "that TimescaleDB edition (shared_preload_libraries = 'timescaledb'), or restore a dump made for this one"
        )
    return mode


async def _require_migrated(connection: Connection) -> None:
    row = await (await connection.execute("SELECT coalesce(max(number), 0) FROM davy_migration")).fetchone()
    number, ours = (0 if row is None else int(row[0])), schema_number()
    if number < ours:
        raise DatabaseRefused(f"this database is at migration {number}, this Davy needs {ours}; run `davy migrate`")
    if number > ours:
        raise DatabaseRefused(
            f"this database is at migration {number}, newer than this Davy, which knows {ours}; update Davy"
        )


async def require_durable(connection: Connection) -> None:
    """Raises DatabaseRefused naming every setting that would let the server forget a commit."""
    cursor = await connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit')"
    )
    wrong = [
        f"{name} = {setting}"
        for name, setting in sorted(await cursor.fetchall())
        if setting != "on" and not (name == "synchronous_commit" and setting.startswith("remote_"))
    ]
    if wrong:
        raise DatabaseRefused(
            f"this server may forget what it has committed ({', '.join(wrong)}); set fsync, full_page_writes and "
            "synchronous_commit to on, then start again"
        )


async def server_version(connection: Connection) -> str:
    """For people: `PostgreSQL 18.6`, with `, TimescaleDB 2.31.0` where the extension is in use."""
    cursor = await connection.execute(
        "SELECT 'PostgreSQL ' || split_part(current_setting('server_version'), ' ', 1) || coalesce("
        "(SELECT ', TimescaleDB ' || extversion FROM pg_extension WHERE extname = 'timescaledb'), '')"
    )
    row = await cursor.fetchone()
    assert row is not None
    return str(row[0])
