"""The embedded PostgreSQL, E1 to E5 and H1 to H3: real programs, real clusters."""

import asyncio
import os
import shutil
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from davy import embedded, postgres_home
from davy.embedded import EmbeddedPostgres
from davy.exits import CannotGoOn, Exit
from davy.folders import prepare_data_folder
from davy.postgres_home import home_folder, postmaster, running_url
from davy.settings import Settings
from tests.platform.conftest import needs_root

SettingsFor = Callable[..., Settings]


@pytest.fixture
def settings(open_folder: Path, settings_for: SettingsFor) -> Settings:
    settings = settings_for(open_folder / "data")
    prepare_data_folder(settings, demo=False)
    return settings


@asynccontextmanager
async def served(settings: Settings) -> AsyncIterator[EmbeddedPostgres]:
    server = EmbeddedPostgres(embedded.prepare(settings))
    await server.start()
    try:
        yield server
    finally:
        await server.stop()


def modes_and_owners(*paths: Path) -> dict[Path, tuple[int, int, int]]:
    return {path: (found.st_mode, found.st_uid, found.st_gid) for path in paths if (found := path.stat())}


async def shown(server: EmbeddedPostgres, name: str) -> str:
    async with await psycopg.AsyncConnection.connect(server.url) as connection:
        row = await (await connection.execute("SELECT current_setting(%s)", (name,))).fetchone()
    assert row is not None
    return str(row[0])


async def test_a_new_cluster_is_durable_private_and_keeps_its_rows(settings: Settings) -> None:
    async with served(settings) as server:
        for name in ("fsync", "full_page_writes", "synchronous_commit", "data_checksums"):
            assert await shown(server, name) == "on"
        assert await shown(server, "listen_addresses") == ""
        sockets = server.home.sockets
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
        assert stat.S_IMODE((sockets / ".s.PGSQL.5432").stat().st_mode) == 0o700
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert running_url(settings) == server.url
    assert running_url(settings) is None
    async with served(settings) as server, await psycopg.AsyncConnection.connect(server.url) as connection:
        assert await (await connection.execute("SELECT answer FROM kept")).fetchone() == (42,)


async def test_a_setting_in_the_clusters_own_file_cannot_make_it_forgetful(settings: Settings) -> None:
    home = embedded.prepare(settings)
    with (home.cluster / "postgresql.conf").open("a") as file:
        file.write("fsync = off\nsynchronous_commit = off\n")
    async with served(settings) as server:
        assert await shown(server, "fsync") == "on"
        assert await shown(server, "synchronous_commit") == "on"


async def test_after_kill_9_of_the_server_it_starts_again_with_what_was_committed(settings: Settings) -> None:
    async with served(settings) as server:
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            await connection.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
        await server.start()
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            assert await (await connection.execute("SELECT answer FROM kept")).fetchone() == (42,)


