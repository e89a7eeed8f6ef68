"""What a stranger with a list of acknowledgements needs to check the database against it."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.database import Connection, translated


@dataclass(frozen=True, slots=True)
class Sequenced:
    """The rows of one device in one boot. Without a loss and without a double, rows = last - first + 1 = distinct."""

    identity: str
    rows: int
    distinct: int
    first: int
    last: int


async def sequences(connection: Connection, boot: int) -> Sequence[Sequenced]:
    """Every device that said something in this boot. Raises DatabaseAway, DatabaseRefused."""
    with translated():
        cursor = await connection.execute(
            "SELECT coalesce(d.identity, r.device_no::text), count(*), count(DISTINCT r.seq), min(r.seq), max(r.seq)"
            " FROM reading r LEFT JOIN device d USING (device_no) WHERE r.boot = %s GROUP BY 1",
            (boot,),
        )
        return [Sequenced(*row) for row in await cursor.fetchall()]
