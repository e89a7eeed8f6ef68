"""From bytes to chunks, and from settled chunks to acknowledgements: for every way of cutting, taking and settling."""

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from ingest.broker_chunks import Chunk, Taken, Waiting
from ingest.broker_limits import BrokerCounts, BrokerLimits
from ingest.broker_plan import Devices
from ingest.broker_stream import BrokerStream
from ingest.broker_topics import TopicBook
from ingest.mqtt_packets import Packet, Pingresp, Puback, Publish, build
from ingest.mqtt_properties import NO_PROPERTIES, Properties, Property
from ingest.mqtt_wire import V5, V311

NUMBERS = {"acme/d1": 1, "acme/v1": 2, "other/x1": 3}
LIMITS = BrokerLimits(packet_bytes=400, kept_of_large_bytes=120)


class Epoch:
    """A connection that remembers what was acknowledged on it."""

    def __init__(self) -> None:
        self.over = False
        self.withheld = False
        self.acknowledged: list[int] = []

    @property
    def live(self) -> bool:
        return not (self.over or self.withheld)

    def acknowledge(self, packet_ids: list[bytes]) -> None:
        self.acknowledged += [int.from_bytes(one, "big") for one in packet_ids]

    def withhold(self) -> None:
        self.withheld = True


def stream(epoch: Epoch, version: int) -> BrokerStream:
    book = TopicBook("", Devices(["acme/+"]), 1_000)
    book.replace(NUMBERS)
    return BrokerStream(epoch, "broker:test", version, book, LIMITS, BrokerCounts())


topics = st.sampled_from(
    [
        "davy/v1/acme/d1/telemetry",
        "davy/v1/acme/v1/telemetry",
        "davy/v1/acme/v1/reply",
        "davy/v1/acme/nobody/telemetry",
        "davy/v1/other/x1/telemetry",
        "davy/v1/acme/d1/command",
        "strange/topic",
    ]
)
payloads = st.one_of(
    st.sampled_from([b'{"seq":1}', b'[{"seq":1}]', b"", b"\xa0", b"\x80", b" {}"]), st.binary(max_size=1_000)
)


@st.composite
def publishes(draw: st.DrawFn, version: int) -> Publish:
    qos = draw(st.sampled_from([1, 1, 1, 0]))
    properties = NO_PROPERTIES
    if version == V5 and draw(st.booleans()):
        mime = draw(st.sampled_from(["application/cbor", "application/json", "text/plain; charset=utf-8"]))
        numbers = {Property.MESSAGE_EXPIRY_S: 5} if draw(st.booleans()) else {}
        properties = Properties(texts={Property.CONTENT_TYPE: mime}, numbers=numbers)
    return Publish(
        draw(topics),
        draw(payloads),
        qos,
        draw(st.integers(1, 65_535)) if qos else 0,
        bool(qos) and draw(st.booleans()),
        draw(st.booleans()),
        properties,
    )


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    at = 0
    for place in sorted(places):
        if at < place < len(data):
            yield data[at:place]
            at = place
    yield data[at:]


def flat(items: list[Chunk | Packet]) -> list[tuple[object, ...]]:
    """Messages one by one, whatever chunks they came in."""
    found: list[tuple[object, ...]] = []
    for item in items:
        if not isinstance(item, Chunk):
            found.append(("packet", item))
            continue
        for no, payload in item.replies:
            found.append(("reply", no, payload, item.packet_ids[0]))
        for at, payload in enumerate(item.payload):
            found.append(
                (
                    item.device_no[at],
                    payload,
                    item.packet_ids[at],
                    item.content_type.get(at),
                    item.topics.get(at),
                    at in item.retained,
                    at in item.arrays,
                )
            )
    return found


@given(version=st.sampled_from([V311, V5]), data=st.data())
def test_however_the_bytes_are_cut_the_same_messages_come_out_and_none_is_missing(
    version: int, data: st.DataObject
) -> None:
    said = data.draw(st.lists(st.one_of(publishes(version), st.just(Pingresp()), st.just(Puback(7))), max_size=12))
    raw = b"".join(build(one, version) for one in said)
    whole = flat(stream(Epoch(), version).feed(raw)) if raw else []
    places = data.draw(st.lists(st.integers(0, len(raw)), max_size=8))
    parts = stream(Epoch(), version)
    in_parts = [one for piece in cut(raw, places) if piece for one in flat(parts.feed(piece))]
    assert in_parts == whole
    sent = [one for one in said if isinstance(one, Publish)]
    come = [one for one in whole if one[0] != "packet"]
    assert len(come) == len(sent)
    ids = [one[3] if one[0] == "reply" else one[2] for one in come]
    assert ids == [one.packet_id.to_bytes(2, "big") if one.qos else b"" for one in sent]


