"""Commands on their way out by one partition's session. Sans-I/O, memory only.

O1  A command that was written stays in flight until the broker's PUBACK; after a lost connection it is written again
    (DUP where the broker kept the session: MQTT 5.0, 4.4), unless its expiry has come (G8).
O2  No more are written and unacknowledged on a connection than its receive maximum allows (5.0, 3.2.2.3.3), those that
    are written again included; the others wait in order. A packet identifier is one command's until its PUBACK.
O3  The broker's PUBACK says nothing of the device: nobody is told "acknowledged". Only its refusals are passed on.
"""

from collections import deque
from dataclasses import dataclass

from ingest.mqtt_packets import Publish, build
from ingest.mqtt_properties import NO_PROPERTIES, Properties, Property
from ingest.mqtt_wire import V5

MICROSECONDS = 1_000_000
#: Packet identifiers of commands: those above the one that every connection's SUBSCRIBE has, which may be under way
#: while a command of an earlier connection still has its own ([MQTT-2.2.1-3]).
SUBSCRIBE_ID = 1
_FIRST_ID, _MOST_ID = 2, 0xFFFF
#: As many as there are identifiers for, whatever the broker grants.
_MOST_IN_FLIGHT = _MOST_ID - _FIRST_ID + 1
#: What a 3.1.1 broker may be sent at once; Mosquitto's own default for what it sends (max_inflight_messages).
UNSAID_RECEIVE_MAXIMUM = 20
#: 5.0, 2.4. The broker took the message, and nobody will get it.
NO_MATCHING_SUBSCRIBERS = 0x10
_REFUSED_FROM = 0x80


@dataclass(frozen=True, slots=True)
class Outbound:
    """A command, encoded. `expires_us`: microseconds UTC."""

    command: str
    device_no: int
    topic: str
    payload: bytes
    expires_us: int


class Outgoing:
    def __init__(self, version: int, most_waiting: int) -> None:
        self._version = version
        self._most_waiting = most_waiting
        #: Written on this connection, or on the one that has just ended.
        self._in_flight: dict[int, Outbound] = {}
        #: Written on an earlier connection and not yet on this one, oldest first; they keep their identifiers.
        self._again: dict[int, Outbound] = {}
        self._session_present = False
        self._waiting: deque[Outbound] = deque()
        self._last_id = _MOST_ID
        self._most_in_flight = 0
        #: Since these were last emptied: commands that waited and have left; (command, reason, device_no) of those
        #: that nobody will get.
        self.sent: list[str] = []
        self.failed: list[tuple[str, str, int]] = []

    @property
    def room(self) -> bool:
        """Whether one more may be given."""
        return len(self._waiting) < self._most_waiting

    def give(self, outbound: Outbound, now_us: int) -> bytes:
        """What to write now; empty: it waits, and will be in `sent` when it has left."""
        if self._again or self._waiting or len(self._in_flight) >= self._most_in_flight:
            self._waiting.append(outbound)
            return b""
        return self._put(outbound, now_us)

    def connected(self, session_present: bool, receive_maximum: int, now_us: int) -> bytes:
        """What to write on a new connection: what was in flight and has not expired, then what waited (O1), as far as
        the receive maximum reaches (O2)."""
        self._most_in_flight = min(receive_maximum, _MOST_IN_FLIGHT)
        self._session_present = session_present
        self._again = self._in_flight | self._again
        self._in_flight = {}
        return self._more(now_us)

    def disconnected(self) -> None:
        self._most_in_flight = 0

    def acknowledged(self, packet_id: int, reason: int, now_us: int) -> bytes:
        """The broker's PUBACK. Returns what may leave now that there is room."""
        outbound = self._in_flight.pop(packet_id, None)
        if outbound is not None and reason == NO_MATCHING_SUBSCRIBERS:
            self._fail(outbound, "no subscriber at the broker: nobody is subscribed to its commands")
        elif outbound is not None and reason >= _REFUSED_FROM:
            self._fail(outbound, f"the broker refused the command with reason 0x{reason:02x}")
        return self._more(now_us)

    def _more(self, now_us: int) -> bytes:
        packets: list[bytes] = []
        while self._again and len(self._in_flight) < self._most_in_flight:
            packet_id = next(iter(self._again))
            outbound = self._again.pop(packet_id)
            if outbound.expires_us > now_us:
                self._in_flight[packet_id] = outbound
                packets.append(self._packet(packet_id, outbound, self._session_present, now_us))
        while self._waiting and len(self._in_flight) < self._most_in_flight:
            outbound = self._waiting.popleft()
            if outbound.expires_us <= now_us:
                self._fail(outbound, "expired before the broker could take it")
                continue
            packets.append(self._put(outbound, now_us))
            self.sent.append(outbound.command)
        return b"".join(packets)

    def _fail(self, outbound: Outbound, reason: str) -> None:
        self.failed.append((outbound.command, reason, outbound.device_no))

    def _put(self, outbound: Outbound, now_us: int) -> bytes:
        packet_id = _after(self._last_id)
        while packet_id in self._in_flight:
            packet_id = _after(packet_id)
        self._last_id = packet_id
        self._in_flight[packet_id] = outbound
        return self._packet(packet_id, outbound, False, now_us)

    def _packet(self, packet_id: int, outbound: Outbound, dup: bool, now_us: int) -> bytes:
        properties = NO_PROPERTIES
        if self._version == V5:
            # Rounded down, but 0 would be no expiry but "now" (5.0, 3.3.2.3.3): a broker would drop it at once.
            left_s = max(1, (outbound.expires_us - now_us) // MICROSECONDS)
            properties = Properties(
                numbers={Property.MESSAGE_EXPIRY_S: left_s}, texts={Property.CONTENT_TYPE: "application/json"}
            )
        publish = Publish(outbound.topic, outbound.payload, 1, packet_id, dup, properties=properties)
        return build(publish, self._version)


def _after(packet_id: int) -> int:
    return packet_id + 1 if packet_id < _MOST_ID else _FIRST_ID
