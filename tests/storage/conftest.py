"""Databases for tests: a migrated template per server, copied for each test."""

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from storage.database import Connection, connect
from storage.migrate import migrate
from storage.modes import Mode
from tests.postgres import Server, embedded_bin, running


@pytest.fixture(scope="session")
def plain_server() -> Iterator[Server]:
    with running("plain", embedded_bin()) as server:
        yield server


@pytest.fixture
def url(plain_server: Server) -> Iterator[str]:
    template = plain_server.template("plain", lambda url: asyncio.run(_migrated(url)) and None)
    url = plain_server.database(template)
    yield url
    plain_server.drop(url)


async def _migrated(url: str) -> Mode:
    return (await migrate(url)).mode


@pytest.fixture
async def database(url: str) -> AsyncIterator[Connection]:
    connection = await connect(url, name="test")
    yield connection
    await connection.close()
