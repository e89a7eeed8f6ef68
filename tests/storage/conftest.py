"""Databases for tests: a migrated template per server, copied for each test. Every test that asks for `database` or
`url` runs on plain PostgreSQL and on TimescaleDB; one that asks for `plain_server` runs on plain PostgreSQL only."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from storage.database import Connection, connect
from storage.migrate import migrate
from storage.modes import Mode
from tests.postgres import Server, embedded_bin, running
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


@pytest.fixture
def url(server: Server) -> str:
    """A migrated database of its own, in the best mode its server can serve. It goes with the server: dropping one
    forces a checkpoint, which takes longer than most tests."""
    return server.database(server.template("migrated", migrated))


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