@given(version=st.sampled_from([V311, V5]), data=st.data())
def test_only_registered_devices_of_the_partition_are_believed(version: int, data: st.DataObject) -> None:
    said = data.draw(publishes(version))
    (come,) = flat(stream(Epoch(), version).feed(build(said, version)))
    large = len(build(said, version)) - 3 > LIMITS.packet_bytes
    identity = "/".join(said.topic.split("/")[2:4])
    kind = said.topic.rsplit("/", 1)[-1]
    ours = identity in ("acme/d1", "acme/v1")
    if large:
        assert come[0] == (NUMBERS[identity] if ours and kind in ("telemetry", "reply") else 0)
        assert "cannot be read" in str(come[4])
    elif come[0] == "reply":
        assert ours
        assert kind == "reply"
        assert not said.retain
    elif come[0]:
        assert ours
        assert kind == "telemetry"
        assert come[0] == NUMBERS[identity]
        assert come[5] == said.retain
        assert come[1] == said.payload
    else:
        assert not ours or kind == "command" or (kind == "reply" and said.retain)
        assert said.topic in str(come[4])


@given(data=st.data())
def test_acknowledgements_are_the_contiguous_settled_prefix_of_each_connection(data: st.DataObject) -> None:
    """Any chunks of two connections, taken in any portions, any of them withheld, one connection ending at any time."""
    epochs, waiting = (Epoch(), Epoch()), Waiting()
    received: dict[Epoch, list[int]] = {epoch: [] for epoch in epochs}
    number = 0
    for _ in range(data.draw(st.integers(1, 8))):
        epoch = data.draw(st.sampled_from(epochs))
        chunk = Chunk(source="broker:test", epoch=epoch, size=100)
        for _ in range(data.draw(st.integers(1, 6))):
            number += 1
            chunk.device_no.append(1)
            chunk.payload.append(b"{}")
            qos_0 = data.draw(st.integers(0, 4)) == 0
            chunk.packet_ids.append(b"" if qos_0 else number.to_bytes(2, "big"))
            if not qos_0:
                received[epoch].append(number)
        waiting.add(chunk)
    stored: set[int] = set()
    while waiting:
        taken = Taken("broker:test")
        for chunk in waiting.take(data.draw(st.integers(1, 5)), 1_000, 4):
            taken.put(waiting, chunk)
        withheld = frozenset(data.draw(st.sets(st.integers(0, len(taken.payload) - 1), max_size=2)))
        if data.draw(st.integers(0, 5)) == 0:
            data.draw(st.sampled_from(epochs)).over = True
        ids = [one for _, chunk, _ in taken.parts for one in chunk.packet_ids]
        stored |= {int.from_bytes(one, "big") for at, one in enumerate(ids) if at not in withheld}
        taken.settle(withheld)
    assert (waiting.bytes, waiting.messages) == (0, 0)
    for epoch in epochs:
        told = epoch.acknowledged
        assert told == received[epoch][: len(told)]  # a prefix, in order
        assert set(told) <= stored
        if not epoch.over and not epoch.withheld:
            assert told == received[epoch]


@given(
    sizes=st.lists(st.integers(1, 50), min_size=1, max_size=30),
    most=st.integers(1, 20),
    most_bytes=st.integers(1, 120),
    most_arrays=st.integers(1, 3),
    arrays=st.sets(st.integers(0, 29)),
)
def test_a_take_keeps_its_bounds_and_always_moves_on(
    sizes: list[int], most: int, most_bytes: int, most_arrays: int, arrays: set[int]
) -> None:
    waiting = Waiting()
    chunk = Chunk(source="broker:test", epoch=Epoch(), size=sum(sizes) + 9 * len(sizes))
    chunk.payload = [bytes([at]) * size for at, size in enumerate(sizes)]
    chunk.device_no = [1] * len(sizes)
    chunk.packet_ids = [b"\0\1"] * len(sizes)
    chunk.arrays = sorted(at for at in arrays if at < len(sizes))
    waiting.add(chunk)
    seen: list[bytes] = []
    while waiting:
        taken = list(waiting.take(most, most_bytes, most_arrays))
        got = [payload for one in taken for payload in one.payload]
        assert 1 <= len(got) <= most
        assert sum(map(len, got)) <= most_bytes or len(got) == 1
        assert sum(len(one.arrays) for one in taken) <= most_arrays or len(got) == 1
        for one in taken:
            waiting.settle(one)
        seen += got
    assert seen == [bytes([at]) * size for at, size in enumerate(sizes)]
    assert (waiting.bytes, waiting.messages) == (0, 0)
