"""Messages in: what is handed over, when it is acknowledged, and what is refused (invariants E1 to E4, C2, C4)."""

import asyncio

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.links import MOST_READINGS_PER_SENDER, Arrivals
from ingest.mqtt_intake import Intake, Run
from ingest.mqtt_limits import EndpointCounts, EndpointLimits
from ingest.mqtt_packets import Disconnect, Packet, Pingreq, Pingresp, Puback, Publish, build
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, V311, Reason
from tests.mqtt.town import (
    BEHIND,
    DETECTOR,
    GATEWAY,
    STRANGER,
    VALVE,
    Town,
    open_town,
    reading,
    settled,
    signed_in,
    topic,
)

BOTH = pytest.mark.parametrize("version", [V311, V5])


@BOTH
async def test_e1_a_puback_leaves_only_when_its_take_is_settled(town: Town, version: int) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(reading(11), Pingreq())
    assert await client.receive() == Pingresp()  # the message was read, and there is no PUBACK
    taken = town.endpoint.take(100)
    assert taken is not None
    assert (taken.source, taken.device_no, taken.payload) == ("mqtt", [DETECTOR], [b'{"seq":1}'])
    client.send(Pingreq())
    assert await client.receive() == Pingresp()
    town.endpoint.settle(taken, settled(1))
    assert await client.receive() == Puback(11)


async def test_e1_what_arrives_between_take_and_settle_belongs_to_the_next_take(town: Town) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR)
    client.send(reading(1, payload=b"a"), Pingreq())
    await client.receive()
    first = town.endpoint.take(100)
    client.send(reading(2, payload=b"b"), Pingreq())
    await client.receive()
    assert first is not None
    town.endpoint.settle(first, settled(1))
    assert await client.receive() == Puback(1)
    second = town.endpoint.take(100)
    assert second is not None
    assert second.payload == [b"b"]
    third = town.endpoint.take(100)
    assert third is None
    town.endpoint.settle(second, settled(1))
    assert await client.receive() == Puback(2)


async def test_two_takes_may_be_open_at_once(town: Town) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR)
    client.send(reading(1), reading(2), reading(3), Pingreq())
    await client.receive()
    first, second = town.endpoint.take(2), town.endpoint.take(2)
    assert first is not None
    assert second is not None
    town.endpoint.settle(first, settled(2))
    town.endpoint.settle(second, settled(1))
    assert await client.received(3) == [Puback(1), Puback(2), Puback(3)]


