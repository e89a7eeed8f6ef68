"""The link to a real Mosquitto: what it takes, what it acknowledges and when, and what it says of the broker."""

import asyncio
from pathlib import Path

import pytest

from devices.commands import Command, Verb, decode_command
from ingest.broker_limits import BrokerLimits
from ingest.broker_plan import Partition
from ingest.broker_sessions import KnownSessions
from ingest.links import Sending, Upto
from ingest.mqtt_endpoint import utc_us
from ingest.mqtt_properties import Properties, Property
from ingest.mqtt_wire import V5, V311
from tests.broker.mosquitto import Mosquitto, need_mosquitto
from tests.broker.stand import DETECTOR, GATEWAY, VALVE, Device, broker_at, open_stand, topic

CLOSE = Command("c1", Verb.CLOSE, 1, "2026-01-01T00:00:00Z", "2026-01-01T00:00:30Z", "gas")


def reading(seq: int) -> bytes:
    return b'{"boot":1,"seq":%d,"combustible_lel":0.5}' % seq


def far() -> int:
    return utc_us() + 60_000_000


@pytest.mark.parametrize("version", [V5, V311])
async def test_readings_arrive_in_order_and_nothing_is_acknowledged_before_settle(
    mosquitto: Mosquitto, tmp_path: Path, version: int
) -> None:
    device = Device(version)
    async with open_stand(broker_at(mosquitto.port, version=version), tmp_path) as stand:
        await stand.connected()
        stand.settling.clear()
        await device.at(mosquitto.port, "d1")
        for seq in range(10):
            await device.published(topic(DETECTOR), reading(seq))
        await stand.until(lambda: len(stand.seen.readings) == 10)
    # Gone without a settle: the broker has had no acknowledgement, and gives all of them again, in order.
    async with open_stand(broker_at(mosquitto.port, version=version), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.readings) == 10)
        assert stand.seen.readings == [(DETECTOR, reading(seq)) for seq in range(10)]
        assert stand.count("redelivered") > 0
        assert stand.seen.session_lost == []
    async with open_stand(broker_at(mosquitto.port, version=version), tmp_path) as stand:
        await stand.connected()
        await device.published(topic(DETECTOR), reading(99))
        await stand.until(lambda: bool(stand.seen.readings))
        assert stand.seen.readings == [(DETECTOR, reading(99))]  # what was settled does not come again
    await device.close()


async def test_a_withheld_message_stops_the_acknowledgements_behind_it_until_it_is_offered_again(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    device = Device()
    limits = BrokerLimits(withheld_for_s=0.5)
    async with open_stand(broker_at(mosquitto.port), tmp_path, limits) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        stand.in_reserve = True
        stand.withhold = lambda taken: frozenset(at for at, said in enumerate(taken.payload) if said == reading(3))
        for seq in range(6):
            await device.published(topic(DETECTOR), reading(seq))
        again = [reading(seq) for seq in (3, 4, 5)]
        # 0 to 2 were acknowledged; 3 was not, so neither were 4 and 5, and all three come again on a new connection.
        await stand.until(lambda: len(stand.seen.readings) >= 9)
        assert [said for _, said in stand.seen.readings[6:9]] == again
        stand.in_reserve = False
        stand.withhold = lambda _: frozenset()
        seen = len(stand.seen.readings)
        await stand.until(lambda: [said for _, said in stand.seen.readings[seen:]][-3:] == again)
        await device.published(topic(DETECTOR), reading(6))
        await stand.until(lambda: stand.seen.readings[-1][1] == reading(6))
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        await device.published(topic(DETECTOR), reading(7))
        await stand.until(lambda: bool(stand.seen.readings))
        assert stand.seen.readings == [(DETECTOR, reading(7))]
    await device.close()


async def test_late_acknowledgements_of_a_lost_connection_acknowledge_nothing_on_the_next(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    """Killed without persistence the broker forgets the session and counts packet identifiers from 1 again."""
    device, other = Device(), Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        stand.settling.clear()
        for seq in range(5):
            await device.published(topic(DETECTOR), reading(seq))
        await stand.until(lambda: len(stand.seen.readings) == 5)
        late, stand.unsettled = stand.unsettled, []
        mosquitto.kill()
        mosquitto.start()
        await stand.until(lambda: len(stand.seen.session_lost) == 1)
        await other.at(mosquitto.port, "d2")
        for seq in range(10, 15):  # these have the packet identifiers of the first five
            await other.published(topic(DETECTOR), reading(seq))
        await stand.until(lambda: len(stand.seen.readings) == 10)
        new, stand.unsettled = stand.unsettled, late
        stand.settle()
        assert stand.count("acknowledgements_dropped") == 5
        assert stand.count("acknowledged") == 0
        assert new
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.readings) == 5)
        assert [said for _, said in stand.seen.readings] == [reading(seq) for seq in range(10, 15)]
    await device.close()
    await other.close()


