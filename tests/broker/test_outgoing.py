"""Commands and acknowledgements on their way out, without a broker."""

from pathlib import Path

from ingest.broker_acks import ApplicationAcks
from ingest.broker_outgoing import Outbound, Outgoing
from ingest.broker_sessions import KnownSessions
from ingest.links import Upto
from ingest.mqtt_packets import Publish, parse
from ingest.mqtt_properties import Property
from ingest.mqtt_stream import frame
from ingest.mqtt_wire import V5, V311

S = 1_000_000


def command(name: str, expires_s: int) -> Outbound:
    return Outbound(name, 2, "davy/v1/acme/v1/command", name.encode(), expires_s * S)


def packets(data: bytes, version: int = V5) -> list[Publish]:
    found, at = [], 0
    while at < len(data):
        start, end = frame(data, at, 1 << 20, version)
        packet = parse(data[at], data[start:end], version)
        assert isinstance(packet, Publish)
        found.append(packet)
        at = end
    return found


def test_nothing_leaves_without_a_connection_and_then_all_in_order() -> None:
    outgoing = Outgoing(V5, 10)
    assert [outgoing.give(command(name, 100), 0) for name in "abc"] == [b"", b"", b""]
    sent = packets(outgoing.connected(False, 65_535, 10 * S))
    assert [one.payload for one in sent] == [b"a", b"b", b"c"]
    assert outgoing.sent == ["a", "b", "c"]
    assert [one.properties.numbers[Property.MESSAGE_EXPIRY_S] for one in sent] == [90, 90, 90]


def test_the_brokers_receive_maximum_is_kept_and_acknowledgements_make_room() -> None:
    outgoing = Outgoing(V5, 10)
    outgoing.connected(False, 2, 0)
    first, second = (packets(outgoing.give(command(name, 100), 0))[0] for name in "ab")
    assert outgoing.give(command("c", 100), 0) == b""
    assert [one.payload for one in packets(outgoing.acknowledged(second.packet_id, 0, 0))] == [b"c"]
    assert outgoing.sent == ["c"]
    assert outgoing.acknowledged(first.packet_id, 0x10, 0) == b""
    assert [(name, device) for name, _, device in outgoing.failed] == [("a", 2)]
    assert outgoing.acknowledged(9_999, 0x87, 0) == b""  # nobody's
    assert len(outgoing.failed) == 1


def test_what_has_no_acknowledgement_is_repeated_and_what_has_expired_is_not() -> None:
    outgoing = Outgoing(V5, 10)
    outgoing.connected(False, 65_535, 0)
    for name, expires_s in (("a", 5), ("b", 100)):
        outgoing.give(command(name, expires_s), 0)
    outgoing.disconnected()
    outgoing.give(command("c", 5), 0)
    outgoing.give(command("d", 100), 0)
    again = packets(outgoing.connected(True, 65_535, 10 * S))
    assert [(one.payload, one.dup) for one in again] == [(b"b", True), (b"d", False)]
    assert [name for name, _, _ in outgoing.failed] == ["c"]
    assert outgoing.sent == ["d"]
    outgoing.disconnected()
    fresh = packets(outgoing.connected(False, 65_535, 10 * S))
    assert [(one.payload, one.dup) for one in fresh] == [(b"b", False), (b"d", False)]  # it knows nothing of them


def test_waiting_commands_are_bounded() -> None:
    outgoing = Outgoing(V311, 2)
    outgoing.give(command("a", 100), 0)
    assert outgoing.room
    outgoing.give(command("b", 100), 0)
    assert not outgoing.room


def test_the_newest_acknowledgement_of_each_device_and_boot_wins_and_the_oldest_device_goes_first() -> None:
    acks = ApplicationAcks(V5)
    acks.offer([Upto(1, 1, 5), Upto(2, 1, 7), Upto(1, 1, 6), Upto(1, 2, 1)])
    acks.offer([Upto(1, 3, 4)])
    assert len(acks) == 2
    assert acks.due(1) == [(1, b'{"boot":2,"seq":1}'), (1, b'{"boot":3,"seq":4}')]
    acks.offer([Upto(1, 3, 5)])
    assert [device for device, _ in acks.due(10)] == [2, 1]
    assert acks.due(10) == []
    topic = "davy/v1/acme/d1/ack"
    (said,) = packets(acks.packet(topic, b"{}"))
    assert (said.topic, said.qos) == (topic, 0)


def test_known_sessions_outlive_the_process_and_a_broken_file_is_no_end(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    known = KnownSessions(path)
    assert "a" not in known
    known.add("a")
    assert "a" in KnownSessions(path)
    path.write_text("{broken")
    broken = KnownSessions(path)
    assert "a" not in broken
    broken.add("b")
    assert "b" in KnownSessions(path)
