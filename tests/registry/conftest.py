"""The databases of tests/storage."""

from tests.storage.conftest import (  # noqa: F401  (pytest finds fixtures by their names)
    copies,
    database,
    plain_server,
    plain_url,
    server,
    timescale_server,
    url,
)
