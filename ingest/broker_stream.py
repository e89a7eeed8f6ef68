"""From the bytes a broker sends to messages in chunks and control packets, sans-I/O.

B1  However the bytes are cut, the same messages come out in the same order.
B2  Every PUBLISH becomes a message, whatever it holds: what cannot be read, is too large, or came on a stranger's topic
    is set aside and acknowledged, and does not come back for ever (G2). A stranger's is device 0's; what is wrong
    behind a topic that can be read is the topic's device's.
B3  What is held of a packet that is not whole is bounded: a message by `packet_bytes`, any other packet by
    `control_bytes`. Of a larger message the beginning is held, always with its topic and packet identifier.
B4  A retained reply says where a valve stood once. It is a stranger's too: it must not confirm anything (G7).
"""

from devices.topics import Kind
from ingest.broker_chunks import Chunk, Epoch
from ingest.broker_limits import BrokerCounts, BrokerLimits
from ingest.broker_topics import STRANGER, TopicBook
from ingest.links import is_array
from ingest.mqtt_packets import Packet, Publish, parse
from ingest.mqtt_properties import Property
from ingest.mqtt_stream import HEADER_BYTES, frame, read_publishes
from ingest.mqtt_wire import MOST_VARIABLE, V5, MalformedPacket, PacketType, Reason, protocol_error

#: JSON is what payloads are when nobody says otherwise.
_JSON = ("", "application/json")
#: Property blocks of PUBLISH that are remembered. At the bound: forgotten, and learnt again.
_MOST_BLOCKS = 64
#: A property block whose length is one byte.
_SHORT_BLOCK = 128
#: The longest fixed header: first byte and four of remaining length.
_MOST_FIXED = 5
#: The longest topic with its length, and the packet identifier behind it (5.0, 3.3.2).
_MOST_BEFORE_PROPERTIES = 2 + 0xFFFF + 2


