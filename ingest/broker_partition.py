"""One partition's life: connecting, being let in, connecting again. It never gives up.

R1  At most one connection at a time, so that we never take over our own session.
R2  A session that was there before and is not any more is said (`session_lost`), also across restarts of ours, at
    whatever moment they come (broker_sessions, H2): what the broker held for us may be gone.
R3  Pauses between attempts grow and have jitter, and begin anew only after a connection that held: so two processes
    with one name do not throw each other out many times a second. Where the broker refuses us they are longer.
"""

import asyncio
import random
import ssl
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from ingest.broker_acks import ApplicationAcks
from ingest.broker_connection import Connection, Desk, Ended, How
from ingest.broker_plan import TlsFiles
from ingest.broker_sessions import KnownSessions
from ingest.mqtt_packets import Connack
from ingest.mqtt_properties import Property
from ingest.mqtt_wire import V5
from ingest.why_away import why_not_connected

_log = structlog.get_logger()


@dataclass(slots=True)
class Said:
    """What a partition has to say, until the link takes it."""

    #: Whether the session was lost; while the broker's gateway is not registered nobody hears it.
    session_lost: bool = False
    #: Devices that were called in vain, and can be called again since.
    connected: list[int] = field(default_factory=list)


class PartitionLife:
    """`desk` is shared by its connections. `random`: for the jitter of pauses."""

    def __init__(self, desk: Desk, sessions: KnownSessions, randomness: random.Random) -> None:
        self.desk = desk
        self.acks = ApplicationAcks(desk.broker.version)
        self.said = Said(session_lost=sessions.unsaid(self.name))
        self.connection: Connection | None = None
        self.up = False
        #: On the loop's clock: since when there is no connection; and why, in words.
        self.lost_s = asyncio.get_running_loop().time()
        self.why = "not connected yet"
        #: Devices that a command could not reach; they are said to be `connected` when they may be reached again.
        self.missed: set[int] = set()
        self._sessions = sessions
        self._random = randomness
        self._task: asyncio.Task[None] | None = None
        self._steps = 0
        self._short = 0

    @property
    def name(self) -> str:
        broker = self.desk.broker
        return f"{self.desk.partition.client_id}@{broker.host}:{broker.port}"

    @property
    def lost_words(self) -> str:
        return f"the broker has forgotten the session {self.name}: messages it held for us may be gone"

    def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._live(), name=f"broker {self.name}")

    def watch(self, reserve_over: bool) -> None:
        """Called several times a second: a reader that died is started again, and time has its due."""
        if self.connection is not None:
            self.connection.check(reserve_over)
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self.desk.counts.readers_restarted += 1
            _log.critical("the reader of a broker died and is started again", why=str(self._task.exception()))
            if self.connection is not None:
                self.connection.end(How.LOST, "its reader died")
            self.connection, self.up = None, False
            self.start()

    async def stop(self) -> None:
        """Say goodbye; the session stays at the broker."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self.connection is not None:
            await self.connection.leave()

    # ---- connecting ----

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            began_s = loop.time()
            ended = await self._one()
            self._notice_take_over(ended, began_s)
            if ended.words != self.why:
                _log.warning("no connection to the broker", broker=self.desk.broker.name, why=ended.words)
            if self.up:
                self.lost_s = loop.time()
            if self.up and loop.time() - began_s >= self.desk.limits.steady_after_s:
                self._steps = 0
            self.desk.counts.connections_lost += self.up
            self.desk.counts.refused += ended.how is How.REFUSED
            self.up, self.why = False, ended.words
            self.desk.arrived()
            await asyncio.sleep(self._pause_s(ended.how))

    def _notice_take_over(self, ended: Ended, began_s: float) -> None:
        """A broker that lets us in and closes again, and again, may have let in another client with our name. It may
        also be dying again and again, so the pauses stay those of a lost connection: they grow in either case."""
        age_s = asyncio.get_running_loop().time() - began_s
        brief = self.up and ended.by_broker and age_s < self.desk.limits.steady_after_s
        self._short = self._short + 1 if brief else 0
        if self._short == self.desk.limits.short_ones:
            self.desk.counts.taken_over += 1
            _log.critical(
                "the broker lets us in and closes the connection, again and again; if another client has our client "
                "identifier, stop it or give it another",
                broker=self.desk.broker.name,
                client_id=self.desk.partition.client_id,
            )

    def _pause_s(self, how: How) -> float:
        limits = self.desk.limits
        first_s, most_s = limits.backoff_s if how is How.LOST else limits.refused_backoff_s
        pause_s = min(most_s, first_s * 2.0**self._steps)
        self._steps = min(self._steps + 1, 30)
        return pause_s * self._random.uniform(0.5, 1.0)

    async def _one(self) -> Ended:
        """One connection, from its beginning to its end."""
        try:
            connection = await self._connect()
        except ssl.SSLCertVerificationError as wrong:
            return Ended(How.REFUSED, f"the broker's certificate is not believed: {wrong.verify_message}")
        except TimeoutError:
            return Ended(How.LOST, f"no connection within {self.desk.limits.connect_within_s:.0f} s")
        except (OSError, ValueError) as wrong:
            broker = self.desk.broker
            return Ended(How.LOST, f"cannot connect: {why_not_connected(wrong, broker.host, broker.port)}")
        self.connection = connection
        try:
            async with asyncio.timeout(self.desk.limits.connect_within_s):
                await asyncio.wait([connection.let_in])
        except TimeoutError:
            connection.end(How.LOST, f"the broker did not let us in within {self.desk.limits.connect_within_s:.0f} s")
        if connection.let_in.done() and not connection.let_in.cancelled():
            self._let_in(connection.let_in.result())
        ended = await asyncio.shield(connection.ended)  # `stop` still waits for it when this is cancelled
        self.connection = None
        return ended

    async def _connect(self) -> Connection:
        """Raises OSError (ssl.SSLError is one), TimeoutError, or ValueError for a file that is wrong."""
        broker = self.desk.broker
        password = await asyncio.to_thread(read_password, broker.password_file) if broker.password_file else None
        context = await asyncio.to_thread(client_context, broker.tls) if broker.tls else None
        async with asyncio.timeout(self.desk.limits.connect_within_s):
            _, connection = await asyncio.get_running_loop().create_connection(
                lambda: Connection(self.desk, password, self._greeted),
                broker.host,
                broker.port,
                ssl=context,
                server_hostname=broker.host if context else None,
            )
        return connection

    def _greeted(self, connack: Connack) -> None:
        if not connack.session_present and self.name in self._sessions:
            self.desk.counts.sessions_lost += 1
            self._sessions.lost(self.name)
            self.said.session_lost = True
            _log.critical(self.lost_words, broker=self.desk.broker.name)
            self.desk.arrived()

    def _let_in(self, connack: Connack) -> None:
        broker = self.desk.broker
        self.up, self.why = True, ""
        self.desk.counts.connections += 1
        _log.info(
            "connected to the broker", broker=broker.name, session=self.name, session_present=connack.session_present
        )
        self._sessions.add(self.name)
        kept_s = connack.properties.numbers.get(Property.SESSION_EXPIRY_S, broker.session_expiry_s)
        if broker.version == V5 and kept_s < broker.session_expiry_s:
            _log.warning("the broker keeps our session for less than was asked", kept_s=kept_s)
        self.said.connected += sorted(self.missed)
        self.missed.clear()
        self.desk.arrived()


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """TLS 1.2 or newer; the broker's certificate is checked against its authority and its host name.
    Raises ssl.SSLError or OSError naming what is wrong with a file."""
    for path in (files.authority, files.certificate, files.key):
        if path is not None:
            path.open("rb").close()  # ssl says "no such file", and not which
    context = ssl.create_default_context(cafile=files.authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if files.certificate is not None:
        context.load_cert_chain(files.certificate, files.key)
    return context


def read_password(path: Path) -> bytes:
    """The file's first line, without its end. Raises OSError, or ValueError when it is empty."""
    password = path.read_bytes().split(b"\n", 1)[0].rstrip(b"\r")
    if not password:
        raise ValueError(f"{path} is empty; the password is its first line")
    return password
