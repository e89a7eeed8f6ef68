"""What gas companies published as their promise of response. Raises DatabaseAway, DatabaseRefused.

P1  A promise is said once for the day from which it holds and never changes; another holds from a later day.
"""

from datetime import date
from typing import Any

from access.audit_chain import Plain
from devices.scorecard import STEPS, Promise
from storage.audit import Said, record
from storage.database import Connection, translated
from storage.text import clean
from storage.times import as_datetime


async def promises(connection: Connection, enterprise: str) -> tuple[Promise, ...]:
    """Every one, oldest first; the last that has begun is the one that holds."""
    with translated():
        cursor = await connection.execute(
            "SELECT since, place, acknowledged_s, dispatched_s, arrived_s, closed_s FROM response_promise"
            " WHERE enterprise = %s ORDER BY since",
            (clean(enterprise),),
        )
        return tuple(Promise(*row) for row in await cursor.fetchall())


async def promise(connection: Connection, enterprise: str, given: Promise, *, by: str, now_us: int) -> bool:
    """P1, with its entry in the enterprise's record. False where one holds from that day already."""
    limits = (given.acknowledged_s, given.dispatched_s, given.arrived_s, given.closed_s)
    values: tuple[Any, ...] = (clean(enterprise), given.since, clean(given.place), *limits)
    with translated():
        cursor = await connection.execute(
            "INSERT INTO response_promise (enterprise, since, place, acknowledged_s, dispatched_s, arrived_s, closed_s,"
            " said, said_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) ON CONFLICT (enterprise, since) DO NOTHING",
            (*values, as_datetime(now_us), clean(by)),
        )
        if cursor.rowcount == 0:
            return False
        body: dict[str, Plain] = {"since": given.since.isoformat(), "place": given.place}
        body |= {f"{name}_s": limit for name, limit in zip(STEPS, limits, strict=True)}
        await record(connection, [Said(enterprise, now_us, "response_promised", by, body)])
    return True


def holding(given: tuple[Promise, ...], day: date) -> Promise | None:
    """The one that holds on a day."""
    return next((one for one in reversed(given) if one.since <= day), None)
