"""Cycles written as the follower writes them, without its loop."""

from collections.abc import Sequence

from engine.records import CycleRecord
from storage.batch import assemble
from storage.database import connect, ready
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