@BOTH
async def test_qos_0_is_handed_over_and_not_answered(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(reading(0, qos=0), reading(5), reading(0, qos=0))
    assert await client.receive() == Puback(5)
    assert town.seen.readings == [(DETECTOR, b'{"seq":1}')] * 3


@BOTH
async def test_a_repeated_or_retained_message_is_a_message(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(Publish(topic(DETECTOR), b"1", 1, 1, dup=True), Publish(topic(DETECTOR), b"2", 1, 2, retain=True))
    assert await client.received(2) == [Puback(1), Puback(2)]
    assert [payload for _, payload in town.seen.readings] == [b"1", b"2"]


async def test_a_content_type_other_than_json_is_told(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    types = ["application/cbor", "application/json; charset=utf-8", "", "Application/CBOR"]
    for number, mime in enumerate(types, 1):
        properties = Properties({Property.MESSAGE_EXPIRY_S: 5}, {Property.CONTENT_TYPE: mime} if mime else {})
        client.send(Publish(topic(DETECTOR), b"\xa0", 1, number, properties=properties))
    await client.received(4)
    assert town.seen.content_types == ["application/cbor", "", "", "application/cbor"]


@BOTH
async def test_a_gateway_speaks_for_itself_and_those_behind_it(town: Town, version: int) -> None:
    client, _ = await signed_in(town, GATEWAY, version)
    client.send(reading(1, GATEWAY), reading(2, BEHIND, b"behind"))
    assert await client.received(2) == [Puback(1), Puback(2)]
    assert town.seen.readings == [(GATEWAY, b'{"seq":1}'), (BEHIND, b"behind")]


async def test_replies_are_handed_over_apart_and_acknowledged_in_their_turn(town: Town) -> None:
    client, _ = await signed_in(town, VALVE)
    client.send(
        reading(1, VALVE), Publish(topic(VALVE, "reply"), b'{"id":"x"}', 1, 2), reading(3, VALVE), reading(4, VALVE)
    )
    assert await client.received(4) == [Puback(n) for n in (1, 2, 3, 4)]
    assert town.seen.replies == [(VALVE, b'{"id":"x"}')]
    assert len(town.seen.readings) == 3


# ---- topics that are not one's own ----

FOREIGN = [
    topic(VALVE),
    topic(STRANGER),
    topic(DETECTOR, "command"),
    topic(DETECTOR, "ack"),
    topic(VALVE, "reply"),
    "davy/v1/acme/d1/telemetry/x",
    "davy/v2/acme/d1/telemetry",
    "/" + topic(DETECTOR),
    "$SYS/broker",
    "sensors/kitchen",
    "\U0001f525",
]


@pytest.mark.parametrize("name", FOREIGN)
async def test_a_foreign_topic_is_refused_by_puback_and_the_connection_stays(town: Town, name: str) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send(reading(1), Publish(name, b"{}", 1, 2), Publish(name, b"{}", 0), reading(3))
    assert await client.received(3) == [Puback(1), Puback(2, Reason.NOT_AUTHORIZED), Puback(3)]
    assert len(town.seen.readings) == 2
    assert town.refused("publish_topic") == 2


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("qos", [0, 1])
async def test_a_foreign_topic_closes_a_3_1_1_connection(town: Town, name: str, qos: int) -> None:
    client, _ = await signed_in(town, DETECTOR, V311)
    client.send(Publish(name, b"{}", qos, qos and 2))
    assert await client.ended() == []
    assert town.seen.readings == []
    assert town.refused("publish_topic") == 1


@BOTH
@pytest.mark.parametrize(
    "raw_topic",
    [b"davy/v1/acme/d\xff/telemetry", b"davy/\x00/x", b"\xed\xa0\x80", b"\xc0\xaf", b"davy/+/x", b"davy/#"],
)
async def test_a_topic_that_is_no_topic_name_ends_the_connection(town: Town, version: int, raw_topic: bytes) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    body = len(raw_topic).to_bytes(2, "big") + raw_topic + b"\x00\x01" + (b"\x00" if version == V5 else b"") + b"{}"
    client.send_bytes(b"\x32" + bytes([len(body)]) + body)
    ended = await client.ended()
    if version == V5:
        assert len(ended) == 1
        assert isinstance(ended[0], Disconnect)
        assert ended[0].reason in (Reason.MALFORMED_PACKET, Reason.TOPIC_NAME_INVALID)
    else:
        assert ended == []
    assert town.refused("malformed") == 1
    assert town.seen.readings == []


@BOTH
async def test_qos_2_ends_the_connection(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    client.send(Publish(topic(DETECTOR), b"{}", 2, 9))
    assert await client.ended() == ([Disconnect(Reason.QOS_NOT_SUPPORTED)] if version == V5 else [])
    assert town.refused("qos_2") == 1


@pytest.mark.parametrize(
    ("publish", "reason"),
    [
        (Publish(topic(DETECTOR), b"", 1, 1, properties=Properties({Property.TOPIC_ALIAS: 1})), 0x94),
        (Publish("", b"", 1, 1), 0x82),
        (Publish(topic(DETECTOR), b"", 1, 1, properties=Properties({Property.SUBSCRIPTION_IDENTIFIER: 1})), 0x82),
    ],
)
async def test_what_connack_did_not_offer_ends_the_connection(town: Town, publish: Publish, reason: int) -> None:
    client, _ = await signed_in(town, DETECTOR)
    client.send(publish)
    assert await client.ended() == [Disconnect(reason)]


@BOTH
async def test_messages_before_a_violation_are_handed_over(town: Town, version: int) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR, version)
    client.send_bytes(build(reading(1), version) + b"\xff\xff\xff\xff\xff")
    await client.ended()
    town.running.set()
    await town.until(lambda: town.seen.readings == [(DETECTOR, b'{"seq":1}')])


# ---- withheld ----


@BOTH
async def test_e4_a_withheld_message_gets_no_puback_and_is_asked_for_again(town: Town, version: int) -> None:
    client, _ = await signed_in(town, DETECTOR, version)
    other, _ = await signed_in(town, VALVE, version)
    town.withhold = lambda taken: frozenset(n for n, body in enumerate(taken.payload) if body == b"later")
    client.send(reading(1), reading(2, payload=b"later"), reading(3))
    assert await client.received(2) == [Puback(1), Puback(3)]
    assert town.gauge("connections_owing") == 1
    other.send(reading(1, VALVE))
    assert await client.ended() == ([Disconnect(Reason.QUOTA_EXCEEDED)] if version == V5 else [])
    assert await other.receive() == Puback(1)
    assert town.refused("withheld") == 1


async def test_e4_while_messages_are_withheld_their_connections_stay(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    town.withhold = lambda taken: frozenset(range(len(taken.payload)))
    client.send(reading(1), reading(0, qos=0), Publish(topic(DETECTOR, "reply"), b"{}", 1, 2))
    assert await client.receive() == Puback(2)
    client.send(reading(3), Pingreq())
    assert await client.receive() == Pingresp()
    assert town.gauge("connections_owing") == 1


async def test_e4_nothing_is_asked_for_again_while_the_store_is_still_in_its_reserve(town: Town) -> None:
    client, _ = await signed_in(town, DETECTOR)
    town.withhold, town.in_reserve = (lambda _: frozenset({0})), True
    client.send(reading(1))
    await town.turns(lambda: town.gauge("connections_owing") == 1)
    town.withhold = lambda _: frozenset()
    client.send(reading(2))  # a message that matters for an alarm is stored even now
    assert await client.receive() == Puback(2)
    town.endpoint.tick()
    assert town.gauge("connections_owing") == 1
    town.in_reserve = False
    client.send(reading(3))
    assert await client.ended() == [Puback(3), Disconnect(Reason.QUOTA_EXCEEDED)]


async def test_e4_a_message_withheld_for_long_is_asked_for_again_anyway() -> None:
    async with open_town(limits=EndpointLimits(withheld_for_s=0.0)) as town:
        client, _ = await signed_in(town, DETECTOR)
        town.withhold = lambda taken: frozenset(range(len(taken.payload)))
        client.send(reading(1))
        assert await client.ended() == [Disconnect(Reason.QUOTA_EXCEEDED)]


async def test_e4_owing_connections_are_ended_no_faster_than_they_can_come_back() -> None:
    async with open_town(limits=EndpointLimits(handshakes_per_s=20, connections_per_identity=4)) as town:
        names = [(DETECTOR, n) for n in range(4)] + [(VALVE, n) for n in range(4)]
        clients = [(await signed_in(town, device, client_id=f"c{n}"))[0] for device, n in names]
        town.withhold = lambda taken: frozenset(range(len(taken.payload)))
        for (device, _), client in zip(names, clients, strict=True):
            client.send(reading(1, device))
        await town.turns(lambda: town.gauge("connections_owing") == 8)
        town.withhold = lambda _: frozenset()
        town.endpoint.tick()
        before = town.refused("withheld")
        clients[0].send(Publish(topic(DETECTOR), b"", 0))
        await town.until(lambda: (DETECTOR, b"") in town.seen.readings)
        assert town.refused("withheld") - before <= 2
        await town.turns(lambda: town.refused("withheld") == 8)


# ---- shares ----


async def test_e3_a_flood_of_one_does_not_delay_another(town: Town) -> None:
    town.running.clear()
    flood, _ = await signed_in(town, DETECTOR, V311)
    flood.send_bytes(b"".join(build(reading(n % 60000 + 1), V311) for n in range(20_000)))
    await town.turns(lambda: town.gauge("connections_paused") == 1)
    quiet, _ = await signed_in(town, VALVE)
    quiet.send(reading(1, VALVE, b"alarm"), Pingreq())
    assert await quiet.receive() == Pingresp()
    taken = town.endpoint.take(8192)
    assert taken is not None
    assert (VALVE, b"alarm") in zip(taken.device_no, taken.payload, strict=True)
    assert len(taken.device_no) <= 513
    town.note(taken)
    town.endpoint.settle(taken, settled(len(taken.device_no)))
    assert await quiet.receive() == Puback(1)
    town.running.set()
    assert await flood.received(20_000) == [Puback(n % 60000 + 1) for n in range(20_000)]
    assert max(town.seen.takes) <= 513


ARRAY = b"[" + b",".join(b'{"seq":%d}' % n for n in range(1_000)) + b"]"
CBOR_ARRAY = b"\x99\x03\xe8" + b"\xa1\x62ts\x00" * 1_000
CBOR_TYPE = Properties(texts={Property.CONTENT_TYPE: "application/cbor"})


@pytest.mark.parametrize(
    ("payload", "properties"),
    [(ARRAY, Properties()), (b" \n\t" + ARRAY, Properties()), (CBOR_ARRAY, CBOR_TYPE)],
    ids=["json", "white space first", "cbor"],
)
@pytest.mark.parametrize("qos", [0, 1])
async def test_l3_of_arrays_one_connection_brings_two_into_a_cycle(
    town: Town, payload: bytes, properties: Properties, qos: int
) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR)
    arrays = [Publish(topic(DETECTOR), payload, qos, n * qos, properties=properties) for n in range(1, 8)]
    client.send(*arrays, reading(50))
    taken: list[int] = []
    while sum(taken) < 8:
        await town.turns(lambda: town.gauge("connections_paused") == 1 or sum(taken) == 6)
        take = town.endpoint.take(8192)
        if take is None:
            await asyncio.sleep(0)
            continue
        taken.append(len(take.payload))
        assert sum(body == payload for body in take.payload) <= 2
        town.endpoint.settle(take, settled(len(take.payload)))
    assert await client.received(7 * qos + 1) == [Puback(n) for n in (*range(1, 7 * qos + 1), 50)]


async def test_l4_a_connections_readings_in_a_cycle_are_bounded(town: Town) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR, V311)
    single, array = build(reading(1), V311), build(reading(2, payload=ARRAY), V311)
    client.send_bytes(single * 255 + array * 4 + single * 600)
    await town.turns(lambda: town.gauge("connections_paused") == 1)
    take = town.endpoint.take(8192)
    assert take is not None
    readings = sum(1_000 if body == ARRAY else 1 for body in take.payload)
    assert readings == MOST_READINGS_PER_SENDER
    town.endpoint.settle(take, settled(len(take.payload)))


def test_l3_a_take_has_a_bounded_number_of_arrays_whoever_sent_them() -> None:
    intake = Intake("mqtt", lambda: None, EndpointCounts())
    senders = [Ledger() for _ in range(50)]
    for turn in range(2):
        for number, sender in enumerate(senders):
            body = ARRAY if turn or number % 2 else b'{"seq":1}'
            intake.reading(sender, number, body, (50 * turn + number + 1).to_bytes(2, "big"), 10, "")
    sizes, arrays = [], []
    while (taken := intake.take(8192)) is not None:
        sizes.append(len(taken.payload))
        arrays.append(taken.payload.count(ARRAY))
        assert taken.arrays == [n for n, body in enumerate(taken.payload) if body == ARRAY]
        intake.settle(taken, frozenset())
    assert (sum(sizes), arrays) == (100, [32, 32, 11])
    assert all((sender.unsettled, len(sender.answers)) == (0, 2) for sender in senders)


async def test_e3_of_large_messages_one_read_is_taken_at_a_time(town: Town) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR, V311)
    client.send(*[reading(n, payload=b"x" * 10_000) for n in range(1, 41)])
    await town.turns(lambda: town.gauge("connections_paused") == 1)
    taken = town.endpoint.take(8192)
    assert taken is not None
    assert 64 * 1024 - 10_100 <= sum(map(len, taken.payload)) <= 64 * 1024 + 10_100
    town.note(taken)
    town.endpoint.settle(taken, settled(len(taken.device_no)))
    town.running.set()
    assert await client.received(40) == [Puback(n) for n in range(1, 41)]


async def test_e3_a_full_endpoint_reads_nobody_further_and_loses_nothing() -> None:
    async with open_town(limits=EndpointLimits(pending_bytes=100_000)) as town:
        town.running.clear()
        pairs = [(device, f"c{n}") for device in (DETECTOR, VALVE, GATEWAY) for n in range(3)]
        clients = [(device, (await signed_in(town, device, client_id=name))[0]) for device, name in pairs]
        for device, client in clients:
            client.send(*[reading(n, device, b"y" * 3000) for n in range(1, 31)])
        await town.turns(lambda: town.gauge("connections_paused") >= 2)
        for _ in range(200):
            await asyncio.sleep(0)
        assert town.gauge("bytes_waiting") < 100_000 + 9 * 64 * 1024
        town.running.set()
        for _, client in clients:
            assert await client.received(30) == [Puback(n) for n in range(1, 31)]
        assert len(town.seen.readings) == 270
        assert town.gauge("bytes_waiting") == 0


async def test_a_take_gives_at_most_what_was_asked_for_and_wakes_for_the_rest() -> None:
    async with open_town(most=10) as town:
        client, _ = await signed_in(town, VALVE)
        packets: list[Packet] = []
        for number in range(1, 100):
            kind = "reply" if number % 7 == 0 else "telemetry"
            properties = Properties(texts={Property.CONTENT_TYPE: "a/b"} if number % 5 == 0 else {})
            packets.append(Publish(topic(VALVE, kind), b"%d" % number, 1, number, properties=properties))
        client.send(*packets)
        assert await client.received(99) == [Puback(number) for number in range(1, 100)]
        wanted = [number for number in range(1, 100) if number % 7]
        assert [int(payload) for _, payload in town.seen.readings] == wanted
        assert [n % 5 == 0 for n in wanted] == [mime == "a/b" for mime in town.seen.content_types]
        assert max(town.seen.takes) == 10
        assert len(town.seen.replies) == 14


async def test_mqtt_5_receive_maximum_is_kept() -> None:
    async with open_town(limits=EndpointLimits(receive_maximum=5)) as town:
        town.running.clear()
        client, connack = await signed_in(town, DETECTOR)
        assert connack.properties.numbers[Property.RECEIVE_MAXIMUM] == 5
        client.send(*[reading(n) for n in range(1, 6)], Pingreq())
        assert await client.receive() == Pingresp()
        client.send(reading(0, qos=0), reading(6))
        assert await client.ended() == [Disconnect(Reason.RECEIVE_MAXIMUM_EXCEEDED)]
        town.running.set()
        await town.until(lambda: len(town.seen.readings) == 6)


async def test_acknowledgements_give_the_receive_maximum_back() -> None:
    async with open_town(limits=EndpointLimits(receive_maximum=5)) as town:
        client, _ = await signed_in(town, VALVE)
        for turn in range(10):
            foreign, reply = Publish("x", b"", 1, 4), Publish(topic(VALVE, "reply"), b"", 1, 5)
            client.send(reading(1, VALVE), reading(2, VALVE), reading(3, VALVE), foreign, reply)
            answers = await client.received(5)
            assert answers[3] == Puback(4, Reason.NOT_AUTHORIZED), turn
            assert answers[4] == Puback(5)


# ---- the intake's books, against a plain list ----


class Ledger:
    """A sender that writes down what it is told."""

    def __init__(self) -> None:
        self.unsettled = 0
        self.unsettled_bytes = 0
        self.answers: list[bytes] = []
        self.promised = 0
        self.owes = 0

    def acknowledge(self, packets: bytes, promised: int) -> None:
        self.answers += [packets[n : n + 4] for n in range(0, len(packets), 4)]
        self.promised += promised

    def withhold(self) -> None:
        self.owes += 1


#: One message: the sender, how many of its kind, and the kind.
_messages = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.sampled_from(["fast", "one", "qos 0", "reply", "refused"])),
    max_size=40,
)


