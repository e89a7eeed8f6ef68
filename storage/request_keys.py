"""Requests that were done once under a key of their sender's (migration 0014)."""

from dataclasses import dataclass

from storage.database import Connection, translated


@dataclass(frozen=True, slots=True)
class Kept:
    """A request that was done. `answer` None: it is being done, or its answer was lost."""

    answer: bytes | None


async def take(connection: Connection, id_: str, now_us: int) -> bool:
    """Within the transaction that does what is asked; False: it is taken. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        cursor = await connection.execute(
            "SELECT davy_take_request(%s, 'epoch'::timestamptz + %s * interval '1 microsecond')", (id_, now_us)
        )
        row = await cursor.fetchone()
    assert row is not None
    return bool(row[0])


async def keep(connection: Connection, id_: str, answer: bytes) -> None:
    """The answer of a request whose key was taken. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        await connection.execute("UPDATE request_key SET answer = %s WHERE id = %s", (answer, id_))


async def find(connection: Connection, id_: str, now_us: int) -> Kept | None:
    """Raises DatabaseAway, DatabaseRefused."""
    with translated():
        cursor = await connection.execute(
            "SELECT answer FROM request_key WHERE id = %s"
            " AND at >= 'epoch'::timestamptz + %s * interval '1 microsecond' - interval '1 day'",
            (id_, now_us),
        )
        row = await cursor.fetchone()
    return None if row is None else Kept(None if row[0] is None else bytes(row[0]))
