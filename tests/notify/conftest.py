"""The databases of tests/storage."""

from tests.storage.conftest import copies, plain_server, plain_url

__all__ = ["copies", "plain_server", "plain_url"]
