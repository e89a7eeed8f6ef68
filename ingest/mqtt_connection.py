"""One connection as bytes: when it is read, how its packets are found, how it ends. What they mean is mqtt_client.py.

K1  Bytes are parsed in the order they came, however they were split. What is not a whole packet yet is kept, and
    nothing is kept while there is none: an idle connection costs its transport and this object.
K2  A connection with a full share unsettled, or met by a full endpoint, is not read until a commit; what was already
    read waits here, unparsed (L2, L3).
K3  A client that does not read what we write, does not finish what it began, or is silent, is closed: see `check`.
K4  `end` is final: after it nothing is parsed, nothing written, and the roster no longer knows the connection.
K5  The read buffer is shared by all connections of the loop: nothing of it is kept beyond `buffer_updated`.
"""

import abc
import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from ingest.mqtt_directory import Grant
from ingest.mqtt_intake import Intake, Run
from ingest.mqtt_limits import REASON, EndpointCounts, EndpointLimits, Why
from ingest.mqtt_refusals import RefusalLog
from ingest.mqtt_roster import Roster
from ingest.mqtt_session import MICROSECONDS, InFlight, Session
from ingest.mqtt_stream import HEADER_BYTES, frame, read_publishes
from ingest.mqtt_wire import V5, MalformedPacket, Reason

#: What is read at once while the endpoint is full: room for a CONNECT, little enough for 20,000 connections.
_SMALL_READ = 1024

_WHY_MALFORMED = {
    Reason.PACKET_TOO_LARGE: Why.PACKET_TOO_LARGE,
    Reason.UNSUPPORTED_VERSION: Why.UNSUPPORTED_VERSION,
    Reason.PROTOCOL_ERROR: Why.PROTOCOL_ERROR,
    Reason.MESSAGE_RATE_TOO_HIGH: Why.CONTROL_RATE,
}


@dataclass(slots=True)
class Parts:
    """Bytes of parts of packets that are kept, and how many may be."""

    most: int
    kept: int = 0


@dataclass(slots=True)
class Shared:
    """What all connections of one endpoint share. Single-threaded: the event loop's.

    utc_us: the wall clock, microseconds since 1970 UTC; only for the expiry of commands.
    now_us: time served by this endpoint, monotonic microseconds, as of its last tick.
    parts, strangers_parts: parts of packets kept for the signed-in, and for those who are not (yet).
    held_bytes: unparsed bytes of connections that are not read.
    owing: connections with a message that was not stored -> since when.
    """

    limits: EndpointLimits
    counts: EndpointCounts
    intake: Intake
    roster: Roster
    refusals: RefusalLog
    utc_us: Callable[[], int]
    scratch: memoryview
    now_us: int = 0
    parts: Parts = field(init=False)
    strangers_parts: Parts = field(init=False)
    held_bytes: int = 0
    open: set["Connection"] = field(default_factory=set)
    paused: dict["Connection", None] = field(default_factory=dict)
    owing: dict["Connection", int] = field(default_factory=dict)
    emptied: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.parts = Parts(self.limits.kept_bytes)
        self.strangers_parts = Parts(self.limits.strangers_kept_bytes)

    @property
    def full(self) -> bool:
        return self.intake.bytes_waiting + self.held_bytes >= self.limits.pending_bytes

    @property
    def bytes_waiting(self) -> int:
        """All that was received and is not settled: messages, and what is no message yet."""
        return self.intake.bytes_waiting + self.held_bytes + self.parts.kept + self.strangers_parts.kept

    def gone(self, connection: "Connection") -> None:
        self.open.discard(connection)
        if not self.open:
            self.emptied.set()

    async def nobody_left(self) -> None:
        while self.open:
            self.emptied.clear()
            await self.emptied.wait()


