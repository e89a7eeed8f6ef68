"""A door, a database where a test asks for one, and the API in front of both."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from api.config import ApiConfig, Limits
from devices.sites import token_sha256
from storage.migrate import migrate
from tests.api.door_double import DoorDouble
from tests.api.homes import ADMIN_TOKEN, REGISTRY
from tests.api.real_engine import RealEngine
from tests.api.stand import Stand, serving
from tests.postgres import Server, embedded_bin, running


@pytest.fixture
def door_path() -> Iterator[Path]:
    """Not under tmp_path: a socket's path is bounded (107 bytes)."""
    with tempfile.TemporaryDirectory(prefix="davy-api-") as folder:
        yield Path(folder) / "door.sock"


@pytest.fixture
async def engine(door_path: Path) -> AsyncIterator[DoorDouble]:
    double = DoorDouble(door_path, REGISTRY)
    await double.start()
    yield double
    await double.stop()


def config_of(door: Path, database_url: str | None = None, limits: Limits | None = None) -> ApiConfig:
    return ApiConfig(
        door=door,
        database_url=database_url,
        admin_token_sha256=token_sha256(ADMIN_TOKEN),
        limits=limits or Limits(),
    )


@pytest.fixture
async def stand(engine: DoorDouble) -> AsyncIterator[Stand]:
    """The API with an engine and no database."""
    async with serving(config_of(engine.path)) as served:
        yield served


@pytest.fixture(params=["double", "engine"])
async def anywhere(request: pytest.FixtureRequest, door_path: Path, tmp_path: Path) -> AsyncIterator[Stand]:
    """The API with no database, before the double and before the real engine: what is tested here pins the double."""
    engine = DoorDouble(door_path, REGISTRY) if request.param == "double" else RealEngine(tmp_path)
    await engine.start()
    try:
        async with serving(config_of(engine.path)) as served:
            yield served
    finally:
        await engine.stop()


@pytest.fixture
async def real(tmp_path: Path) -> AsyncIterator[Stand]:
    """The API before the real engine, without a database."""
    engine = RealEngine(tmp_path)
    await engine.start()
    try:
        async with serving(config_of(engine.path)) as served:
            yield served
    finally:
        await engine.stop()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    with running("plain", embedded_bin()) as server:
        yield server


def migrated(server: Server) -> str:
    """The name of a template database with Davy's tables."""

    def migrate_it(url: str) -> None:
        asyncio.run(migrate(url))

    return server.template("plain", migrate_it)


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    url = postgres.database(migrated(postgres))
    yield url
    postgres.drop(url)
