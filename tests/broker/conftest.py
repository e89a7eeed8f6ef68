"""Mosquitto for a test, and the loops that Davy runs on."""

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import uvloop

from tests.broker.mosquitto import Mosquitto, need_mosquitto

#: What leans on how a loop pauses, ends and encrypts connections; the rest runs on the one that production uses.
_ON_BOTH_LOOPS = ("test_readings_arrive", "test_a_full_partition", "test_over_tls")


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    loops: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {"uvloop": uvloop.new_event_loop}
    if item.name.startswith(_ON_BOTH_LOOPS):
        loops["asyncio"] = asyncio.SelectorEventLoop
    return loops


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    """One that keeps nothing: killed, it forgets every session."""
    need_mosquitto()
    broker = Mosquitto(tmp_path / "mosquitto")
    broker.start()
    yield broker
    broker.stop()
