"""The store's reserve, seen from a broker: what waits there is told, and what need not wait does not."""

from pathlib import Path

from ingest.broker_limits import BrokerLimits
from ingest.mqtt_wire import V311
from tests.broker.mosquitto import Mosquitto, need_mosquitto
from tests.broker.stand import DETECTOR, GATEWAY, Device, broker_at, open_stand, topic
from tests.broker.test_link import reading

ALARM = b'{"boot":1,"seq":99,"high_alarm":true}'


async def test_people_are_told_that_messages_wait_at_a_broker_and_that_they_wait_no_longer(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    device = Device()
    async with open_stand(broker_at(mosquitto.port), tmp_path, BrokerLimits(withheld_for_s=0.3)) as stand:
        await stand.until(lambda: stand.seen.up == [GATEWAY])
        stand.in_reserve = True
        stand.withhold = lambda taken: frozenset(range(len(taken.payload)))
        await device.at(mosquitto.port, "d1")
        await device.published(topic(DETECTOR), reading(1))
        await stand.until(lambda: len(stand.seen.down) == 1)
        no, why = stand.seen.down[0]
        assert no == GATEWAY
        assert "its messages wait: the store is in its reserve" in why
        connections = stand.count("connections")
        await stand.until(lambda: stand.count("connections") >= connections + 3)
        assert stand.count("taken_over") == 0  # it was we who ended them
        assert len(stand.seen.down) == 1  # told once, however often it is offered again
        assert stand.seen.up == [GATEWAY]
        stand.in_reserve = False
        stand.withhold = lambda _: frozenset()
        await stand.until(lambda: stand.seen.up == [GATEWAY, GATEWAY])
        await stand.until(lambda: stand.count("acknowledged") >= 1)
    await device.close()


async def test_strangers_messages_that_are_not_withheld_do_not_stand_before_an_alarm(tmp_path: Path) -> None:
    """More of them than a 3.1.1 broker has under way at once. (The cycle of engine.intake withholds readings only.)"""
    need_mosquitto()
    mosquitto = Mosquitto(tmp_path / "m", "allow_anonymous true", "persistence false", "max_inflight_messages 20")
    mosquitto.start()
    device, stranger = Device(), Device()
    async with open_stand(broker_at(mosquitto.port, version=V311), tmp_path) as stand:
        await stand.connected()
        stand.in_reserve = True
        stand.withhold = lambda taken: frozenset(
            at for at, no in enumerate(taken.device_no) if no and b"alarm" not in taken.payload[at]
        )
        await stranger.at(mosquitto.port, "stranger")
        await device.at(mosquitto.port, "d1")
        for number in range(50):
            await stranger.published("davy/v1/acme/nobody/telemetry", b'{"x":%d}' % number)
        await device.published(topic(DETECTOR), ALARM)
        await stand.until(lambda: (DETECTOR, ALARM) in stand.seen.readings)
        assert stand.count("connections") == 1
    await device.close()
    await stranger.close()
    mosquitto.stop()
