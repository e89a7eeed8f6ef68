"""The ledger as a check, for tests that are about something else."""

from collections.abc import Sequence

from storage.database import Connection
from storage.ledger import EngineCounts, Ledger, ledger


async def balanced(connection: Connection, engines: Sequence[EngineCounts] = ()) -> Ledger:
    """The ledger, which must balance."""
    found = await account(connection, engines)
    assert found.faults == ()
    return found


async def account(connection: Connection, engines: Sequence[EngineCounts] = ()) -> Ledger:
    async def read_engines() -> Sequence[EngineCounts]:
        return engines

    return await ledger(connection, read_engines)
