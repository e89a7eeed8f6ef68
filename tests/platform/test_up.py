"""`davy up`, U1 to U4: it starts, it survives, it refuses in one line, it stops, and leaves nothing behind."""

import asyncio
import json
import os
import select
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from davy.exits import Exit
from davy.folders import prepare_data_folder
from davy.postgres_home import find_home
from davy.settings import Settings
from tests.guarantees.engines import door_of
from tests.guarantees.sayings import leak
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town_file, valve
from tests.platform.conftest import mounts
from tests.platform.davy_process import PARTS, WITHIN_S, davy, environment, up
from tests.whole.test_full_disk import fill

SettingsFor = Callable[..., Settings]


@pytest.fixture
def settings(open_folder: Path, settings_for: SettingsFor) -> Settings:
    return settings_for(open_folder / "data")


def gone(pids: dict[str, int]) -> list[str]:
    """The names of processes that still live after a generous while."""
    left = []
    for name, pid in pids.items():
        try:
            watch = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        if not select.select([watch], [], [], WITHIN_S)[0]:
            left.append(name)
        os.close(watch)
    return left


def ready(settings: Settings) -> bytes:
    with urllib.request.urlopen(f"http://127.0.0.1:{settings.http_port}/readyz", timeout=10) as answer:
        body: bytes = answer.read()
        return body


def test_up_runs_everything_refuses_a_second_one_and_stops_all_of_it_on_sigterm(settings: Settings) -> None:
    with up(settings) as running:
        assert ready(settings)
        parts = running.all_parts()
        check = davy(settings, "check", "--json")
        assert check.returncode == Exit.OK, check.stdout
        (engine,) = [one for one in json.loads(check.stdout) if one["name"] == "engine"]
        assert engine["words"].startswith("running: cycle")
        assert json.loads(davy(settings, "ledger", "--json").stdout)["faults"] == []
        second = davy(settings, "up")
        assert second.returncode == Exit.BUSY
        assert second.stderr == f"davy: davy is already running on {settings.data} (process {running.pid})\n"
        assert settings.postgres.is_dir(), "a data folder that everybody can pass through to holds its database"
        assert running.stop(signal.SIGTERM) == Exit.OK
    assert gone(parts) == []
    assert not settings.door.exists()
    assert settings.lock.read_text() == ""


def test_each_part_that_is_killed_is_started_again(settings: Settings) -> None:
    with up(settings) as running:
        before = running.all_parts()
        for name in sorted(PARTS):
            os.kill(before[name], signal.SIGKILL)
            running.until_said("PostgreSQL ended" if name == "postgres" else f"{name} ended (signal SIGKILL)")
        after = running.all_parts()
        assert not set(before.values()) & set(after.values())
        assert running.stop() == Exit.OK


def test_a_second_ctrl_c_ends_everything_at_once_and_starts_nothing_again(settings: Settings) -> None:
    with up(settings) as running:
        parts = running.all_parts()
        os.kill(parts["api"], signal.SIGSTOP)  # the first to be stopped does not: all the others are still watched
        os.kill(running.pid, signal.SIGINT)
        running.until_said("stopping")
        assert running.stop(signal.SIGINT) == Exit.OK
        assert [line for line in running.said if "again" in line] == []
    assert gone(parts) == []


def test_after_kill_9_of_the_supervisor_nothing_runs_on_and_the_next_up_starts(settings: Settings) -> None:
    with up(settings) as running:
        parts = running.all_parts()
        os.kill(running.pid, signal.SIGKILL)
        running.ended()
    assert gone(parts) == []
    with up(settings) as again:
        assert ready(settings)
        assert again.stop() == Exit.OK


def test_without_its_database_it_protects_and_says_what_is_missing(
    settings_for: SettingsFor, open_folder: Path
) -> None:
    settings = settings_for(open_folder / "data", DAVY_DATABASE_URL=f"postgresql:///davy?host={open_folder}/nowhere")
    with up(settings) as running:
        assert any("alarms and valves work without it" in line for line in running.said) or running.until_said(
            "alarms and valves work without it"
        )
        assert ready(settings)
        with socket.create_connection(("127.0.0.1", settings.mqtt_port), timeout=10):
            pass
        assert running.stop() == Exit.OK


