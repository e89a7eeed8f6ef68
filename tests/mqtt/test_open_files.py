"""The engine takes all the open files it may have, and no more connections than those leave room for."""

import subprocess
import sys

import pytest

from davy.open_files import connections_within

_RAISED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 300))
from davy.open_files import raise_limit
from davy.ways_in import _endpoint_limits
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE), _endpoint_limits().connections)
"""


def test_the_soft_limit_is_raised_to_the_hard_one_and_connections_are_clamped_to_it() -> None:
    done = subprocess.run([sys.executable, "-c", _RAISED], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout.splitlines()[-1] == "300 (300, 300) 44"
    assert "connections=44" in done.stdout + done.stderr


@pytest.mark.parametrize(("limit", "connections"), [(100, 1), (1_024, 768), (20_256, 20_000), (1 << 20, 20_000)])
def test_there_is_always_room_for_the_rest_of_the_engine(limit: int, connections: int) -> None:
    assert connections_within(limit, 20_000) == connections
