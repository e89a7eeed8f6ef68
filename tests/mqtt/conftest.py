"""The endpoint runs on uvloop in production and on plain asyncio where there is none: its tests run on both."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest
import uvloop

from tests.mqtt.town import Town, open_town


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.SelectorEventLoop}


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with open_town() as open_now:
        yield open_now
