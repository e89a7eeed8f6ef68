"""Imports and exports of the register as jobs: one at a time, each in a process of its own (api/file_work.py).

J1  The newest KEPT are remembered, in this process alone: a restart of the API forgets them and ends the one that runs.
    An import that was ended has changed nothing: it is one transaction.
J2  Tokens that an import made are told once, to the one who began it, and are then forgotten here too.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

import msgspec
import structlog

from api.apart_work import LENGTH_BYTES
from api.file_work import ExportDone, Failed, Frame, ImportDone, ImportJob, Job, Step

_log = structlog.get_logger()
_frames = msgspec.json.Decoder(Frame)
#: Product choices: jobs that are remembered; how long one may take; what it may take of memory (a file of 100,000
#: devices with their sites and tokens takes 0.6 GiB).
KEPT = 20
WITHIN_S = 900.0
MOST_BYTES = 3 * 1024 * 1024 * 1024
#: A line of the process: an answer with its rows and tokens.
_LONGEST_LINE = 64 * 1024 * 1024


class FileState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


@dataclass(slots=True)
class FileJob:
    """One job. `enterprise`: whose it is, empty for the platform's. Times are microseconds since 1970 UTC."""

    id: str
    by: str
    enterprise: str
    begun_us: int
    file: Path | None = None
    state: FileState = FileState.RUNNING
    step: str = "waiting"
    ended_us: int = 0
    failure: str = ""
    imported: ImportDone | None = None
    exported: ExportDone | None = None


@dataclass(slots=True)
class FileJobs:
    """Newest last."""

    now_us: Callable[[], int]
    all: dict[str, FileJob] = field(default_factory=dict)
    _running: asyncio.Task[None] | None = None

    @property
    def running(self) -> FileJob | None:
        return next((one for one in self.all.values() if one.state is FileState.RUNNING), None)

    def begin(self, one: FileJob, job: Job) -> FileJob:
        """The caller has seen that none is running."""
        assert self.running is None
        self.all[one.id] = one
        while len(self.all) > KEPT:
            _forget(self.all.pop(next(iter(self.all))))
        self._running = asyncio.create_task(self._run(one, job), name="registry file")
        return one

    async def close(self) -> None:
        """End the one that runs, if one does, and forget all."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        for one in self.all.values():
            _forget(one)
        self.all.clear()

    async def _run(self, one: FileJob, job: Job) -> None:
        said: Frame = Failed("The failure is in the log. Report it if it comes back.", asked=False)
        try:
            async with asyncio.timeout(WITHIN_S):
                said = await _worked(one, job)
        except TimeoutError:
            said = Failed(f"it took more than {WITHIN_S:g} s; split the file", asked=True)
        except OSError as wrong:
            said = Failed(f"no process could be started: {wrong.strerror}", asked=False)
        finally:
            one.ended_us = self.now_us()
            _settle(one, said)


def _settle(one: FileJob, said: Frame) -> None:
    match said:
        case ImportDone():
            one.state, one.imported = FileState.DONE, said
        case ExportDone():
            one.state, one.exported = FileState.DONE, said
        case Failed(reason=reason):
            one.state, one.failure = FileState.FAILED, reason
            _forget(one)
            _log.warning("a file of the register failed", job=one.id, reason=reason)
        case Step():
            one.state, one.failure = FileState.FAILED, "it ended without a word"


def _forget(one: FileJob) -> None:
    if one.file is not None:
        with contextlib.suppress(OSError):
            one.file.unlink(missing_ok=True)


async def _worked(one: FileJob, job: Job) -> Frame:
    """The job's last word; its process is gone when this returns."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "api.file_work"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        limit=_LONGEST_LINE,
        env=dict(os.environ),
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        body = msgspec.msgpack.encode(job)
        with contextlib.suppress(ConnectionError):  # it ended at once: its exit is told below
            process.stdin.write(len(body).to_bytes(LENGTH_BYTES, "little") + body)
            await process.stdin.drain()
        while line := await process.stdout.readline():
            frame: Frame = _frames.decode(line)
            if not isinstance(frame, Step):
                return frame
            one.step = frame.words
        _log.error("work on a file ended without a word", job=one.id, imports=isinstance(job, ImportJob))
        return Failed("the process that worked on it ended without a word", asked=False)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await asyncio.shield(process.wait())
