"""Cycles written as the follower writes them, without its loop."""

from collections.abc import Sequence
from typing import Any

from engine.records import CycleRecord
from storage.batch import assemble
from storage.database import Connection, connect, ready
from storage.writer import Writer, Written
from tests.storage.cycles import T0


async def write(url: str, records: Sequence[CycleRecord], *, engine: str = "engine-1", now: int = T0) -> Written:
    """All of `records` in one transaction, over a connection of its own."""
    connection = await connect(url, name="test writer")
    try:
        writer = Writer(connection, engine, await ready(connection))
        await writer.open()
        return await writer.write(assemble(records), now)
    finally:
        await connection.close()


async def one(connection: Connection, query: str) -> Any:
    """The one value of the one row that `query` gives."""
    row = await (await connection.execute(query.encode())).fetchone()
    assert row is not None
    return row[0]
