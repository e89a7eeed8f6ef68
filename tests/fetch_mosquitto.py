"""Bring a real Mosquitto for the tests: `python -m tests.fetch_mosquitto`.

Debian's packages are fetched by apt-get and unpacked under .cache/test/mosquitto of the checkout. It needs no root and
changes nothing of the system: where the system's package lists are missing or stale, lists of our own are fetched from
the same archives into the cache. Where that is impossible, the reason is printed and kept, the exit code is 0, and the
tests that want Mosquitto skip with that reason.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

PACKAGES = ("mosquitto", "mosquitto-clients")
CACHE = Path(__file__).parent.parent / ".cache" / "test"
FOLDER = CACHE / "mosquitto"
WHY_NOT = CACHE / "mosquitto-why-not.txt"
#: apt-get waits long for an archive that is away; a test suite does not.
WITHIN_S = 120


class Unavailable(Exception):
    """Mosquitto cannot be had here; the text says why."""


def mosquitto_bin() -> Path | None:
    """The folder of mosquitto_pub and _sub: DAVY_TEST_MOSQUITTO_BIN, the cache, the system's, or None."""
    named = os.environ.get("DAVY_TEST_MOSQUITTO_BIN")
    if named:
        return Path(named)
    if (FOLDER / "usr/bin/mosquitto_pub").exists():
        return FOLDER / "usr/bin"
    found = shutil.which("mosquitto_pub")
    return Path(found).parent if found else None


def mosquitto_environment() -> dict[str, str]:
    """The environment in which the fetched programs find their libraries."""
    folders = [str(path.parent) for path in FOLDER.glob("usr/lib/*/libmosquitto.so.1")]
    return os.environ | {"LD_LIBRARY_PATH": ":".join(folders)} if folders else dict(os.environ)


def why_not() -> str:
    """Why there is none, for the skip."""
    reason = WHY_NOT.read_text("utf-8").strip() if WHY_NOT.exists() else "run python -m tests.fetch_mosquitto first"
    return f"no Mosquitto: {reason}"


def fetch() -> None:
    """Raises Unavailable."""
    if not shutil.which("apt-get"):
        raise Unavailable("apt-get is not there")
    if not shutil.which("dpkg-deb"):
        raise Unavailable("dpkg-deb is not there")
    packages = CACHE / "mosquitto-packages"
    shutil.rmtree(packages, ignore_errors=True)
    packages.mkdir(parents=True)
    try:
        _download(packages, [])
    except Unavailable:
        own = _own_lists()
        _apt(packages, [*own, "update"])
        _download(packages, own)
    fresh = CACHE / "mosquitto.new"
    shutil.rmtree(fresh, ignore_errors=True)
    for package in sorted(packages.glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", package, fresh], check=True, timeout=WITHIN_S)
    if not (fresh / "usr/bin/mosquitto_pub").exists():
        raise Unavailable("the packages hold no mosquitto_pub")
    fresh.rename(FOLDER)
    shutil.rmtree(packages)
    shutil.rmtree(CACHE / "apt", ignore_errors=True)


def _download(into: Path, options: list[str]) -> None:
    """The packages, and those they need that this machine lacks."""
    planned = _apt(into, [*options, "--simulate", "--no-install-recommends", "install", *PACKAGES])
    names = {line.split()[1] for line in planned.splitlines() if line.startswith("Inst ")} | set(PACKAGES)
    _apt(into, [*options, "download", *sorted(names)])


def _own_lists() -> list[str]:
    """apt-get options that keep lists and archives in our cache; sources and keys stay the system's."""
    lists, archives = CACHE / "apt/lists", CACHE / "apt/archives"
    for folder in (lists / "partial", archives / "partial"):
        folder.mkdir(parents=True, exist_ok=True)
    return [
        f"-oDir::State::lists={lists}",
        f"-oDir::Cache={CACHE / 'apt'}",
        f"-oDir::Cache::archives={archives}",
        "-oAPT::Sandbox::User=" + ("root" if os.geteuid() == 0 else ""),
    ]


def _apt(folder: Path, arguments: list[str]) -> str:
    quick = ["-oAcquire::Retries=1", "-oAcquire::http::Timeout=20", "-oDebug::NoLocking=true"]
    try:
        done = subprocess.run(
            ["apt-get", "-q", *quick, *arguments],
            cwd=folder,
            capture_output=True,
            text=True,
            timeout=WITHIN_S,
            env=os.environ | {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
            check=False,
        )
    except subprocess.TimeoutExpired as late:
        raise Unavailable(f"apt-get took more than {WITHIN_S} s") from late
    if done.returncode != 0:
        said = [line for line in done.stderr.splitlines() if line.startswith("E:")]
        raise Unavailable(f"apt-get: {said[0].removeprefix('E: ') if said else 'it failed without a word'}")
    return done.stdout


def main() -> None:
    if mosquitto_bin() is not None:
        sys.stdout.write(f"Mosquitto: {mosquitto_bin()}\n")
        return
    try:
        fetch()
    except (Unavailable, OSError, subprocess.SubprocessError) as reason:
        CACHE.mkdir(parents=True, exist_ok=True)
        WHY_NOT.write_text(f"{reason}\n", "utf-8")
        sys.stdout.write(f"{why_not()}; the tests that want it will be skipped\n")
        return
    WHY_NOT.unlink(missing_ok=True)
    sys.stdout.write(f"Mosquitto: fetched into {FOLDER}\n")


if __name__ == "__main__":
    main()