@pytest.mark.parametrize("version", [V5, V311])
async def test_a_forgotten_session_is_said_also_after_a_restart_of_ours(
    mosquitto: Mosquitto, tmp_path: Path, version: int
) -> None:
    async with open_stand(broker_at(mosquitto.port, version=version), tmp_path) as stand:
        await stand.connected()
        assert stand.seen.session_lost == []
        mosquitto.kill()
        mosquitto.start()
        await stand.until(lambda: len(stand.seen.session_lost) == 1)
        assert stand.seen.session_lost[0][0] == GATEWAY
        assert "davy-1" in stand.seen.session_lost[0][1]
    mosquitto.kill()
    mosquitto.start()
    async with open_stand(broker_at(mosquitto.port, version=version), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.session_lost) == 1)


async def test_a_full_partition_is_not_read_and_nothing_is_lost(mosquitto: Mosquitto, tmp_path: Path) -> None:
    device, many = Device(), 3_000
    limits = BrokerLimits(unsettled_bytes=20_000, read_bytes=8_192)
    async with open_stand(broker_at(mosquitto.port), tmp_path, limits) as stand:
        await stand.connected()
        stand.running.clear()
        await device.at(mosquitto.port, "d1")
        for seq in range(many):
            device.publish(topic(DETECTOR), reading(seq))
        await stand.until(lambda: stand.count("pauses") > 0)
        assert stand.link.gauges()["broker_city_bytes_waiting"] <= 20_000 + 8_192
        stand.running.set()
        await stand.until(lambda: len(stand.seen.readings) == many)
        assert [said for _, said in stand.seen.readings] == [reading(seq) for seq in range(many)]
        assert stand.link.gauges()["broker_city_bytes_waiting"] == 0
    await device.close()


async def test_a_retained_message_is_marked_and_a_retained_reply_confirms_nothing(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    device = Device()
    await device.at(mosquitto.port, "d1")
    await device.published(topic(DETECTOR), reading(1), retain=True)
    await device.published(topic(VALVE, "reply"), b'{"id":"c0","valve":"closed"}', retain=True)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.readings) == 2)
        await device.published(topic(DETECTOR), reading(2))
        await stand.until(lambda: len(stand.seen.readings) == 3)
        assert stand.seen.retained == [reading(1)]
        assert stand.seen.replies == []
        assert stand.seen.topics == [f"a retained reply on topic {topic(VALVE, 'reply')}"]
        assert stand.seen.readings[-1] == (DETECTOR, reading(2))
    await device.close()


