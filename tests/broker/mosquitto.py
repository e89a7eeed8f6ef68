"""Which Mosquitto the tests use: the one that the benchmarks use."""

import pytest

from davy.bench.mosquitto import Mosquitto, program
from tests.fetch_mosquitto import why_not

__all__ = ["Mosquitto", "need_mosquitto"]


def need_mosquitto() -> None:
    """Skip the test, with the reason, where there is none."""
    if program("mosquitto") is None:
        pytest.skip(why_not())