class Connection(asyncio.BufferedProtocol, abc.ABC):
    __slots__ = (
        "_control",
        "_ended_us",
        "_need",
        "_part_us",
        "_rest",
        "_shared",
        "_since_us",
        "_transport",
        "grant",
        "last_us",
        "patience_us",
        "paused",
        "promised",
        "session",
        "unsettled",
        "unsettled_bytes",
        "version",
    )

    def __init__(self, shared: Shared) -> None:
        self._shared = shared
        self._transport: asyncio.Transport | None = None
        self._rest: bytearray | None = None  # a packet begun, or what waits while we do not read
        self._need = 0  # bytes of _rest with which it is worth parsing again
        self._part_us = 0  # when that packet began
        self._ended_us = 0  # 0: it has not ended
        self._since_us = shared.now_us
        self._control = 0  # control packets in this second
        self.last_us = shared.now_us
        self.patience_us = 0  # 1.5 times its keep-alive
        self.version = 0
        self.grant: Grant | None = None
        self.session: Session | None = None
        self.paused = False
        self.unsettled = 0
        self.unsettled_bytes = 0
        self.promised = 0  # QoS 1 messages received and not acknowledged, withheld ones included

    # ---- the transport's side ----

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have every method of asyncio.Transport and do not derive from it
        self._transport = transport = cast(asyncio.Transport, transport)
        transport.set_write_buffer_limits(high=self._shared.limits.outbound_bytes)
        self._shared.open.add(self)
        self._since_us = self.last_us = self._shared.now_us

    def get_buffer(self, sizehint: int) -> memoryview:
        shared = self._shared
        return shared.scratch[:_SMALL_READ] if shared.full else shared.scratch

    def buffer_updated(self, nbytes: int) -> None:
        if self._ended_us:
            return
        shared = self._shared
        self.last_us = shared.now_us
        rest = self._rest
        if rest is None and not self.paused:
            self._parse(bytes(shared.scratch[:nbytes]))
            return
        if rest is None:
            rest = self._rest = bytearray()
        rest += shared.scratch[:nbytes]
        if self.paused:  # a TLS layer may deliver once more after pause_reading
            shared.held_bytes += nbytes
            return
        self._parts().kept += nbytes
        if len(rest) >= self._need:
            self._parse(self._release(), self._part_us)
        else:
            self._check_parts()

    def eof_received(self) -> bool:
        return False

    def pause_writing(self) -> None:
        self.end(Why.NOT_READING, f"more than {self._shared.limits.outbound_bytes} bytes written and not read")

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.close()
        self._shared.gone(self)

    # ---- reading ----

    def _parse(self, data: bytes, begun_us: int = 0) -> None:
        """`begun_us`: when the packet at the front of `data` began to arrive; 0: now."""
        at, size, shared = 0, len(data), self._shared
        limits = shared.limits
        try:
            while at < size:
                if self.full():
                    break
                if self.grant is not None:
                    at = self._publishes(data, at, self.grant)
                    if at == size or self.full():
                        break
                most = limits.connect_bytes if self.grant is None else limits.packet_bytes
                start, end = frame(data, at, most, self.version)
                if start < 0 or end > size:
                    self._keep(data[at:], end - at, begun_us if at == 0 else 0)
                    break
                self._received(data[at], data[start:end], end - at)
                if self._ended_us:
                    break
                at = end
        except MalformedPacket as wrong:
            self.end(_WHY_MALFORMED.get(wrong.reason, Why.MALFORMED), wrong.words, wrong.reason)
        if self.full() and not self._ended_us and self._rest is None:
            self._pause(data[at:])
        shared.intake.announce()

    def _publishes(self, data: bytes, at: int, grant: Grant) -> int:
        """The fast path, within this connection's share; returns where it stopped."""
        shared = self._shared
        intake, limits = shared.intake, shared.limits
        room = limits.unsettled_messages - self.unsettled
        if self.version == V5:
            room = min(room, limits.receive_maximum - self.promised)
        stop = min(len(data) - HEADER_BYTES, at + limits.read_bytes - self.unsettled_bytes)
        first = len(intake.pending.device_no)
        ids: list[bytes] = []
        end = read_publishes(
            data, at, stop, room, self.version == V5, grant.telemetry.get, intake.mimes.get, intake.pending, ids
        )
        if ids:
            self.promised += len(ids)
            intake.add(Run(self, first, len(ids), ids, end - at))
        return end

    @abc.abstractmethod
    def _received(self, head: int, body: bytes, size: int) -> None:
        """One whole packet of `size` bytes. May raise MalformedPacket."""

    def full(self) -> bool:
        """This connection, or the endpoint, has as much unsettled as it may (K2)."""
        shared = self._shared
        limits = shared.limits
        return (
            self.unsettled >= limits.unsettled_messages
            or self.unsettled_bytes >= limits.read_bytes
            or shared.intake.bytes_waiting >= limits.pending_bytes
        )

    def _keep(self, part: bytes, need: int, begun_us: int) -> None:
        """Keep the part of a packet until `need` bytes are there."""
        shared = self._shared
        self._rest, self._need, self._part_us = bytearray(part), need, begun_us or shared.now_us
        self._parts().kept += len(part)
        self._check_parts()

    def _parts(self) -> Parts:
        """Whose budget its kept part is in. Signing in does not move it: there is none while a CONNECT is heard."""
        return self._shared.strangers_parts if self.grant is None else self._shared.parts

    def _check_parts(self) -> None:
        parts = self._parts()
        if parts.kept > parts.most:
            self.end(Why.KEPT_BYTES, "too many unfinished packets are being kept for all connections together")

    def _release(self) -> bytes:
        """What was kept, which is then kept no longer."""
        rest, self._rest = self._rest, None
        if rest is None:
            return b""
        if self.paused:
            self._shared.held_bytes -= len(rest)
        else:
            self._parts().kept -= len(rest)
        return bytes(rest)

    def _pause(self, rest: bytes) -> None:
        shared = self._shared
        self.paused = True
        self._rest = bytearray(rest) if rest else None
        shared.held_bytes += len(rest)
        shared.paused[self] = None
        shared.counts.paused += 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on where `_pause` stopped; called when there is room again."""
        shared = self._shared
        shared.paused.pop(self, None)
        data = self._release()
        self.paused = False
        self.last_us = shared.now_us
        if data:
            self._parse(data)
        if not self.paused and self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    # ---- writing and ending ----

    def write(self, packets: bytes) -> None:
        if self._transport is not None and not self._ended_us:
            self._transport.write(packets)

    def acknowledge(self, packets: bytes, promised: int) -> None:
        self.promised -= promised
        self.write(packets)

    def withhold(self) -> None:
        if not self._ended_us:
            self._shared.owing.setdefault(self, self._shared.now_us)

    def end(self, why: Why, words: str, reason: Reason | None = None) -> None:
        """Refuse this connection: count, log, tell the client as its version allows, close (K4)."""
        if self._ended_us:
            return
        identity = self.grant.identity if self.grant is not None else ""
        transport = self._transport
        peer = transport.get_extra_info("peername") if transport is not None else None
        self._shared.refusals.refuse(why, words, peer, identity)
        if transport is not None and not transport.is_closing():
            if why is Why.NOT_READING:
                transport.abort()
            else:
                self._say_farewell(transport, self._farewell(REASON[why] if reason is None else reason))
        self._over()

    def _say_farewell(self, transport: asyncio.Transport, farewell: bytes) -> None:
        """Closing while bytes of the client are unread resets the connection, and it would never see the reason: where
        there is one we end our side only, and throw away what it still sends until it closes too (see `check`)."""
        if farewell:
            transport.write(farewell)
        if not farewell or not transport.can_write_eof():
            transport.close()
            return
        if self.paused:
            transport.resume_reading()
        try:
            transport.write_eof()
        except OSError:  # it has closed already
            transport.close()

    def close(self) -> None:
        """End without a word: the client said goodbye, or is gone."""
        if not self._ended_us:
            self._over()
            if self._transport is not None and not self._transport.is_closing():
                self._transport.close()

    def shut_down(self) -> None:
        """Say goodbye, and do not wait for the client's."""
        self.end(Why.SHUTTING_DOWN, "the engine is shutting down")
        if self._transport is not None and not self._transport.is_closing():
            self._transport.close()

    def _over(self) -> None:
        self._ended_us = max(1, self._shared.now_us)
        self._leave()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    @abc.abstractmethod
    def _farewell(self, reason: Reason) -> bytes:
        """The packet that tells the client why; empty when its version has no word for it."""

    @abc.abstractmethod
    def deliver(self, command: InFlight, now_us: int) -> bool:
        """Write a command now; False when it cannot be."""

    def _leave(self) -> None:
        shared = self._shared
        self._release()
        self.paused = False
        shared.paused.pop(self, None)
        shared.owing.pop(self, None)
        shared.roster.leave(self, shared.now_us)

    def check(self) -> None:
        """Once a second: is this client still there, and does it finish what it began? (K3)"""
        shared = self._shared
        now, limits = shared.now_us, shared.limits
        self._control = 0
        if self._ended_us:
            if now - self._ended_us > limits.close_within_s * MICROSECONDS:
                self.abort()
        elif self.paused:
            self.last_us = self._part_us = now  # its silence is ours
        elif self.grant is None:
            if now - self._since_us > limits.connect_within_s * MICROSECONDS:
                self.end(Why.CONNECT_TIMEOUT, f"no CONNECT within {limits.connect_within_s:g} s")
        elif now - self.last_us > self.patience_us:
            self.end(Why.KEEP_ALIVE, f"silent for {(now - self.last_us) / MICROSECONDS:.0f} s")
        elif self._rest is not None and now - self._part_us > limits.packet_within_s * MICROSECONDS:
            self.end(Why.SLOW_PACKET, f"a packet was not completed within {limits.packet_within_s:g} s")
