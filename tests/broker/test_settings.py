"""The file of brokers: every fault at once, with its place, and no secret in it."""

from pathlib import Path

import pytest

from davy.broker_settings import load_brokers, named
from davy.exits import CannotGoOn, Exit
from ingest.broker_plan import Devices, overlap
from ingest.mqtt_wire import V5, V311

GOOD = """
[brokers.city]
host = "mqtt.example.org"
gateway = "acme/city"
mqtt = "3.1.1"
prefix = "gas/north/"
username = "davy"
password_file = "secret"
tls = true
client_cert = "ours.pem"
client_key = "ours.pem"
session_expiry_s = 86400

[[brokers.city.partitions]]
client_id = "davy-city-1"
devices = ["acme/+", "other/x1"]

[[brokers.city.partitions]]
client_id = "davy-city-2"
devices = ["third/+"]

[brokers.here]
host = "127.0.0.1"
gateway = "acme/here"

[[brokers.here.partitions]]
client_id = "davy"
devices = ["+/+"]
"""


def faults(tmp_path: Path, text: str) -> list[str]:
    path = tmp_path / "brokers.toml"
    path.write_text(text)
    with pytest.raises(CannotGoOn) as refused:
        load_brokers(path)
    assert refused.value.code is Exit.USAGE
    return str(refused.value).splitlines()


def test_a_good_file_is_read_with_defaults_and_paths_beside_it(tmp_path: Path) -> None:
    for name in ("secret", "ours.pem"):
        (tmp_path / name).write_text("x")
    path = tmp_path / "brokers.toml"
    path.write_text(GOOD)
    city, here = load_brokers(path)
    assert (city.version, city.port, city.prefix) == (V311, 8883, "gas/north/")
    assert city.password_file == tmp_path / "secret"
    assert city.tls is not None
    assert city.tls.certificate == tmp_path / "ours.pem"
    assert city.filters(city.partitions[1]) == (
        "gas/north/davy/v1/third/+/telemetry",
        "gas/north/davy/v1/third/+/reply",
    )
    assert (here.version, here.port, here.tls, here.username) == (V5, 1883, None, "")
    assert named((city, here), "here") is here
    with pytest.raises(CannotGoOn, match="there are: city, here"):
        named((city, here), "nowhere")


@pytest.mark.parametrize(
    ("was", "now", "says"),
    [
        ('host = "mqtt.example.org"', "", "brokers.city.host is not set"),
        ("tls = true", "tls = false", "plain MQTT beyond this machine is refused"),
        ("tls = true", "tls = 7", "brokers.city.tls = 7: must be true or false"),
        ('mqtt = "3.1.1"', 'mqtt = "4"', "must be one of 5, 3.1.1"),
        ('prefix = "gas/north/"', 'prefix = "gas/#"', "whole topic levels"),
        ('password_file = "secret"', 'password = "s3cret"', "a password does not belong in this file"),
        ('password_file = "secret"', 'password_file = "nothing"', "must be the path of a file that exists"),
        ('username = "davy"', "", "password_file is set without username"),
        ('client_key = "ours.pem"', "", "client_cert and client_key go together"),
        ("session_expiry_s = 86400", "session_expire_s = 1", "session_expire_s: unknown key"),
        ('devices = ["third/+"]', 'devices = ["third"]', "must be a list of vendor/serial"),
        ('devices = ["third/+"]', 'devices = ["+/x1"]', "mean the same devices"),
        ('client_id = "davy-city-2"', 'client_id = "davy city"', "must be 1 to 64 of"),
        ('client_id = "davy-city-2"', 'client_id = "davy-city-1"', "is used twice"),
        ('gateway = "acme/city"', 'gateway = "city"', "vendor/serial of the registered gateway"),
        ("[brokers.here]", "[brokers.Here]", "the name must be 1 to 32 of"),
        ("[brokers.city]", "surprise = 1\n[brokers.city]", "unknown key surprise"),
        ("[brokers.city]", "[brokers.city", "brokers.toml"),
    ],
)
def test_each_fault_is_named_with_its_place(tmp_path: Path, was: str, now: str, says: str) -> None:
    for name in ("secret", "ours.pem"):
        (tmp_path / name).write_text("x")
    assert was in GOOD
    text = GOOD.replace(was, now, 1)
    said = faults(tmp_path, text)
    assert any(says in line for line in said), said
    assert all(line.startswith("brokers: ") for line in said)
    assert "s3cret" not in "".join(said)


def test_all_faults_are_named_at_once(tmp_path: Path) -> None:
    said = faults(tmp_path, '[brokers.a]\nport = 0\nhost = "x y"\n[brokers.b]\nmqtt = "6"\n')
    assert sum("brokers.a" in line for line in said) >= 4
    assert sum("brokers.b" in line for line in said) >= 4


def test_patterns_mean_what_mqtt_would_match() -> None:
    devices = Devices(["acme/+", "other/x1"])
    assert "acme/anything" in devices
    assert "other/x1" in devices
    assert "other/x2" not in devices
    assert "" not in devices
    assert overlap("acme/+", "+/d1")
    assert not overlap("acme/d1", "acme/d2")