async def test_strangers_messages_and_what_cannot_be_read_are_handed_over_with_their_reason_and_acknowledged(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    device = Device()
    broker = broker_at(mosquitto.port, partitions=(Partition("davy-1", ("+/+",)),))
    async with open_stand(broker, tmp_path, BrokerLimits(packet_bytes=2_000, kept_of_large_bytes=500)) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        await device.published("davy/v1/nobody/n1/telemetry", reading(1))
        await device.published(topic(DETECTOR), b"x" * 5_000)
        await device.published(topic(DETECTOR), b"")
        await device.published(topic(DETECTOR), reading(2))
        await stand.until(lambda: len(stand.seen.readings) == 4)
        assert [number for number, _ in stand.seen.readings] == [0, DETECTOR, DETECTOR, DETECTOR]
        assert [len(said) for _, said in stand.seen.readings] == [len(reading(1)), 500, 0, len(reading(2))]
        assert stand.seen.topics[0] == "topic davy/v1/nobody/n1/telemetry"
        assert "a packet of more than 2000 bytes" in stand.seen.topics[1]
        assert topic(DETECTOR) in stand.seen.topics[1]
        assert stand.count("too_large") == 1
        await stand.until(lambda: stand.count("acknowledged") == 4)
    await device.close()


async def test_the_content_type_of_mqtt_5_is_honoured(mosquitto: Mosquitto, tmp_path: Path) -> None:
    device = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        cbor = Properties(texts={Property.CONTENT_TYPE: "application/cbor"})
        for _ in range(3):  # the first is learnt, the others take the fast path
            await device.published(topic(DETECTOR), b"\xa0", properties=cbor)
        await device.published(topic(DETECTOR), reading(1))
        await device.published(topic(DETECTOR), reading(2))
        device.publish(topic(DETECTOR), reading(3), qos=0)
        await stand.until(lambda: len(stand.seen.readings) == 6)
        assert stand.seen.content_types == ["application/cbor"] * 3 + [""] * 3
    await device.close()


async def test_a_command_goes_out_with_its_expiry_and_the_reply_comes_back(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    valve = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        await valve.at(mosquitto.port, "v1")
        await valve.subscribe(topic(VALVE, "command"))
        assert stand.link.send(VALVE, CLOSE, far()) is Sending.SENT
        await valve.until(lambda: bool(valve.payloads(topic(VALVE, "command"))))
        assert decode_command(valve.payloads(topic(VALVE, "command"))[0]) == CLOSE
        (said,) = [one for one in valve.heard if getattr(one, "topic", "") == topic(VALVE, "command")]
        assert 50 <= said.properties.numbers[Property.MESSAGE_EXPIRY_S] <= 60  # type: ignore[union-attr]
        await valve.published(topic(VALVE, "reply"), b'{"id":"c1","valve":"closed"}')
        await stand.until(lambda: stand.seen.replies == [(VALVE, b'{"id":"c1","valve":"closed"}')])
        assert stand.seen.acknowledged == []  # the broker's PUBACK is not the valve's
        assert stand.seen.failed == []
        assert stand.link.send(VALVE, CLOSE, utc_us() - 1) is Sending.UNREACHABLE
    await valve.close()


async def test_a_command_that_nobody_is_subscribed_to_fails_and_is_tried_again_when_the_valve_speaks(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    valve = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        assert stand.link.send(VALVE, CLOSE, far()) is Sending.SENT
        await stand.until(lambda: len(stand.seen.failed) == 1)
        assert stand.seen.failed[0][0] == "c1"
        assert "no subscriber at the broker" in stand.seen.failed[0][1]
        await valve.at(mosquitto.port, "v1")
        await valve.published(topic(VALVE), b'{"valve":"open"}')
        await stand.until(lambda: stand.seen.connected == [VALVE])
    await valve.close()


async def test_more_commands_than_the_broker_takes_at_once_wait_and_are_said_to_be_sent(tmp_path: Path) -> None:
    need_mosquitto()
    mosquitto = Mosquitto(tmp_path / "m", "allow_anonymous true", "persistence false", "max_inflight_messages 1")
    mosquitto.start()
    valve = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.connected()
        await valve.at(mosquitto.port, "v1")
        await valve.subscribe(topic(VALVE, "command"))
        became = [stand.link.send(VALVE, Command(f"c{n}", Verb.CLOSE, n, "", "", "gas"), far()) for n in range(5)]
        assert became[0] is Sending.SENT
        queued = [f"c{n}" for n, one in enumerate(became) if one is Sending.QUEUED]
        await valve.until(lambda: len(valve.payloads(topic(VALVE, "command"))) == 5)
        await stand.until(lambda: stand.seen.sent == queued)
    await valve.close()
    mosquitto.stop()


async def test_application_acknowledgements_are_coalesced_per_device(mosquitto: Mosquitto, tmp_path: Path) -> None:
    device = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path, BrokerLimits(acks_every_s=0.2)) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        await device.subscribe(topic(DETECTOR, "ack"))
        stand.upto = lambda taken: (Upto(DETECTOR, 1, len(stand.seen.readings)),) if taken.payload else ()
        for seq in range(200):
            device.publish(topic(DETECTOR), reading(seq))
        await device.until(lambda: b'{"boot":1,"seq":200}' in device.payloads(topic(DETECTOR, "ack")))
        assert len(device.payloads(topic(DETECTOR, "ack"))) < 50
    await device.close()


async def test_a_broker_that_is_away_for_longer_than_a_restart_is_down_and_then_up_again(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    async with open_stand(broker_at(mosquitto.port), tmp_path, BrokerLimits(down_after_s=0.3)) as stand:
        await stand.until(lambda: stand.seen.up == [GATEWAY])
        mosquitto.kill()
        assert stand.link.send(VALVE, CLOSE, far()) in (Sending.SENT, Sending.UNREACHABLE)
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert stand.seen.down[0][0] == GATEWAY
        assert stand.link.send(VALVE, CLOSE, far()) is Sending.UNREACHABLE
        mosquitto.start()
        await stand.until(lambda: stand.seen.up == [GATEWAY, GATEWAY])
        await stand.until(lambda: VALVE in stand.seen.connected)
        assert len(stand.seen.down) == 1


async def test_a_broker_that_hangs_is_found_out_by_its_silence(mosquitto: Mosquitto, tmp_path: Path) -> None:
    limits = BrokerLimits(down_after_s=0.2, connect_within_s=0.5)
    async with open_stand(broker_at(mosquitto.port, keep_alive_s=1), tmp_path, limits) as stand:
        await stand.connected()
        mosquitto.suspend()
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert "silent" in stand.seen.down[0][1] or "connection" in stand.seen.down[0][1]
        mosquitto.resume()
        await stand.until(lambda: stand.seen.up == [GATEWAY, GATEWAY])


async def test_another_client_with_our_name_is_noticed(mosquitto: Mosquitto, tmp_path: Path) -> None:
    limits = BrokerLimits(backoff_s=(0.2, 2.0))
    thief = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path, limits) as stand:
        while not stand.count("taken_over"):
            await stand.connected()
            lost = stand.count("connections_lost")
            await thief.at(mosquitto.port, "davy-1", clean=False)
            await stand.until(lambda lost=lost: stand.count("connections_lost") > lost)  # type: ignore[misc]
        assert stand.count("connections") == limits.short_ones
        assert not thief.gone  # pauses grow, so that the two do not throw each other out many times a second
    await thief.close()


async def test_partitions_have_sessions_of_their_own_and_share_a_take(mosquitto: Mosquitto, tmp_path: Path) -> None:
    device = Device()
    partitions = (Partition("davy-1", ("acme/d1",)), Partition("davy-2", ("acme/v1", "acme/g1")))
    limits = BrokerLimits(take_messages=10)
    async with open_stand(broker_at(mosquitto.port, partitions=partitions), tmp_path, limits) as stand:
        await stand.connected()
        stand.running.clear()
        await device.at(mosquitto.port, "d1")
        for seq in range(500):
            await device.published(topic(DETECTOR), reading(seq))
        await device.published(topic(VALVE), b'{"valve":"open"}')
        gauges = stand.link.gauges
        await stand.until(lambda: gauges()["broker_city_messages_waiting"] == 501)
        stand.running.set()
        await stand.until(lambda: (VALVE, b'{"valve":"open"}') in stand.seen.readings)
        # It did not wait behind the other partition's backlog.
        assert stand.seen.readings.index((VALVE, b'{"valve":"open"}')) <= 20
        await stand.until(lambda: len(stand.seen.readings) == 501)
        assert [said for number, said in stand.seen.readings if number == DETECTOR] == [
            reading(seq) for seq in range(500)
        ]
    await device.close()


class BreaksOnce(KnownSessions):
    """A defect in the partition's own life, the first time it is let in."""

    broken = False

    def add(self, name: str) -> None:
        if not self.broken:
            self.broken = True
            raise ZeroDivisionError("a defect")
        super().add(name)


async def test_a_reader_that_died_is_started_again(mosquitto: Mosquitto, tmp_path: Path) -> None:
    device = Device()
    sessions = BreaksOnce(tmp_path / "sessions.json")
    async with open_stand(broker_at(mosquitto.port), tmp_path, sessions=sessions) as stand:
        await stand.until(lambda: stand.count("readers_restarted") == 1)
        await stand.connected()
        await device.at(mosquitto.port, "d1")
        await device.published(topic(DETECTOR), reading(1))
        await stand.until(lambda: stand.seen.readings == [(DETECTOR, reading(1))])
    await device.close()


async def test_a_broker_that_is_not_there_does_not_stop_the_start(tmp_path: Path) -> None:
    async with open_stand(broker_at(1), tmp_path, BrokerLimits(down_after_s=0.2)) as stand:
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert "cannot connect: nobody listens at 127.0.0.1:1" in stand.seen.down[0][1]
        await asyncio.sleep(0)
