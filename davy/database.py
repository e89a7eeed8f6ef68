"""The database a command works on: the one that is set, the embedded one of a running `davy up`, or the embedded one
started for as long as the command takes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

from davy import embedded, folders
from davy.exits import CannotGoOn, Exit
from davy.postgres_home import home_folder, running_url
from davy.settings import Settings


@asynccontextmanager
async def database(settings: Settings, make: bool = False) -> AsyncIterator[str]:
    """The database's URL, which answers inside. `make`: initialise an embedded one where there is none.
    Raises CannotGoOn."""
    url = settings.database_url or running_url(settings)
    if url is not None:
        yield url
        return
    if not make and (not settings.data.is_dir() or home_folder(settings) is None):
        raise CannotGoOn(
            Exit.DATABASE, f"there is no database in {settings.data} yet: run `davy up`, or set DAVY_DATABASE_URL"
        )
    folders.prepare_data_folder(settings, demo=settings.demo_marker.exists())
    with folders.held(settings):
        server = embedded.EmbeddedPostgres(embedded.prepare(settings))
        await server.start()
        try:
            yield server.url
        finally:
            await server.stop()


@contextmanager
def refused_by_database() -> Iterator[None]:
    """Storage's two errors as the line and code of a command."""
    from storage.database import DatabaseAway, DatabaseRefused

    try:
        yield
    except DatabaseAway as away:
        raise CannotGoOn(Exit.DATABASE, f"the database is away: {away}") from away
    except DatabaseRefused as refused:
        raise CannotGoOn(Exit.DATABASE, str(refused)) from refused
