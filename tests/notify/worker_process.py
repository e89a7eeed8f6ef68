"""The worker as a process that can be killed: `python -m tests.notify.worker_process DATABASE_URL CERTIFICATE`."""

import asyncio
import ssl
import sys
import time

from davy.webhook_part import keep_sending
from notify.outgoing.guard import Guard
from tests.notify.receiver import resolver
from tests.notify.sharing import MASTER


async def run(url: str, certificate: str) -> None:
    trusted = ssl.create_default_context(cafile=certificate)
    guard = Guard(resolver=resolver("127.0.0.1"), admits=lambda _: True, trusted=trusted)
    await keep_sending(
        url, MASTER, guard, stop=asyncio.Event(), clock=lambda: time.time_ns() // 1_000, tell=lambda words: None
    )


if __name__ == "__main__":
    asyncio.run(run(*sys.argv[1:]))
