"""The generated configuration in a real Mosquitto, and the probe that tells a tight broker from an open one."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from davy.bench.mosquitto import environment, free_port, program
from davy.broker_files import hashed, read_hashes
from ingest.mqtt_packets import Publish
from ingest.mqtt_properties import Properties, Property
from tests.broker.mosquitto import Mosquitto, need_mosquitto
from tests.broker.stand import DETECTOR, Device, broker_at, open_stand, topic

DEVICES = {
    "sites": [{"key": "home"}],
    "devices": [
        {"vendor": "acme", "serial": "d1", "model": "sim_detector_home", "site": "home"},
        {"vendor": "acme", "serial": "g1", "model": "sim_gateway", "site": "home"},
        {"vendor": "acme", "serial": "b1", "model": "sim_detector_home", "site": "home", "gateway": "acme/g1"},
        {"vendor": "acme", "serial": "bus", "model": "sim_detector_home", "site": "home", "address": "7"},
        {"vendor": "other", "serial": "x1", "model": "sim_detector_home", "site": "home"},
    ],
}
BROKERS = """
[brokers.city]
host = "127.0.0.1"
port = {port}
gateway = "acme/city"
mqtt = "{mqtt}"
username = "davy"
password_file = "davy.password"

[[brokers.city.partitions]]
client_id = "davy-1"
devices = ["acme/+"]
"""


@dataclass
class Made:
    """A folder with the settings and the generated files, and the Mosquitto that runs by them."""

    folder: Path
    port: int

    def davy(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        environ = environment() | {
            "DAVY_CONFIG": "",
            "DAVY_DATA": str(self.folder / "data"),
            "DAVY_BROKERS": str(self.folder / "brokers.toml"),
        }
        command = [sys.executable, "-m", "davy", "broker", *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)

    def speaks(self, mqtt: str) -> None:
        (self.folder / "brokers.toml").write_text(BROKERS.format(port=self.port, mqtt=mqtt))

    def config(self, *devices: dict[str, str], options: tuple[str, ...] = ()) -> "subprocess.CompletedProcess[str]":
        """Make the files again for these devices, and no others."""
        file = self.folder / "devices.json"
        file.write_text(json.dumps(DEVICES | {"devices": list(devices)}))
        return self.davy("config", "city", "--out", str(self.folder / "broker"), "--registry", str(file), *options)

    @property
    def hashes(self) -> dict[str, str]:
        return read_hashes((self.folder / "broker/mosquitto.passwords").read_text())

    def password(self, identity: str) -> bytes:
        told = (self.folder / "broker/device-passwords.csv").read_text().splitlines()
        return dict(line.split(",") for line in told)[identity].encode()

    def probe(self, identity: str) -> tuple[int, dict[str, str]]:
        """Exit code, and verdict by assertion."""
        file = self.folder / "device.password"
        file.write_bytes(self.password(identity))
        done = self.davy("probe", "city", "--device", identity, "--password-file", str(file), "--json")
        assert done.stdout, done.stderr
        return done.returncode, {one["what"]: one["verdict"] for one in json.loads(done.stdout)["assertions"]}


@pytest.fixture
def made(tmp_path: Path) -> Made:
    need_mosquitto()
    found = Made(tmp_path, free_port())
    found.speaks("5")
    (tmp_path / "davy.password").write_text("the password of Davy\n")
    (tmp_path / "devices.json").write_text(json.dumps(DEVICES))
    done = found.davy("config", "city", "--out", str(tmp_path / "broker"), "--registry", str(tmp_path / "devices.json"))
    assert done.returncode == 0, done.stderr
    return found


@pytest.fixture
def broker(made: Made) -> Iterator[Mosquitto]:
    """Mosquitto by the generated file, word for word."""
    running = Mosquitto(made.folder / "run", port=made.port)
    running.config = made.folder / "broker/mosquitto.conf"
    running.config.write_text(running.config.read_text() + "user root\n")
    running.start()
    yield running
    running.stop()


def test_passwords_are_made_once_and_shown_nowhere(made: Made) -> None:
    folder = made.folder / "broker"
    before = read_hashes((folder / "mosquitto.passwords").read_text())
    assert sorted(before) == [
        "acme/d1",
        "acme/g1",
        "davy",
        "davy-probe",
    ]  # not those on a bus, behind a gateway, or elsewhere
    for name in ("mosquitto.passwords", "device-passwords.csv", "mosquitto.acl"):
        assert (folder / name).stat().st_mode & 0o777 == 0o600
    given = (folder / "device-passwords.csv").read_text()
    more = DEVICES | {"devices": [*DEVICES["devices"], DEVICES["devices"][0] | {"serial": "d2"}]}
    (made.folder / "devices.json").write_text(json.dumps(more))
    again = made.davy("config", "city", "--out", str(folder), "--registry", str(made.folder / "devices.json"), "--json")
    assert json.loads(again.stdout)["made"] == 1
    after = read_hashes((folder / "mosquitto.passwords").read_text())
    assert {user: after[user] for user in before} == before
    assert (folder / "device-passwords.csv").read_text().startswith(given)
    assert made.password("acme/d2").decode() not in again.stdout + again.stderr


def test_the_probe_finds_the_generated_configuration_tight(made: Made, broker: Mosquitto) -> None:
    code, verdicts = made.probe("acme/d1")
    assert code == 0
    assert verdicts == dict.fromkeys(verdicts, "PASS")
    assert len(verdicts) == 16
    made.speaks("3.1.1")  # which has no reasons: two denials are not to be seen from outside
    code, verdicts = made.probe("acme/d1")
    assert code == 0
    assert sorted(verdicts.values()) == ["PASS"] * 14 + ["not shown"] * 2


def test_the_probe_finds_an_open_broker_open(made: Made) -> None:
    running = Mosquitto(made.folder / "open", port=made.port)
    running.start()
    code, verdicts = made.probe("acme/d1")
    running.stop()
    assert code == 1
    failed = {what for what, verdict in verdicts.items() if verdict == "FAIL"}
    assert "nobody signs in without a name" in failed
    assert "the device cannot write another device's telemetry" in failed
    assert "the device cannot write its own command" in failed
    assert "the device cannot end Davy's session" in failed
    assert "the device cannot read another device's commands" in failed
    assert "the device writes its own telemetry" not in failed


async def test_another_s_client_identifier_ends_no_session_and_takes_no_command(
    made: Made, broker: Mosquitto, tmp_path: Path
) -> None:
    kept = Properties(numbers={Property.SESSION_EXPIRY_S: 600})
    gateway, detector = made.password("acme/g1"), made.password("acme/d1")

    async def steal(client_id: str, username: str = "acme/g1", password: bytes = gateway) -> int:
        thief = Device()
        reason = (await thief.at(broker.port, client_id, username=username, password=password)).reason
        await thief.close()
        return reason

    valve = Device()
    await valve.at(broker.port, "valve", clean=False, username="acme/d1", password=detector, properties=kept)
    await valve.subscribe("davy/v1/acme/d1/command")
    await valve.close()
    davy = broker_at(broker.port, username="davy", password_file=made.folder / "davy.password")
    async with open_stand(davy, tmp_path) as stand:
        await stand.connected()
        for client_id in ("davy-1", "davy"):
            assert await steal(client_id) == 0
        assert await steal("davy-1", "davy", b"not its password") != 0
        speaker = Device()
        await speaker.at(broker.port, "davy-1", username="acme/g1", password=gateway)
        await speaker.published("davy/v1/acme/b1/telemetry", b'{"co_ppm":1}')
        await stand.until(lambda: len(stand.seen.readings) == 1)
        assert stand.count("connections_lost") == 0
    await speaker.published("davy/v1/acme/b1/telemetry", b'{"co_ppm":2}')  # waits in Davy's session
    await speaker.close()
    commanding = Device()  # as Davy would, while the valve is away
    await commanding.at(broker.port, "", username="davy-probe", password=b"the password of Davy")
    await commanding.published("davy/v1/acme/d1/command", b'{"verb":"close"}')
    await commanding.close()
    for client_id in ("davy-1", "davy", "valve", "acme/d1"):
        assert await steal(client_id) == 0
    connack = await valve.at(broker.port, "valve", clean=False, username="acme/d1", password=detector, properties=kept)
    assert connack.session_present
    assert (await valve.hear(Publish)).payload == b'{"verb":"close"}'
    await valve.close()
    async with open_stand(davy, tmp_path) as stand:
        await stand.until(lambda: len(stand.seen.readings) == 1)
        assert stand.seen.session_lost == []


def test_the_probe_finds_out_that_client_identifiers_can_be_stolen(made: Made) -> None:
    running = Mosquitto(made.folder / "run", port=made.port)
    running.config = made.folder / "broker/mosquitto.conf"
    as_made = running.config.read_text()
    running.config.write_text(as_made.replace("use_username_as_clientid true", "") + "user root\n")
    running.start()
    code, verdicts = made.probe("acme/d1")
    running.stop()
    assert code == 1
    assert [what for what, verdict in verdicts.items() if verdict == "FAIL"] == ["the device cannot end Davy's session"]


async def test_a_probe_leaves_a_running_davy_its_connection(made: Made, broker: Mosquitto, tmp_path: Path) -> None:
    davy = broker_at(broker.port, username="davy", password_file=made.folder / "davy.password")
    async with open_stand(davy, tmp_path) as stand:
        await stand.connected()
        code, _ = await asyncio.to_thread(made.probe, "acme/d1")
        assert code == 0
        assert stand.count("connections_lost") == 0
    without = made.folder / "broker/mosquitto.passwords"  # as at a broker where nobody made the probe's user
    without.write_text("".join(line for line in without.open() if not line.startswith("davy-probe:")))
    broker.stop()
    broker.start()
    async with open_stand(davy, tmp_path) as stand:
        await stand.connected()
        code, verdicts = await asyncio.to_thread(made.probe, "acme/d1")
        assert code == 1
        assert verdicts["Davy signs in"] == "FAIL"
        assert stand.count("connections_lost") == 0


def test_a_smaller_registry_locks_nobody_out_and_says_whom_it_does_not_know(made: Made) -> None:
    before = made.hashes
    detector, gateway = DEVICES["devices"][:2]
    smaller = made.config(gateway)
    assert smaller.returncode == 0
    assert "1 users are in no registry" in smaller.stdout
    assert "acme/d1" in smaller.stdout
    assert made.hashes == before
    assert "acme/d1" not in (made.folder / "broker/mosquitto.acl").read_text()
    assert "no registry" not in made.config(detector, gateway).stdout
    assert made.hashes == before
    removing = json.loads(made.config(gateway, options=("--remove", "--json")).stdout)
    assert (removing["kept"], removing["removed"], removing["users"]) == ([], ["acme/d1"], 1)
    assert sorted(made.hashes) == ["acme/g1", "davy", "davy-probe"]


def test_without_a_device_behind_the_broker_nothing_is_written(made: Made) -> None:
    before = made.hashes
    for devices in ((), DEVICES["devices"][-1:]):
        refused = made.config(*devices, options=("--remove",))
        assert refused.returncode == 2
        assert "no registered device is behind the broker city" in refused.stderr
    assert made.hashes == before


def test_two_partitions_need_names_of_their_own_and_get_rights_of_their_own(made: Made) -> None:
    file = made.folder / "brokers.toml"
    second = '[[brokers.city.partitions]]\nclient_id = "davy-2"\ndevices = ["other/+"]\n'
    file.write_text(file.read_text() + second)
    refused = made.config(*DEVICES["devices"])
    assert refused.returncode == 2
    assert "give each [[partitions]] a username of its own" in refused.stderr
    file.write_text(file.read_text() + 'username = "davy-other"\n')
    assert made.config(*DEVICES["devices"]).returncode == 0
    assert {"davy", "davy-other", "davy-probe", "other/x1"} <= set(made.hashes)
    sections = (made.folder / "broker/mosquitto.acl").read_text().split("\n\n")
    (others,) = [section for section in sections if section.startswith("user davy-other\n")]
    assert "davy/v1/other/+/telemetry" in others
    assert "acme" not in others


def test_the_probe_of_a_broker_that_is_away_says_so(made: Made) -> None:
    file = made.folder / "device.password"
    file.write_bytes(made.password("acme/d1"))
    done = made.davy("probe", "city", "--device", "acme/d1", "--password-file", str(file))
    assert done.returncode == 1
    assert "broker city at 127.0.0.1" in done.stderr


async def test_a_gateway_speaks_for_the_devices_behind_it_and_davy_reads_and_commands(
    made: Made, broker: Mosquitto, tmp_path: Path
) -> None:
    gateway = Device()
    davy = broker_at(broker.port, username="davy", password_file=made.folder / "davy.password")
    async with open_stand(davy, tmp_path) as stand:
        await stand.connected()
        await gateway.at(broker.port, "g1", username="acme/g1", password=made.password("acme/g1"))
        assert (await gateway.published("davy/v1/acme/b1/telemetry", b'{"co_ppm":1}')).reason == 0
        assert (await gateway.published(topic(DETECTOR), b'{"co_ppm":1}')).reason == 0x87
        await stand.until(lambda: len(stand.seen.readings) == 1)
    await gateway.close()


def test_the_hash_is_the_one_that_mosquitto_passwd_makes(tmp_path: Path) -> None:
    need_mosquitto()
    passwd = program("mosquitto_passwd")
    assert passwd is not None
    file = tmp_path / "passwords"
    subprocess.run([passwd, "-c", "-b", file, "acme/d1", "a password"], env=environment(), check=True)
    theirs = read_hashes(file.read_text())["acme/d1"]
    assert hashed(b"a password", theirs) == theirs
    assert hashed(b"another", theirs) != theirs
