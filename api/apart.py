"""Work in a process of its own, seen from the API: begun, followed, ended in time.

P1  The event loop never works for it: alarms and a person's CLOSE are served as before.
P2  It ends when its time is over, when nobody waits any more, and with the API.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable

import msgspec
import structlog

from api.apart_work import LENGTH_BYTES, ExplainJob, Failed, Fault, Frame, Going, Job, Told, Tried

_log = structlog.get_logger()
_frames = msgspec.msgpack.Decoder(Frame)
#: numpy's linear algebra is not used; its threads would only take memory and cores from the engine.
_ONE_THREAD = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}


async def apart(job: Job, within_s: float, going: Callable[[Going], None] = lambda _: None) -> Tried | Told | Failed:
    """The job's last word, in a process of its own that is ended when it took longer than `within_s`, or when this call
    is cancelled. `going` is told how far it is."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.apart_work"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env=dict(os.environ) | _ONE_THREAD,
    )
    try:
        async with asyncio.timeout(within_s):
            return await _last_word(process, job, going)
    except TimeoutError:
        less = "" if isinstance(job, ExplainJob) else "; ask for a shorter time or fewer sites"
        return Failed(Fault.TOO_MUCH, f"it took more than {within_s:g} s{less}")
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())


async def _last_word(
    process: asyncio.subprocess.Process, job: Job, going: Callable[[Going], None]
) -> Tried | Told | Failed:
    assert process.stdin is not None
    assert process.stdout is not None
    body = msgspec.msgpack.encode(job)
    with contextlib.suppress(ConnectionError):  # it ended at once: its exit is told below
        process.stdin.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
        await process.stdin.drain()
    try:
        while True:
            length = int.from_bytes(await process.stdout.readexactly(LENGTH_BYTES), "little")
            frame: Frame = _frames.decode(await process.stdout.readexactly(length))
            if not isinstance(frame, Going):
                return frame
            going(frame)
    except asyncio.IncompleteReadError:
        ended = await process.wait()
        _log.error("work apart ended without a word", job=type(job).__name__, exit=ended)
        return Failed(Fault.DEFECT, f"the process that worked it out ended without a word (exit {ended})")
