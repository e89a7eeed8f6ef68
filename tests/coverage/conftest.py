"""The databases of tests/storage, for the tests of coverage."""

from tests.storage.conftest import (
    copies,
    database,
    mode,
    plain_server,
    plain_url,
    server,
    timescale_server,
    url,
)

__all__ = ["copies", "database", "mode", "plain_server", "plain_url", "server", "timescale_server", "url"]
