"""The data folder: whose it is, what it may hold, who holds it."""

import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from davy.exits import CannotGoOn, Exit
from davy.folders import administrator_token, held, prepare_data_folder, private_folder
from davy.settings import Settings
from tests.platform.conftest import not_as_root

SettingsFor = Callable[..., Settings]
ROOT = Path(__file__).parents[2]


def test_a_folder_that_was_there_before_keeps_its_mode(tmp_path: Path, settings_for: SettingsFor) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir()
    folder.chmod(0o750)
    prepare_data_folder(settings_for(folder), demo=False)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750


def test_a_new_data_folder_cannot_be_listed_by_others(tmp_path: Path, settings_for: SettingsFor) -> None:
    mask = os.umask(0o077)  # as every command has it
    prepare_data_folder(settings_for(tmp_path / "new"), demo=False)
    os.umask(mask)
    passing = 0o711 if os.geteuid() == 0 else 0o700
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == passing
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) & 0o066 == 0


def test_a_plain_up_refuses_demo_data(tmp_path: Path, settings_for: SettingsFor) -> None:
    settings = settings_for(tmp_path / "data")
    prepare_data_folder(settings, demo=True)
    prepare_data_folder(settings, demo=True)
    with pytest.raises(CannotGoOn, match="holds demo data") as refused:
        prepare_data_folder(settings, demo=False)
    assert refused.value.code is Exit.USAGE


def test_a_demo_refuses_a_folder_with_other_data(tmp_path: Path, settings_for: SettingsFor) -> None:
    settings = settings_for(tmp_path / "data")
    prepare_data_folder(settings, demo=False)
    with pytest.raises(CannotGoOn, match="no demo folder"):
        prepare_data_folder(settings, demo=True)
    assert not settings.demo_marker.exists()


@not_as_root
def test_a_folder_that_may_not_be_written_is_one_line(tmp_path: Path, settings_for: SettingsFor) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(CannotGoOn, match="permission is denied") as refused:
        prepare_data_folder(settings_for(tmp_path / "closed/data"), demo=False)
    assert refused.value.code is Exit.DISK


def test_a_data_folder_below_a_file_is_one_line(tmp_path: Path, settings_for: SettingsFor) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotGoOn, match="a file stands where a folder is needed") as refused:
        prepare_data_folder(settings_for(tmp_path / "file/data"), demo=False)
    assert refused.value.code is Exit.DISK


def test_one_data_folder_has_one_holder(tmp_path: Path, settings_for: SettingsFor) -> None:
    settings = settings_for(tmp_path)
    with held(settings) as killed:
        assert not killed
        with pytest.raises(CannotGoOn, match=f"process {os.getpid()}") as refused, held(settings):
            pass
    assert refused.value.code is Exit.BUSY
    with held(settings) as killed:
        assert not killed


def test_the_next_holder_learns_that_the_last_one_was_killed(tmp_path: Path, settings_for: SettingsFor) -> None:
    settings = settings_for(tmp_path)
    settings.lock.write_text("4711")
    with held(settings) as killed:
        assert killed


def test_a_disk_that_takes_no_byte_keeps_nobody_from_holding_the_folder(
    tmp_path: Path, settings_for: SettingsFor
) -> None:
    settings = settings_for(tmp_path)
    with held(settings):
        pass
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # every write of this process is refused, as on a full disk
    try:
        with held(settings), pytest.raises(CannotGoOn, match="process unknown"), held(settings):
            pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_kill_while_a_demo_folder_is_made_leaves_one_that_can_be_used(
    tmp_path: Path, settings_for: SettingsFor
) -> None:
    settings = settings_for(tmp_path / "data")
    code = """
import os, signal, sys
from pathlib import Path
from davy.folders import prepare_data_folder
from davy.settings import load_settings
def kill(event, args):
    if event == "os.mkdir" and str(args[0]).endswith("/logs"):
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(kill)
prepare_data_folder(load_settings(dict(os.environ), Path("/")), demo=True)
"""
    died = subprocess.run([sys.executable, "-c", code], env=settings.environment(), cwd=ROOT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert settings.checkpoints.exists()
    prepare_data_folder(settings, demo=True)
    with pytest.raises(CannotGoOn, match="holds demo data"):
        prepare_data_folder(settings, demo=False)


def test_a_link_or_an_open_folder_is_no_private_folder(tmp_path: Path) -> None:
    private_folder(tmp_path / "mine")
    private_folder(tmp_path / "mine")
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "link").symlink_to(tmp_path / "mine")
    for other in ("open", "link"):
        with pytest.raises(CannotGoOn, match="not a private folder"):
            private_folder(tmp_path / other)


def test_the_administrators_token_is_made_once_with_256_bits_for_its_owner_only(
    tmp_path: Path, settings_for: SettingsFor
) -> None:
    settings = settings_for(tmp_path)
    token = administrator_token(settings)
    assert len(bytes.fromhex(token)) == 32
    assert stat.S_IMODE(settings.admin_token.stat().st_mode) == 0o600
    assert administrator_token(settings) == token


def test_a_token_others_may_read_or_a_short_one_is_refused(tmp_path: Path, settings_for: SettingsFor) -> None:
    settings = settings_for(tmp_path)
    administrator_token(settings)
    settings.admin_token.chmod(0o644)
    with pytest.raises(CannotGoOn, match="may be read by others"):
        administrator_token(settings)
    settings.admin_token.chmod(0o600)
    settings.admin_token.write_text("secret\n")
    with pytest.raises(CannotGoOn, match="256 bits"):
        administrator_token(settings)
