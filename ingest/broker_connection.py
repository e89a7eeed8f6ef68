"""One connection to a broker, from CONNECT to its end. It is an epoch: what was read on it is acknowledged on it or not
at all, because packet identifiers and acknowledgements live and die with this object.

N1  Nothing is subscribed to with a clean start: the session outlives the connection, and the broker keeps what comes.
N2  After a read the socket rests for `gather_s`; while its partition is full it is not read at all (G4).
N3  A broker that does not read what it is sent is not read either, and given up when that lasts: acknowledgements that
    it does not take are bounded (G4). One that is silent is given up after the silence that we configured, or a shorter
    one that it asks for; what it asks for can make us speak more often, never listen less.
N4  An exception while reading ends the connection and says so; it never leaves one that looks alive and reads nothing.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import cast

import structlog

from ingest.broker_chunks import Chunk, Waiting
from ingest.broker_limits import BrokerCounts, BrokerLimits
from ingest.broker_outgoing import SUBSCRIBE_ID, UNSAID_RECEIVE_MAXIMUM, Outgoing
from ingest.broker_plan import Broker, Devices, Partition
from ingest.broker_stream import BrokerStream
from ingest.broker_topics import TopicBook
from ingest.mqtt_packets import (
    Connack,
    Connect,
    Disconnect,
    Filter,
    Packet,
    Pingreq,
    Pingresp,
    Puback,
    Suback,
    Subscribe,
    build,
)
from ingest.mqtt_properties import NO_PROPERTIES, Properties, Property
from ingest.mqtt_wire import V5, MalformedPacket, Reason, protocol_error

_log = structlog.get_logger()

#: A PUBACK without reason code: success in both versions (5.0, 3.4.2.1). The packet identifier follows.
_PUBACK = b"\x40\x02"
#: Retained messages come when a subscription is made, not at every reconnection (5.0, 3.8.3.1).
_RETAINED_WHEN_NEW = 1
_REFUSED_FROM = 0x80
#: 5.0, 3.2.2.3.3: what a broker that names no receive maximum may be sent.
_MOST_RECEIVE_MAXIMUM = 65_535
#: Return codes of a 3.1.1 CONNACK (3.1.1, 3.2.2.3).
_REFUSED_311 = {
    1: "the protocol version is not accepted",
    2: "the client identifier is not allowed",
    3: "the broker is not available",
    4: "wrong user name or password",
    5: "not authorized",
}


class How(Enum):
    """Why a connection ended, as far as the next attempt is concerned."""

    LOST = "lost"
    REFUSED = "refused"
    TAKEN_OVER = "taken over"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Ended:
    """`by_broker`: it closed the connection, and said nothing."""

    how: How
    words: str
    by_broker: bool = False


@dataclass(frozen=True, slots=True)
class Desk:
    """What the connections of one partition share, one after the other. `arrived`: called when there is something to
    take. `utc_us`: the wall clock, for the expiry of commands."""

    broker: Broker
    partition: Partition
    devices: Devices
    limits: BrokerLimits
    counts: BrokerCounts
    book: TopicBook
    waiting: Waiting
    outgoing: Outgoing
    arrived: Callable[[], None]
    utc_us: Callable[[], int]

    @property
    def full(self) -> bool:
        limits, waiting = self.limits, self.waiting
        return waiting.bytes >= limits.unsettled_bytes or waiting.messages >= limits.unsettled_messages


class Connection(asyncio.BufferedProtocol):
    """`let_in` and `ended` are futures: the CONNACK once the subscriptions stand, and how it was over. `greeted`: is
    given the CONNACK that accepts us, before anything is asked on the session."""

    def __init__(self, desk: Desk, password: bytes | None, greeted: Callable[[Connack], None]) -> None:
        loop = asyncio.get_running_loop()
        self._desk = desk
        self._password = password
        self._greeted = greeted
        self._loop = loop
        self._stream = BrokerStream(
            self, desk.broker.link_name, desk.broker.version, desk.book, desk.limits, desk.counts
        )
        self._buffer = memoryview(bytearray(desk.limits.read_bytes))
        self._transport: asyncio.Transport | None = None
        self._connack: Connack | None = None
        self._rest: asyncio.TimerHandle | None = None
        self._held = False
        self._unread_s = 0.0  # since when too much that we wrote is unread
        self._withheld_s = 0.0
        self._keep_alive_s = float(desk.broker.keep_alive_s)
        self._heard_s = self._spoke_s = loop.time()
        self._asked_s = 0.0
        self._why: Ended | None = None
        self.let_in: asyncio.Future[Connack] = loop.create_future()
        self.ended: asyncio.Future[Ended] = loop.create_future()

    # ---- the transport ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's are none by inheritance
        self._transport.set_write_buffer_limits(high=self._desk.limits.outbound_bytes)
        broker = self._desk.broker
        numbers = {
            Property.SESSION_EXPIRY_S: broker.session_expiry_s,
            Property.RECEIVE_MAXIMUM: broker.receive_maximum,
        }
        self._say(
            Connect(
                client_id=self._desk.partition.client_id,
                version=broker.version,
                clean_start=False,
                keep_alive_s=broker.keep_alive_s,
                username=broker.user(self._desk.partition) or None,
                password=self._password,
                properties=Properties(numbers=numbers) if broker.version == V5 else NO_PROPERTIES,
            )
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self._rest is not None:
            self._rest.cancel()
        self._desk.outgoing.disconnected()
        self._transport = None
        words = f"connection lost: {exc}" if exc else "the broker closed the connection"
        ended = self._why or Ended(How.LOST, words, by_broker=True)
        if not self.ended.done():
            self.ended.set_result(ended)
        if not self.let_in.done():
            self.let_in.cancel()

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        if self._why is not None:
            return  # it is over: what still comes was not read, and comes again
        self._heard_s = self._loop.time()
        self._asked_s = 0.0
        self._pause()
        try:
            for item in self._stream.feed(bytes(self._buffer[:nbytes])):
                self._take(item)
        except MalformedPacket as wrong:
            self.end(How.REFUSED, f"the broker broke the protocol: {wrong.words}", wrong.reason)
        except Exception as failed:  # noqa: BLE001 - N4: a defect of ours must not leave a reader that reads nothing
            _log.exception("reading from a broker failed", broker=self._desk.broker.name)
            self.end(How.REFUSED, f"reading failed: {type(failed).__name__}: {failed}", Reason.UNSPECIFIED)

    def pause_writing(self) -> None:
        """The broker does not read what it is sent (N3)."""
        self._unread_s = self._loop.time()
        if self._transport is not None and self._why is None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        self._unread_s = 0.0
        if self._rest is None:
            self._read_on()

    def eof_received(self) -> bool:
        return False

    # ---- reading in batches, and not at all ----

    def _pause(self) -> None:
        if self._transport is not None and self._rest is None and not self._held:
            self._transport.pause_reading()
            self._rest = self._loop.call_later(self._desk.limits.gather_s, self._rested)

    def _rested(self) -> None:
        self._rest = None
        self._held = self._desk.full
        self._desk.counts.pauses += self._held
        self._read_on()

    def settled(self) -> None:
        """There may be room again."""
        if self._held and not self._desk.full:
            self._held = False
            self._read_on()

    def _read_on(self) -> None:
        if not self._deaf and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    @property
    def _deaf(self) -> bool:
        """It is we who do not read."""
        return self._held or bool(self._unread_s)

    # ---- what the broker says ----

    def _take(self, item: Chunk | Packet) -> None:
        if isinstance(item, Connack):
            self._answered(item)
        elif self._connack is None:
            raise protocol_error(f"{type(item).__name__} before CONNACK")
        elif isinstance(item, Chunk):
            self._desk.waiting.add(item)
            self._desk.arrived()
        elif isinstance(item, Suback):
            self._subscribed(item)
        elif isinstance(item, Puback):
            self.write(self._desk.outgoing.acknowledged(item.packet_id, item.reason, self._desk.utc_us()))
            self._desk.arrived()
        elif isinstance(item, Disconnect):
            self._told_to_go(item)
        elif not isinstance(item, Pingresp):
            raise protocol_error(f"{type(item).__name__} from a broker")

    def _answered(self, connack: Connack) -> None:
        if self._connack is not None:
            raise protocol_error("a second CONNACK")
        if connack.reason:
            self.end(How.REFUSED, f"the broker refused us: {refusal(connack, self._desk.broker.version)}")
            return
        numbers = connack.properties.numbers
        if numbers.get(Property.MAXIMUM_QOS, 1) < 1:
            self.end(How.REFUSED, "the broker has no QoS 1, without which nothing can be kept")
            return
        self._connack = connack
        self._greeted(connack)
        asked_s = numbers.get(Property.SERVER_KEEP_ALIVE_S, 0)
        self._keep_alive_s = float(min(asked_s or self._desk.broker.keep_alive_s, self._desk.broker.keep_alive_s))
        filters = self._desk.broker.filters(self._desk.partition)
        handling = _RETAINED_WHEN_NEW if self._desk.broker.version == V5 else 0
        asked = tuple(Filter(topic, qos=1, retain_handling=handling) for topic in filters)
        self._say(Subscribe(SUBSCRIBE_ID, asked))

    def _subscribed(self, suback: Suback) -> None:
        assert self._connack is not None
        filters = self._desk.broker.filters(self._desk.partition)
        for topic, reason in zip(filters, suback.reasons, strict=False):
            if reason >= _REFUSED_FROM:
                self.end(How.REFUSED, f"the broker refused the subscription to {topic} (0x{reason:02x}); see its ACL")
                return
            if reason == 0:
                _log.critical("the broker grants QoS 0 only: it may lose messages", topic=topic)
        unsaid = _MOST_RECEIVE_MAXIMUM if self._desk.broker.version == V5 else UNSAID_RECEIVE_MAXIMUM
        most = self._connack.properties.numbers.get(Property.RECEIVE_MAXIMUM, unsaid)
        self.write(self._desk.outgoing.connected(self._connack.session_present, most, self._desk.utc_us()))
        if not self.let_in.done():
            self.let_in.set_result(self._connack)

    def _told_to_go(self, packet: Disconnect) -> None:
        if packet.reason == Reason.SESSION_TAKEN_OVER:
            self._desk.counts.taken_over += 1
            _log.critical(
                "another client signed in to the broker with our client identifier; give each process its own, or stop "
                "the other one",
                broker=self._desk.broker.name,
                client_id=self._desk.partition.client_id,
            )
            self.end(How.TAKEN_OVER, "another client took over our session", tell=False)
        else:
            self.end(How.LOST, f"the broker ended the connection with reason 0x{packet.reason:02x}", tell=False)

    # ---- what we say ----

    @property
    def live(self) -> bool:
        return self._writable and not self._withheld_s

    @property
    def _writable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    def acknowledge(self, packet_ids: list[bytes]) -> None:
        self.write(_PUBACK + _PUBACK.join(packet_ids))

    def withhold(self) -> None:
        self._withheld_s = self._withheld_s or self._loop.time()

    def write(self, data: bytes) -> None:
        if data and self._writable:
            assert self._transport is not None
            self._spoke_s = self._loop.time()
            self._transport.write(data)

    @property
    def listening(self) -> bool:
        """The broker reads what it is sent."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and self._transport.get_write_buffer_size() < self._desk.limits.outbound_bytes
        )

    def _say(self, packet: Packet) -> None:
        self.write(build(packet, self._desk.broker.version))

    # ---- time and the end ----

    def check(self, reserve_over: bool) -> None:
        """What time asks for. `reserve_over`: what was withheld may be stored now."""
        now_s, limits = self._loop.time(), self._desk.limits
        if self._withheld_s and (reserve_over or self.withheld_long):
            self.end(How.LOST, "a message could not be stored; it is to be offered again")
        elif self._unread_s and now_s - self._unread_s >= limits.connect_within_s:
            self.end(How.LOST, f"the broker read nothing for {now_s - self._unread_s:.0f} s")
        elif self._connack is not None and self._keep_alive_s:
            self._keep_alive(now_s)

    @property
    def withheld_long(self) -> bool:
        """A message was withheld so long ago that it is to be offered again."""
        return bool(self._withheld_s) and self._loop.time() - self._withheld_s >= self._desk.limits.withheld_for_s

    def _keep_alive(self, now_s: float) -> None:
        """The broker wants to hear us, and we want to hear it, unless it is we who do not read."""
        if self._asked_s and not self._deaf and now_s - self._asked_s >= self._desk.limits.connect_within_s:
            self.end(How.LOST, f"the broker was silent for {now_s - self._heard_s:.0f} s")
            return
        since_s = self._spoke_s if self._deaf or self._asked_s else min(self._heard_s, self._spoke_s)
        if now_s - since_s >= self._keep_alive_s:
            self._asked_s = 0.0 if self._deaf else self._asked_s or now_s
            self._say(Pingreq())

    def end(self, how: How, words: str, reason: int = 0, *, tell: bool = True) -> None:
        """Close at once. The session stays."""
        if self._transport is None or self._why is not None:
            return
        self._why = Ended(how, words)
        if tell and self._connack is not None:
            self._say(Disconnect(reason))
        self._transport.abort()

    async def leave(self) -> None:
        """Say goodbye, and wait until the broker has closed: then it has read our last acknowledgements, and whoever
        comes next with our name is not given again what was acknowledged."""
        if self._transport is None or self._why is not None:
            return
        self._say(Disconnect())
        self._why = Ended(How.LEFT, "Davy stopped")
        self._held, self._unread_s = False, 0.0
        self._read_on()
        await asyncio.wait([self.ended], timeout=self._desk.limits.close_within_s)
        if self._transport is not None:
            self._transport.abort()
            await asyncio.wait([self.ended])


def refusal(connack: Connack, version: int) -> str:
    """What a refusing CONNACK says, in words."""
    if version != V5:
        return _REFUSED_311.get(connack.reason, f"code {connack.reason}")
    try:
        words = Reason(connack.reason).name.lower().replace("_", " ")
    except ValueError:
        words = "unknown"
    said = connack.properties.texts.get(Property.REASON_STRING, "")
    return f"{words} (0x{connack.reason:02x}){': ' + said if said else ''}"
