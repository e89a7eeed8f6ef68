"""What signals do to work under way."""

import asyncio
import os
import signal

import pytest

from davy.signals import Hurry, until_cancelled, until_stopped


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
async def test_a_part_is_told_to_stop_and_ends_by_itself(told: signal.Signals) -> None:
    ended = []

    async def work(stop: asyncio.Event) -> None:
        os.kill(os.getpid(), told)
        await stop.wait()
        ended.append("cleanly")

    await until_stopped(work)
    assert ended == ["cleanly"]


async def test_the_first_signal_cancels_and_the_teardown_is_awaited() -> None:
    ended = []

    async def work(_: Hurry) -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("torn down")

    await until_cancelled(work)
    assert ended == ["torn down"]


async def test_a_second_signal_hurries_the_teardown() -> None:
    hurried = asyncio.Event()

    async def work(hurry: Hurry) -> None:
        hurry.append(hurried.set)
        try:
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            os.kill(os.getpid(), signal.SIGINT)
            await hurried.wait()

    await asyncio.wait_for(until_cancelled(work), 20)
    assert hurried.is_set()


async def test_work_that_fails_by_itself_fails_the_caller() -> None:
    async def work(_: Hurry) -> None:
        raise ValueError("its own fault")

    with pytest.raises(ValueError, match="its own fault"):
        await until_cancelled(work)