@pytest.mark.parametrize("side", ["mqtt", "http"])
def test_a_port_in_use_is_one_line_and_nothing_is_left(settings: Settings, side: str) -> None:
    port = getattr(settings, f"{side}_port")
    with socket.create_server(("127.0.0.1", port)):
        refused = davy(settings, "up")
    assert refused.returncode == Exit.PORT
    assert refused.stderr.splitlines() == [
        f"davy: port {port} on 127.0.0.1 is in use: stop what listens there, or set DAVY_{side.upper()}_PORT"
    ]
    assert not settings.postgres.exists()


def test_a_database_of_another_version_is_one_line(settings: Settings) -> None:
    prepare_data_folder(settings, demo=False)
    home = find_home(settings)
    home.cluster.mkdir()
    (home.cluster / "PG_VERSION").write_text("15\n")
    refused = davy(settings, "up")
    assert refused.returncode == Exit.VERSION
    assert len(refused.stderr.splitlines()) == 1
    assert "was made by PostgreSQL 15" in refused.stderr


@mounts
def test_a_read_only_disk_is_one_line(settings_for: SettingsFor, open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.mkdir()
    settings = settings_for(disk / "data")
    # A mount name space of its own: the read-only disk is seen by this command alone and goes with it.
    script = f'mount -t tmpfs -o ro none {disk} && exec "$@"'
    refused = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-P", "-m", "davy", "up"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if "unshare:" in refused.stderr or "mount:" in refused.stderr:
        pytest.skip("this machine lets nobody mount, not even root")
    assert refused.returncode == Exit.DISK
    assert refused.stderr == (
        f"davy: cannot write {settings.data}: the disk is read-only (DAVY_DATA names the data folder)\n"
    )


@mounts
async def test_on_a_disk_that_became_full_it_starts_all_the_same_and_protects(
    settings_for: SettingsFor, open_folder: Path
) -> None:
    disk = open_folder / "disk"
    disk.mkdir()
    with mounted(disk, "size=400m"):
        settings = settings_for(disk / "data")
        with up(settings) as before:
            await registered(settings, open_folder / "town.json")
            parts = before.all_parts()
            os.kill(before.pid, signal.SIGKILL)
            before.ended()
        assert gone(parts) == []
        os.truncate(settings.lock, 0)  # as a clean end leaves it: even the number in it needs room
        fill(disk)
        with up(settings) as running:
            closer, talker = Talker(settings.mqtt_port, valve(0)), Talker(settings.mqtt_port, detector(0))
            for one in (closer, talker):
                await one.connect()
            await closer.listen_for_commands()
            talker.say(detector(0), leak(1))
            await closer.until(lambda: bool(closer.heard))
            for one in (closer, talker):
                await one.close()
            assert running.stop() == Exit.OK


async def registered(settings: Settings, file: Path) -> None:
    """A town of one home, by the import that people use, and known to the engine."""
    file.write_text(town_file(1))
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-P", "-m", "davy", "registry", "import", str(file), "--yes"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    door = await door_of(settings)
    async with asyncio.timeout(WITHIN_S):
        while (await door.status()).devices < 3:
            await asyncio.sleep(0.05)
    await door.close()


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A small file system in memory; the test is skipped where nobody may mount."""
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@mounts
def test_a_disk_without_room_is_one_line(settings_for: SettingsFor, open_folder: Path) -> None:
    disk = open_folder / "disk"
    disk.mkdir()
    settings = settings_for(disk / "data")
    script = f'mount -t tmpfs -o size=8m none {disk} && exec "$@"'
    refused = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", sys.executable, "-P", "-m", "davy", "up"],
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=WITHIN_S,
        check=False,
    )
    if "unshare:" in refused.stderr or "mount:" in refused.stderr:
        pytest.skip("this machine lets nobody mount, not even root")
    assert refused.returncode == Exit.DISK
    assert "8 MiB are free" in refused.stderr or "7 MiB are free" in refused.stderr
