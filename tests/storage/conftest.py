"""Databases for tests: copies of a migrated template per server, emptied after each test and used again. Every test
that asks for `database` or `url` runs on plain PostgreSQL and on TimescaleDB; one that asks for `plain_url` or
`plain_server`, because it is about the engine's side, on plain PostgreSQL only."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import pytest

from storage.database import Connection, connect
from storage.migrate import migrate
from storage.modes import Mode
from tests.postgres import Server, embedded_bin, running
from tests.storage.as_new import emptied, shape
from tests.timescale import NoTimescale, timescale_bin


@pytest.fixture(scope="session")
def plain_server() -> Iterator[Server]:
    with running("plain", embedded_bin()) as server:
        yield server


@pytest.fixture(scope="session")
def timescale_server() -> Iterator[Server]:
    found = timescale_bin()
    if isinstance(found, NoTimescale):
        pytest.skip(found.reason)
    with running("timescale", found, "timescaledb") as server:
        yield server


@pytest.fixture(scope="session", params=["plain", "timescale"])
def server(request: pytest.FixtureRequest) -> Server:
    found: Server = request.getfixturevalue(f"{request.param}_server")
    return found


@dataclass(slots=True)
class _Copies:
    """Copies of one server's template: the shape they all began with, and those that nobody uses."""

    shape: str = ""
    free: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def copies() -> defaultdict[str, _Copies]:
    return defaultdict(_Copies)


@pytest.fixture
def url(server: Server, copies: defaultdict[str, _Copies]) -> Iterator[str]:
    """A migrated database without rows, in the best mode its server can serve."""
    with _lent(server, copies[server.name]) as found:
        yield found


@pytest.fixture
def plain_url(plain_server: Server, copies: defaultdict[str, _Copies]) -> Iterator[str]:
    """The same in plain mode."""
    with _lent(plain_server, copies[plain_server.name]) as found:
        yield found


@contextlib.contextmanager
def _lent(server: Server, copies: _Copies) -> Iterator[str]:
    """A copy, given back. One whose tables a test has changed is not used again; it goes with the server, because
    dropping one forces a checkpoint."""
    found = copies.free.pop() if copies.free else server.database(server.template("migrated", migrated))
    copies.shape = copies.shape or shape(found)
    yield found
    if emptied(found) and shape(found) == copies.shape:
        copies.free.append(found)


@pytest.fixture
def empty_url(server: Server) -> str:
    """A database without tables."""
    return server.database()


@pytest.fixture
async def database(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url, name="test")
    yield connection
    await connection.close()


@pytest.fixture
async def mode(database: Connection) -> Mode:
    row = await (await database.execute("SELECT mode FROM davy_mode")).fetchone()
    assert row is not None
    return Mode(row[0])


def migrated(url: str) -> None:
    """Make Davy's tables in an empty database."""
    asyncio.run(migrate(url))
