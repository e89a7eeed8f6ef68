"""Migrations, modes, and the refusals at the start."""

import asyncio
from pathlib import Path

import pytest

from storage import database as database_module
from storage.database import Connection, DatabaseAway, DatabaseRefused, connect, ready, server_version
from storage.migrate import Migration, migrate, migrations
from storage.modes import Mode, served_modes
from tests.postgres import Server, embedded_bin, running
from tests.storage.conftest import migrated
from tests.storage.cycles import DAY, T0, cycle, readings
from tests.storage.writing import write


async def test_a_new_database_gets_every_migration_once(empty_url: str) -> None:
    first = await migrate(empty_url)
    again = await migrate(empty_url)
    assert first.applied == tuple(range(1, len(migrations()) + 1))
    assert again.applied == ()
    assert again.mode == first.mode


async def test_two_migrations_at_a_time_do_the_work_once(empty_url: str) -> None:
    both = await asyncio.gather(migrate(empty_url), migrate(empty_url))
    assert sorted(len(done.applied) for done in both) == [0, len(migrations())]


async def test_a_migration_that_fails_leaves_nothing_of_itself(empty_url: str) -> None:
    broken = (*migrations(), Migration(len(migrations()) + 1, "broken", "CREATE TABLE half (a int); SELECT 1 / 0"))
    with pytest.raises(DatabaseRefused, match=rf"{len(broken):04d}_broken: .*division by zero"):
        await migrate(empty_url, files=broken)
    connection = await connect(empty_url, name="test")
    cursor = await connection.execute("SELECT to_regclass('half'), to_regclass('reading') IS NOT NULL")
    assert await cursor.fetchone() == (None, True)
    await connection.close()


async def test_a_migration_changed_after_it_was_applied_is_refused_by_name(url: str) -> None:
    first, *rest = migrations()
    changed = (Migration(first.number, first.name, first.text + "\n-- changed"), *rest)
    with pytest.raises(DatabaseRefused, match="0001_registry"):
        await migrate(url, files=changed)


async def test_a_database_of_a_newer_davy_is_refused(url: str) -> None:
    with pytest.raises(DatabaseRefused, match="newer than this Davy"):
        await migrate(url, files=migrations()[:-1])


async def test_only_a_database_at_this_davys_migration_is_ready(empty_url: str) -> None:
    ours = len(migrations())
    await migrate(empty_url, files=migrations()[:-1])
    connection = await connect(empty_url, name="test")
    with pytest.raises(DatabaseRefused, match=f"at migration {ours - 1}, this Davy needs {ours}; run `davy migrate`"):
        await ready(connection)
    await migrate(empty_url)
    await ready(connection)
    await migrate(empty_url, files=(*migrations(), Migration(ours + 1, "later", "SELECT 1")))
    with pytest.raises(DatabaseRefused, match=f"at migration {ours + 1}, newer than this Davy, which knows {ours}"):
        await ready(connection)
    await connection.close()


