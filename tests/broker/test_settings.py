"""The file of brokers: every fault at once, with its place, and no secret in it."""

from pathlib import Path

import pytest

from davy.broker_settings import load_brokers, missing_files, named, read_brokers
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
        ('password_file = "secret"', 'password_file = ""', "must be the path of a file"),
        ('username = "davy"', "", "password_file is set without username"),
        ('client_key = "ours.pem"', "", "client_cert and client_key go together"),
        ("session_expiry_s = 86400", "session_expire_s = 1", "session_expire_s: unknown key"),
        ('devices = ["third/+"]', 'devices = ["third/+"]\nuser = "x"', "must have client_id and devices"),
        ('devices = ["third/+"]', 'devices = ["third/+"]\nusername = ""', "must be 1 to 256 characters"),
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


def test_a_file_that_a_broker_names_may_come_later_and_is_said_to_be_missing(tmp_path: Path) -> None:
    path = tmp_path / "brokers.toml"
    path.write_text(GOOD)
    (tmp_path / "ours.pem").write_text("x")
    brokers = load_brokers(path)
    assert len(brokers) == 2
    (said,) = missing_files(brokers)
    assert said == f"brokers.city.password_file: there is no file {tmp_path / 'secret'} that can be read"
    (tmp_path / "secret").write_text("x")
    assert missing_files(brokers) == ()


def test_a_fault_costs_the_broker_it_is_at_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "brokers.toml"
    path.write_text(GOOD.replace("tls = true", "tls = 7"))
    found = read_brokers(path)
    assert [one.name for one in found.brokers] == ["here"]
    assert len(found.faults) >= 1
    path.write_text(GOOD.replace("[brokers.city]", "[brokers.city"))
    assert read_brokers(path).brokers == ()
    assert "No such file" in read_brokers(tmp_path / "nowhere.toml").faults[0]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("localhost", "127.0.0.1", True),
        ("LocalHost", "::1", True),
        ("mqtt.example.org", "MQTT.example.org.", True),
        ("127.0.0.1", "127.0.0.2", False),
        ("mqtt.example.org", "mqtt2.example.org", False),
    ],
)
def test_one_client_identifier_at_one_broker_in_two_spellings_is_refused(
    tmp_path: Path, one: str, other: str, same: bool
) -> None:
    broker = (
        '[brokers.{0}]\nhost = "{1}"\ngateway = "acme/{0}"\nallow_plain = true\n'
        '[[brokers.{0}.partitions]]\nclient_id = "davy"\ndevices = ["{0}/+"]\n'
    )
    path = tmp_path / "brokers.toml"
    path.write_text(broker.format("a", one) + broker.format("b", other))
    found = read_brokers(path)
    assert [broker.name for broker in found.brokers] == (["a"] if same else ["a", "b"])
    assert ["is used twice" in fault for fault in found.faults] == [True] * same


def test_a_partition_signs_in_with_its_own_name_or_the_broker_s(tmp_path: Path) -> None:
    path = tmp_path / "brokers.toml"
    path.write_text(GOOD.replace('devices = ["third/+"]', 'devices = ["third/+"]\nusername = "davy-2"'))
    city, here = load_brokers(path)
    assert [city.user(one) for one in city.partitions] == ["davy", "davy-2"]
    assert here.user(here.partitions[0]) == ""


def test_patterns_mean_what_mqtt_would_match() -> None:
    devices = Devices(["acme/+", "other/x1"])
    assert "acme/anything" in devices
    assert "other/x1" in devices
    assert "other/x2" not in devices
    assert "" not in devices
    assert overlap("acme/+", "+/d1")
    assert not overlap("acme/d1", "acme/d2")
