"""TLS and mutual TLS to a real Mosquitto; whom we do not believe, and who does not believe us."""

from pathlib import Path

import pytest

from devices.commands import Command, Verb
from ingest.broker_limits import BrokerLimits
from ingest.broker_partition import client_context
from ingest.broker_plan import Broker, TlsFiles
from ingest.links import Sending
from ingest.mqtt_endpoint import utc_us
from tests.broker.mosquitto import Mosquitto, need_mosquitto
from tests.broker.stand import DETECTOR, VALVE, Device, broker_at, open_stand, topic

CERTIFICATES = Path(__file__).parents[1] / "mqtt/certificates"
AUTHORITY, STRANGER, OURS = (CERTIFICATES / f"{name}.pem" for name in ("authority", "stranger", "device"))
TRUSTING = TlsFiles(authority=AUTHORITY)
MUTUAL = TlsFiles(AUTHORITY, OURS, OURS)


def encrypted(folder: Path, *more: str) -> Mosquitto:
    need_mosquitto()
    server = CERTIFICATES / "server.pem"
    mosquitto = Mosquitto(
        folder / "m", f"certfile {server}", f"keyfile {server}", "allow_anonymous true", "persistence false", *more
    )
    mosquitto.start()
    return mosquitto


def at(mosquitto: Mosquitto, files: TlsFiles) -> Broker:
    return broker_at(mosquitto.port, tls=files)


@pytest.mark.parametrize("mutual", [False, True], ids=["tls", "mutual"])
async def test_over_tls_readings_come_and_commands_go(tmp_path: Path, mutual: bool) -> None:
    more = (f"cafile {AUTHORITY}", "require_certificate true") if mutual else ()
    mosquitto = encrypted(tmp_path, *more)
    context = client_context(MUTUAL if mutual else TRUSTING)
    device = Device()
    async with open_stand(at(mosquitto, MUTUAL if mutual else TRUSTING), tmp_path) as stand:
        await stand.connected()
        await device.at(mosquitto.port, "v1", tls=context)
        await device.subscribe(topic(VALVE, "command"))
        payloads = [b'{"seq":%d,"co_ppm":1,"pad":"%s"}' % (n, b"x" * 500) for n in range(2_000)]
        for payload in payloads:
            device.publish(topic(DETECTOR), payload)
        await stand.until(lambda: len(stand.seen.readings) == len(payloads))
        assert [said for _, said in stand.seen.readings] == payloads
        close = Command("c1", Verb.CLOSE, 1, "", "", "gas")
        assert stand.link.send(VALVE, close, utc_us() + 60_000_000) is Sending.SENT
        await device.until(lambda: bool(device.payloads(topic(VALVE, "command"))))
    await device.close()
    mosquitto.stop()


async def test_a_broker_with_another_certificate_is_not_believed(tmp_path: Path) -> None:
    mosquitto = encrypted(tmp_path)
    wrong = at(mosquitto, TlsFiles(authority=STRANGER))
    async with open_stand(wrong, tmp_path, BrokerLimits(down_after_s=0.1)) as stand:
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert "certificate is not believed" in stand.seen.down[0][1]
    mosquitto.stop()


async def test_a_broker_that_wants_our_certificate_refuses_us_without_one(tmp_path: Path) -> None:
    mosquitto = encrypted(tmp_path, f"cafile {AUTHORITY}", "require_certificate true")
    async with open_stand(at(mosquitto, TRUSTING), tmp_path, BrokerLimits(down_after_s=0.3)) as stand:
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert stand.seen.up == []
    mosquitto.stop()


async def test_a_wrong_password_is_said_and_a_right_one_is_taken_without_a_restart(tmp_path: Path) -> None:
    from davy.broker_files import hashed

    (tmp_path / "passwords").write_text(f"davy:{hashed(b'right')}\n")
    need_mosquitto()
    mosquitto = Mosquitto(tmp_path / "m", "allow_anonymous false", f"password_file {tmp_path / 'passwords'}")
    mosquitto.start()
    file = tmp_path / "password"
    file.write_text("wrong\n")
    broker = broker_at(mosquitto.port, username="davy", password_file=file)
    limits = BrokerLimits(down_after_s=0.1, refused_backoff_s=(0.05, 0.1))
    async with open_stand(broker, tmp_path, limits) as stand:
        await stand.until(lambda: len(stand.seen.down) == 1)
        assert "not authorized" in stand.seen.down[0][1]
        file.write_text("right\n")
        await stand.connected()
    mosquitto.stop()