@settings(max_examples=300, deadline=None)
@given(messages=_messages, most=st.lists(st.integers(1, 12), min_size=1, max_size=8), data=st.data())
def test_i1_i2_however_it_is_taken_each_message_is_answered_once_and_in_order(
    messages: list[tuple[int, int, str]], most: list[int], data: st.DataObject
) -> None:
    intake = Intake("mqtt", lambda: None, EndpointCounts())
    senders = [Ledger() for _ in range(3)]
    expected: list[list[tuple[bytes, int | None]]] = [[], [], []]
    number = index = 0
    for who, count, kind in messages:
        sender = senders[who]
        for turn in range(count):
            number += 1
            pid = number.to_bytes(2, "big")
            puback = b"\x40\x02" + pid
            if kind == "reply":
                intake.reply(sender, who, pid, puback, 10)
                expected[who].append((puback, None))
            elif kind == "refused":
                intake.answer(sender, puback, 10)
                expected[who].append((puback, None))
            elif kind == "fast":
                if turn == 0:
                    first, ids = len(intake.pending.device_no), [(number + n).to_bytes(2, "big") for n in range(count)]
                    intake.pending.device_no += [who] * count
                    intake.pending.payload += ids
                    intake.add(Run(sender, first, count, ids, 10 * count))
                expected[who].append((puback, index))
                index += 1
            else:
                intake.reading(sender, who, pid, b"" if kind == "qos 0" else pid, 10, "")
                if kind == "one":
                    expected[who].append((puback, index))
                index += 1
    withheld = data.draw(st.frozensets(st.integers(0, max(index, 1))))
    offset = turn = 0
    payloads: list[bytes] = []
    while (taken := intake.take(most[turn % len(most)])) is not None:
        count = len(taken.device_no)
        assert count <= most[turn % len(most)]
        payloads += taken.payload
        here = frozenset(n - offset for n in withheld if offset <= n < offset + count)
        intake.settle(taken, here)
        offset, turn = offset + count, turn + 1
    assert offset == index
    assert payloads == sorted(payloads)
    assert intake.bytes_waiting == 0
    for sender, wanted in zip(senders, expected, strict=True):
        assert sender.answers == [answer for answer, place in wanted if place is None or place not in withheld]
        assert (sender.unsettled, sender.unsettled_bytes) == (0, 0)
        assert sender.promised == len(sender.answers)
        assert bool(sender.owes) == any(place in withheld for _, place in wanted if place is not None)


