"""Backtests that were asked for: one at a time, each in a process of its own.

J1  The newest `kept` are remembered, in this process alone: a restart of the API forgets them, and ends the one that
    runs.
J2  One that was ended, or took too much, says so; nothing of it is left running.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

import structlog

from api.apart import apart
from api.apart_work import BacktestJob, Failed, Fault, Going, Told, Tried
from api.trimmed import Trimmed

_log = structlog.get_logger()


class JobState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ENDED = "ended"


@dataclass(slots=True)
class Kept:
    """One backtest. Times are microseconds since 1970 UTC; `ended_us` 0: it runs. `at_us`: the time of the readings
    that it has come to; 0: it has not begun to read."""

    id: str
    by: str
    begun_us: int
    job: BacktestJob
    state: JobState = JobState.RUNNING
    ended_us: int = 0
    readings: int = 0
    at_us: int = 0
    failure: str = ""
    result: Trimmed | None = None

    @property
    def done_pct(self) -> float:
        """By the time of the readings."""
        if self.state is JobState.DONE:
            return 100.0
        passed = min(max(0, self.at_us - self.job.from_us), self.job.to_us - self.job.from_us)
        return 100.0 * passed / max(1, self.job.to_us - self.job.from_us)


@dataclass(slots=True)
class Backtests:
    """Newest last."""

    kept: int
    within_s: float
    now_us: Callable[[], int]
    all: dict[str, Kept] = field(default_factory=dict)
    _running: asyncio.Task[None] | None = None

    @property
    def running(self) -> Kept | None:
        return next((one for one in self.all.values() if one.state is JobState.RUNNING), None)

    def begin(self, id_: str, by: str, job: BacktestJob) -> Kept:
        """The caller has seen that none is running."""
        assert self.running is None
        one = Kept(id_, by, self.now_us(), job)
        self.all[id_] = one
        while len(self.all) > self.kept:
            del self.all[next(iter(self.all))]
        self._running = asyncio.create_task(self._run(one), name="backtest")
        return one

    async def end(self, one: Kept) -> None:
        """Returns when its process is gone."""
        if one.state is JobState.RUNNING:
            await self.close()

    async def close(self) -> None:
        """End the one that runs, if one does."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait({self._running})
        running = self.running
        if running is not None:  # ended before it began
            running.state, running.ended_us = JobState.ENDED, self.now_us()

    async def _run(self, one: Kept) -> None:
        def going(frame: Going) -> None:
            one.readings, one.at_us = frame.readings, frame.at

        said: Tried | Told | Failed = Failed(Fault.DEFECT, "The failure is in the log. Report it if it comes back.")
        try:
            said = await apart(one.job, self.within_s, going)
        except asyncio.CancelledError:
            one.state = JobState.ENDED
            raise
        except OSError as wrong:  # no room for another process
            said = Failed(Fault.TOO_MUCH, f"no process could be started: {wrong.strerror}")
        finally:
            one.ended_us = self.now_us()
            if one.state is JobState.RUNNING:
                self._settle(one, said)

    def _settle(self, one: Kept, said: Tried | Told | Failed) -> None:
        if isinstance(said, Tried):
            one.state, one.result, one.readings = JobState.DONE, said.result, said.result.tested.readings
            return
        one.state = JobState.FAILED
        one.failure = said.reason if isinstance(said, Failed) else "an answer to another question"
        _log.warning("backtest failed", backtest=one.id, reason=one.failure)
