"""The storage process: the follower with what it reads, writes and tells."""

import asyncio
import time

import structlog

from davy.audit_key import installation_key
from davy.coverage_policies import policies_that_load
from davy.coverage_work import code
from davy.exits import CannotGoOn, Exit
from davy.postgres_home import running_url
from davy.settings import Settings
from engine.client import DoorClient
from engine.journal import JournalReader
from storage.coverage_turns import keep_reporting
from storage.follower import Progress, follow
from storage.retention import Retention
from storage.vouching import keep_vouching

_log = structlog.get_logger()


async def run_storage(settings: Settings, stop: asyncio.Event) -> None:
    """Follow the engine's journal until `stop`. Raises CannotGoOn when there is no database to follow into, or the
    settings' retention is too short."""
    url = settings.database_url or running_url(settings)
    if url is None:
        raise CannotGoOn(Exit.DATABASE, "no database is running for this data folder: `davy up`, or DAVY_DATABASE_URL")
    try:
        retention = Retention(raw_days=settings.retention_raw_days, minutes_days=settings.retention_1m_days)
    except ValueError as wrong:
        raise CannotGoOn(Exit.USAGE, f"settings: {wrong}") from wrong
    signer = installation_key(settings)
    vouching = asyncio.create_task(
        keep_vouching(
            url,
            signer,
            settings.audit_publish,
            settings.audit_every_s,
            stop=stop,
            clock=_now_us,
            tell=_Trouble("record"),
        ),
        name="audit-heads",
    )
    reporting = asyncio.create_task(
        keep_reporting(
            url,
            policies_that_load(settings),
            code(),
            stop=stop,
            clock=_now_us,
            tell=_Trouble("coverage"),
        ),
        name="coverage-reports",
    )
    reporting.add_done_callback(_reporting_ended)
    try:
        await follow(
            url,
            lambda: JournalReader(settings.engine_store),
            DoorClient(settings.door),
            stop=stop,
            clock=_now_us,
            progress=_Troubles(),
            retention=retention,
        )
    finally:
        vouching.cancel()
        reporting.cancel()
        await asyncio.wait({vouching, reporting})


def _reporting_ended(task: asyncio.Task[None]) -> None:
    """A defect there must not end in silence: no report would ever be made again."""
    if not task.cancelled() and task.exception() is not None:
        _log.error("coverage reports are not made until storage is restarted", exc_info=task.exception())


def _now_us() -> int:
    return time.time_ns() // 1_000


class _Trouble:
    """Logs what is in the way of one side when it appears and when it has gone, once each."""

    def __init__(self, side: str) -> None:
        self._side = side
        self._known = ""

    def __call__(self, words: str) -> None:
        if words and words != self._known:
            _log.warning("storage waits", side=self._side, because=words)
        elif self._known and not words:
            _log.info("storage goes on", side=self._side)
        self._known = words


class _Troubles:
    """Logs what is in the follower's way when it appears and when it has gone, once each."""

    def __init__(self) -> None:
        #: What every follower says before its first turn; no trouble yet.
        self._known = {"database": Progress().database}

    def __call__(self, progress: Progress) -> None:
        for side in ("database", "journal", "door", "upkeep"):
            words, before = getattr(progress, side), self._known.get(side, "")
            if words and words != before:
                _log.warning("storage waits", side=side, because=words)
            elif before and not words:
                _log.info("storage goes on", side=side, cycle=progress.cycle)
            self._known[side] = words
