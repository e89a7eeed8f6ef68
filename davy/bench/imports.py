"""Files of the register: how long a town takes to be read, tried, registered and written out again, in the embedded
PostgreSQL with everything durable."""

import contextlib
import gc
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

from davy.bench.figure import Figure, Run
from davy.bench.town_file import town_csv
from davy.bench.whole import open_folder
from davy.database import database
from davy.settings import load_settings
from devices.models import load_catalogue
from storage.database import Connection, connect, translated
from storage.migrate import migrate
from storage.registry import apply_rows, import_registry
from storage.registry_export import kinds_of
from storage.registry_file import write_file
from storage.registry_record import By
from storage.registry_rows import DeviceGiven
from storage.registry_source import parse_source

#: Issue 5: 100,000 devices in less than 30 s.
PROMISED_S = 30.0
_NOW_US = 1_780_000_000_000_000


async def imports(devices: int, runs: int, where: Path | None) -> list[Figure]:
    """Seconds from the file's bytes to the commit, of `devices` with a home for two, a link and a token each."""
    body = town_csv(devices)
    told: dict[str, list[Run]] = {}
    for _ in range(runs):
        async with _own_database(where) as url:
            connection = await connect(url, name="bench import")
            try:
                for name, run in (await _measured(connection, body, where)).items():
                    told.setdefault(name, []).append(run)
            finally:
                await connection.close()
    floors = {_IMPORT: PROMISED_S * max(1.0, devices / 100_000)}
    return [
        Figure(f"{name}, {devices:,} devices", "s", tuple(made), at_most=floors.get(name))
        for name, made in told.items()
    ]


_IMPORT = "import from CSV"


@contextlib.asynccontextmanager
async def _own_database(where: Path | None) -> AsyncIterator[str]:
    """The embedded PostgreSQL with Davy's tables in a folder of its own, gone after."""
    folder = open_folder(where)
    settings = load_settings({"DAVY_CONFIG": "", "DAVY_DATA": str(folder / "data")}, folder)
    try:
        async with database(settings, make=True) as url:
            await migrate(url)
            yield url
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _measured(connection: Connection, body: bytes, where: Path | None) -> dict[str, Run]:
    # As the commands do: what a file becomes all stays, and looking for garbage among it is half of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(200_000, 20, 100)
    models, by = load_catalogue(), By("bench", _NOW_US, "town.csv")

    async def planned(*, dry_run: bool) -> float:
        rows = parse_source(body)
        done = await import_registry(connection, rows, models, dry_run=dry_run, random_bytes=os.urandom, by=by)
        if done.faults or done.applied is dry_run:
            raise RuntimeError(f"the town was refused: {done.faults[:3]}")
        return float(len(rows))

    found: dict[str, Run] = {}
    found["dry run from CSV"] = await _timed(connection, planned(dry_run=True))
    found[_IMPORT] = await _timed(connection, planned(dry_run=False))
    found["the same again"] = await _timed(connection, planned(dry_run=False))
    found["one device more"] = await _timed(connection, _one(connection))
    with tempfile.TemporaryDirectory(prefix="davy-bench-", dir=where) as folder:
        for form in ("csv", "json", "xlsx"):
            found[f"export as {form}"] = await _timed(connection, _written(connection, Path(folder), form))
    return found


async def _timed(connection: Connection, work: Awaitable[float]) -> Run:
    """Beside the seconds, the processor time of both sides: it is the same on a busy machine."""
    began, own, server = time.perf_counter(), time.process_time(), _cpu_s(connection)
    rows = await work
    notes = {
        "rows": rows,
        "own processor time, s": time.process_time() - own,
        "server's processor time, s": _cpu_s(connection) - server,
    }
    return Run(time.perf_counter() - began, notes=notes)


def _cpu_s(connection: Connection) -> float:
    """Of the server's process for this connection (proc(5): utime and stime, in clock ticks); 0 where there is no such
    file."""
    try:
        said = Path(f"/proc/{connection.info.backend_pid}/stat").read_text()
    except OSError:
        return 0.0
    user, system = said.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


async def _one(connection: Connection) -> float:
    device = DeviceGiven("davysim", "one-more", "sim_detector_home", "home-000000")
    with translated():
        done = await apply_rows(connection, [device], by="bench", now_us=_NOW_US, random_bytes=os.urandom)
    if not done.applied:
        raise RuntimeError(f"refused: {done.fates}")
    return 1.0


async def _written(connection: Connection, folder: Path, form: str) -> float:
    path = folder / f"town.{form}"
    with translated():
        await write_file(connection, kinds_of(None, tokens=True), path)
    return float(_size(path))


def _size(path: Path) -> int:
    return path.stat().st_size
