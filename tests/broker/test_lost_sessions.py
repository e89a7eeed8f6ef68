"""A session that a broker forgot is said, whenever the engine dies and whoever is registered."""

import json
from collections.abc import Callable
from pathlib import Path

from devices.sites import Registry
from ingest.broker_sessions import KnownSessions
from ingest.mqtt_directory import Directory
from ingest.mqtt_packets import Connack
from tests.broker.mosquitto import Mosquitto
from tests.broker.stand import GATEWAY, Stand, broker_at, open_stand
from tests.broker.test_hostile_broker import LIMITS, says, scripted
from tests.mqtt.town import registry


def noticed(stand: Stand) -> Callable[[], bool]:
    return lambda: stand.count("sessions_lost") == 1


async def forgets(mosquitto: Mosquitto, folder: Path) -> None:
    """We have a session at the broker, and it forgets it."""
    async with open_stand(broker_at(mosquitto.port), folder) as stand:
        await stand.connected()
        assert stand.seen.session_lost == []
    mosquitto.kill()
    mosquitto.start()


async def test_a_loss_is_said_after_the_engine_died_before_its_cycle_took_it(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    await forgets(mosquitto, tmp_path)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as dying:
        dying.running.clear()
        await dying.until(noticed(dying))
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.session_lost) == 1)
        assert stand.count("sessions_lost") == 0
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: stand.seen.up == [GATEWAY])
        assert stand.seen.session_lost == []  # once it was committed, it is not said again


async def test_a_loss_is_said_after_the_engine_died_before_the_commit(mosquitto: Mosquitto, tmp_path: Path) -> None:
    await forgets(mosquitto, tmp_path)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as dying:
        dying.settling.clear()
        await dying.until(lambda: len(dying.seen.session_lost) == 1)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.session_lost) == 1)


async def test_a_loss_is_not_taken_for_committed_while_the_disk_may_have_no_room(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    await forgets(mosquitto, tmp_path)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as dying:
        dying.in_reserve = True
        await dying.until(lambda: len(dying.seen.session_lost) == 1)
    async with open_stand(broker_at(mosquitto.port), tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.session_lost) == 1)


async def test_a_loss_waits_across_restarts_for_the_brokers_gateway_to_be_registered(
    mosquitto: Mosquitto, tmp_path: Path
) -> None:
    await forgets(mosquitto, tmp_path)
    broker = broker_at(mosquitto.port, gateway="acme/not-yet")
    async with open_stand(broker, tmp_path) as stand:
        await stand.until(noticed(stand))
        assert stand.seen.session_lost == []
    stand = Stand(broker_at(mosquitto.port), tmp_path)
    stand.link.replace_directory(Directory.of(Registry()))  # an engine that has no registry yet
    await stand.link.start()
    await stand.connected()
    assert stand.seen.session_lost == []
    stand.link.replace_directory(Directory.of(registry()))
    await stand.until(lambda: len(stand.seen.session_lost) == 1)
    await stand.close()


async def test_a_loss_is_known_even_when_the_broker_then_refuses_the_subscriptions(tmp_path: Path) -> None:
    """The next time it has a session of ours: the empty one of this attempt."""
    sessions = KnownSessions(tmp_path / "sessions.json")
    async with scripted(says(Connack())) as port:
        sessions.add(f"davy-1@127.0.0.1:{port}")
        async with open_stand(broker_at(port), tmp_path, LIMITS) as stand:
            await stand.until(lambda: len(stand.seen.session_lost) == 1)
            assert stand.count("connections") == 0


def test_the_file_of_before_losses_were_kept_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    path.write_text(json.dumps(["a"]))
    known = KnownSessions(path)
    assert "a" in known
    assert not known.unsaid("a")
    known.lost("a")
    assert KnownSessions(path).unsaid("a")
    KnownSessions(path).told("a")
    assert "a" in KnownSessions(path)
    assert not KnownSessions(path).unsaid("a")


def test_a_file_of_another_shape_knows_nothing_and_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "sessions.json"
    for broken in ('{"known":1}', "7", "null", '{"known":["a"]}'):
        path.write_text(broken)
        known = KnownSessions(path)
        known.add("b")
        assert "b" in KnownSessions(path)
