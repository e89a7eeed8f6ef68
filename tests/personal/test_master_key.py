"""The installation's master key: made once, and refused where it could be anybody's (davy/master_key.py)."""

from pathlib import Path

import pytest

from davy.exits import CannotGoOn
from davy.master_key import master_key


def test_it_is_made_at_the_first_start_for_us_alone_and_is_the_same_ever_after(tmp_path: Path) -> None:
    path = tmp_path / "master-key"
    first = master_key(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert master_key(path) == first
    assert [one.name for one in tmp_path.iterdir()] == ["master-key"]
    assert master_key(tmp_path / "another") != first


@pytest.mark.parametrize(
    "text",
    ["", "secret", "00" * 32, "ab" * 32, "0123456789abcdef" * 4, "f" * 63, "G" * 64, "x" * 10_000, "\u00e9" * 32],
)
def test_what_is_short_public_or_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "master-key"
    path.write_text(text, "utf-8")
    path.chmod(0o600)
    with pytest.raises(CannotGoOn, match="master-key"):
        master_key(path)
    assert path.read_text("utf-8") == text  # and never replaced: what was sealed would be lost


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
def test_one_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "master-key"
    master_key(path)
    path.chmod(mode)
    with pytest.raises(CannotGoOn, match="chmod 600"):
        master_key(path)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CannotGoOn, match="nowhere"):
        master_key(tmp_path / "nowhere" / "master-key")
