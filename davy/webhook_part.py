"""The process that sends webhooks (`davy webhooks`): a part of its own, because it speaks to strangers. A receiver that
is slow, a name server that hangs or an answer that is hostile costs nobody else's work.

P1  What is sent stands in the database before (storage/webhook_work.py), and what became of it after. It holds nothing
    by itself, so it may be killed at any time.
P2  Receivers are asked at the same time, each of them one message after another; one that fails waits, and no other.
P3  A message that cannot even be tried counts as one that did not arrive: it stands in nobody else's way.
"""

import asyncio
import time
from collections.abc import Callable
from itertools import groupby

import psycopg
import structlog

from davy.exits import CannotGoOn, Exit
from davy.master_key import master_key
from davy.postgres_home import running_url
from davy.settings import Settings
from notify.outgoing.guard import Forbidden, Guard, Unreached
from notify.outgoing.signed import signed_headers
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, translated
from storage.engine_side import pause
from storage.sealed import MasterKey, Unreadable
from storage.tenant_keys import keyring, webhook_place
from storage.tenants import Roles, roles_of
from storage.webhook_work import Due, Outcome, alone, due, make_deliveries, settle, tidy

_log = structlog.get_logger()

#: So long after something happened it is on its way, at most; and how often what is over is tidied up.
TURN_S, TIDY_S = 1.0, 300.0
#: One receiver's messages of a turn take so long at most, so that a slow one does not hold up the turn of the others.
OF_ONE_WITHIN_S = 10.0
#: Of what a receiver said so much is kept, to look at.
_SAID_BYTES = 200


async def run_webhooks(settings: Settings, stop: asyncio.Event) -> None:
    """Send until `stop`. Raises CannotGoOn when there is no database, or the master key is not to be had."""
    url = settings.database_url or running_url(settings)
    if url is None:
        raise CannotGoOn(Exit.DATABASE, "no database is running for this data folder: `davy up`, or DAVY_DATABASE_URL")
    await keep_sending(url, master_key(settings.master_key), Guard(), stop=stop, clock=_now_us, tell=_Trouble())


async def keep_sending(
    url: str,
    master: MasterKey,
    guard: Guard,
    *,
    stop: asyncio.Event,
    clock: Callable[[], int],
    tell: Callable[[str], None],
) -> None:
    """Until `stop`. clock: microseconds since 1970 UTC. `tell` hears what is in the way, empty when nothing is."""
    while not stop.is_set():
        connection: Connection | None = None
        try:
            connection = await connect(url, name="webhooks")
            await ready(connection)
            if await alone(connection):
                await _work(Worker(connection, await roles_of(connection), master, guard, clock), stop, tell)
            else:
                tell("another process sends webhooks already")
        except (DatabaseAway, DatabaseRefused, psycopg.Error) as wrong:
            tell(f"{type(wrong).__name__}: {wrong}")
        finally:
            if connection is not None:
                await connection.close()
        await pause(stop, TURN_S)


async def _work(worker: "Worker", stop: asyncio.Event, tell: Callable[[str], None]) -> None:
    tidied_s = 0.0
    while not stop.is_set():
        if time.monotonic() - tidied_s > TIDY_S or not tidied_s:
            await tidy(worker.connection, worker.clock())
            tidied_s = time.monotonic()
        busy = await worker.turn()
        tell("")
        if not busy:
            await pause(stop, TURN_S)


class Worker:
    """One connection, and what is sent over it one turn after another."""

    def __init__(
        self, connection: Connection, roles: Roles, master: MasterKey, guard: Guard, clock: Callable[[], int]
    ) -> None:
        self.connection = connection
        self.clock = clock
        self._roles = roles
        self._master = master
        self._guard = guard
        self._writing = asyncio.Lock()  # a connection has one transaction at a time

    async def turn(self) -> bool:
        """Make what is to be sent and send what is due. False: there was nothing."""
        made = await make_deliveries(self.connection, self._roles, self.clock())
        waiting = sorted(await due(self.connection, self.clock()), key=lambda one: one.webhook)
        each = [list(ones) for _, ones in groupby(waiting, key=lambda one: one.webhook)]
        ended = await asyncio.gather(*(self._send_to_one(ones) for ones in each), return_exceptions=True)
        for wrong in ended:
            if wrong is not None:
                raise wrong
        return made or bool(waiting)

    async def _send_to_one(self, ones: list[Due]) -> None:
        """P2. What is not sent in this turn stays due."""
        secrets = await self._secrets(ones[0])
        until_s = time.monotonic() + OF_ONE_WITHIN_S
        for one in ones:
            outcome = Outcome(None, "its secret does not open: the key of the party was destroyed; rotate the secret")
            if secrets:
                outcome = await self._send(one, secrets)
            async with self._writing:
                await settle(self.connection, one, outcome, self.clock())
            if not outcome.arrived or time.monotonic() > until_s:
                return

    async def _send(self, one: Due, secrets: list[str]) -> Outcome:
        headers = signed_headers(one.id, one.body, secrets, self.clock())
        try:
            answer = await self._guard.post(one.url, one.body.encode(), headers)
        except (Forbidden, Unreached) as wrong:
            return Outcome(None, str(wrong))
        except Exception as defect:  # noqa: BLE001 - P3
            _log.exception("a message could not be tried", webhook=one.webhook, id=one.id)
            return Outcome(None, f"{type(defect).__name__}: {defect}")
        return Outcome(answer.status, answer.body[:_SAID_BYTES].decode("utf-8", "replace"))

    async def _secrets(self, one: Due) -> list[str]:
        """Those that sign, the newer first; none where they do not open."""
        async with self._writing:
            with translated():
                ring = await keyring(self.connection, self._master, one.enterprise)
        place = webhook_place(one.enterprise, one.webhook)
        try:
            return [ring.open(place, sealed) for sealed in (one.secret, one.former) if sealed is not None]
        except Unreadable as wrong:
            _log.error("a webhook's secret does not open", webhook=one.webhook, because=str(wrong))
            return []


def _now_us() -> int:
    return time.time_ns() // 1_000


class _Trouble:
    """Logs what is in the way when it appears and when it has gone, once each."""

    def __init__(self) -> None:
        self._known = ""

    def __call__(self, words: str) -> None:
        if words and words != self._known:
            _log.warning("webhooks wait", because=words)
        elif self._known and not words:
            _log.info("webhooks go on")
        self._known = words
