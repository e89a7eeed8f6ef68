"""The databases of tests/storage: on plain PostgreSQL and on TimescaleDB."""

from tests.storage.conftest import copies, plain_server, plain_url, server, timescale_server, url

__all__ = ["copies", "plain_server", "plain_url", "server", "timescale_server", "url"]