def test_a_take_is_bounded_by_bytes_too() -> None:
    intake, sender = Intake("mqtt", lambda: None, EndpointCounts()), Ledger()
    for number in range(1, 31):
        intake.reading(sender, 1, b"x" * 200_000, number.to_bytes(2, "big"), 200_040, "")
    sizes = []
    while (taken := intake.take(8192)) is not None:
        sizes.append(len(taken.payload))
        intake.settle(taken, frozenset())
    assert sizes == [7, 7, 7, 7, 2]
    assert len(sender.answers) == 30
    assert intake.bytes_waiting == 0


def test_arrivals_are_the_links_own_type() -> None:
    intake = Intake("mqtt", lambda: None, EndpointCounts())
    intake.connected(5)
    intake.connected(5)
    taken = intake.take(1)
    assert isinstance(taken, Arrivals)
    assert taken.connected == [5]
    assert np.array(taken.device_no).size == 0
    assert intake.take(1) is None


async def test_a_client_that_leaves_before_its_commit_disturbs_nobody(town: Town) -> None:
    town.running.clear()
    client, _ = await signed_in(town, DETECTOR)
    other, _ = await signed_in(town, VALVE)
    client.send(reading(1))
    other.send(reading(1, VALVE), Pingreq())
    assert await other.receive() == Pingresp()
    client.abort()
    await town.turns(lambda: town.gauge("connections") == 1)
    town.running.set()
    assert await other.receive() == Puback(1)
    assert len(town.seen.readings) == 2
