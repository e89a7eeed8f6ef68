"""Who may sign in, as this process knows it: read from the database, kept fresh, kept on disk (G3).

X1  No request waits for the database to learn whose token it has.
X2  What is changed anywhere is known here as soon as the database says so (NOTIFY), and within LOOK_EVERY_S without
    that; what this process changed itself is known before it answers (`look`). A session that was ended or a key that
    was revoked is refused from then on.
X3  While the database is away what was known last goes on counting, over a restart too, and sign-ins are written down
    when it is back, with their time.
"""

import asyncio
import contextlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg
import structlog

from access.directory import Account, Directory, Session
from api.access_file import Snapshot, read_snapshot, write_snapshot
from storage.api_keys import mark_used
from storage.audit import Said, record
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, translated
from storage.known import changes
from storage.sessions import forget

_log = structlog.get_logger()

#: The longest that a change elsewhere waits when its notification was lost. Source: product choice; issue: < 1 s.
LOOK_EVERY_S = 0.5
#: After the database was found away. Source: product choice.
TRY_AGAIN_S = 0.5
#: A first look at a million accounts takes about so long. Source: product choice.
SETTLES_WITHIN_S = 5.0
HOUR_US = 3_600_000_000
#: Sessions that are over stay in their table for so long; the record has them for ever. Source: product choice.
KEPT_AFTER_US = 30 * 24 * HOUR_US
#: Networks whose use of the installation's token is remembered. Source: product choice.
MOST_NOTED = 1_000
#: That a key was used is written down this often, and the file at most so often. Source: product choice.
MARK_EVERY_S, WRITE_EVERY_S = 10.0, 1.0

#: Writes down a sign-in that was made while the database was away.
WriteDown = Callable[[Connection, Session], Awaitable[object]]


class Known:
    """`url` None: there is no database, and nobody but the administrator. `path` None: nothing is kept on disk."""

    def __init__(self, url: str | None, path: Path | None, now_us: Callable[[], int], write_down: WriteDown) -> None:
        self._url = url
        self._path = path
        self._now_us = now_us
        self._write_down = write_down
        kept = read_snapshot(path) if path is not None else Snapshot()
        self.directory = Directory()
        self.directory.learn(kept.known)
        self._pending = list(kept.pending)
        self._connection: Connection | None = None
        self._looking = asyncio.Lock()
        self._told = asyncio.Event()
        self._used: dict[str, int] = {}
        self._marked_s = self._written_s = 0.0
        self._unwritten = False
        self._settled = asyncio.Event()
        self._noted: OrderedDict[tuple[str, int], None] = OrderedDict()
        self._to_note: list[tuple[str, int]] = []
        self._forgot_us = 0

    async def settled(self) -> None:
        """Return once the database was asked for the first time, or was found away, or SETTLES_WITHIN_S have passed:
        who comes right after a start is not told that nobody knows them."""
        if self._url is not None and not self._settled.is_set():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SETTLES_WITHIN_S):
                    await self._settled.wait()

    def use(self, key: str) -> None:
        """A key was used; written down by and by."""
        self._used[key] = self._now_us()

    def note_administrator(self, network: str) -> None:
        """The installation's own token was used: in the record, once an hour and network."""
        now_us = self._now_us()
        place = (network, now_us // HOUR_US)
        if place not in self._noted:
            self._noted[place] = None
            self._to_note.append((network, now_us))
            while len(self._noted) > MOST_NOTED:
                self._noted.popitem(last=False)
            del self._to_note[:-MOST_NOTED]
            self._told.set()

    def began(self, account: Account, session: Session) -> None:
        """Somebody signed in through us, and it is written down."""
        self.directory.learn_of(account, session)
        self._unwritten = True
        self._told.set()

    async def remember(self, session: Session) -> None:
        """A sign-in while the database is away (X3). Returns when it is on disk."""
        self.directory.add_session(session)
        self._pending.append(session)
        await self._write()

    async def look(self) -> None:
        """Read what has changed now. Says nothing where the database is away: then nothing changed through us."""
        with contextlib.suppress(DatabaseAway, DatabaseRefused):
            await self._look()

    async def run(self) -> None:
        """Keep fresh until cancelled."""
        if self._url is None:
            return
        while True:
            try:
                async with asyncio.TaskGroup() as both:
                    both.create_task(self._listen(self._url), name="access-notices")
                    both.create_task(self._keep_looking(), name="access-looks")
            except* (DatabaseAway, DatabaseRefused) as away:
                _log.info("who may sign in is not heard of for now", why=str(away.exceptions[0]))
            self._settled.set()
            await self._drop()
            await asyncio.sleep(TRY_AGAIN_S)

    async def close(self) -> None:
        await self._drop()
        if self._unwritten:
            await self._write()

    async def _listen(self, url: str) -> None:
        connection = await connect(url, name="access notices")
        try:
            with translated():
                await connection.execute("LISTEN davy_access")
                async for _ in connection.notifies():
                    self._told.set()
        finally:
            await connection.close()

    async def _keep_looking(self) -> None:
        while True:
            self._told.clear()
            await self._look()
            if self._unwritten and time.monotonic() - self._written_s >= WRITE_EVERY_S:
                await self._write()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._told.wait()

    async def _look(self) -> None:
        """Raises DatabaseAway, DatabaseRefused."""
        if self._url is None:
            return
        async with self._looking:
            first = self._connection is None
            if self._connection is None or self._connection.closed:
                self._connection = await connect(self._url, name="access")
                first = True
            await self._catch_up(self._connection)
            # After an absence everything is read anew: a database that was put back from a copy counts from before.
            with translated():
                news = await changes(self._connection, 0 if first else self.directory.mark)
            known = Directory() if first else self.directory
            self._unwritten = known.learn(news) or first or self._unwritten
            known.forget_ended(self._now_us())
            self.directory = known
            self._settled.set()

    async def _catch_up(self, connection: Connection) -> None:
        """X3, and which keys were used."""
        while self._pending:
            with translated(), contextlib.suppress(psycopg.DataError, psycopg.IntegrityError):
                await self._write_down(connection, self._pending[0])
            del self._pending[0]
            self._unwritten = True
        if self._to_note:
            noted = self._to_note
            said = [Said("", at, "break_glass", "administrator", {"network": network}) for network, at in noted]
            with translated():
                await record(connection, said)
            self._to_note = [one for one in self._to_note if one not in noted]
        if self._now_us() - self._forgot_us >= HOUR_US:
            self._forgot_us = self._now_us()
            with translated():
                await forget(connection, self._forgot_us - KEPT_AFTER_US)
        if self._used and time.monotonic() - self._marked_s >= MARK_EVERY_S:
            used, self._used, self._marked_s = self._used, {}, time.monotonic()
            with translated():
                await mark_used(connection, used)

    async def _write(self) -> None:
        if self._path is None:
            return
        self._written_s, self._unwritten = time.monotonic(), False
        snapshot = Snapshot(self.directory.everything(), tuple(self._pending))
        try:
            await asyncio.to_thread(write_snapshot, self._path, snapshot)
        except OSError as wrong:
            _log.error("who may sign in cannot be kept on disk", path=str(self._path), why=str(wrong))

    async def _drop(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None
