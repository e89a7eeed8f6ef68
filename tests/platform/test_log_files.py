"""Log files stay within their bound while their writers run on."""

import asyncio
import resource
import subprocess
from pathlib import Path

import pytest

from davy import log_files

CAT = ("cat", "-u")


async def test_a_log_that_grows_large_is_begun_anew_under_its_writer_and_the_last_part_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_files, "MOST_BYTES", 100)
    monkeypatch.setattr(log_files, "LOOK_EVERY_S", 0.01)
    log = tmp_path / "postgres.log"
    small = tmp_path / "demo.log"
    small.write_text("short")
    with log.open("ab") as file, subprocess.Popen(CAT, stdin=subprocess.PIPE, stdout=file) as writer:
        assert writer.stdin is not None
        keeping = asyncio.create_task(log_files.keep_bounded(tmp_path))
        try:
            async with asyncio.timeout(20):
                writer.stdin.write(b"old " * 50)
                writer.stdin.flush()
                while not (tmp_path / "postgres.log.1").exists() or log.stat().st_size:
                    await asyncio.sleep(0.01)
                writer.stdin.write(b"new")
                writer.stdin.close()
                while log.read_bytes() != b"new":
                    await asyncio.sleep(0.01)
        finally:
            keeping.cancel()
    assert (tmp_path / "postgres.log.1").read_bytes() == b"old " * 50
    assert small.read_text() == "short"


def test_a_log_on_a_disk_without_room_is_emptied_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_files, "MOST_BYTES", 100)
    log = tmp_path / "postgres.log"
    log.write_bytes(bytes(200))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # every write of this process is refused
    try:
        log_files.bound(log)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [(path.name, path.stat().st_size) for path in tmp_path.iterdir()] == [("postgres.log", 0)]
