"""The generated configuration in a real Mosquitto, and the probe that tells a tight broker from an open one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from davy.bench.mosquitto import environment, free_port, program
from davy.broker_files import hashed, read_hashes
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
    assert sorted(before) == ["acme/d1", "acme/g1", "davy"]  # not those on a bus, behind a gateway, or elsewhere
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
    assert len(verdicts) == 15
    made.speaks("3.1.1")  # which has no reasons: two denials are not to be seen from outside
    code, verdicts = made.probe("acme/d1")
    assert code == 0
    assert sorted(verdicts.values()) == ["PASS"] * 13 + ["not shown"] * 2


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
    assert "the device cannot read another device's commands" in failed
    assert "the device writes its own telemetry" not in failed


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
