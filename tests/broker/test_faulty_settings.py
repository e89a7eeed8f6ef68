"""What is wrong with the brokers of the settings costs those brokers, and nobody else's protection."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from davy.exits import Exit
from davy.settings import Settings
from tests.broker.mosquitto import Mosquitto
from tests.guarantees.engines import EngineProcess, door_of
from tests.guarantees.sayings import leak
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town, valve
from tests.platform.conftest import free_port, settings_for
from tests.platform.davy_process import davy

__all__ = ["free_port", "settings_for"]

BROKER = """
[brokers.{name}]
host = "127.0.0.1"
port = {port}
gateway = "davysim/gw"
username = "davy"
password_file = "{name}.password"

[[brokers.{name}.partitions]]
client_id = "davy-{name}"
devices = ["{name}/+"]
"""
WRONG = '[brokers.wrong]\nhost = "127.0.0.1"\ntls = "perhaps"\n'


async def protects(port: int) -> None:
    """A leak at the endpoint closes the valve there."""
    closer, talker = Talker(port, valve(0)), Talker(port, detector(0))
    for one in (closer, talker):
        await one.connect()
    await closer.listen_for_commands()
    talker.say(detector(0), leak(1))
    await closer.until(lambda: bool(closer.heard))
    for one in (closer, talker):
        await one.close()


async def test_an_engine_whose_file_of_brokers_is_wrong_protects_and_serves_the_brokers_that_are_right(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    file = tmp_path / "brokers.toml"
    file.write_text(BROKER.format(name="city", port=mosquitto.port) + WRONG)
    engine = EngineProcess(tmp_path / "data", DAVY_BROKERS=str(file))
    await engine.started(town(1))
    await protects(engine.port)
    door = await door_of(engine.settings)
    gauges = (await door.status()).gauges
    assert gauges["faults_in_the_file_of_brokers"] >= 1
    assert gauges["broker_city_partitions_up"] == 0, "the password file is not there yet"
    (tmp_path / "city.password").write_text("a password\n")
    async with asyncio.timeout(30):
        while (await door.status()).gauges["broker_city_partitions_up"] == 0:
            await asyncio.sleep(0.05)
    await door.close()
    assert engine.end() == Exit.OK


@pytest.mark.parametrize("text", ["[brokers.", None])
async def test_an_engine_without_a_file_of_brokers_that_can_be_read_protects(tmp_path: Path, text: str | None) -> None:
    file = tmp_path / "brokers.toml"
    if text is not None:
        file.write_text(text)
    engine = EngineProcess(tmp_path / "data", DAVY_BROKERS=str(file))
    await engine.started(town(1))
    await protects(engine.port)
    assert engine.end() == Exit.OK


@pytest.fixture
def settings(tmp_path: Path, settings_for: Callable[..., Settings]) -> Settings:
    return settings_for(tmp_path / "data", DAVY_BROKERS=str(tmp_path / "brokers.toml"))


def test_up_refuses_a_file_of_brokers_that_is_wrong_before_anything_runs(tmp_path: Path, settings: Settings) -> None:
    for text in (WRONG, "[brokers."):
        (tmp_path / "brokers.toml").write_text(text)
        refused = davy(settings, "up")
        assert refused.returncode == Exit.USAGE
        assert all(line.startswith(("davy: brokers: ", "brokers: ")) for line in refused.stderr.splitlines())
    (tmp_path / "brokers.toml").unlink()
    refused = davy(settings, "up")
    assert refused.returncode == Exit.USAGE
    assert "No such file" in refused.stderr


def test_check_and_list_name_the_files_that_are_missing(tmp_path: Path, settings: Settings) -> None:
    (tmp_path / "brokers.toml").write_text(BROKER.format(name="city", port=1))
    words = f"brokers.city.password_file: there is no file {tmp_path / 'city.password'} that can be read"
    listed = davy(settings, "broker", "list")
    assert listed.returncode == Exit.USAGE
    assert "davy-city" in listed.stdout
    assert words in listed.stderr
    check = davy(settings, "check")
    assert check.returncode == Exit.FAILED
    assert words in check.stdout.replace("\n", "")
    (tmp_path / "city.password").write_text("a password\n")
    assert davy(settings, "broker", "list").returncode == Exit.OK