class BrokerStream:
    """One connection's bytes. `feed` gives chunks and packets in the order they came; it raises MalformedPacket for
    what no broker may say. After that the connection has to end."""

    def __init__(
        self, epoch: Epoch, source: str, version: int, book: TopicBook, limits: BrokerLimits, counts: BrokerCounts
    ) -> None:
        self._epoch = epoch
        self._source = source
        self._version = version
        self._book = book
        self._limits = limits
        self._counts = counts
        self._rest = bytearray()  # a packet that is not whole yet
        self._needed = 0  # bytes of it with which it is worth looking again
        self._large: tuple[int, bytes] | None = None  # first byte and beginning of a packet that is not kept whole
        self._skip = 0  # bytes of it that are still to come
        self._mimes: dict[bytes, str] = {}
        self._out: list[Chunk | Packet] = []
        self._chunk = self._fresh()

    def feed(self, data: bytes) -> list[Chunk | Packet]:
        if self._large is not None:
            data = self._pass_over(data)
        if self._rest:
            self._rest += data
            if len(self._rest) < self._needed:
                return self._given()
            data = bytes(self._rest)
            self._rest.clear()
        at = 0
        while at < len(data):
            at = self._many(data, at)
            start, end = frame(data, at, MOST_VARIABLE + _MOST_FIXED, self._version) if at < len(data) else (0, 0)
            held = self._held_of_large(data[at], end - start) if start > 0 else 0
            if held:
                if len(data) - start >= held:
                    data, at = self._begin_large(data, at, start, end, held), 0
                    continue
                end = start + held
            if end > len(data):
                self._rest += data[at:]
                self._needed = end - at
                break
            if start:
                self._one(data[at], data[start:end], end - at)
                at = end
        return self._given()

    def _held_of_large(self, head: int, size: int) -> int:
        """How much of a message of `size` bytes, its fixed header aside, is held when it is too large to be kept whole;
        0: it is not, nor is it any other packet (B3)."""
        limits = self._limits
        if head >> 4 == PacketType.PUBLISH:
            beginning = max(limits.kept_of_large_bytes, _MOST_BEFORE_PROPERTIES)
            return min(size, beginning) if size > limits.packet_bytes else 0
        if size > limits.control_bytes:
            raise MalformedPacket(Reason.PACKET_TOO_LARGE, f"a packet of {size} bytes that is no message")
        return 0

    def _fresh(self) -> Chunk:
        return Chunk(source=self._source, epoch=self._epoch)

    def _given(self) -> list[Chunk | Packet]:
        self._close_chunk()
        out, self._out = self._out, []
        return out

    def _close_chunk(self) -> None:
        if self._chunk.payload:
            self._counts.messages += len(self._chunk.payload)
            self._counts.message_bytes += self._chunk.size
            self._out.append(self._chunk)
            self._chunk = self._fresh()

    def _many(self, data: bytes, at: int) -> int:
        """The fast path: plain readings of known devices. Returns where it stopped."""
        chunk = self._chunk
        stop = len(data) - HEADER_BYTES
        end = read_publishes(
            data,
            at,
            stop,
            self._limits.unsettled_messages,
            self._version == V5,
            self._book.known.get,
            self._mimes.get,
            chunk,
            chunk.packet_ids,
        )
        chunk.size += end - at
        return end

    def _one(self, head: int, body: bytes, size: int) -> None:
        """Any packet, with all the care it needs."""
        if head >> 4 != PacketType.PUBLISH:
            self._close_chunk()
            self._out.append(parse(head, body, self._version))
            return
        try:
            packet = parse(head, body, self._version, forwarded=True)
        except MalformedPacket as wrong:
            self._salvage(head, body, body, size, wrong)
            return
        assert isinstance(packet, Publish)
        if packet.qos > 1:
            raise protocol_error("QoS 2, which was not asked for")
        self._counts.redelivered += packet.dup
        self._counts.retained += packet.retain
        packet_id = packet.packet_id.to_bytes(2, "big") if packet.qos else b""
        sender = self._book.sender(packet.topic)
        if sender is None or (sender.kind is Kind.REPLY and packet.retain):
            what = "a retained reply on topic" if sender else "topic"
            self._add(STRANGER, packet.payload, packet_id, size, f"{what} {packet.topic}")
        elif sender.kind is Kind.REPLY:
            self._reply(sender.device_no, packet.payload, packet_id, size)
        else:
            mime = self._mime(packet, body)
            self._add(sender.device_no, packet.payload, packet_id, size, mime=mime, retained=packet.retain)

    def _add(
        self,
        device_no: int,
        payload: bytes,
        packet_id: bytes,
        size: int,
        topic: str = "",
        mime: str = "",
        retained: bool = False,
    ) -> None:
        chunk, index = self._chunk, len(self._chunk.payload)
        chunk.device_no.append(device_no)
        chunk.payload.append(payload)
        chunk.packet_ids.append(packet_id)
        chunk.size += size
        self._counts.strangers += device_no == STRANGER
        if topic:
            chunk.topics[index] = topic
        if mime:
            chunk.content_type[index] = mime
        if retained:
            chunk.retained.append(index)
        if is_array(payload, mime):
            chunk.arrays.append(index)

    def _reply(self, device_no: int, payload: bytes, packet_id: bytes, size: int) -> None:
        """A chunk of its own, so that acknowledgements keep their order."""
        self._close_chunk()
        self._counts.replies += 1
        reply = self._fresh()
        reply.replies.append((device_no, payload))
        reply.packet_ids.append(packet_id)
        reply.size = size
        self._out.append(reply)

    def _salvage(self, head: int, body: bytes, kept: bytes, size: int, wrong: MalformedPacket) -> None:
        """A PUBLISH that cannot be read is set aside, when it says at least how it is to be acknowledged.

        `kept`, the body or its beginning, is no reading in JSON or CBOR, so that no decoder takes it for one: it begins
        with the length of its topic, of a registered device's below 0x0300.
        """
        qos = head >> 1 & 3
        id_at = 2 + int.from_bytes(body[:2], "big")
        packet_id = body[id_at : id_at + 2] if qos == 1 else b""
        if qos > 1 or (qos == 1 and (len(packet_id) < 2 or packet_id == b"\0\0")):
            raise wrong
        sender = self._book.sender(body[2:id_at].decode(errors="replace"))
        device_no = STRANGER if sender is None else sender.device_no
        self._add(device_no, kept, packet_id, size, f"a message that cannot be read: {wrong.words}")

    def _mime(self, packet: Publish, body: bytes) -> str:
        """The content type without its parameters, empty for JSON. A block of properties that says nothing else is
        remembered for the fast path."""
        properties = packet.properties
        if self._version != V5:
            return ""
        mime = properties.texts.get(Property.CONTENT_TYPE, "").partition(";")[0].strip().lower()
        mime = "" if mime in _JSON else mime
        said = properties.texts.keys() | properties.numbers.keys() | properties.binaries.keys()
        at = 2 + int.from_bytes(body[:2], "big") + (2 if packet.qos else 0)
        if said <= {Property.CONTENT_TYPE, Property.PAYLOAD_FORMAT} and 0 < body[at] < _SHORT_BLOCK:
            if len(self._mimes) >= _MOST_BLOCKS:
                self._mimes.clear()
            self._mimes[body[at : at + 1 + body[at]]] = mime
        return mime

    # ---- packets that are not kept whole ----

    def _begin_large(self, data: bytes, at: int, start: int, end: int, held: int) -> bytes:
        self._large = data[at], data[start : start + held]
        self._skip = end - start
        return self._pass_over(data[start:])

    def _pass_over(self, data: bytes) -> bytes:
        """Drop what belongs to the large packet; at its end its beginning becomes a message. Returns what follows."""
        passed = min(self._skip, len(data))
        self._skip -= passed
        if self._skip == 0 and self._large is not None:
            (head, body), self._large = self._large, None
            self._counts.too_large += 1
            kept = body[: self._limits.kept_of_large_bytes]
            words = f"a packet of more than {self._limits.packet_bytes} bytes, of which the first {len(kept)} are kept"
            topic = body[2 : 2 + int.from_bytes(body[:2], "big")].decode(errors="replace")
            self._salvage(head, body, kept, len(kept), protocol_error(f"{words}, on topic {topic[:200]}"))
        return data[passed:]
