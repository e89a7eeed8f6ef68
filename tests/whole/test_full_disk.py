"""A real file system that is really full under the engine store: no acknowledgement, CLOSE still leaves, and once there
is room the restarted engine goes on by itself."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from davy.exits import Exit
from tests.guarantees.engines import EngineProcess
from tests.guarantees.sayings import leak, normal
from tests.guarantees.talker import Talker
from tests.guarantees.town import detector, town, valve


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """320 MiB of tmpfs. Mounting asks for privileges that not every machine gives."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=320m", "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65_536))
    with ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))
    return ballast


async def _protects_again(engine: EngineProcess, disk: Path) -> None:
    """Started on the full disk: it stays up while nothing is at stake, and a leak still closes the valve."""
    await engine.started()
    fill(disk)  # what the dead engine had let go of
    closer, talker = Talker(engine.port, valve(0)), Talker(engine.port, detector(0))
    for one in (closer, talker):
        await one.connect()
    await closer.listen_for_commands()
    waiting = talker.say(detector(0), normal(3))
    talker.say(detector(0), leak(4))
    await closer.until(lambda: bool(closer.heard))
    assert waiting not in talker.acknowledged
    # Whether this commit still found room in the log's own blocks is the file system's affair: CLOSE left either way.
    engine.kill()
    for one in (closer, talker):
        await one.close()


async def test_g1_a_full_disk_acknowledges_nothing_lets_close_leave_and_recovers_when_there_is_room(
    small_disk: Path,
) -> None:
    # A cap so small that the free room of this disk counts as room: it is the disk that refuses, not the reserve.
    engine = EngineProcess(small_disk / "data", DAVY_STORE_CAP_BYTES="64MiB", DAVY_STORE_RESERVE_PCT="1")
    await engine.started(town(1))
    closer, talker = Talker(engine.port, valve(0)), Talker(engine.port, detector(0))
    for one in (closer, talker):
        await one.connect()
    await closer.listen_for_commands()
    await talker.said(detector(0), normal(1))
    ballast = fill(small_disk)
    offered = talker.say(detector(0), leak(2))
    await closer.until(lambda: bool(closer.heard))
    assert await engine.died() == Exit.DISK
    await talker.until(lambda: talker.gone)
    assert offered not in talker.acknowledged
    for one in (closer, talker):
        await one.close()

    await _protects_again(engine, small_disk)
    ballast.unlink()
    await engine.started()
    again = Talker(engine.port, detector(0))
    await again.connect()
    await again.said(detector(0), leak(2))
    await again.close()
    assert engine.end() == Exit.OK
