"""The scripts behind `make`: what they say where something is missing."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGE = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"

#: A python as Debian ships it, without ensurepip and pip; what it prints is what Debian's prints.
BARE = f"""#!/bin/sh
case "$2" in
venv) cat <<END
The virtual environment was not created successfully because ensurepip is not
available.  On Debian/Ubuntu systems, you need to install the python3-venv
package using the following command.

    apt install {PACKAGE}

Failing command: .venv/bin/python3

END
    mkdir -p "$3" && exit 1 ;;
pip) echo "No module named pip" >&2 && exit 1 ;;
*ensurepip*) exit 1 ;;
esac
exec {sys.executable} "$@"
"""


def made(python: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([ROOT / ".ci/venv", python, folder], capture_output=True, text=True, check=False)


def test_a_python_with_neither_ensurepip_nor_pip_is_told_what_it_lacks(tmp_path: Path) -> None:
    bare = tmp_path / "python3"
    bare.write_text(BARE)
    bare.chmod(0o755)
    refused = made(str(bare), tmp_path / "venv")
    assert refused.returncode == 2
    assert refused.stderr.splitlines() == [
        f"davy: {bare} has neither ensurepip nor pip, and one of them is needed to install from PyPI.",
        f"davy: on Debian or Ubuntu: apt install {PACKAGE}",
    ]
    assert not (tmp_path / "venv").exists()


def test_any_other_reason_is_told_as_python_says_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    refused = made(sys.executable, tmp_path / "file" / "venv")
    assert refused.returncode == 2
    (line,) = refused.stderr.splitlines()
    assert "cannot make a virtual environment here: Error: " in line


def test_no_python_that_is_new_enough_is_told_as_well(tmp_path: Path) -> None:
    refused = made("", tmp_path / "venv")
    assert refused.returncode == 2
    assert "needs Python 3.11 or newer" in refused.stderr