async def test_a_server_that_is_too_old_is_refused(plain_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await connect(plain_server.url, name="test")
    major = connection.info.server_version // 10_000
    await connection.close()
    assert major >= database_module.OLDEST_SERVER == 16
    monkeypatch.setattr(database_module, "OLDEST_SERVER", major + 1)
    with pytest.raises(DatabaseRefused, match=f"the server is PostgreSQL {major}; Davy needs {major + 1} or newer"):
        await connect(plain_server.url, name="test")


def test_a_migration_that_is_misnamed_or_missing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "0002_later.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="without gaps"):
        migrations(tmp_path)
    (tmp_path / "first.sql").write_text("SELECT 1")
    with pytest.raises(ValueError, match="NNNN"):
        migrations(tmp_path)


def test_a_section_is_for_the_modes_it_names_and_unknown_modes_are_refused() -> None:
    text = "all\n-- mode: plain\nplain\n-- mode: timescale-apache, timescale-tsl\nhyper\n-- mode: all\nend"
    migration = Migration(1, "sections", text)
    assert migration.sql(Mode.PLAIN).split() == ["all", "plain", "end"]
    assert migration.sql(Mode.TIMESCALE_TSL).split() == ["all", "hyper", "end"]
    with pytest.raises(ValueError, match="unknown mode"):
        Migration(1, "wrong", "-- mode: oracle\n").sql(Mode.PLAIN)


async def test_the_mode_is_recorded_and_no_other_is_taken_for_it(url: str, mode: Mode) -> None:
    other = next(one for one in Mode if one is not mode)
    with pytest.raises(DatabaseRefused, match=f"made in mode {mode}"):
        await migrate(url, create_as=other)
    connection = await connect(url, name="test")
    assert await ready(connection) is mode
    assert (await server_version(connection)).startswith("PostgreSQL ")
    await connection.close()


async def test_a_mode_the_server_cannot_serve_is_refused(plain_server: Server) -> None:
    url = plain_server.database()
    with pytest.raises(DatabaseRefused, match="cannot be served"):
        await migrate(url, create_as=Mode.TIMESCALE_APACHE)
    await migrate(url)
    connection = await connect(url, name="test")
    await connection.execute("UPDATE davy_mode SET mode = 'timescale-tsl'")
    with pytest.raises(DatabaseRefused, match="made in mode timescale-tsl"):
        await ready(connection)
    await connection.close()


async def test_a_database_without_tables_is_refused_with_the_remedy(empty_url: str) -> None:
    connection = await connect(empty_url, name="test")
    with pytest.raises(DatabaseRefused, match="davy migrate"):
        await ready(connection)
    await connection.close()


@pytest.mark.parametrize("setting", ["synchronous_commit = off", "synchronous_commit = local"])
async def test_a_session_that_may_forget_commits_is_refused(database: Connection, setting: str) -> None:
    await database.execute(f"SET {setting}".encode())
    with pytest.raises(DatabaseRefused, match="synchronous_commit"):
        await ready(database)


def test_a_server_that_may_forget_commits_is_refused() -> None:
    with running("forgetful", embedded_bin()) as server:
        with (server.folder / "data" / "postgresql.conf").open("a") as conf:
            conf.write("fsync = off\nfull_page_writes = off\n")
        server.stop()
        server.start()
        with pytest.raises(DatabaseRefused, match=r"fsync = off, full_page_writes = off"):
            migrated(server.url)


async def test_no_server_is_away_and_a_wrong_database_too(plain_server: Server, tmp_path: Path) -> None:
    with pytest.raises(DatabaseAway):
        await connect(f"host={tmp_path} user=davy dbname=postgres", name="test")
    with pytest.raises(DatabaseAway):
        await connect(plain_server.url_of("nowhere"), name="test")


async def test_plain_becomes_timescale_with_every_row(timescale_server: Server) -> None:
    url = timescale_server.database()
    await migrate(url, create_as=Mode.PLAIN)
    rows = readings(3_000, at=T0 - 2 * DAY, step=60_000_000)
    await write(url, [cycle(1, rows, extra=[(5, b'{"firmware": "1.2"}')])])
    connection = await connect(url, name="test")
    before = await (await connection.execute("SELECT * FROM reading ORDER BY device_no, ts")).fetchall()
    changed = await migrate(url, to=Mode.TIMESCALE_APACHE)
    assert changed.mode_changed
    after = await (await connection.execute("SELECT * FROM reading ORDER BY device_no, ts")).fetchall()
    assert after == before
    assert len(after) == 3_000
    assert await ready(connection) is Mode.TIMESCALE_APACHE
    # The key is still a fence, and the follower goes on where it was.
    written = await write(url, [cycle(2, rows)])
    assert (written.stored, written.duplicate) == (0, 3_000)
    chunks = await (await connection.execute("SELECT count(*) FROM show_chunks('reading')")).fetchone()
    assert chunks is not None
    assert chunks[0] >= 2
    with pytest.raises(DatabaseRefused, match="not supported"):
        await migrate(url, to=Mode.PLAIN)
    await connection.close()


async def test_the_columnstore_is_set_up_where_the_server_offers_it(timescale_server: Server) -> None:
    connection = await connect(timescale_server.url, name="test")
    served = await served_modes(connection)
    await connection.close()
    if Mode.TIMESCALE_TSL not in served:
        pytest.skip("this TimescaleDB is the Apache edition: the columnstore needs the community edition")
    url = timescale_server.database()
    await migrate(url, create_as=Mode.TIMESCALE_APACHE)
    await migrate(url, to=Mode.TIMESCALE_TSL)
    connection = await connect(url, name="test")
    cursor = await connection.execute(
        "SELECT count(*) FROM timescaledb_information.jobs WHERE hypertable_name = 'reading'"
    )
    assert await cursor.fetchone() == (1,)
    await connection.close()