async def test_a_server_left_by_a_killed_parent_does_not_keep_the_next_from_starting(settings: Settings) -> None:
    embedded.prepare(settings)
    code = f"""
import asyncio
from davy import embedded
from davy.settings import load_settings
from pathlib import Path
async def main():
    server = embedded.EmbeddedPostgres(embedded.prepare(load_settings({settings.environment()!r}, Path("/"))))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.Event().wait()
asyncio.run(main())
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        left = int(parent.stdout.readline())
        parent.kill()
    async with served(settings) as server:
        assert server.pid != left
        assert postmaster(server.home.cluster) == server.pid


async def test_a_pid_file_that_names_some_other_program_is_no_server(settings: Settings) -> None:
    home = embedded.prepare(settings)
    with subprocess.Popen(["sleep", "60"]) as other:
        (home.cluster / "postmaster.pid").write_text(f"{other.pid}\n{home.cluster}\n")
        assert postmaster(home.cluster) is None
        async with served(settings):
            assert other.poll() is None, "a stranger was stopped"
        other.kill()


def test_a_cluster_of_another_version_is_refused_and_left_untouched(settings: Settings) -> None:
    home = embedded.prepare(settings)
    (home.cluster / "PG_VERSION").write_text("15\n")
    before = sorted(path.name for path in home.cluster.iterdir())
    with pytest.raises(CannotGoOn, match=r"made by PostgreSQL 15, this is \d+") as refused:
        embedded.prepare(settings)
    assert refused.value.code is Exit.VERSION
    assert sorted(path.name for path in home.cluster.iterdir()) == before


def test_a_cluster_that_is_half_made_is_made_anew(settings: Settings) -> None:
    home = postgres_home.find_home(settings)
    (home.folder / "data.new").mkdir()
    (home.folder / "data.new/leftover").write_text("of an initdb that was killed")
    embedded.prepare(settings)
    assert (home.cluster / "PG_VERSION").exists()
    assert not (home.folder / "data.new").exists()


def test_a_folder_that_is_no_cluster_is_refused(settings: Settings) -> None:
    home = postgres_home.find_home(settings)
    home.cluster.mkdir()
    with pytest.raises(CannotGoOn, match="PG_VERSION is missing") as refused:
        embedded.prepare(settings)
    assert refused.value.code is Exit.VERSION


async def test_a_data_folder_with_a_path_too_long_for_a_socket_works(
    open_folder: Path, settings_for: SettingsFor
) -> None:
    settings = settings_for(open_folder / ("long-" * 20))
    prepare_data_folder(settings, demo=False)
    async with served(settings) as server:
        assert running_url(settings) == server.url
    shutil.rmtree(server.home.sockets)


async def test_what_the_server_says_becomes_one_line(settings: Settings) -> None:
    home = embedded.prepare(settings)
    (home.cluster / "global/pg_control").unlink()
    with pytest.raises(CannotGoOn, match=r"PostgreSQL does not start: .*control") as refused:
        await EmbeddedPostgres(home).start()
    assert refused.value.code is Exit.DATABASE
    assert "\n" not in str(refused.value)


async def test_a_server_that_the_system_does_not_let_us_start_is_one_line(
    settings: Settings, open_folder: Path
) -> None:
    home = replace(embedded.prepare(settings), programs=open_folder / "nowhere")
    with pytest.raises(CannotGoOn, match=r"PostgreSQL cannot be started: .*No such file") as refused:
        await EmbeddedPostgres(home).start()
    assert refused.value.code is Exit.DATABASE


async def test_a_second_signal_hurries_a_shutdown_that_is_under_way(settings: Settings) -> None:
    async with served(settings) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGSTOP)  # slow, as one that has much to write
        stopping = asyncio.create_task(server.stop())
        await asyncio.sleep(0)
        server.kill()
        os.kill(server.pid, signal.SIGCONT)
        await stopping
        assert "received immediate shutdown request" in server.home.log.read_text()


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("initdb: error: could not write to file: No space left on device\n", Exit.DISK),
        ("FATAL:  could not open file: Read-only file system\n", Exit.DISK),
        ("FATAL:  database files are incompatible with server\nDETAIL: 15\n", Exit.VERSION),
        ("2026-11-20 [1] FATAL:  bogus data in lock file\n", Exit.DATABASE),
        ("", Exit.DATABASE),
    ],
)
def test_each_way_of_failing_has_its_code(said: str, code: Exit) -> None:
    assert embedded._told(said, "PostgreSQL does not start").code is code


async def test_starting_is_given_up_when_it_is_cancelled_and_nothing_is_left(settings: Settings) -> None:
    server = EmbeddedPostgres(embedded.prepare(settings))
    starting = asyncio.create_task(server.start())
    while server.pid is None and not starting.done():
        await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    assert postmaster(server.home.cluster) is None


@needs_root
async def test_as_root_it_runs_as_an_unprivileged_account_and_chmods_nothing_of_others(
    tmp_path: Path, open_folder: Path, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_home, "STATE_FOLDER", open_folder / "state")
    closed = tmp_path / "closed"  # as /root is
    closed.mkdir(mode=0o700)
    settings = settings_for(closed / "data")
    prepare_data_folder(settings, demo=False)
    before = modes_and_owners(closed, *closed.parents)
    async with served(settings) as server:
        assert server.pid is not None
        assert Path(f"/proc/{server.pid}").stat().st_uid != 0
        assert server.home.folder.is_relative_to(open_folder / "state")
    assert home_folder(settings) == server.home.folder
    assert settings.postgres_note.read_text().strip() == str(server.home.folder)
    assert modes_and_owners(*before) == before
    async with served(settings):
        pass
    shutil.rmtree(server.home.folder)
    with pytest.raises(CannotGoOn, match="is not there"):
        embedded.prepare(settings)


@needs_root
async def test_as_root_programs_that_the_account_cannot_reach_are_copied_once(
    tmp_path: Path, open_folder: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_home, "STATE_FOLDER", open_folder / "state")
    reach = postgres_home._can
    monkeypatch.setattr(
        postgres_home, "_can", lambda account, test, path: path.name != "postgres" and reach(account, test, path)
    )
    async with served(settings) as server:
        assert server.home.programs.is_relative_to(open_folder / "state")
        made = server.home.programs.stat().st_ino
    assert embedded.prepare(settings).programs.stat().st_ino == made
