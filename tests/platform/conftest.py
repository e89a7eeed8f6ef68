"""Folders and ports for tests that start real processes."""

import os
import shutil
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from davy.settings import Settings, load_settings


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder through which every account may pass, as an ordinary data folder has around it; pytest's own are closed
    to the account that PostgreSQL runs as when we are root."""
    folder = Path(tempfile.mkdtemp(prefix="davy-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def free_port() -> Callable[[], int]:
    """A port of loopback that nobody listens on now."""

    def find() -> int:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
            return port

    return find


@pytest.fixture
def settings_for(free_port: Callable[[], int]) -> Callable[..., Settings]:
    """Settings of a data folder, on ports of their own."""

    def make(data: Path, **told: str) -> Settings:
        environ = {"DAVY_MQTT_PORT": str(free_port()), "DAVY_HTTP_PORT": str(free_port()), "DAVY_CONFIG": ""}
        return load_settings(environ | {"DAVY_DATA": str(data)} | told, Path("/"))

    return make


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root hands PostgreSQL to another account")
mounts = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a disk that is read-only or full")
not_as_root = pytest.mark.skipif(os.geteuid() == 0, reason="root may write where others may not")
