"""What SIGINT and SIGTERM do: a clean end, told in two ways.

`until_stopped` sets an event that the work waits for, which is how a single part ends. `until_cancelled` cancels the
work, so that a start under way ends too, and lets a second signal hurry the teardown.
"""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager

#: What to do at a second signal.
Hurry = list[Callable[[], None]]


async def until_stopped(work: Callable[[asyncio.Event], Coroutine[None, None, None]]) -> None:
    """Run `work(stop)`; a signal sets `stop`."""
    stop = asyncio.Event()
    with _on_signal(stop.set):
        await work(stop)


async def until_cancelled(work: Callable[[Hurry], Coroutine[None, None, None]]) -> None:
    """Run `work(hurry)`; the first signal cancels it, and its end is then a clean one; the next ones call what `work`
    has put into `hurry`."""
    hurry: Hurry = []
    task = asyncio.ensure_future(work(hurry))
    told = 0

    def on_signal() -> None:
        nonlocal told
        told += 1
        if told == 1:
            task.cancel()
        else:
            for kill in hurry:
                kill()

    with _on_signal(on_signal):
        try:
            await task
        except asyncio.CancelledError:
            if not told:
                raise


@contextmanager
def _on_signal(act: Callable[[], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for which in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(which, act)
    try:
        yield
    finally:
        for which in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(which)
