"""`davy migrate --to MODE` on a database that holds data.

Supported: plain -> timescale-apache, plain -> timescale-tsl, timescale-apache -> timescale-tsl. The way back is not: a
dump restored into a new database does it. The follower and the API must be stopped meanwhile (the tables are locked);
the engine need not be: it keeps what comes in its own store. Moving the rows is one transaction, which needs as much
free disk as `reading` takes now.
"""

from typing import LiteralString

from storage.database import Connection, DatabaseRefused
from storage.modes import Mode

#: Tables that are native partitions in plain mode: name, time column, chunk interval (as in 0002_readings.sql).
_PARTITIONED: tuple[tuple[LiteralString, LiteralString, LiteralString], ...] = (
    ("reading", "ts", "1 day"),
    ("reading_extra", "ts", "1 day"),
    ("reading_1m", "bucket", "7 days"),
)
_COLUMNSTORE: tuple[LiteralString, ...] = (
    "ALTER TABLE reading SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_no',"
    " timescaledb.orderby = 'ts, boot, seq')",
    "CALL add_columnstore_policy('reading', after => INTERVAL '3 days')",
    "ALTER TABLE reading_1m SET (timescaledb.enable_columnstore, timescaledb.segmentby = 'device_no',"
    " timescaledb.orderby = 'bucket')",
    "CALL add_columnstore_policy('reading_1m', after => INTERVAL '14 days')",
)


async def change_mode(connection: Connection, mode: Mode, to: Mode) -> None:
    """Move a database from `mode` to `to`, once the extension is there. Raises DatabaseRefused where no way leads."""
    if (mode, to) not in (
        (Mode.PLAIN, Mode.TIMESCALE_APACHE),
        (Mode.PLAIN, Mode.TIMESCALE_TSL),
        (Mode.TIMESCALE_APACHE, Mode.TIMESCALE_TSL),
    ):
        raise DatabaseRefused(
            f"{mode} -> {to} is not supported; make a new database in mode {to} and restore a data-only dump into it"
        )
    async with connection.transaction():
        if mode is Mode.PLAIN:
            await _to_hypertables(connection)
        if to is Mode.TIMESCALE_TSL:
            for statement in _COLUMNSTORE:
                await connection.execute(statement)
        await connection.execute("UPDATE davy_mode SET mode = %s", (to.value,))


async def _to_hypertables(connection: Connection) -> None:
    # Tenants' views (migration 0013) hold the old tables by their identity, not by their names.
    await connection.execute("DROP VIEW tenant.reading, tenant.reading_extra, tenant.reading_1m, tenant.reading_1h")
    for table, axis, interval in _PARTITIONED:
        await connection.execute("LOCK TABLE " + table + " IN ACCESS EXCLUSIVE MODE")
        await connection.execute("ALTER TABLE " + table + " RENAME TO davy_moving")
        await connection.execute("CREATE TABLE " + table + " (LIKE davy_moving INCLUDING ALL)")
        await connection.execute(
            "SELECT create_hypertable('" + table + "', by_range('" + axis + "', INTERVAL '" + interval + "'),"
            " create_default_indexes => false)"
        )
        await connection.execute("INSERT INTO " + table + " SELECT * FROM davy_moving ORDER BY " + axis)  # noqa: S608
        await connection.execute("DROP TABLE davy_moving")
    await connection.execute(
        "SELECT create_hypertable('reading_1h', by_range('bucket', INTERVAL '365 days'),"
        " create_default_indexes => false, migrate_data => true)"
    )
    await connection.execute("DROP FUNCTION davy_add_partition(text, timestamptz, timestamptz)")
    await connection.execute("SELECT davy_make_reading_views()")
